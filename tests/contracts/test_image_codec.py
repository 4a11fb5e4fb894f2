"""The codec of images keeps the contract."""

from __future__ import annotations

import io
import random
from collections.abc import Callable, Sequence
from fractions import Fraction
from functools import partial
from typing import Any

import numpy as np
import pytest
from PIL import Image

from mandala_cas.codec.image_pixels import PIXEL_SIZES
from mandala_cas.codec.images import ImageCodec
from mandala_cas.testing.codecs import CodecSuite


def noise(mode: str, size: tuple[int, int]) -> Image.Image:
    """Return an image of any mode, the same at each call."""
    data = random.Random(mode).randbytes(size[0] * size[1] * PIXEL_SIZES[mode])  # noqa: S311 (noise)
    return Image.frombytes(mode, size, data, "raw", "1;8" if mode == "1" else mode)


def with_palette(colours: bytes, mode: str) -> Image.Image:
    """Return an image with a palette."""
    image = noise("P", (4, 3))
    image.putpalette(colours, mode)
    return image


def with_notes(**notes: Any) -> Image.Image:
    """Return an image with something noted beside its pixels."""
    image = noise("L", (4, 3))
    image.info = notes
    return image


def opened() -> Image.Image:
    """Return an image that is read from a file when it is looked at."""
    file = io.BytesIO()
    noise("RGB", (4, 3)).save(file, "PNG")
    return Image.open(file)


class OwnImage(Image.Image):  # type: ignore[misc]  # (untyped)
    """A class of a user's."""


def odd() -> Image.Image:
    """Return an image to which somebody gave an attribute."""
    image = noise("L", (2, 2))
    image.note = "mine"
    return image


class TestImages(CodecSuite):
    """Pillow."""

    @pytest.fixture
    def codec(self) -> ImageCodec:
        """Return the codec."""
        return ImageCodec()

    @pytest.fixture
    def makers(self) -> Sequence[Callable[[], Any]]:
        """Return images of every mode, with palettes and with notes."""
        return [
            *(partial(noise, mode, (5, 3)) for mode in PIXEL_SIZES),
            partial(noise, "L", (0, 0)),
            partial(noise, "RGB", (7, 0)),
            partial(noise, "RGB", (0, 7)),
            # More than a strip.
            partial(noise, "RGBA", (1500, 900)),
            partial(with_palette, bytes(range(30)), "RGB"),
            partial(with_palette, bytes(range(40)), "RGBA"),
            partial(with_notes, dpi=(72, 72.0), comment=b"x", nested={"a": [1]}),
            partial(with_notes, icc_profile=bytes(100_000)),
            lambda: opened().copy(),
        ]

    @pytest.fixture
    def declined(self) -> Sequence[Any]:
        """Return what is tied to a file, holds more than an image, or is none."""
        return [
            opened(),
            OwnImage(),
            odd(),
            with_notes(ratio=Fraction(1, 2), other=object()),
            Image.new("L", (1, 70_000)),
            np.zeros((2, 2), np.uint8),
            [noise("L", (2, 2))],
        ]
