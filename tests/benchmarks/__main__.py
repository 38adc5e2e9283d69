"""Measure podium against bare floors, in one run on one machine: python -m tests.benchmarks

Each row does the same work twice, with podium and with the least code that could do it, in turns, and prints the
ratio of the medians beside its target. `--quick` shrinks the work to see that every row runs.
"""

from __future__ import annotations

import argparse
import os
import sys
import tempfile
from pathlib import Path

from tests.benchmarks.floor import Row
from tests.benchmarks.remote import ROWS as REMOTE
from tests.benchmarks.rows import ROWS as OTHERS
from tests.benchmarks.searching import ROWS as SEARCHING
from tests.benchmarks.sending import ROWS as SENDING

ROWS = OTHERS | SEARCHING | REMOTE | SENDING


def main() -> int:
    """Run the rows asked for and print the table."""
    parser = argparse.ArgumentParser(prog="python -m tests.benchmarks", description=__doc__)
    parser.add_argument("rows", nargs="*", help=f"which rows: {', '.join(ROWS)}; default all")
    parser.add_argument("--quick", action="store_true", help="a hundredth of the work: does it run?")
    parser.add_argument(
        "--runs", type=int, default=10_000, help="how many runs are searched; the target: 100000"
    )
    options = parser.parse_args()
    unknown = [name for name in options.rows if name not in ROWS]
    if unknown:
        parser.error(f"no row is called {', '.join(unknown)}; there are {', '.join(ROWS)}")

    os.environ["PODIUM_QUIET"] = "1"
    os.environ["PODIUM_BENCHMARK_RUNS"] = str(options.runs)
    scale = 0.01 if options.quick else 1.0
    print(f"{'row':<34}{'podium':>13}{'floor':>13}{'ratio':>8}  target")
    for name in options.rows or ROWS:
        with tempfile.TemporaryDirectory() as folder:
            for row in ROWS[name](Path(folder), scale):
                print(_line(row), flush=True)
    return 0


def _line(row: Row) -> str:
    return f"{row.name:<34}{row.podium:>13}{row.floor:>13}{row.ratio:>8}  {row.target}"


if __name__ == "__main__":
    sys.exit(main())
