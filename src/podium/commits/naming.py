"""Names of models and aliases, and the ways to name a version. Pure."""

from __future__ import annotations

import os
import re
import unicodedata
from dataclasses import dataclass

from podium.commits.facts import ModelVersion
from podium.commits.fold import ModelState, VersionState
from podium.commits.source import VersionLike
from podium.errors import AliasNotFound, Invalid, ModelNotFound, VersionNotFound, near_names
from podium.ids import run_id_day

__all__ = [
    "ModelUri",
    "check_alias",
    "check_model_name",
    "check_same_store",
    "check_spelling",
    "find_version",
    "number_of",
    "parse_model_uri",
    "require_model",
]

_ALIAS = re.compile(r"[\w-]{1,255}")
_NO_ALIAS = re.compile(r"latest|v?\d+", re.IGNORECASE)
_WRITTEN_NUMBER = re.compile(r"[vV]?([0-9]{1,18})(?:\.0)?")
_NUMBER = re.compile(r"[0-9]{1,18}")  # int() refuses a text of more than 4,300 digits
_BAD_IN_NAME = frozenset("/:@")
# Control characters, lone surrogates, line and paragraph separators: what no line of text can hold.
_BAD_CATEGORIES = frozenset({"Cc", "Cs", "Zl", "Zp"})
_LONGEST_NAME = 200
_SCHEME = "models:/"


@dataclass(frozen=True, slots=True)
class ModelUri:
    """A parsed ``models:/`` URI; exactly one of the last three is set, or none for ``/latest``.

    Attributes:
        name: the model.
        version: of ``models:/name/3``.
        alias: of ``models:/name@alias``.
        sha256: of ``models:/name@sha256:...``; at least 8 hex digits.
    """

    name: str
    version: int | None = None
    alias: str | None = None
    sha256: str | None = None

    @property
    def can_move(self) -> bool:
        """Whether it may mean another version tomorrow."""
        return self.version is None and self.sha256 is None

    @property
    def selector(self) -> str:
        """What `find_version` takes."""
        if self.version is not None:
            return str(self.version)
        if self.sha256 is not None:
            return f"sha256:{self.sha256}"
        return "latest" if self.alias is None else f"@{self.alias}"


def check_model_name(name: object) -> str:
    """The name, if a model may be called that.

    Raises:
        Invalid: it is not.
    """
    if not isinstance(name, str) or not name.strip() or name != name.strip():
        raise Invalid(f"{name!r} is no name for a model: give a text without spaces at its ends.")
    if len(name) > _LONGEST_NAME or any(_is_bad(each) for each in name):
        raise Invalid(
            f"{name[:60]!r} is no name for a model: it has at most {_LONGEST_NAME} characters and holds no / : @ "
            "and no control characters, since models:/<name>@<alias> must be readable."
        )
    return name


def _is_bad(character: str) -> bool:
    return character in _BAD_IN_NAME or unicodedata.category(character) in _BAD_CATEGORIES


def check_alias(alias: object) -> str:
    """The alias without a leading "@", if a version may be called that.

    Raises:
        Invalid: it is not.
    """
    text = alias.removeprefix("@") if isinstance(alias, str) else ""
    if not _ALIAS.fullmatch(text) or _NO_ALIAS.fullmatch(text):
        raise Invalid(
            f"{alias!r} is no alias: it has 1 to 255 letters, digits, _ and -, and is not 'latest', a number, or v and "
            "a number, which name versions."
        )
    return text


def parse_model_uri(uri: object) -> ModelUri:
    """Read a ``models:/`` URI.

    Raises:
        Invalid: it is none.
    """
    if not isinstance(uri, str) or not uri.startswith(_SCHEME):
        raise _no_uri(uri)
    rest = uri.removeprefix(_SCHEME)
    if rest.startswith("/"):
        raise Invalid(f"{uri!r} has a slash too many: write {_SCHEME + rest.lstrip('/')!r}.")
    name, slash, last = rest.rpartition("/")
    if slash and last == "latest":
        return ModelUri(check_model_name(name))
    if slash and _NUMBER.fullmatch(last):
        return ModelUri(check_model_name(name), version=int(last))
    name, at, last = rest.partition("@")
    if not at:
        raise _no_uri(uri)
    if last.startswith("sha256:"):
        digest = last.removeprefix("sha256:").lower()
        if not re.fullmatch(r"[0-9a-f]{8,64}", digest):
            raise Invalid(f"{uri!r}: after sha256: come 8 to 64 hex digits.")
        return ModelUri(check_model_name(name), sha256=digest)
    return ModelUri(check_model_name(name), alias=check_alias(last))


def check_spelling(text: str) -> None:
    """Refuse what was meant as a URI of a model or run and is none, where no file goes by that text.

    Raises:
        Invalid: it says what was probably meant.
    """
    meant = _meant(text)
    if meant is not None and not os.path.lexists(text):
        raise Invalid(
            f"{text!r} is no model: there is no such path, and no such URI. Did you mean {meant!r}?"
        )


