from __future__ import annotations

import subprocess
import sys

import pytest

import podium.testing


def test_importing_podium_testing_and_the_stores_that_go_wrong_loads_nothing_heavy() -> None:
    program = (
        "import sys, podium.testing\n"
        "podium.testing.FaultyStore, podium.testing.LossyStore\n"
        "print(sorted({'pytest', 'hypothesis', 'yaml', 'fsspec', 'filelock', 'numpy'} & set(sys.modules)))"
    )
    result = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, timeout=60, check=True
    )

    assert result.stdout == "[]\n"


def test_every_public_name_is_there() -> None:
    assert [name for name in podium.testing.__all__ if not hasattr(podium.testing, name)] == []
    assert podium.testing.__all__ == sorted(podium.testing.__all__)
    assert dir(podium.testing) == podium.testing.__all__


def test_a_name_that_is_not_there_is_an_attribute_error() -> None:
    with pytest.raises(AttributeError, match="no attribute 'BrokenStore'"):
        podium.testing.__getattr__("BrokenStore")
