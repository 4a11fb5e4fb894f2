"""The part of the second implementation that knows images."""

from __future__ import annotations

from typing import Any

from PIL import Image
from tests.format import spec_hashing as spec


def encode(value: Any) -> bytes | None:
    """Return the encoding of an image; None for anything else."""
    return _encode_image(value) if isinstance(value, Image.Image) else None


def _encode_image(image: Image.Image) -> bytes:
    """Return the encoding of an image of Pillow's."""
    mode = image.mode
    width, height = image.size
    if mode == "1":
        data = bytes(
            255 if image.getpixel((x, y)) else 0 for y in range(height) for x in range(width)
        )
    else:
        data = image.tobytes("raw", mode)
    palette = None
    if mode in {"P", "PA"}:
        assert image.palette is not None
        palette = (image.palette.mode, bytes(image.getpalette(image.palette.mode) or ()))
    name = f"{type(image).__module__}:{type(image).__qualname__}"
    return spec.record("PIL.Image", name, mode, image.size, palette, data, {"info": image.info})
