"""Objects put aside: copied below ``bad/``, then removed from where they did harm.

The copy comes first: a crash between the two leaves the object in both places, and putting it
aside again changes nothing but the second half.
"""

from __future__ import annotations

import contextlib
from collections.abc import Iterable
from typing import Final

from blake3 import blake3

from mandala_cas.errors import NotFoundError
from mandala_cas.model.ids import WriterId
from mandala_cas.objectstore.api import ObjectStore
from mandala_cas.objectstore.layout import QUARANTINE, SegmentName, parse_segment_name

HOLES: Final = f"{QUARANTINE}holes/"
_SEPARATOR: Final = "~"
_DIGEST_SIZE: Final = 8


def quarantine_name(name: str, data: bytes) -> str:
    """Return where an object is put aside: its own name, and what tells its bytes from others."""
    return f"{QUARANTINE}{name}{_SEPARATOR}{blake3(data).digest(_DIGEST_SIZE).hex()}"


def put_aside(objects: ObjectStore, names: Iterable[str]) -> list[str]:
    """Move objects below ``bad/``; return those that were there.

    One object at a time: a store that holds damage may hold large objects.
    """
    moved = []
    for name in names:
        with contextlib.suppress(NotFoundError):
            data = objects.get(name)
            objects.put(quarantine_name(name, data), [data])
            # A crash here leaves both; the original is still what it was.
            objects.delete([name])
            moved.append(name)
    return moved


def segment_put_aside(name: str) -> SegmentName | None:
    """Return what the name of a segment in quarantine says, or None if it is no segment's."""
    return parse_segment_name(name.removeprefix(QUARANTINE).rpartition(_SEPARATOR)[0])


def hole_name(writer: WriterId, seq: int) -> str:
    """Return the name under which a missing segment is put down as lost."""
    return f"{HOLES}{writer.hex()}-{seq:06x}"


def parse_hole_name(name: str) -> tuple[WriterId, int] | None:
    """Return which segment a name puts down as lost, or None if it is not such a name."""
    writer, dash, seq = name.removeprefix(HOLES).partition("-")
    if not name.startswith(HOLES) or not dash:
        return None
    try:
        return WriterId.from_hex(writer), int(seq, 16)
    except ValueError:
        return None
