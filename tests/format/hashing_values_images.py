"""Images of the test vectors."""

from __future__ import annotations

from typing import Any

from PIL import Image


def marked(image: Image.Image, **info: Any) -> Image.Image:
    """Return an image with notes."""
    image.info = dict(info)
    return image


def coloured(image: Image.Image, colours: bytes, mode: str) -> Image.Image:
    """Return an image with a palette."""
    image.putpalette(colours, mode)
    return image


NAMES: dict[str, Any] = {"Image": Image, "marked": marked, "coloured": coloured}

VALUES = [
    "Image.new('RGB', (2, 1), (1, 2, 3))",
    "Image.new('RGB', (1, 2), (1, 2, 3))",
    "Image.new('RGBA', (2, 1), (1, 2, 3, 4))",
    "marked(Image.new('RGB', (2, 1), (1, 2, 3)), dpi=(72, 72))",
    "Image.frombytes('1', (9, 2), bytes([255, 0, 1, 128]))",
    "Image.new('L', (0, 3))",
    "Image.new('L', (9, 2), 255)",
    "Image.frombytes('I;16', (2, 1), bytes(range(4)))",
    "Image.new('I', (2, 2), -5)",
    "Image.new('F', (2, 2), 0.5)",
    "coloured(Image.new('P', (2, 1), 1), bytes(range(9)), 'RGB')",
    "coloured(Image.new('P', (2, 1), 1), bytes(range(8)), 'RGBA')",
    "coloured(Image.new('PA', (2, 1)), bytes(range(9)), 'RGB')",
    "Image.new('CMYK', (200, 100), (1, 2, 3, 4))",
]
