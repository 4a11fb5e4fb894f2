"""Small stores for the tests of upkeep: writers that keep to the protocol, and who checks them."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass, field, replace
from itertools import count

from blake3 import blake3

from mandala_cas.blobs.packs import seal_pack
from mandala_cas.blobs.value import seal_value, unseal_value
from mandala_cas.codec.digests import Digests, payload_hash
from mandala_cas.envelope.seal import Sealed
from mandala_cas.log.announcements import Announcements, Condemned
from mandala_cas.log.part import LogPart
from mandala_cas.log.view import LogView
from mandala_cas.log.writer import LogWriter
from mandala_cas.model.entries import (
    CallRecord,
    Entry,
    Slot,
    TagRecord,
    TagTarget,
    Tier,
    Tombstone,
    ValueRecord,
)
from mandala_cas.model.ids import (
    ContentId,
    Dot,
    PayloadHash,
    SourceHash,
    call_content_id,
    call_history_id,
    constant_history_id,
    output_history_id,
)
from mandala_cas.objectstore.api import ObjectStore
from mandala_cas.objectstore.layout import BLOBS, PACKS, RUN_PARTS, blob_name


def payload_of(text: str) -> bytes:
    """Return the bytes of the value that ``text`` names; they do not shrink."""
    return blake3(text.encode()).digest(300)


def content_of(text: str) -> ContentId:
    """Return the content id of the value that ``text`` names."""
    return ContentId(blake3(b"content of " + text.encode()).digest())


def sealed_of(text: str) -> tuple[PayloadHash, Sealed]:
    """Return the value that ``text`` names, in its envelope."""
    payload = payload_of(text)
    hash_ = payload_hash("plain", 1, b"\x80", (payload,), Digests())
    return hash_, seal_value(hash_, "plain", 1, b"\x80", [payload])


def record_of(
    text: str, tier: Tier, location: str, offset: int = 0, inline: bytes = b""
) -> ValueRecord:
    """Return what the log says of a value at a place."""
    hash_, sealed = sealed_of(text)
    return ValueRecord(
        content_id=content_of(text),
        payload_hash=hash_,
        tier=tier,
        location=location,
        offset=offset,
        stored_size=0 if tier is Tier.INLINE else sealed.size,
        raw_size=len(payload_of(text)),
        codec_name="plain",
        codec_version=1,
        codec_header=b"\x80",
        inline=inline,
    )


def put_loose(objects: ObjectStore, text: str, nonce: bytes = b"") -> ValueRecord:
    """Put a value as a loose blob."""
    hash_, sealed = sealed_of(text)
    name = blob_name(hash_, nonce)
    objects.put(name, sealed.parts)
    return record_of(text, Tier.LOOSE, name)


def put_pack(objects: ObjectStore, *texts: str, nonce: int = 1) -> list[ValueRecord]:
    """Put values as one pack."""
    pack = seal_pack([sealed_of(text) for text in texts], nonce=nonce.to_bytes(16, "big"))
    objects.put(pack.name, pack.sealed.parts)
    return [
        record_of(text, Tier.PACK, place.name, place.offset)
        for text, place in zip(texts, pack.placements, strict=True)
    ]


def inline_of(text: str) -> ValueRecord:
    """Return the record of a value that lies in its segment."""
    return record_of(text, Tier.INLINE, "", inline=payload_of(text))


def call_of(
    op: str, inputs: Iterable[str], outputs: Iterable[str], *, duration_us: int = 1_000_000
) -> CallRecord:
    """Return the record of a call between named values."""
    given = [
        Slot(f"x{i}", constant_history_id(content_of(t)), content_of(t))
        for i, t in enumerate(inputs)
    ]
    call_id = call_history_id(op, "0", [(slot.name, slot.history_id) for slot in given])
    return CallRecord(
        call_id=call_id,
        content_id=call_content_id(op, "0", [(slot.name, slot.content_id) for slot in given]),
        op_name=op,
        op_version="0",
        module="tests",
        source_hash=SourceHash(bytes(16)),
        started_us=1,
        duration_us=duration_us,
        inputs=tuple(given),
        outputs=tuple(
            Slot(f"output_{i}", output_history_id(call_id, f"output_{i}"), content_of(text))
            for i, text in enumerate(outputs)
        ),
    )


def tag_of(target: CallRecord | str, name: str = "best") -> TagRecord:
    """Return a tag on a call, or on a ref to a named value."""
    if isinstance(target, CallRecord):
        return TagRecord(name, TagTarget.CALL, target.call_id, ContentId(bytes(32)), 1)
    content_id = content_of(target)
    return TagRecord(name, TagTarget.REF, constant_history_id(content_id), content_id, 1)


def tombstone_of(dot: Dot) -> Tombstone:
    """Return what drops one call."""
    return Tombstone(dot.writer, dot.seq, dot.row, dot.row)


def make_log_writer(objects: ObjectStore, number: int = 1) -> LogWriter:
    """Return a writer that makes the same bytes every time; each number is another writer."""
    ticks = count(1_700_000_000_000_000)
    return LogWriter(
        objects,
        signer=None,
        session=dict,
        clock_us=lambda: next(ticks),
        draw=lambda size: number.to_bytes(size, "big"),
    )


def publish(objects: ObjectStore, *entries: Entry, writer: int = 1) -> list[Dot]:
    """Publish one segment of a new writer; return the dots of its calls."""
    log_writer = make_log_writer(objects, writer)
    dots = [log_writer.append(entry) for entry in entries]
    log_writer.publish()
    return [dot for dot in dots if dot is not None]


@dataclass
class Writer:
    """One flush of one value, as the protocol has it: decide, publish, look, repair.

    Two flags break the protocol, to see that a test would notice.
    """

    objects: ObjectStore
    text: str
    number: int = 9
    looks: bool = True
    repairs_under_a_fresh_name: bool = True
    acknowledged: bool = False
    _record: ValueRecord | None = None
    _log_writer: LogWriter = field(init=False)
    _draws: Callable[[], int] = field(init=False)

    def __post_init__(self) -> None:
        """Begin a session."""
        self._log_writer = make_log_writer(self.objects, self.number)
        self._draws = count(self.number << 32).__next__

    def decide(self) -> None:
        """Rely on a place that the log names for the value, else put it."""
        view = LogView(self.objects)
        view.refresh()
        known = [r for part in view.parts.values() for r in records_in(part)]
        places = [r for r in known if r.content_id == content_of(self.text) and r.location]
        self._record = places[0] if places else put_loose(self.objects, self.text)

    def publish(self) -> None:
        """Publish a call whose output the value is."""
        assert self._record is not None
        self._log_writer.append(self._record)
        self._log_writer.append(call_of("make", ["input"], [self.text]))
        self._log_writer.append(inline_of("input"))
        self._log_writer.publish()

    def look(self) -> None:
        """Look at the announcements, and put the value again while its place is condemned."""
        assert self._record is not None
        while self.looks and any(self._record.location in item for item in self._announced()):
            nonce = self._draws().to_bytes(16, "big") if self.repairs_under_a_fresh_name else b""
            self._record = put_loose(self.objects, self.text, nonce)
            self._log_writer.append(self._record)
            self._log_writer.publish()
            if not self.repairs_under_a_fresh_name:
                break
        self.acknowledged = True

    def _announced(self) -> list[Condemned]:
        """Return all announcements there are now."""
        view = LogView(self.objects)
        view.refresh()
        return Announcements(self.objects).read(view.listing.announcements)


def records_in(part: LogPart) -> list[ValueRecord]:
    """Return all places that a part names."""
    return [part.value_record(row) for row in range(part.values.row_count)]


def unreadable(objects: ObjectStore) -> list[str]:
    """Return the outputs of live calls that a fresh reader cannot read, by op and name."""
    view = LogView(objects)
    view.refresh()
    assert view.damaged == {}
    parts = list(view.parts.values())
    tombstones = [tombstone for part in parts for tombstone in part.tombstones]
    places: dict[ContentId, list[ValueRecord]] = {}
    for part in parts:
        for record in records_in(part):
            places.setdefault(record.content_id, []).append(record)
    lost = []
    for part in parts:
        dead = {row for tombstone in tombstones for row in part.rows_named_by(tombstone)}
        for row in set(range(part.calls.row_count)) - dead:
            call = part.call_record(row)
            lost += [
                f"{call.op_name} {slot.name}"
                for slot in call.outputs
                if not any(_is_readable(objects, r) for r in places.get(slot.content_id, []))
            ]
    return lost


def live_calls(objects: ObjectStore) -> list[str]:
    """Return the ops of all live calls that a fresh reader sees, one for each record."""
    view = LogView(objects)
    view.refresh()
    parts = list(view.parts.values())
    tombstones = [tombstone for part in parts for tombstone in part.tombstones]
    found = []
    for part in parts:
        dead = {row for tombstone in tombstones for row in part.rows_named_by(tombstone)}
        rows = set(range(part.calls.row_count)) - dead
        found += [part.call_record(row).op_name for row in rows]
    return sorted(found)


def _is_readable(objects: ObjectStore, record: ValueRecord) -> bool:
    """Tell whether a value is at its place, whole."""
    if record.tier is Tier.INLINE:
        return True
    (data,) = objects.get_many([record.location])
    if data is None:
        return False
    data = data[record.offset : record.offset + record.stored_size]
    unseal_value(data, name=record.location, record=record)
    return True


def payload_names(objects: ObjectStore) -> list[str]:
    """Return the names of what a collection may delete."""
    return sorted(
        info.name for prefix in (PACKS, BLOBS, RUN_PARTS) for info in objects.list(prefix)
    )


def elsewhere(record: ValueRecord, location: str) -> ValueRecord:
    """Return the record of the same value in another object."""
    return replace(record, location=location)
