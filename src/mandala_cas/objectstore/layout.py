"""Every name in a store, and its inverse: the only module that spells a path.

``docs/reference/format.md`` is normative. Names read from a store are untrusted: what a parser
here accepts can be used as a name, and nothing else can.
"""

from __future__ import annotations

import re
from typing import Final, NamedTuple

from mandala_cas.errors import CorruptionError
from mandala_cas.model.ids import PayloadHash, SegmentId, WriterId

README: Final = "README.txt"
CONFIG: Final = "config"
MANIFEST: Final = "manifest/"
# Numbered, so that a listing in the order of names shows segments, then runs, then announcements:
# the reverse of the order in which those are written, and the only safe one to read them in.
SEGMENTS: Final = "manifest/1-log/"
RUNS: Final = "manifest/2-run/"
COLLECTIONS: Final = "manifest/3-gc/"
RUN_PARTS: Final = "run-parts/"
QUARANTINE: Final = "bad/"
HOLES: Final = "bad/holes/"
PACKS: Final = "packs/"
BLOBS: Final = "blobs/"
LOCAL: Final = "local/"
JOURNAL: Final = "local/journal/"
SPOOL: Final = "local/spool/"
TEMPORARY: Final = "local/tmp/"

_SEGMENT: Final = re.compile(
    r"manifest/1-log/([0-9a-f]{12})-([0-9a-f]{16})-([0-9a-f]{6})-([0-9a-f]{16})"
)
_PACK: Final = re.compile(r"packs/([0-9a-f]{2})/([0-9a-f]{64})")
# A blob that repair put anew has a nonce behind its hash: a name that was condemned never returns.
_BLOB: Final = re.compile(r"blobs/([0-9a-f]{2})/([0-9a-f]{64})(?:~[0-9a-f]{32})?")
_RUN: Final = re.compile(r"manifest/2-run/([0-9]{3})-([0-9a-f]{64})")
_RUN_PART: Final = re.compile(r"run-parts/([0-9a-f]{2})/([0-9a-f]{64})")
_COLLECTION: Final = re.compile(r"manifest/3-gc/([0-9a-f]{64})\.(condemned|done)")
_QUARANTINED: Final = re.compile(r"bad/(.+)~[0-9a-f]{16}")
_HOLE: Final = re.compile(r"bad/holes/([0-9a-f]{16})-([0-9a-f]{6})")
_SEQ_MAX: Final = 0xFFFFFF
GENERATION_MAX: Final = 999
# Fresh random bytes, in the name of an object or in the bytes that its name is a hash of: a name
# that was deleted once never comes back.
NONCE_SIZE: Final = 16


class SegmentName(NamedTuple):
    """What the name of a segment says; the time is for people and locality only."""

    time_ms: int
    writer: WriterId
    seq: int
    digest_prefix: bytes

    @property
    def segment_id(self) -> SegmentId:
        """What the segment is called inside runs."""
        return SegmentId(self.writer + self.seq.to_bytes(4, "big") + self.digest_prefix)


class RunName(NamedTuple):
    """What the name of a run says: it has a greater generation than any run that it covers."""

    generation: int
    digest: bytes


class CollectionName(NamedTuple):
    """What the name of an announcement of garbage collection says."""

    digest: bytes
    kind: str


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


def run_name(generation: int, digest: bytes) -> str:
    """Return the name of a run; ``digest`` is blake3 of the whole object."""
    if not 0 <= generation <= GENERATION_MAX:
        msg = f"a run has a generation up to {GENERATION_MAX}, asked for {generation}"
        raise ValueError(msg)
    return f"{RUNS}{generation:03d}-{digest.hex()}"


def parse_run_name(name: str) -> RunName | None:
    """Return what the name of a run says, or None if it is not one."""
    found = _RUN.fullmatch(name)
    return None if found is None else RunName(int(found[1]), bytes.fromhex(found[2]))


def run_part_name(digest: bytes) -> str:
    """Return the name of a part of a run; ``digest`` is blake3 of the whole object."""
    text = digest.hex()
    return f"{RUN_PARTS}{text[:2]}/{text}"


def is_run_part_name(name: str) -> bool:
    """Tell whether ``name`` can be that of a part of a run."""
    found = _RUN_PART.fullmatch(name)
    return found is not None and found[1] == found[2][:2]


def collection_name(digest: bytes, kind: str) -> str:
    """Return the name of an announcement; ``digest`` is blake3 of the whole object.

    ``kind`` is "condemned" for what a collector is about to delete, "done" for how that ended.
    """
    return f"{COLLECTIONS}{digest.hex()}.{kind}"


def parse_collection_name(name: str) -> CollectionName | None:
    """Return what the name of an announcement says, or None if it is not one."""
    found = _COLLECTION.fullmatch(name)
    return None if found is None else CollectionName(bytes.fromhex(found[1]), found[2])


def blob_name(payload_hash: PayloadHash, nonce: bytes = b"") -> str:
    """Return the name of a loose blob; ``nonce`` (16 bytes) makes one that was never used."""
    text = payload_hash.hex()
    return f"{BLOBS}{text[:2]}/{text}" + (f"~{nonce.hex()}" if nonce else "")


def payload_hash_of_blob(name: str) -> PayloadHash | None:
    """Return the payload hash in the name of a loose blob, or None if it is not one."""
    found = _BLOB.fullmatch(name)
    if found is None or found[1] != found[2][:2]:
        return None
    return PayloadHash(bytes.fromhex(found[2]))


def is_pack_name(name: str) -> bool:
    """Tell whether ``name`` can be that of a pack."""
    found = _PACK.fullmatch(name)
    return found is not None and found[1] == found[2][:2]


def pack_name(digest: bytes) -> str:
    """Return the name of a pack; ``digest`` is blake3 of the whole object."""
    text = digest.hex()
    return f"{PACKS}{text[:2]}/{text}"


def quarantine_name(name: str, digest: bytes) -> str:
    """Return where an object is put aside; ``digest`` is blake3 of it, which may not be the first.

    One name may be damaged twice, with other bytes each time.
    """
    return f"{QUARANTINE}{name}~{digest[:8].hex()}"


def name_before_quarantine(name: str) -> str | None:
    """Return the name that an object had which was put aside, or None if ``name`` is not one's."""
    found = _QUARANTINED.fullmatch(name)
    return None if found is None else found[1]


def hole_name(writer: WriterId, seq: int) -> str:
    """Return the name under which a missing segment is put down as lost."""
    return f"{HOLES}{writer.hex()}-{seq:06x}"


def parse_hole_name(name: str) -> tuple[WriterId, int] | None:
    """Return which segment a name puts down as lost, or None if it is not such a name."""
    found = _HOLE.fullmatch(name)
    return None if found is None else (WriterId(bytes.fromhex(found[1])), int(found[2], 16))


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
