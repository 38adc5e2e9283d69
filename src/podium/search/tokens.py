"""The words of a query: text to tokens, and the one shape of its errors.

Knows characters, quotes and positions; never which names exist or what they mean.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from enum import Enum, auto

from podium.errors import QueryError, near_names

__all__ = ["Token", "TokenKind", "query_error", "tokenize"]

_SHOWN = 80  # characters of a long query shown around the position of an error


class TokenKind(Enum):
    """What a token is."""

    NAME = auto()  # a word, a quoted name, or a path of both: metrics.`m m`
    NUMBER = auto()
    DURATION = auto()  # 7d
    STRING = auto()
    SYMBOL = auto()
    END = auto()


@dataclass(frozen=True, slots=True)
class Token:
    """One token.

    Attributes:
        text: as written; of a STRING its content; of a NAME its unquoted middle, without the dots beside quotes.
        owner: of a NAME: what was quoted before the first dot.
        key: of a NAME: what was quoted at its end; of a name wholly in backticks, all of it.
        quote: of a STRING: the quote it was written with.
    """

    kind: TokenKind
    text: str
    start: int
    end: int
    owner: str | None = None
    key: str | None = None
    quote: str = ""

    @property
    def word(self) -> str:
        """The token in upper case if it is a plain word or symbol, to be compared with keywords; else empty."""
        plain = self.kind is TokenKind.SYMBOL or (
            self.kind is TokenKind.NAME and self.owner is None and self.key is None
        )
        return self.text.upper() if plain else ""


# Keys hold `. / - :` without quotes, hence the spaces that "-" needs around it between a key and a number.
_WORD = re.compile(r"[^\W\d][\w./:\-]*")
_NUMBER = re.compile(r"(?:[0-9]+(?:\.[0-9]*)?|\.[0-9]+)(?:[eE][+-]?[0-9]+)?")
_SYMBOL = re.compile(r"==|!=|>=|<=(?!>)|<(?!>)|[=>(),+*\-]")
_UNITS = "smhdw"
# What other languages write, and how it is written here.
_FOREIGN = {
    "<>": "not equal is written !=",
    "&&": "both is written AND",
    "||": "either is written OR",
    "!": "the opposite is written NOT, and not equal !=",
    ";": "a query is one expression, without ';'",
    "/": "multiply instead of dividing: metrics.a * 0.5",
}
_FOREIGN_SYMBOL = re.compile("|".join(re.escape(symbol) for symbol in _FOREIGN))


def tokenize(text: str) -> list[Token]:
    """All tokens of ``text``, the last one END.

    Raises:
        QueryError: a quote that is not closed, or a character that begins nothing.
    """
    tokens: list[Token] = []
    at = 0
    while at < len(text):
        if text[at].isspace():
            at += 1
            continue
        token = _token(text, at)
        tokens.append(token)
        at = token.end
    tokens.append(Token(TokenKind.END, "", len(text), len(text)))
    return tokens


def _token(text: str, at: int) -> Token:
    if text[at] in "'\"`":
        return _from_quote(text, at)
    if _WORD.match(text, at):
        return _name(text, at, at, owner=None)
    if number := _NUMBER.match(text, at):
        return _number(text, number)
    if symbol := _SYMBOL.match(text, at):
        return Token(TokenKind.SYMBOL, symbol[0], at, symbol.end())
    if foreign := _FOREIGN_SYMBOL.match(text, at):
        raise query_error(text, at, f"{foreign[0]!r} is no part of a query", _FOREIGN[foreign[0]])
    raise query_error(
        text, at, f"{text[at]!r} begins nothing", "expected a field, a number, a quoted text or an operator"
    )


def _number(text: str, number: re.Match[str]) -> Token:
    start, end = number.span()
    if end == len(text) or not (text[end].isalnum() or text[end] == "_"):
        return Token(TokenKind.NUMBER, number[0], start, end)
    after = text[end + 1 : end + 2]
    if text[end] in _UNITS and not (after.isalnum() or after == "_"):
        return Token(TokenKind.DURATION, text[start : end + 1], start, end + 1)
    raise query_error(
        text,
        end,
        f"{text[end]!r} directly after a number",
        "expected a space, an operator or one of the units s m h d w",
    )


def _from_quote(text: str, at: int) -> Token:
    """A text, a name in backticks, or a path that begins with a quoted name."""
    content, end = _quoted(text, at)
    if text[end : end + 1] == ".":
        return _name(text, at, end + 1, owner=content)
    if text[at] == "`":
        return Token(TokenKind.NAME, "", at, end, key=content)
    return Token(TokenKind.STRING, content, at, end, quote=text[at])


def _name(text: str, start: int, at: int, *, owner: str | None) -> Token:
    """The rest of a name from ``at``: a word, and a quoted key if the word ends with a dot."""
    word = _WORD.match(text, at)
    if word is None:
        raise query_error(
            text, at, "the name ends with a dot", "expected metrics, params or tags after the dot"
        )
    if not word[0].endswith(".") or text[word.end() : word.end() + 1] not in ("'", '"', "`"):
        return Token(TokenKind.NAME, word[0], start, word.end(), owner=owner)
    key, end = _quoted(text, word.end())
    if end < len(text) and (text[end].isalnum() or text[end] in "_.`'\""):
        raise query_error(
            text, end, "text directly after a quoted key", "expected a space; quote the whole key"
        )
    return Token(TokenKind.NAME, word[0][:-1], start, end, owner=owner, key=key)


def _quoted(text: str, start: int) -> tuple[str, int]:
    r"""The content of the quoted text that begins at ``start``, and where it ends.

    Two quotes stand for one. Backslashes directly before a quote escape it, as on a Windows command line: ``\'`` is
    a quote, ``\\'`` a backslash and the end; anywhere else a backslash is itself. A text that ends with one
    backslash (valid in MLflow) is understood wherever no later quote closes it. Backticks know doubling only.
    """
    quote = text[start]
    content: list[str] = []
    at = start + 1
    reopened: tuple[int, int, int] | None = (
        None  # pieces before, backslashes, end: if that quote was the closing one
    )
    while at < len(text):
        character = text[at]
        if character == quote:
            if text[at + 1 : at + 2] != quote:
                return "".join(content), at + 1
            content.append(quote)
            at += 2
        elif character == "\\" and quote != "`":
            run = at
            while run < len(text) and text[run] == "\\":
                run += 1
            count = run - at
            if text[run : run + 1] != quote:
                content.append("\\" * count)
                at = run
            elif count % 2 == 0:
                content.append("\\" * (count // 2))
                at = run
            else:
                reopened = (len(content), count, run + 1)
                content.append("\\" * (count // 2) + quote)
                at = run + 1
        else:
            content.append(character)
            at += 1
    if reopened is not None:
        pieces, count, end = reopened
        return "".join(content[:pieces]) + "\\" * count, end
    raise query_error(
        text,
        start,
        "this quote is not closed",
        f"expected {quote} at the end; inside the text write it twice: {quote * 2}",
    )


# --- errors --------------------------------------------------------------------------------------------------


def query_error(
    text: str, position: int, problem: str, expected: str, *, meant: str = "", known: Iterable[str] = ()
) -> QueryError:
    """The error at ``position``: the problem, the query on one line, a caret below it, and what was expected.

    Args:
        text: the query as given.
        position: index into it.
        problem: what is wrong there, as the start of a sentence.
        expected: what would have been right.
        meant: a name that was written and is not known...
        known: ...among these, of which those that look alike are named.
    """
    near = near_names(meant, known) if meant else ()
    advice = f" Did you mean {_either(near)}?" if near else ""
    line, caret = _shown(text, position)
    return QueryError(f"{problem}\n  {line}\n  {caret}\n{expected}.{advice}", text=text, position=position)


def _either(names: Sequence[str]) -> str:
    return " or ".join(repr(name) for name in names)


def _shown(text: str, position: int) -> tuple[str, str]:
    """A piece of the text on one line, and a line with a caret under ``position``."""
    first = max(0, min(position - _SHOWN // 2, len(text) - _SHOWN))
    last = first + _SHOWN
    # One character for each, so that the caret stands where it should.
    line = "".join(character if character.isprintable() else " " for character in text[first:last])
    before = line[: position - first]
    left, right = ("…" if first else ""), ("…" if last < len(text) else "")
    return f"{left}{line}{right}", " " * (len(left) + _columns(before)) + "^"


def _columns(text: str) -> int:
    """How wide a terminal shows it: East Asian characters are two columns wide, combining marks none."""
    return sum(
        0 if unicodedata.combining(each) else 2 if unicodedata.east_asian_width(each) in "WF" else 1
        for each in text
    )
