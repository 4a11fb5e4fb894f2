"""Images of Pillow: their pixels, then the palette, then what is noted beside them.

The header has mode and size, mode and size in bytes of the palette, and the header of the notes,
which are a plain value. Rows follow each other without padding; a truth value takes a byte.
"""

from __future__ import annotations

import sys
from collections.abc import Mapping, Sequence
from typing import Any, Final

from mandala_cas.codec.api import DeclinedError
from mandala_cas.codec.image_pixels import PIXEL_SIZES, palette_of, strips_of
from mandala_cas.codec.plain import PlainCodec
from mandala_cas.errors import UnsupportedFormatError
from mandala_cas.objectstore.api import Buffer

# Pillow keeps an address for each row. An image of many short rows would take many times the
# memory of its payload, and one of rows without pixels any amount.
_SHORT_ROW: Final = 8
_SHORT_ROWS_MAX: Final = 1 << 16
_SIDE_MAX: Final = (1 << 31) - 1

# What an image has that is no attribute somebody gave it.
_OWN: Final = frozenset(
    {"im", "_im", "_mode", "_size", "palette", "info", "readonly", "_readonly", "_exif", "pyaccess"}
)
_NOTES = PlainCodec()


class ImageCodec:
    """Images of Pillow's own class, in memory.

    What ``Image.open`` gives is of another class, tied to its file, and is declined: its ``copy()``
    is not.
    """

    name = "image"
    version = 1
    runs_code = False

    def can_encode(self, value: Any) -> bool:
        """Tell whether this is an image; Pillow is not imported to find out."""
        image = sys.modules.get("PIL.Image")
        return image is not None and type(value) is image.Image

    def encode(self, value: Any) -> tuple[Mapping[str, Any], Sequence[Buffer]]:
        """Return the pixels, the palette and the notes."""
        value.load()
        mode: str = value.mode
        width, height = value.size
        if mode not in PIXEL_SIZES or _is_thin(width * PIXEL_SIZES[mode], height):
            raise DeclinedError(f"an image of mode {mode} and size {value.size}")
        if not vars(value).keys() <= _OWN:
            raise DeclinedError("an image with attributes")
        header: dict[str, Any] = {"mode": mode, "size": [width, height]}
        payload = list(strips_of(value))
        palette = palette_of(value)
        if palette is not None:
            if palette_of(_make(mode, (1, 1), bytes(PIXEL_SIZES[mode]), palette)) != palette:
                raise DeclinedError("a palette that would not come back as it is")
            header["palette"] = [palette[0], len(palette[1])]
            payload.append(palette[1])
        if value.info:
            header["info"], notes = _NOTES.encode(value.info)
            payload += notes
        return header, payload

    def decode(self, header: Mapping[str, Any], payload: memoryview) -> Any:
        """Return the image."""
        mode, size = header["mode"], header["size"]
        width, height = size
        if not all(type(side) is int and 0 <= side <= _SIDE_MAX for side in (width, height)):
            raise ValueError(f"{size!r} is no size")
        row_size = width * PIXEL_SIZES[mode]
        end = row_size * height
        if end > len(payload) or _is_thin(row_size, height):
            raise ValueError(f"an image of {end} bytes in a payload of {len(payload)}")
        pixels, rest = payload[:end], payload[end:]
        palette = None
        if "palette" in header:
            palette_mode, palette_size = header["palette"]
            if type(palette_size) is not int or not 0 <= palette_size <= len(rest):
                raise ValueError("the palette is longer than the payload")
            palette = (palette_mode, bytes(rest[:palette_size]))
            rest = rest[palette_size:]
        image = _make(mode, (width, height), pixels, palette)
        if "info" in header:
            image.info = _NOTES.decode(header["info"], rest)
            if type(image.info) is not dict:
                raise ValueError("the notes of an image are a dict")
        elif rest:
            raise ValueError("the payload is longer than the header says")
        return image


def _is_thin(row_size: int, height: int) -> bool:
    """Tell whether an image is mostly rows."""
    return row_size < _SHORT_ROW and height > _SHORT_ROWS_MAX


def _make(
    mode: str, size: tuple[int, int], pixels: Buffer, palette: tuple[str, bytes] | None
) -> Any:
    """Return an image.

    Raises:
        UnsupportedFormatError: Pillow is not installed.
    """
    try:
        from PIL import Image  # noqa: PLC0415 (heavy)
    except ImportError as error:
        raise UnsupportedFormatError(
            "cannot load an image: the package Pillow is not installed here; install it, for "
            "example with pip install 'mandala-cas[images]'",
            package="Pillow",
        ) from error
    raw_mode = "1;8" if mode == "1" else mode
    image = Image.frombytes(mode, size, pixels, "raw", raw_mode)
    if palette is not None:
        palette_mode, colours = palette
        if palette_mode not in {"RGB", "RGBA"}:
            raise ValueError(f"a palette of mode {palette_mode!r}")
        image.putpalette(colours, palette_mode)
    return image
