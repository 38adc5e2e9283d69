"""A name for a run that was given none: two words and a number, easy to say and to tell apart.

Made from the run's id, whose randomness is the operating system's: drawing a name must not change the numbers
a training script draws from its seeded generators.
"""

from __future__ import annotations

import hashlib

__all__ = ["name_of"]

_ADJECTIVES = """
able agile amber ample apt arch azure bold brave brief bright brisk broad calm civil clear clever cool coral cosy
crisp dapper daring deep deft dry eager early easy even exact fair fast fine firm fleet fond frank free fresh
gentle glad gold good grand great green happy hardy honest humble ideal jolly just keen kind large light lively
loyal lucid lucky mellow merry mild modest neat new nimble noble novel open patient plain polite prime proud pure
quick quiet rapid rare ready rich robust round royal sage sharp shiny silent silver simple sleek smart smooth
solid sound spry stable steady still stout strong sunny super sure swift tall tidy trim true vast vivid warm wise
witty young zesty
""".split()  # noqa: SIM905 - a table of words
_NOUNS = """
acorn arch aspen atlas badger beacon bear birch bison bridge brook cabin canyon cedar cloud coast comet condor
coral crane creek crow delta dove dune eagle elk elm falcon fern finch fjord flint forest fox gale garden glade
grove gull harbor hare hawk hazel heron hill horse island ivy jay juniper kestrel kite lake lark laurel lion lotus
lynx maple marten meadow mesa moon moose moss oak ocean olive orchid otter owl panda peak pearl pebble pine plover
pond poplar quail rabbit raven reef ridge river robin rook sage sail seal shore sky slope sparrow spruce star stone
stork stream summit sun swallow swan thrush tide tiger trail trout tulip valley vole wave whale willow wind wolf
wren
""".split()  # noqa: SIM905 - a table of words


def name_of(run_id: str) -> str:
    """The same name for the same id, as ``calm-fox-993``."""
    drawn = int.from_bytes(hashlib.sha256(run_id.encode()).digest()[:8])
    drawn, adjective = divmod(drawn, len(_ADJECTIVES))
    drawn, noun = divmod(drawn, len(_NOUNS))
    return f"{_ADJECTIVES[adjective]}-{_NOUNS[noun]}-{drawn % 1000}"
