"""Every name in a store, and its inverse: the only module that spells a path.

``docs/reference/format.md`` is normative. Names read from a store are untrusted: what a parser
here accepts can be used as a name, and nothing else can.
"""

from __future__ import annotations

import re
from typing import Final, NamedTuple

from mandala_cas.errors import CorruptionError
from mandala_cas.model.ids import PayloadHash, WriterId

README: Final = "README.txt"
CONFIG: Final = "config"
MANIFEST: Final = "manifest/"
SEGMENTS: Final = "manifest/1-log/"
COLLECTIONS: Final = "manifest/3-gc/"
PACKS: Final = "packs/"
BLOBS: Final = "blobs/"
LOCAL: Final = "local/"
TEMPORARY: Final = "local/tmp/"

_SEGMENT: Final = re.compile(
    r"manifest/1-log/([0-9a-f]{12})-([0-9a-f]{16})-([0-9a-f]{6})-([0-9a-f]{16})"
)
_PACK: Final = re.compile(r"packs/([0-9a-f]{2})/([0-9a-f]{64})")
_BLOB: Final = re.compile(r"blobs/([0-9a-f]{2})/([0-9a-f]{64})")
_SEQ_MAX: Final = 0xFFFFFF


class SegmentName(NamedTuple):
    """What the name of a segment says; the time is for people and locality only."""

    time_ms: int
    writer: WriterId
    seq: int
    digest_prefix: bytes


def segment_name(time_ms: int, writer: WriterId, seq: int, digest: bytes) -> str:
    """Return the name of a segment; ``digest`` is blake3 of the whole object.

    The digest makes a writer id drawn twice, or a put that is retried, harmless: the same bytes
    have the same name, other bytes another.
    """
    if not 0 <= seq <= _SEQ_MAX:
        msg = f"a writer has at most {_SEQ_MAX + 1} segments, asked for number {seq}"
        raise ValueError(msg)
    return f"{SEGMENTS}{time_ms & 0xFFFFFFFFFFFF:012x}-{writer.hex()}-{seq:06x}-{digest[:8].hex()}"


def parse_segment_name(name: str) -> SegmentName | None:
    """Return what the name of a segment says, or None if it is not one."""
    found = _SEGMENT.fullmatch(name)
    if found is None:
        return None
    time, writer, seq, digest = found.groups()
    return SegmentName(
        int(time, 16), WriterId(bytes.fromhex(writer)), int(seq, 16), bytes.fromhex(digest)
    )


def blob_name(payload_hash: PayloadHash) -> str:
    """Return the name of a loose blob."""
    text = payload_hash.hex()
    return f"{BLOBS}{text[:2]}/{text}"


def pack_name(digest: bytes) -> str:
    """Return the name of a pack; ``digest`` is blake3 of the whole object."""
    text = digest.hex()
    return f"{PACKS}{text[:2]}/{text}"


def check_payload_name(name: str) -> str:
    """Return ``name`` if it can be that of a pack or a loose blob.

    A segment names payload, and a segment may be anyone's: without this check a crafted name
    such as ``../../secret`` would be a way to read other files.

    Raises:
        CorruptionError: it cannot.
    """
    found = _PACK.fullmatch(name) or _BLOB.fullmatch(name)
    if found is None or found[1] != found[2][:2]:
        raise CorruptionError(
            f"a record places a value in {name!r}, which names no pack and no blob", name=name
        )
    return name
