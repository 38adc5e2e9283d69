"""Tasks at the same time: in each, the functions of `track` mean the task's own run."""

import asyncio

from podium import track


async def agent(number: int, others: asyncio.Barrier) -> str:
    with track.start_run(f"agent {number}", experiment="agents") as run:
        await others.wait()  # all runs are open now
        for step in range(3):
            track.log_metric("tokens", number * 10 + step)
            await asyncio.sleep(0)
    return run.run_id


async def main() -> list[str]:
    barrier = asyncio.Barrier(4)
    return await asyncio.gather(*(agent(number, barrier) for number in range(4)))


ids = asyncio.run(main())
for number, run_id in enumerate(ids):
    history = track.get_run(run_id).history("tokens")
    assert list(history.values) == [number * 10.0, number * 10.0 + 1, number * 10.0 + 2]
