"""The pixels and the palette of an image of Pillow, as bytes.

Pillow is not imported for this: who has such an image has imported it.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any, Final

from mandala_cas.objectstore.api import Buffer

# Pixels are taken in strips of about this size: Pillow copies whatever it gives, twice.
_STRIP_BYTES: Final = 4 << 20

# Bytes that a pixel has here, by mode. Truth values take a byte each: packed, an image would have
# eight times the size of what it is read from.
PIXEL_SIZES: Final[Mapping[str, int]] = {
    "1": 1,
    "L": 1,
    "P": 1,
    "LA": 2,
    "La": 2,
    "PA": 2,
    "I;16": 2,
    "I;16B": 2,
    "RGB": 3,
    "YCbCr": 3,
    "LAB": 3,
    "HSV": 3,
    "RGBA": 4,
    "RGBa": 4,
    "RGBX": 4,
    "CMYK": 4,
    "I": 4,
    "F": 4,
}


def strips_of(image: Any) -> Iterator[Buffer]:
    """Yield the rows of an image from top to bottom, several at a time."""
    width, height = image.size
    row_size = width * PIXEL_SIZES[image.mode]
    if row_size == 0:
        return
    step = max(1, _STRIP_BYTES // row_size)
    for top in range(0, height, step):
        strip = image.crop((0, top, width, min(top + step, height)))
        yield (strip.convert("L") if image.mode == "1" else strip).tobytes()


def palette_of(image: Any) -> tuple[str, bytes] | None:
    """Return the mode of a palette with the bytes of its colours; None where there is none."""
    if image.mode not in {"P", "PA"}:
        return None
    mode: str = image.palette.mode
    return mode, bytes(image.getpalette(mode))
