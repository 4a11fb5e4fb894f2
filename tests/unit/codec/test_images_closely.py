"""What a crafted image may not do, and what happens without Pillow."""

from __future__ import annotations

import sys
from typing import Any

import pytest
from PIL import Image

from mandala_cas.codec.digests import Digests
from mandala_cas.codec.images import ImageCodec
from mandala_cas.codec.registry import default_registry
from mandala_cas.envelope.packing import pack
from mandala_cas.errors import CorruptionError, UnsupportedFormatError

REGISTRY = default_registry()


def decode(header: dict[str, Any], payload: bytes = b"") -> Any:
    """Return the image of a crafted header and payload."""
    return REGISTRY.decode("image", 1, pack(header), memoryview(payload))


@pytest.mark.parametrize(
    "header",
    [
        {"mode": "RGB", "size": [1 << 15, 1 << 15]},
        {"mode": "RGB", "size": [1 << 40, 1 << 40]},
        # Nothing but rows: Pillow would keep an address for each.
        {"mode": "L", "size": [0, (1 << 31) - 1]},
        {"mode": "L", "size": [-1, -1]},
        {"mode": "L", "size": [1 << 31, 0]},
        {"mode": "P", "size": [1, 1], "palette": ["RGB", 1 << 30]},
        {"mode": "P", "size": [1, 1], "palette": ["RGB", -1]},
        {"mode": "P", "size": [1, 1], "palette": ["CMYK", 3]},
        {"mode": "P", "size": [1, 1], "palette": ["RGB", 3], "info": {"buffers": [1 << 40]}},
        {"mode": "NONE", "size": [1, 1]},
    ],
)
def test_a_bomb_is_corruption(header: dict[str, Any], monkeypatch: pytest.MonkeyPatch) -> None:
    """A header of a few bytes claims gigabytes: nobody makes room for them."""
    made: list[tuple[int, int]] = []
    frombytes = Image.frombytes

    def watch(mode: str, size: tuple[int, int], *rest: Any) -> Image.Image:
        """Note what is made room for."""
        made.append(size)
        return frombytes(mode, size, *rest)

    monkeypatch.setattr(Image, "frombytes", watch)

    with pytest.raises(CorruptionError):
        decode(header, bytes(5))
    assert all(max(size) <= 5 for size in made)


def test_notes_that_are_no_dict_are_corruption() -> None:
    """Whoever looks for a note would trip over them."""
    with pytest.raises(CorruptionError):
        decode({"mode": "L", "size": [1, 1], "info": {}}, b"\x07\xc0")


def test_without_pillow_the_error_names_it(monkeypatch: pytest.MonkeyPatch) -> None:
    """A colleague's machine need not have it."""
    monkeypatch.setitem(sys.modules, "PIL", None)

    with pytest.raises(
        UnsupportedFormatError, match="the package Pillow is not installed"
    ) as caught:
        decode({"mode": "L", "size": [1, 1]}, b"\x07")
    assert caught.value.package == "Pillow"


def test_nothing_is_an_image_before_pillow_is_there(monkeypatch: pytest.MonkeyPatch) -> None:
    """The codec is asked about every value that plain leaves, and imports nothing."""
    image = Image.new("L", (1, 1))
    monkeypatch.delitem(sys.modules, "PIL.Image")

    assert not ImageCodec().can_encode(image)


def test_the_payload_is_the_pixels() -> None:
    """A large image is not wrapped into anything that must be parsed."""
    image = Image.frombytes("RGB", (2, 2), bytes(range(12)))

    encoded = REGISTRY.encode(image, Digests())

    assert (encoded.codec_name, b"".join(encoded.payload)) == ("image", bytes(range(12)))
