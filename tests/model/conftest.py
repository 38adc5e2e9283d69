"""After the tests, how much was looked at: a proof by enumeration is worth what it enumerated."""

from __future__ import annotations

import pytest


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    visited = [
        (report.nodeid.partition("::")[2], count)
        for report in terminalreporter.stats.get("passed", [])
        for name, count in getattr(report, "user_properties", [])
        if name == "states visited"
    ]
    if visited:
        terminalreporter.section("model checker: states visited")
        for test, count in visited:
            terminalreporter.line(f"{count:>10,} {test}")
        terminalreporter.line(f"{sum(count for _, count in visited):>10,} in all")
