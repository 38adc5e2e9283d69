"""Who may run code: the one place where that is decided.

A model of format "data" never runs code. All others load only from an origin the caller vouches for. Nothing inside a
model directory is asked: this module must never read one.
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path

from podium.errors import Invalid, UntrustedModel

__all__ = ["check_trust", "remember_written", "written_here"]

# No lock: setting and getting one key of a dict is atomic, and a lock held while another thread forks stays held.
_written: dict[str, str] = {}


def check_trust(
    uri: str,
    why: str,
    *,
    needs_code: bool,
    origin_trusted: bool,
    trust: bool | None,
    path: str | None = None,
    environ: Mapping[str, str] | None = None,
) -> None:
    """Return if the model may be loaded.

    Args:
        uri: the model, for the message.
        why: what in it would run code, as the end of a sentence ("it is pickled").
        needs_code: whether loading runs code of the model.
        origin_trusted: whether the caller vouches for where it lies, or this process wrote it.
        trust: the caller's word: True, False, or None for "as the origin says".
        path: what ``podium trust`` would take; None where it would not help (a directory that lies in no store).
        environ: the environment; PODIUM_TRUST=data refuses all code.

    Raises:
        UntrustedModel: it may not.
        Invalid: PODIUM_TRUST says something unknown.
    """
    if not needs_code:
        return
    if _only_data(os.environ if environ is None else environ):
        raise UntrustedModel(
            f"loading {uri} would run code ({why}), and PODIUM_TRUST=data refuses all code. Save the model in a data "
            "format (skops), or unset PODIUM_TRUST.",
            uri=uri,
        )
    if trust is False:
        raise UntrustedModel(f"loading {uri} would run code ({why}), and trust=False was passed.", uri=uri)
    if trust is True or origin_trusted:
        return
    for_good = "" if path is None else f"type `podium trust {path}` to trust its store for good, or "
    raise UntrustedModel(
        f"loading {uri} would run code ({why}), and nobody vouched for where it comes from. If you know who wrote it: "
        f"{for_good}pass trust=True for this once.",
        uri=uri,
    )


def _only_data(environ: Mapping[str, str]) -> bool:
    word = environ.get("PODIUM_TRUST", "").strip().lower()
    if word in {"", "data"}:
        return word == "data"
    raise Invalid(
        f"PODIUM_TRUST is {word!r}; the only value it knows is 'data' (refuse all code). Unset it or fix it."
    )


def remember_written(folder: Path, sha256: str) -> None:
    """Note that this process wrote the model of this manifest at this place."""
    _written[os.path.realpath(folder)] = sha256


def written_here(folder: Path, sha256: str) -> bool:
    """Whether this process wrote exactly these bytes at this place."""
    return _written.get(os.path.realpath(folder)) == sha256
