"""Names and paths made safe: a `Key` is the only way to a place in a store.

A key is a name that every file system and every bucket takes as it is: no separator, no dots that
climb, no device of Windows, no Unicode that one system folds and another does not. Whatever a user
calls an experiment or a file, one of the two rules of ``docs/format.md`` turns it into segments or
refuses it. What is left to the caller is case: of a name there is one spelling, but two *files* may
differ by case alone, and `twins` finds them. This module is pure: it must never know what lies in a
store, nor that there are disks.
"""

from __future__ import annotations

import hashlib
import re
import string
import unicodedata
from collections.abc import Iterable
from dataclasses import dataclass

from podium.errors import Invalid

__all__ = ["Key", "encoded_path", "is_segment", "name_segment", "portable_path", "twins"]

_NAME = re.compile(r"[a-z0-9][a-z0-9_-]{0,63}")
# A Windows device keeps its meaning with an extension, and with spaces before it: "con .txt" is the console.
_DEVICE = r"(?i:con|prn|aux|nul|com[0-9]|lpt[0-9]) *(?:\.|\Z)"
_SYMBOLS = r"A-Za-z0-9_\-+=@,()"
_PORTABLE = re.compile(rf"(?! |{_DEVICE})[{_SYMBOLS}. ]{{0,119}}[{_SYMBOLS}]")
# One mark for an encoded name, one more for the content of a file that had to step aside.
_SEGMENT = re.compile(rf"(?:{_PORTABLE.pattern})(?:~[0-9a-f]{{16}}){{0,2}}")

# Not str.lower: that of the Kelvin sign is an ASCII k, and other programs may not know.
_LOWER_ASCII = str.maketrans(string.ascii_uppercase, string.ascii_lowercase)

_LONGEST_SEGMENT = 120
_LONGEST_PATH = 600
# S3 and GCS take 1,024 bytes; the rest is left for the prefix of a bucket.
_LONGEST_KEY = 900


@dataclass(frozen=True, slots=True, order=True)
class Key:
    """The name of one value in a store, or of a folder of them.

    Attributes:
        segments: the folders and, last, the name; every one safe, whatever made the key.

    Raises:
        Invalid: a segment is not safe, or the whole is longer than 900 characters.
    """

    segments: tuple[str, ...]

    def __post_init__(self) -> None:
        for segment in self.segments:
            _check_segment(segment)
        _check_length(self.segments)

    @classmethod
    def root(cls) -> Key:
        """The folder that holds everything."""
        return _ROOT

    @classmethod
    def parse(cls, text: str) -> Key:
        """The key that shows itself as ``text``: ``Key.parse(str(key)) == key``.

        Raises:
            Invalid: no key looks like that.
        """
        return cls(tuple(text.split("/"))) if text else _ROOT

    @property
    def name(self) -> str:
        """The last segment; "" for the root."""
        return self.segments[-1] if self.segments else ""

    @property
    def parent(self) -> Key:
        """The folder this lies in; the root's is the root."""
        return _trusted(self.segments[:-1])

    def __truediv__(self, segment: str) -> Key:
        _check_segment(segment)
        segments = (*self.segments, segment)
        _check_length(segments)
        return _trusted(segments)

    def below(self, path: str) -> Key:
        """The key of a path inside this folder, parted by "/".

        Raises:
            Invalid: a segment of it is not safe, or the whole is too long.
        """
        return Key((*self.segments, *path.split("/")))

    def __str__(self) -> str:
        return "/".join(self.segments)

    def __repr__(self) -> str:
        return f"Key({str(self)!r})"


def _trusted(segments: tuple[str, ...]) -> Key:
    """A key of segments that were checked before."""
    key = object.__new__(Key)
    object.__setattr__(key, "segments", segments)
    return key


def is_segment(text: str) -> bool:
    """Whether ``text`` can be a segment of a key. What lies in a store under another name is not podium's."""
    return _SEGMENT.fullmatch(text) is not None


def _check_segment(segment: str) -> None:
    if _SEGMENT.fullmatch(segment) is None:
        raise Invalid(f"{segment!r} cannot be part of a key: {_fault(segment)}.")


