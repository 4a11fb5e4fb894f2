"""What is in the frames of a journal: groups, and words about them.

Nobody else reads a journal, so this form may change with every version of the preamble.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

import msgpack

from mandala_cas.envelope.packing import corruption
from mandala_cas.errors import CorruptionError, MandalaError
from mandala_cas.log.checks import entry_size
from mandala_cas.log.groups import JournalGroup, group_of
from mandala_cas.log.writer import Position
from mandala_cas.model.ids import WriterId

_ADOPTED: Final = 0
_BEGUN: Final = 2


@dataclass(frozen=True, slots=True)
class Begun:
    """The first word in a file: the host whose kernel knows whether the writer lives."""

    host: str


@dataclass(frozen=True, slots=True)
class Adopted:
    """Word that everything before it is being recorded again, in the segment ``position``."""

    position: Position


def pack_begun(begun: Begun) -> bytes:
    """Return the first word of a file as the body of a frame."""
    packed: bytes = msgpack.packb((_BEGUN, begun.host))
    return packed


def pack_adopted(adopted: Adopted) -> bytes:
    """Return the word of an adoption as the body of a frame."""
    packed: bytes = msgpack.packb((_ADOPTED, *adopted.position))
    return packed


def unpack_body(body: memoryview, name: str) -> JournalGroup | Adopted | Begun:
    """Return what is in the body of a frame that proved to be this user's own.

    Raises:
        CorruptionError: this version did not write it; ``name`` says where.
    """
    try:
        kind, *fields = msgpack.unpackb(body)
        if kind == _ADOPTED:
            writer, seq = fields
            return Adopted(Position(WriterId(writer), seq))
        if kind == _BEGUN:
            (host,) = fields
            return Begun(str(host))
        group = group_of(fields)
        for entry in group.entries:
            entry_size(entry)
    except CorruptionError:
        raise
    except (ValueError, TypeError, MandalaError, msgpack.exceptions.UnpackException) as error:
        raise corruption(name, f"has a frame that this version did not write ({error})") from error
    return group
