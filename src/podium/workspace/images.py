"""Images as files: arrays, PIL images, files that are images already. Formats are Pillow's business. Knows no run."""

from __future__ import annotations

import io
import os
from pathlib import Path
from typing import Any

from podium.errors import Invalid, missing_extra

__all__ = ["image_bytes", "stepped_path"]

_CHANNELS = (1, 2, 3, 4)  # grey, grey and alpha, RGB, RGBA
_OPAQUE = frozenset({"jpg", "jpeg", "bmp"})


def stepped_path(path: str, step: int | None) -> str:
    """Where the image of a step is kept: ``samples.png`` at step 3 is ``samples/00000003.png``: a folder is a series.

    Raises:
        TypeError: the step is no integer.
        Invalid: the name has no ending, or the step is negative.
    """
    stem, dot, ending = path.rpartition(".")
    if not dot or not stem or "/" in ending or stem.endswith("/"):
        raise Invalid(f"{path!r} does not say in which format to keep the image: end it in .png, .jpg ...")
    if step is None:
        return path
    if isinstance(step, bool) or not hasattr(step, "__index__"):
        raise TypeError(f"a step is an integer, not {step!r}.")
    if step < 0:
        raise Invalid(f"the step of an image is not negative: {step}.")
    return f"{stem}/{int(step):08d}.{ending}"


def image_bytes(image: Any, path: str) -> bytes | Path:
    """The file's bytes, or where they lie.

    Args:
        image: an array of height x width, or x 1 to 4 channels (integers from 0 to 255, floats from 0 to 1, truth
            values); a PIL image; the path of an image file.
        path: its ending says the format.

    Raises:
        TypeError: this is no image.
        Invalid: shape, values or ending cannot be.
        FileNotFoundError: no file is there.
        MissingExtra: Pillow is not installed.
    """
    form = path.rpartition(".")[2].lower()
    if isinstance(image, str | os.PathLike):
        return _checked_file(Path(image), form)
    if hasattr(image, "mode") and callable(getattr(image, "save", None)):
        return _of_pil(image, form)
    pixels = _pixels(image)
    try:
        from PIL import Image
    except ImportError as error:
        raise missing_extra("log_image of an array", "", package="pillow") from error
    squeezed = pixels[:, :, 0] if pixels.shape[2] == 1 else pixels
    return _of_pil(Image.fromarray(squeezed), form)


def _checked_file(file: Path, form: str) -> Path:
    if not file.is_file():
        raise FileNotFoundError(f"there is no file at {str(file)!r}.")
    if file.suffix.lower().lstrip(".") != form:
        raise Invalid(f"{file.name!r} is kept as it is, so its name in the run ends in {file.suffix!r} too.")
    return file


def _of_pil(image: Any, form: str) -> bytes:
    from PIL import Image

    known = Image.registered_extensions()
    if f".{form}" not in known or known[f".{form}"] not in Image.SAVE:
        raise Invalid(f"images cannot be written as .{form}; for instance .png, .jpg and .webp can.")
    if form in _OPAQUE and image.mode not in ("L", "RGB"):
        image = image.convert("RGB")
    written = io.BytesIO()
    image.save(written, format=known[f".{form}"])
    return written.getvalue()


def _pixels(image: Any) -> Any:
    """The array as height x width x channels of bytes."""
    if hasattr(image, "detach"):
        image = image.detach().cpu()  # torch
    if not hasattr(image, "__array__"):
        raise TypeError(
            f"an image is an array, a PIL image or the path of a file, not {type(image).__name__}."
        )
    import numpy as np

    pixels = np.asarray(image)
    if pixels.ndim == 2:
        pixels = pixels[:, :, np.newaxis]
    if pixels.ndim != 3 or pixels.shape[2] not in _CHANNELS or 0 in pixels.shape:
        raise Invalid(
            f"an image is an array of height x width, or height x width x 1 to 4 channels; this one has the shape "
            f"{tuple(np.shape(image))}. Channels come last: np.moveaxis(image, 0, -1)."
        )
    if pixels.dtype.kind == "b":
        return pixels.astype("uint8") * 255
    if pixels.dtype.kind not in "iuf":
        raise Invalid(
            f"the pixels of an image are numbers, integers from 0 to 255 or floats from 0 to 1, not {pixels.dtype}."
        )
    low, high = pixels.min(), pixels.max()
    if pixels.dtype.kind in "iu" and low >= 0 and high <= 255:
        return pixels.astype("uint8")
    if pixels.dtype.kind == "f" and low >= 0 and high <= 1:
        return np.rint(pixels * 255).astype("uint8")
    raise Invalid(
        f"the numbers of an image are integers from 0 to 255 or floats from 0 to 1; these are {pixels.dtype} from "
        f"{low} to {high}. Scale them first."
    )
