"""Images have the ids of what they show and say, wherever they come from."""

from __future__ import annotations

import io
import pickle
import threading
from collections.abc import Callable
from typing import Any

import pytest
from PIL import Image

from mandala_cas.codec.canonical import content_id
from mandala_cas.errors import UsageError


def plain() -> Image.Image:
    """Return an image of a few colours."""
    return Image.frombytes("RGB", (4, 3), bytes(range(36)))


def indexed(colours: bytes = bytes(range(12)), mode: str = "RGB") -> Image.Image:
    """Return an image with a palette."""
    image = Image.frombytes("P", (2, 2), bytes(range(4)))
    image.putpalette(colours, mode)
    return image


def saved(image: Image.Image, form: str, **options: Any) -> Image.Image:
    """Return an image as it is opened from a file."""
    file = io.BytesIO()
    image.save(file, form, **options)
    return Image.open(file)


def noted(**notes: Any) -> Image.Image:
    """Return the image with notes."""
    image = plain()
    image.info = notes
    return image


@pytest.mark.parametrize("make", [plain, indexed, lambda: noted(dpi=(72, 72))])
def test_equal_images_have_equal_ids(make: Callable[[], Image.Image]) -> None:
    """However they were made."""
    image = make()

    assert content_id(make()) == content_id(image)
    assert content_id(image.copy()) == content_id(image)
    assert content_id(pickle.loads(pickle.dumps(image))) == content_id(image)  # noqa: S301 (ours)


def test_every_difference_shows() -> None:
    """In a pixel, the mode, the size, the palette, a note, or the class."""
    changed = plain()
    changed.putpixel((3, 2), (0, 0, 0))
    images = [
        plain(),
        changed,
        plain().convert("RGBA"),
        plain().convert("L"),
        Image.frombytes("HSV", (4, 3), bytes(range(36))),
        Image.frombytes("RGB", (3, 4), bytes(range(36))),
        indexed(),
        indexed(bytes(range(1, 13))),
        indexed(bytes(range(12)), "RGBA"),
        noted(dpi=(72, 72)),
        noted(dpi=(72, 96)),
        saved(plain(), "PNG"),
        saved(plain(), "BMP"),
    ]

    assert len({content_id(image) for image in images}) == len(images)


def test_a_large_image_differs_in_its_last_row() -> None:
    """It is read in strips, none of which may be left out."""
    image = Image.new("RGBA", (1200, 1800))
    changed = image.copy()
    changed.putpixel((1199, 1799), (0, 0, 0, 1))

    assert content_id(changed) != content_id(image)


def test_looking_at_the_id_of_a_file_loses_nothing() -> None:
    """A lazy image is read for it, and can be used as before."""
    image = saved(plain(), "PNG")
    first = content_id(image)

    assert content_id(image) == first == content_id(saved(plain(), "PNG"))
    assert image.tobytes() == plain().tobytes()


def test_several_frames_are_refused() -> None:
    """The id of one would be that of all animations that begin with it."""
    frames = [Image.new("L", (2, 2), shade) for shade in (0, 100, 200)]
    image = saved(frames[0], "GIF", save_all=True, append_images=frames[1:])

    with pytest.raises(UsageError, match=r"several frames; pass a list of the frames"):
        content_id(image)


def test_a_cut_file_is_refused() -> None:
    """What cannot be read has no content."""
    file = io.BytesIO()
    Image.new("RGB", (50, 50)).save(file, "PNG")
    image = Image.open(io.BytesIO(file.getvalue()[:60]))

    with pytest.raises(UsageError, match="its file cannot be read"):
        content_id(image)


def test_a_note_without_content_is_named() -> None:
    """The path leads to it."""
    with pytest.raises(UsageError, match=r'\.info\["lock"\]'):
        content_id(noted(lock=threading.Lock()))
