"""How the images of Pillow are encoded."""

from __future__ import annotations

import sys
from typing import Any

from mandala_cas.codec.array_data import data_in_pieces
from mandala_cas.codec.encoder import Attributes, Encoder, RefusalError, Rule
from mandala_cas.codec.image_pixels import PIXEL_SIZES, palette_of, strips_of
from mandala_cas.codec.names import name_of


def find_image_rule(kind: type) -> Rule | None:
    """Return how to encode values of a type of Pillow's; None if it is none.

    Pillow is not imported for this: who has such a value has imported it.
    """
    image = sys.modules.get("PIL.Image")
    if image is None or not issubclass(kind, image.Image):
        return None
    # A class that somebody derived may hold more than an image.
    return _encode_image if kind.__module__.partition(".")[0] == "PIL" else None


def _encode_image(encoder: Encoder, image: Any) -> bytes:
    """Return the encoding of an image; the file of a lazy one is read for it."""
    try:
        if getattr(image, "is_animated", False):
            raise RefusalError(
                "it has several frames", image, "pass a list of the frames, each a copy()"
            )
        image.load()
        if image.mode not in PIXEL_SIZES:
            raise RefusalError(f"it is of mode {image.mode}", image, "convert it to another")
        palette = palette_of(image)
        width, height = image.size
        size = width * height * PIXEL_SIZES[image.mode]
        data = data_in_pieces(size, strips_of(image))
    except (OSError, ValueError, SyntaxError, EOFError, AttributeError) as error:
        # What Pillow raises for files that are closed, or damaged.
        raise RefusalError(f"its file cannot be read ({error})", image) from error
    name = name_of(type(image))
    # Pillow compares what is noted beside the pixels as well.
    notes = Attributes(info=image.info if type(image.info) is dict else dict(image.info))
    return encoder.record("PIL.Image", name, image.mode, (width, height), palette, data, notes)
