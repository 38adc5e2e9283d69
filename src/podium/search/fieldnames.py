"""Which field a name means, in the family that is searched; an error names those that are near.

The rules of dots, quotes and aliases of the registry's versions are here. Pure: gets one name and moves past none.
"""

from __future__ import annotations

import difflib
import re
from dataclasses import dataclass

from podium.errors import QueryError
from podium.search.expressions import Field, Kind
from podium.search.families import Family
from podium.search.tokens import Token, query_error

__all__ = ["FoundField", "attribute", "attribute_names", "field_named", "is_alias_name"]

_ALIAS = re.compile(r"[\w-]{1,255}")
_NOT_ALIAS = re.compile(r"latest|v?[0-9]+")
_DATASET_KEYS = ("name", "digest", "context")


@dataclass(frozen=True, slots=True)
class FoundField:
    """A field that was read, and the kind of its values."""

    field: Field
    kind: Kind


def is_alias_name(text: str) -> bool:
    """Whether an alias may have this name: letters, digits, `_` and `-`; not latest, v3 or 3."""
    return bool(_ALIAS.fullmatch(text)) and not _NOT_ALIAS.fullmatch(text)


def attribute_names(family: Family) -> frozenset[str]:
    """Every name of an attribute, also MLflow's."""
    return frozenset((*family.attributes, *family.aliases))


def field_named(text: str, family: Family, token: Token) -> FoundField:
    """The field that a name means.

    Raises:
        QueryError: the family has none of this name.
    """
    if token.owner is not None:
        return _path(text, family, token, token.owner, token.text)
    if not token.text:
        return attribute(text, family, token, token.key or "")
    first, dot, rest = token.text.partition(".")
    if first in family.entities and (dot or token.key is not None):
        return _keyed(text, family, token, None, first, rest if dot else None)
    if family.owners and (dot or token.key is not None):
        return _path(text, family, token, first, rest)
    if dot or token.key is not None:
        raise _unknown_entity(text, family, token, first)
    return attribute(text, family, token, first)


def _path(text: str, family: Family, token: Token, owner: str, rest: str) -> FoundField:
    """``<alias>.<entity>.<key>``: of a gate only."""
    if not family.owners:
        raise query_error(
            text, token.start, "a quoted name before a dot", "expected metrics, params or tags before the dot"
        )
    entity, dot, key = rest.partition(".")
    if entity not in family.entities or not (dot or token.key is not None):
        near = difflib.get_close_matches(owner, family.entities, n=1, cutoff=0.7)
        advice = f"; or did you mean {near[0]!r} of the candidate?" if near else ""
        raise query_error(
            text,
            token.start,
            f"{owner!r} is taken as an alias, and what is read of its holder is missing",
            f"expected {owner}.metrics.<key>, {owner}.params.<key> or {owner}.tags.<key>{advice}",
        )
    if not is_alias_name(owner):
        raise query_error(
            text,
            token.start,
            f"{owner!r} cannot be an alias",
            "expected letters, digits, _ and -; not latest, v3 or 3",
        )
    return _keyed(text, family, token, owner, entity, key if dot else None)


def _keyed(
    text: str, family: Family, token: Token, owner: str | None, word: str, key: str | None
) -> FoundField:
    """A field of an entity. ``key`` is what stood unquoted after the entity's dot, None if nothing did."""
    entity = family.entities[word]
    if key is not None and token.key is not None:
        raise query_error(
            text,
            token.start,
            "a key that is quoted only in part",
            f"expected the whole key in quotes: {word}.`...`",
        )
    name = token.key if token.key is not None else key
    if not name:
        raise query_error(
            text,
            token.start,
            f"{word}. without a key",
            f"expected {word}.<key>, without spaces around the dot",
        )
    if entity == "attribute":
        return attribute(text, family, token, name)
    if entity == "dataset":
        if name not in _DATASET_KEYS:
            raise query_error(
                text,
                token.start,
                f"a dataset has no {name!r}",
                f"expected one of {', '.join(_DATASET_KEYS)}",
                meant=name,
                known=_DATASET_KEYS,
            )
        return FoundField(Field("dataset", name), Kind.TEXT)
    return FoundField(Field(entity, name, owner=owner), Kind.NUMBER if entity == "metrics" else Kind.ANY)


def attribute(text: str, family: Family, token: Token, written: str) -> FoundField:
    """The attribute of this name, or of MLflow's name for it.

    Raises:
        QueryError: the family has none of this name.
    """
    name = family.aliases.get(written, written)
    kind = family.attributes.get(name)
    if kind is not None:
        return FoundField(Field("attribute", name), kind)
    if name in family.absent:
        raise query_error(
            text, token.start, f"a {family.name} has no {written!r} in podium", family.absent[name]
        )
    if not family.attributes:
        raise query_error(
            text,
            token.start,
            f"{written!r} names no fact that a gate reads",
            f"expected metrics.{written}, params.{written} or tags.{written}, or those of an alias: "
            f"champion.metrics.{written}",
        )
    entities = [word for word in ("metrics", "params", "tags") if word in family.entities]
    raise query_error(
        text,
        token.start,
        f"a {family.name} has no attribute {written!r}",
        f"expected one of {', '.join(family.attributes)}; or "
        f"{', '.join(f'{each}.<key>' for each in entities)}; a text goes in quotes: '{written}'",
        meant=written,
        known=attribute_names(family),
    )


def _unknown_entity(text: str, family: Family, token: Token, word: str) -> QueryError:
    words = list(dict.fromkeys(family.entities.values()))
    words = ["attributes" if each == "attribute" else each for each in words]
    return query_error(
        text,
        token.start,
        f"{word!r} is nothing a {family.name} has",
        f"expected {', '.join(f'{each}.<key>' for each in words)}, or an attribute without a dot",
        meant=word,
        known=family.entities,
    )