def _check_length(segments: tuple[str, ...]) -> None:
    length = sum(map(len, segments)) + len(segments) - 1
    if length > _LONGEST_KEY:
        raise Invalid(
            f"a key of {length} characters is too long for some stores: at most {_LONGEST_KEY} "
            f"({'/'.join(segments)[:60]}...). Use shorter names or fewer folders."
        )


_ROOT = _trusted(())


def name_segment(name: str) -> str:
    """Rule 1: the segment of a name (an experiment, a model).

    A name that matches ``[a-z0-9][a-z0-9_-]{0,63}`` and is no Windows device stands; any other becomes
    ``slug~hash16``. The true name has to be stored beside it and compared on opening.

    Raises:
        Invalid: the name is empty.
    """
    if not name:
        raise Invalid("a name cannot be empty.")
    if _NAME.fullmatch(name) and _PORTABLE.fullmatch(name):
        return name
    return _encoded(name)


def portable_path(path: str) -> tuple[str, ...]:
    """Rule 2, refusing: the segments of a file path inside a model, parted by "/".

    Raises:
        Invalid: a segment would not mean the same on every file system; the message says which and why.
    """
    segments = tuple(path.split("/"))
    for segment in segments:
        if _PORTABLE.fullmatch(segment) is None:
            raise Invalid(
                f"the path {path!r} cannot be kept on every file system: {segment!r} {_fault(segment)}. "
                "Rename the file."
            )
    if len(path) > _LONGEST_PATH:
        raise Invalid(
            f"the path {path[:60]!r}... has {len(path)} characters; at most {_LONGEST_PATH} are kept."
        )
    return segments


def encoded_path(path: str) -> tuple[str, ...]:
    """Rule 2, encoding: the segments of an artifact's path, parted by "/".

    Portable segments stand, any other becomes ``slug~hash16``; a path whose segments would still take more
    than 600 characters becomes one such segment. The true path has to be recorded beside it.

    Raises:
        Invalid: the path is empty.
    """
    if not path:
        raise Invalid("the path of an artifact cannot be empty.")
    segments = tuple(
        segment if _PORTABLE.fullmatch(segment) else _encoded(segment) for segment in path.split("/")
    )
    if len("/".join(segments)) > _LONGEST_PATH:
        return (_encoded(path),)
    return segments


def twins(paths: Iterable[str]) -> tuple[str, str] | None:
    """The first two paths, or folders of paths, that differ only by case or Unicode form; None if none do.

    Where case is ignored (Windows, macOS) they would be one file or one folder.
    """
    seen: dict[str, str] = {}
    for path in paths:
        segments = path.split("/")
        for count in range(1, len(segments) + 1):
            part = "/".join(segments[:count])
            other = seen.setdefault(_folded(part), part)
            if other != part:
                return other, part
    return None


def _folded(text: str) -> str:
    # Folding case can undo a normal form and the other way round (Unicode 3.13, D145), hence twice.
    once = unicodedata.normalize("NFKC", text).casefold()
    return unicodedata.normalize("NFKC", once).casefold()


def _encoded(text: str) -> str:
    slug = re.sub(r"[^a-z0-9_]+", "-", text.translate(_LOWER_ASCII))
    slug = slug.strip("-")[:40].strip("-") or "x"
    return f"{slug}~{hashlib.sha256(text.encode('utf-8', 'surrogatepass')).hexdigest()[:16]}"


def _fault(segment: str) -> str:
    """Why this is no segment, as the end of a sentence."""
    if not segment:
        return "is empty"
    if segment in {".", ".."}:
        return "means a folder"
    if re.match(_DEVICE, segment):
        return "is a device on Windows"
    if segment[0] == " " or segment[-1] in " .":
        return "begins with a space or ends with a space or dot, which Windows drops"
    strange = sorted(set(re.findall(rf"[^{_SYMBOLS}. ]", segment)))
    if strange:
        return (
            f"holds {' '.join(map(repr, strange[:5]))}; allowed are A-Z a-z 0-9 . _ - + = @ , ( ) and spaces"
        )
    return f"has {len(segment)} characters; at most {_LONGEST_SEGMENT} are allowed"