def _meant(text: str) -> str | None:
    word, colon, rest = text.partition(":")
    if colon and word.lower() in ("model", "models", "run", "runs"):
        return f"{word.lower().removesuffix('s')}s:/{rest.strip('/')}"
    if run_id_day(text) is not None:
        return f"runs:/{text}/model"
    name, at, alias = text.partition("@")
    if at and name and not _BAD_IN_NAME & set(name) and _ALIAS.fullmatch(alias):
        return f"{_SCHEME}{text}"
    return None


def _no_uri(uri: object) -> Invalid:
    return Invalid(
        f"{uri!r} names no version of a model. Write models:/<name>@<alias>, models:/<name>/<number>, "
        "models:/<name>/latest or models:/<name>@sha256:<digest>."
    )


def require_model(state: ModelState, name: str, known: tuple[str, ...] = ()) -> None:
    """Raise `ModelNotFound` where there is no such model."""
    if not state.exists:
        raise ModelNotFound(
            _why_absent(state, name),
            name=name,
            near=near_names(name, known),
        )


def _why_absent(state: ModelState, name: str) -> str:
    if state.deleted:
        return f"the model {name!r} was deleted."
    if not state.revision:
        return f"no model is registered as {name!r}."
    # Nothing but refusals can come before the first version.
    refused = (
        "its only registration was" if state.revision == 1 else f"its {state.revision} registrations were"
    )
    return f"no model is registered as {name!r}: {refused} refused, and its history says why."


def find_version(state: ModelState, name: str, version: VersionLike) -> VersionState:
    """The version that is meant; it may be quarantined.

    Args:
        state: of the model.
        name: of the model.
        version: as API users write it.

    Raises:
        VersionNotFound: there is none, or it was deleted.
        AliasNotFound: there is no such alias.
        Invalid: it names a version of another model or store, or nothing.
    """
    number = number_of(name, version)
    if number is not None:
        found = _by_number(state, name, number)
        if isinstance(version, ModelVersion):
            check_same_store(found, version)
        return found
    assert isinstance(version, str)  # noqa: S101 - for the type checker: all else has a number or is Invalid
    if version.startswith(_SCHEME):
        version = parse_model_uri(version).selector
    if version == "latest":
        return _latest(state, name)
    if version.startswith("sha256:"):
        digest = parse_model_uri(f"{_SCHEME}{name}@{version}").sha256
        return _by_digest(state, name, digest or "")
    written = _WRITTEN_NUMBER.fullmatch(version)
    if written is not None:
        raise Invalid(f"{version!r} names no version: write {int(written[1])}.")
    return _by_alias(state, name, check_alias(version))


def check_same_store(found: VersionState, version: ModelVersion) -> None:
    """Raise `Invalid` where a version was read in another store, and the one of its number here has other bytes."""
    if found.sha256 != version.sha256:
        raise Invalid(
            f"{version} is a version of another store: its bytes have the SHA-256 {version.sha256[:12]}, and here "
            f"version {found.version} of model {version.name!r} has {found.sha256[:12]}. Use the registry of the store "
            "it was read from, or register it here first."
        )


def number_of(name: str, version: VersionLike) -> int | None:
    """The number that a way to name a version says by itself; None where it takes a state to tell.

    Raises:
        Invalid: it names a version of another model, or nothing.
    """
    if isinstance(version, ModelVersion):
        if version.name != name:
            raise Invalid(f"{version} is a version of {version.name!r}, not of {name!r}.")
        return version.version
    if isinstance(version, bool) or not isinstance(version, int | str):
        raise Invalid(f"{version!r} names no version: give a number, an alias, 'latest' or a ModelVersion.")
    if isinstance(version, int):
        return version
    if version.startswith(_SCHEME):
        uri = parse_model_uri(version)
        if uri.name != name:
            raise Invalid(f"{version!r} is a version of {uri.name!r}, not of {name!r}.")
        return uri.version
    return int(version) if _NUMBER.fullmatch(version) else None


def _by_number(state: ModelState, name: str, number: int) -> VersionState:
    found = state.versions.get(number)
    if found is None:
        there = f"it has versions 1 to {len(state.versions)}" if state.versions else "it has no version"
        raise VersionNotFound(f"model {name!r} has no version {number}: {there}.", name=str(number))
    if found.deleted:
        raise VersionNotFound(f"version {number} of model {name!r} was deleted.", name=str(number))
    return found


def _latest(state: ModelState, name: str) -> VersionState:
    if not state.latest:
        raise VersionNotFound(
            f"model {name!r} has no version that is neither deleted nor quarantined.", name="latest"
        )
    return state.versions[state.latest]


def _by_digest(state: ModelState, name: str, digest: str) -> VersionState:
    held = [each for each in state.versions.values() if each.sha256.startswith(digest) and not each.deleted]
    if len({each.sha256 for each in held}) > 1:
        raise Invalid(f"sha256:{digest} means several versions of {name!r}; give more digits.")
    if not held:
        raise VersionNotFound(
            f"no version of model {name!r} has the SHA-256 {digest}.", name=f"sha256:{digest}"
        )
    return max(held, key=lambda each: (each.usable, each.version))


def _by_alias(state: ModelState, name: str, alias: str) -> VersionState:
    number = state.aliases.get(alias)
    if number is None:
        raise AliasNotFound(
            f"model {name!r} has no alias {alias!r}.", name=alias, near=near_names(alias, state.aliases)
        )
    return state.versions[number]
