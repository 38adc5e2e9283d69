"""A real IPython kernel in a process of its own, driven cell by cell as a notebook drives it."""

from __future__ import annotations

import os
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

jupyter_client = pytest.importorskip("jupyter_client", reason="the notebook tests drive a real kernel")
pytest.importorskip("ipykernel", reason="the notebook tests drive a real kernel")

_PATIENCE_S = 60.0


@dataclass
class Cell:
    """What a cell showed."""

    stdout: str = ""
    stderr: str = ""
    error: str = ""
    shown: dict[str, str] = field(default_factory=dict)
    status: str = ""


class Kernel:
    """One notebook session."""

    def __init__(self, folder: Path) -> None:
        # What the user's notebook has: an environment of its own, and nothing that silences podium.
        environment = {name: value for name, value in os.environ.items() if name != "PODIUM_QUIET"}
        self._manager: Any = jupyter_client.KernelManager(kernel_name="python3")
        self._manager.start_kernel(cwd=str(folder), env=environment)
        self._client: Any = self._manager.client()
        self._client.start_channels()
        self._client.wait_for_ready(timeout=_PATIENCE_S)

    def run(self, code: str, *, meanwhile: Callable[[str], None] | None = None) -> Cell:
        """Run a cell to its end.

        Args:
            code: of the cell.
            meanwhile: called with what it prints to stdout, as it is printed.
        """
        cell = Cell()

        def output(message: dict[str, Any]) -> None:
            content = message["content"]
            match message["msg_type"]:
                case "stream":
                    setattr(cell, content["name"], getattr(cell, content["name"]) + content["text"])
                    if meanwhile is not None and content["name"] == "stdout":
                        meanwhile(content["text"])
                case "error":
                    cell.error = f"{content['ename']}: {content['evalue']}"
                case "execute_result" | "display_data":
                    cell.shown = content["data"]

        reply = self._client.execute_interactive(code, timeout=_PATIENCE_S, output_hook=output)
        cell.status = reply["content"]["status"]
        return cell

    def interrupt(self) -> None:
        """What the square button does."""
        self._manager.interrupt_kernel()

    def kill(self) -> None:
        """SIGKILL: what runs out of memory ends like this."""
        self._manager.shutdown_kernel(now=True)

    def restart(self) -> None:
        """What "restart kernel" does."""
        self._client.stop_channels()
        self._manager.restart_kernel()
        self._client = self._manager.client()
        self._client.start_channels()
        self._client.wait_for_ready(timeout=_PATIENCE_S)

    def close(self) -> None:
        """End the kernel as closing the notebook does."""
        self._client.stop_channels()
        if self._manager.has_kernel:
            self._manager.shutdown_kernel()
        self._manager.cleanup_resources()
