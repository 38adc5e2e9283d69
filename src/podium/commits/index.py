"""``index.json``: a model as of one commit, in one small file.

A view: it may be old, missing, damaged or of another history, and then it only costs time. It counts only with the
commit it names, byte for byte, and its own checksum vouches for the rest. Pure.
"""

from __future__ import annotations

import hashlib
from typing import Any

from podium.commits.fold import ModelState, VersionState
from podium.stores.keys import Key
from podium.strictjson import canonical, loads

__all__ = ["decode_index", "encode_index", "index_key", "is_due"]

_FORMAT = 1
_REWRITTEN_EACH_TIME_BYTES = 1 << 20
_REWRITTEN_EVERY = 64


def index_key(folder: Key) -> Key:
    """Where the index of the model in ``folder`` lies."""
    return folder / "index.json"


def is_due(revision: int, size_bytes: int) -> bool:
    """Whether the index is rewritten after a commit: always while it is small, else every 64th time."""
    return size_bytes < _REWRITTEN_EACH_TIME_BYTES or revision % _REWRITTEN_EVERY == 0


def encode_index(state: ModelState) -> bytes:
    """The bytes of the index of a state."""
    document: dict[str, Any] = {
        "format": _FORMAT,
        "model": state.name,
        "history_id": state.history_id,
        "revision": state.revision,
        "sha256": state.head,
        "time": state.time_ms,
        "aliases": {
            alias: {"version": version, "object": state.versions[version].object_key}
            for alias, version in state.aliases.items()
        },
        "gates": dict(state.gates),
        "tags": dict(state.tags),
        "note": state.note,
        "deleted": state.deleted,
        "swept": dict(state.swept),
        "versions": [_row(state.versions[number]) for number in sorted(state.versions)],
    }
    document["checksum"] = hashlib.sha256(canonical(document)).hexdigest()
    return canonical(document) + b"\n"


def _row(version: VersionState) -> list[object]:
    return [version.object_key, version.sha256, version.quarantined, version.deleted]


def decode_index(data: bytes, *, name: str) -> ModelState | None:
    """The state an index tells, without metrics, params, stacks and moves; None where it cannot be believed.

    Whether the commit it names is there is the caller's to look.
    """
    try:
        document = loads(data)
        checksum = document.pop("checksum")
        if document["format"] != _FORMAT or document["model"] != name:
            return None
        if hashlib.sha256(canonical(document)).hexdigest() != checksum:
            return None
        versions = {number: _version(number, row) for number, row in enumerate(document["versions"], start=1)}
        return ModelState(
            name=name,
            history_id=document["history_id"],
            revision=document["revision"],
            head=document["sha256"],
            time_ms=document["time"],
            versions=versions,
            aliases={alias: int(each["version"]) for alias, each in document["aliases"].items()},
            gates=document["gates"],
            tags=document["tags"],
            note=document["note"],
            deleted=document["deleted"],
            swept=document["swept"],
            whole=False,
        )
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError):
        return None


def _version(number: int, row: list[Any]) -> VersionState:
    object_key, sha256, quarantined, deleted = row
    return VersionState(number, object_key, sha256, quarantined=quarantined, deleted=deleted)
