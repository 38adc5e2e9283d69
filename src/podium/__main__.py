"""``podium``, or ``python -m podium``: what cannot be done from a program, because it is the user's own decision.

Knows argument parsing and how an error looks in a terminal; whatever it does is done elsewhere.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence

from podium.errors import PodiumError

__all__ = ["main"]


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one command.

    Args:
        arguments: without the program's name; None: those of this process.

    Returns:
        0, or 1 where podium says why it could not. A command that does not parse leaves with `SystemExit` 2.
    """
    options = _parser().parse_args(arguments)
    try:
        _trust(options.path)
    except PodiumError as error:
        print(f"podium: {error}", file=sys.stderr)
        return 1
    return 0


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="podium", description="Track, register, serve, roll back.")
    commands = parser.add_subparsers(title="commands", required=True, metavar="COMMAND")
    trust = commands.add_parser(
        "trust",
        help="let the models of a store run code when they are loaded",
        description=(
            "Let the models of a store run code when they are loaded. Do this for stores whose writers "
            "you trust as you trust yourself: loading a pickled model runs whatever its maker put into it. "
            "The decision is kept in your own configuration, for this store at this place."
        ),
    )
    trust.add_argument("path", metavar="PATH", help="the store, or the folder that holds it as .podium")
    return parser


def _trust(path: str) -> None:
    from podium.stores.places import trust

    place = trust(path)
    print(f"trusted: {place.url}. Its models may run code when you load them.")


if __name__ == "__main__":
    sys.exit(main())
