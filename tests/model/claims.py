"""What has to be true of a store, told from its bytes by a fold of the checker's own.

Nothing of podium's fold or codec is used: the history is read as JSON, as ``docs/format.md`` has it.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from podium.stores.keys import Key
from tests.model.store import Contents

__all__ = ["Bytes", "Claims", "History", "Untrue"]


class Untrue(AssertionError):
    """Something that must always be true is not."""


@dataclass(frozen=True, slots=True)
class Bytes:
    """What has to lie in the store for an object to be whole."""

    manifest: bytes
    files: Mapping[str, bytes]


@dataclass(slots=True)
class History:
    """What the commits in a store say."""

    versions: int = 0
    unusable: set[int] = field(default_factory=set)
    aliases: dict[str, int] = field(default_factory=dict)
    commits: dict[str, bytes] = field(default_factory=dict)  # by commit id
    written: frozenset[bytes] = frozenset()


class Claims:
    """The claims about the contents of one model's folder.

    Attributes:
        folder: the model's.
        objects: what versions consist of, by the SHA-256 of the manifest.
        expected: commit id of a call with ``expect`` to where the alias had to point.
    """

    def __init__(
        self, folder: Key, objects: Mapping[str, Bytes], expected: Mapping[str, int | None] | None = None
    ) -> None:
        self.folder = folder
        self.objects = objects
        self.expected = expected or {}
        self._read: dict[Contents, History] = {}

    def read(self, contents: Contents) -> History:
        """The history in a store.

        Raises:
            Untrue: it breaks a claim.
        """
        history = self._read.get(contents)
        if history is None:
            history = self._read[contents] = self._fold(contents)
        return history

    def _fold(self, contents: Contents) -> History:
        commits = self.folder / "commits"
        held = {key.name: data for key, data in contents.values.items() if key.parent == commits}
        history = History()
        previous: bytes | None = None
        for revision in range(1, len(held) + 1):
            data = held.get(f"{revision:020}.json")
            if data is None:
                raise Untrue(f"commits are not gap-free: {sorted(held)}")
            document = json.loads(data)
            head = None if previous is None else hashlib.sha256(previous).hexdigest()
            if document["previous"] != head or document["revision"] != revision:
                raise Untrue(f"commit {revision} does not follow the one before")
            if document["commit_id"] in history.commits:
                raise Untrue(f"call {document['commit_id']} committed twice")
            history.commits[document["commit_id"]] = data
            self._apply(history, document, contents)
            for alias, version in history.aliases.items():
                if not 1 <= version <= history.versions or version in history.unusable:
                    raise Untrue(f"alias {alias} points at version {version}, which it may not")
            previous = data
        history.written = frozenset(held.values())
        return history

    def _apply(self, history: History, document: Mapping[str, Any], contents: Contents) -> None:
        body = document["body"]
        alias = body.get("alias")
        holder = history.aliases.get(alias)
        if document["commit_id"] in self.expected and holder != self.expected[document["commit_id"]]:
            raise Untrue(f"call {document['commit_id']} overwrote version {holder}, which it did not expect")
        match document["verb"]:
            case "register":
                if body["version"] != history.versions + 1:
                    raise Untrue(f"versions are not gap-free: {body['version']} after {history.versions}")
                self._check_bytes(body, contents)
                history.versions += 1
            case "quarantine" | "delete_version":
                history.unusable.add(body["version"])
            case "set_alias" | "rollback":
                pass
            case verb:
                raise NotImplementedError(verb)
        if alias is not None:
            if body["from_version"] != holder:
                raise Untrue(f"a commit says that {alias} came from {body['from_version']}, not {holder}")
            history.aliases[alias] = body["version"]

    def _check_bytes(self, body: Mapping[str, Any], contents: Contents) -> None:
        whole = self.objects[body["sha256"]]
        objects = self.folder / "objects"
        wanted = {objects / f"{body['object_key']}.json": whole.manifest}
        wanted |= {objects / body["object_key"] / path: data for path, data in whole.files.items()}
        for key, data in wanted.items():
            if contents.values.get(key) != data:
                raise Untrue(f"version {body['version']} is committed and its {key.name} is not there")
