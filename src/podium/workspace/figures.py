"""Figures as files: what matplotlib and plotly draw, in the format that the file's name says.

The libraries are their user's: whoever has a figure has imported them. Knows no run.
"""

from __future__ import annotations

import io
from typing import Any

from podium.errors import Invalid

__all__ = ["check_figure", "rendered"]

_PLOTLY_TEXTS = ("html", "json")
_PLOTLY_IMAGES = ("png", "jpg", "jpeg", "webp", "svg", "pdf")


def check_figure(figure: Any, path: str) -> None:
    """Raise what figure and name alone decide.

    Raises:
        TypeError: this is no figure.
        Invalid: the name does not end in a format it can have.
    """
    if _is_plotly(figure):
        formats = [*_PLOTLY_TEXTS, *_PLOTLY_IMAGES]
    elif _is_matplotlib(figure):
        formats = sorted(figure.canvas.get_supported_filetypes())
    else:
        raise TypeError(
            f"a figure is one of matplotlib (plt.gcf(), ax.figure) or plotly, not {type(figure).__name__}. For pixels "
            "use log_image, for a file log_artifact."
        )
    if _format_of(path) not in formats:
        raise Invalid(
            f"{path!r} does not say in which format to draw: end it in one of .{', .'.join(formats)}."
        )


def rendered(figure: Any, path: str) -> bytes:
    """The bytes of the file; drawing may fail in whatever way its library fails."""
    form = _format_of(path)
    if not _is_plotly(figure):
        drawn = io.BytesIO()
        figure.savefig(drawn, format=form)
        return drawn.getvalue()
    if form == "html":
        # With the library inside: a figure is looked at where there is no network, and years later.
        text: str = figure.to_html(include_plotlyjs=True)
        return text.encode()
    if form == "json":
        return str(figure.to_json()).encode()
    return bytes(figure.to_image(format=form))


def _format_of(path: str) -> str:
    return path.rpartition("/")[2].rpartition(".")[2].lower()


def _is_matplotlib(figure: Any) -> bool:
    return callable(getattr(figure, "savefig", None)) and hasattr(figure, "canvas")


def _is_plotly(figure: Any) -> bool:
    return callable(getattr(figure, "to_html", None)) and callable(getattr(figure, "to_image", None))
