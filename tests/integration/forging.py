"""Somebody who can write to a store in a directory, and knows the format."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

from tests.integration.people import Trap

from mandala_cas.codec.digests import Digests, payload_hash
from mandala_cas.codec.pickles import PickleCodec
from mandala_cas.envelope.packing import pack
from mandala_cas.envelope.signatures import Signer, SigningKey
from mandala_cas.imports import Storage
from mandala_cas.log.segment import Segment, decode_segment, encode_segment
from mandala_cas.model.entries import Entry, Tier, ValueRecord
from mandala_cas.model.ids import ContentId
from mandala_cas.model.refs import Ref
from mandala_cas.objectstore.api import Pieces

MALLORY = SigningKey(b"mallory's secret of 32 bytes ...")

Change = Callable[[ValueRecord], ValueRecord]


class Forger:
    """Says that it signs with somebody else's key."""

    def __init__(self, public_key: bytes) -> None:
        """Take the key that everybody can see."""
        self.public_key = public_key

    def sign(self, message: bytes) -> bytes:
        """Return what is no signature."""
        del message
        return bytes(64)


def segment_files(store: Path) -> list[Path]:
    """Return the files of the log, the oldest first."""
    return sorted((store / "manifest" / "1-log").iterdir())


def segments_in(store: Path) -> list[Segment]:
    """Return what the log says."""
    return [
        decode_segment(path.relative_to(store).as_posix(), path.read_bytes())
        for path in segment_files(store)
    ]


def values_in(store: Path) -> list[ValueRecord]:
    """Return the records of all values."""
    return [
        segment.value_record(row)
        for segment in segments_in(store)
        for row in range(segment.values.row_count)
    ]


def rewrite(store: Path, change: Change, signer: Signer | None = MALLORY) -> None:
    """Put segments into the place of those that are there, with other records of values."""
    for path, segment in zip(segment_files(store), segments_in(store), strict=True):
        values = [segment.value_record(row) for row in range(segment.values.row_count)]
        calls = [segment.call_record(row) for row in range(segment.calls.row_count)]
        path.unlink()
        put_segment(store, [*map(change, values), *calls], segment, signer)


def put_segment(
    store: Path, entries: Sequence[Entry], like: Segment, signer: Signer | None
) -> Path:
    """Put a segment whose hashes all fit, with the header of another; return its file."""
    made = encode_segment(entries, like.header, signer)
    path = store / made.name
    path.write_bytes(made.sealed.to_bytes())
    return path


def saying(
    content_id: ContentId, codec_name: str, header: Mapping[str, Any], payload: bytes, **more: Any
) -> Change:
    """Return a change by which a value is said to be these bytes, with the hash made right."""
    packed = pack(header)
    digest = payload_hash(codec_name, 1, packed, (payload,), Digests())

    def change(record: ValueRecord) -> ValueRecord:
        if record.content_id != content_id:
            return record
        lie = ValueRecord(
            content_id, digest, Tier.INLINE, "", 0, 0, len(payload), codec_name, 1, packed, payload
        )
        return dataclasses.replace(lie, **more)

    return change


def files_below(*folders: Path) -> dict[Path, bytes]:
    """Return every file in some folders, with what is in it."""
    found: Iterable[Path] = (path for folder in folders for path in folder.rglob("*"))
    return {path: path.read_bytes() for path in found if path.is_file()}


def id_of(ref: Ref) -> ContentId:
    """Return what a ref says that its value is."""
    return ContentId(bytes.fromhex(ref.cid))


def value_of(store: Path, ref: Ref) -> Any:
    """Return a value as a storage has it that has not seen it; a ref would ask its own."""
    (value,) = Storage(store).load_values([id_of(ref)])
    return value


def trap() -> tuple[Mapping[str, Any], bytes]:
    """Return header and payload of a pickle that tells when it is decoded."""
    header, buffers = PickleCodec().encode(Trap())
    assert not isinstance(buffers, Pieces)
    return header, b"".join(buffers)


def call_count(storage: Storage) -> int:
    """Return how many calls there are."""
    return storage.tables().calls.height
