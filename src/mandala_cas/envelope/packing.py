"""Canonical msgpack: equal values are equal bytes, and hostile bytes are a typed error.

``docs/reference/format.md`` says what is canonical.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

import msgpack

from mandala_cas.errors import CorruptionError, UsageError
from mandala_cas.objectstore.api import Buffer

CONTAINER_MAX: Final = 1 << 14
DEPTH_MAX: Final = 32
# Less than this cannot claim much.
_CHECKED_MIN: Final = 256
_READ_AT_ONCE: Final = 1 << 16

Packable = (
    None | bool | int | float | str | bytes | list["Packable"] | dict[str, "Packable"]
)  # what `unpack` gives


def corruption(name: str, what: str) -> CorruptionError:
    """Return the error for an object that is not what was written."""
    return CorruptionError(f"{name} {what}; do not rely on it", name=name)


def pack(value: object) -> bytes:
    """Return ``value`` as canonical msgpack, whatever order its maps were built in.

    Raises:
        UsageError: it holds something that canonical msgpack has no form for.
    """
    try:
        packed: bytes = msgpack.packb(_ordered(value, DEPTH_MAX), use_bin_type=True)
    except (TypeError, ValueError, OverflowError) as error:
        raise UsageError(f"cannot write {type(value).__name__} as msgpack: {error}") from error
    return packed


def unpack(packed: bytes, *, name: str, what: str) -> tuple[Packable, int]:
    """Return the first value in ``packed``, and the number of bytes that it took.

    Raises:
        CorruptionError: there is none, or it is one that ``pack`` never writes.
    """
    # An item takes a byte at least, so a longer container is a lie.
    longest = min(len(packed), CONTAINER_MAX)
    try:
        check_lengths(packed)
    except ValueError as error:
        raise corruption(name, f"has a {what} that is not msgpack") from error
    unpacker = msgpack.Unpacker(
        raw=False,
        strict_map_key=True,
        max_buffer_size=max(len(packed), 1),
        max_array_len=longest,
        max_map_len=longest,
    )
    unpacker.feed(packed)
    try:
        value = unpacker.unpack()
    except (ValueError, RecursionError, msgpack.exceptions.UnpackException) as error:
        raise corruption(name, f"has a {what} that is not msgpack") from error
    if not _is_packable(value, DEPTH_MAX):
        raise corruption(name, f"has a {what} that this format does not write")
    return value, unpacker.tell()


def check_lengths(packed: Buffer) -> None:
    """Raise a ValueError unless all that the first value in ``packed`` says of itself is there.

    An unpacker makes room for as many items as an array claims before it has seen one of them, and
    arrays within each other can each claim to be as long as all of it. So this walks over the
    value, and makes nothing of it.
    """
    view = memoryview(packed)
    if view.nbytes < _CHECKED_MIN:
        return
    unpacker = msgpack.Unpacker(
        _Reader(view), read_size=_READ_AT_ONCE, max_buffer_size=max(view.nbytes, _READ_AT_ONCE)
    )
    try:
        unpacker.skip()
    except msgpack.exceptions.UnpackException as error:
        raise ValueError("a container is longer than what is there") from error


class _Reader:
    """Hands out bytes a piece at a time, so that an unpacker holds no second copy of them all."""

    def __init__(self, data: memoryview) -> None:
        """Begin at the beginning."""
        self._left = data

    def read(self, size: int) -> bytes:
        """Return the next bytes, as a file does."""
        piece, self._left = self._left[:size], self._left[size:]
        return bytes(piece)


def _ordered(value: object, depth: int) -> object:
    """Return ``value`` with the keys of every map in order."""
    if isinstance(value, Mapping):
        _check_container(len(value), depth)
        if not all(isinstance(key, str) for key in value):
            raise TypeError("the keys of a map must be strings")
        return {key: _ordered(value[key], depth - 1) for key in sorted(value)}
    if isinstance(value, list | tuple):
        _check_container(len(value), depth)
        return [_ordered(item, depth - 1) for item in value]
    if value is None or isinstance(value, bool | int | float | str | bytes):
        return value
    raise TypeError(f"no form for {type(value).__name__}")


def _check_container(size: int, depth: int) -> None:
    """Refuse what a reader would refuse."""
    if size > CONTAINER_MAX:
        raise ValueError(f"{size} items are more than {CONTAINER_MAX}")
    if depth <= 0:
        raise ValueError(f"nested deeper than {DEPTH_MAX}")


def _is_packable(value: object, depth: int) -> bool:
    """Tell whether ``value`` is what ``pack`` can have written."""
    if isinstance(value, dict):
        return depth > 0 and all(
            isinstance(key, str) and _is_packable(item, depth - 1) for key, item in value.items()
        )
    if isinstance(value, list):
        return depth > 0 and all(_is_packable(item, depth - 1) for item in value)
    return value is None or isinstance(value, bool | int | float | str | bytes)
