"""Random logs of few ids, so that everything happens to everything, and what they must give.

The model is the rules of the index, read off a list of records: no numbers, no columns, no order.
"""

from __future__ import annotations

import random
from collections import defaultdict
from dataclasses import dataclass, field, replace

from mandala_cas.envelope.signatures import Signature
from mandala_cas.index.copies import ValueCopy
from mandala_cas.log.part import LogPart
from mandala_cas.log.segment import Segment, decode_segment, encode_segment, segment_header
from mandala_cas.model.entries import (
    CallRecord,
    Entry,
    Slot,
    TagRecord,
    TagTarget,
    Tier,
    Tombstone,
    TombstoneReason,
    Untag,
    ValueRecord,
)
from mandala_cas.model.ids import (
    CallContentId,
    CallId,
    ContentId,
    Dot,
    HistoryId,
    PayloadHash,
    SourceHash,
    WriterId,
)
from mandala_cas.objectstore.layout import blob_name

# Ids of one prefix, and ids that differ in it: searches must tell both apart.
CALL_IDS = [CallId(prefix * 8 + bytes([n]) * 8) for prefix in (b"p", b"\xff") for n in range(5)]
CONTENT_IDS = [CallContentId(bytes([n // 2]) * 8 + bytes([n]) * 8) for n in range(6)]
VALUE_IDS = [ContentId(b"v" * (8 + n) + bytes([n]) * (24 - n)) for n in range(5)]
OPS = ["train", "gen", "größe"]
_KEYS = [b"", b"a" * 32, b"b" * 32]


def random_batches(seed: int) -> list[list[Segment]]:
    """Return a log cut into batches, some of them empty.

    Its segments are of three writers, with drops and untags of what they and others hold.
    """
    draw = random.Random(seed)  # noqa: S311 (a test's choice, not a secret)
    log = _log(draw)
    cuts = sorted(draw.randrange(len(log) + 1) for _ in range(draw.randrange(4)))
    return [log[a:b] for a, b in zip([0, *cuts], [*cuts, len(log)], strict=True)]


@dataclass
class Model:
    """What an index must say of parts that came in batches."""

    parts: list[LogPart] = field(default_factory=list)
    answers: dict[CallId, Dot] = field(default_factory=dict)
    live: list[tuple[Dot, CallRecord]] = field(default_factory=list)

    def add(self, parts: list[Segment]) -> None:
        """Take in a batch, and let every call have its answer."""
        self.parts += parts
        self.live = self._live()
        for call_id in CALL_IDS:
            alive = {dot: call for dot, call in self.live if call.call_id == call_id}
            if self.answers.get(call_id) not in alive:
                self.answers.pop(call_id, None)
            if alive:
                best = min(alive, key=lambda dot: (alive[dot].started_us, dot))
                self.answers.setdefault(call_id, best)

    def _live(self) -> list[tuple[Dot, CallRecord]]:
        """Return the calls that no tombstone names, with their dots."""
        hidden = {
            Dot(tombstone.writer, tombstone.seq, row)
            for part in self.parts
            for tombstone in part.tombstones
            for row in range(tombstone.first, min(tombstone.last, 100) + 1)
        }
        calls = [
            (part.dot(row), part.call_record(row))
            for part in self.parts
            for row in range(part.calls.row_count)
        ]
        return [(dot, call) for dot, call in calls if dot not in hidden]

    def find(self, call_id: CallId) -> CallRecord | None:
        """Return the record that answers."""
        return dict(self.live).get(self.answers.get(call_id, Dot(WriterId(bytes(8)), -1, 0)))

    def copies(self, content_id: ContentId) -> list[ValueCopy]:
        """Return the first row of each place and signer."""
        found: dict[tuple[object, ...], ValueCopy] = {}
        for part in self.parts:
            for row in range(part.values.row_count):
                value = part.value_record(row)
                if value.content_id == content_id:
                    key = part.signature.public_key if part.signature else None
                    place = (value.location, value.offset, value.payload_hash, key)
                    copy = ValueCopy(value, part.name, part.signature, part.value_created_us(row))
                    found.setdefault(place, copy)
        return list(found.values())

    def tags(self) -> dict[str, set[tuple[Dot, TagRecord]]]:
        """Return the tags that no untag names."""
        hidden = {
            Dot(untag.writer, untag.seq, row)
            for part in self.parts
            for untag in part.untags
            for row in range(untag.first, untag.last + 1)
        }
        found: dict[str, set[tuple[Dot, TagRecord]]] = defaultdict(set)
        for part in self.parts:
            for row in range(part.tags.row_count):
                if part.tag_dot(row) not in hidden:
                    record = part.tag_record(row)
                    found[record.name].add((part.tag_dot(row), record))
        return dict(found)

    def mean_duration(self, op_name: str) -> float | None:
        """Return the mean of what was computed, dropped or not."""
        durations = [
            call.duration_us
            for part in self.parts
            for call in map(part.call_record, range(part.calls.row_count))
            if call.op_name == op_name and call.reused_from is None
        ]
        return sum(durations) / len(durations) / 1e6 if durations else None


def _log(draw: random.Random) -> list[Segment]:
    """Return segments in any order."""
    segments = []
    for number in range(8):
        entries: list[Entry] = [
            *(_call(draw) for _ in range(draw.choice([0, 1, 3, 6]))),
            *(_value(draw) for _ in range(draw.randrange(4))),
            *(_tag(draw) for _ in range(draw.randrange(3))),
            *(_tombstone(draw) for _ in range(draw.choice([0, 0, 1, 2]))),
            *(_untag(draw) for _ in range(draw.choice([0, 0, 1]))),
        ]
        segment = _segment(entries, WriterId(bytes([number % 3]) * 8), number // 3, number)
        key = draw.choice(_KEYS)
        signature = Signature(segment.name, key, b"m", bytes([number])) if key else None
        segments.append(replace(segment, signature=signature))
    draw.shuffle(segments)
    return segments


def _segment(entries: list[Entry], writer: WriterId, seq: int, number: int) -> Segment:
    """Return a segment as a reader would see it."""
    header = segment_header(
        entries,
        writer=writer,
        seq=seq,
        previous=bytes([seq]) * 32,
        created_us=1_000_000 + number,
        library="test",
        session={},
    )
    sealed = encode_segment(entries, header, None)
    return decode_segment(sealed.name, sealed.sealed.to_bytes())


def _call(draw: random.Random) -> CallRecord:
    """Return a call of some inputs and outputs."""
    slots = [
        Slot(f"slot {n}", HistoryId(bytes([draw.randrange(4)]) * 16), draw.choice(VALUE_IDS))
        for n in range(draw.randrange(5))
    ]
    cut = draw.randrange(len(slots) + 1)
    return CallRecord(
        call_id=draw.choice(CALL_IDS),
        content_id=draw.choice(CONTENT_IDS),
        op_name=draw.choice(OPS),
        op_version="0",
        module="tests",
        source_hash=SourceHash(bytes(16)),
        started_us=draw.randrange(4),
        duration_us=draw.randrange(1000),
        inputs=tuple(slots[:cut]),
        outputs=tuple(slots[cut:]),
        reused_from=draw.choice([None, None, draw.choice(CALL_IDS)]),
        parent=draw.choice([None, draw.choice(CALL_IDS)]),
    )


def _value(draw: random.Random) -> ValueRecord:
    """Return a small value, or the place of one."""
    payload_hash = PayloadHash(bytes([draw.randrange(2)]) * 32)
    is_inline = draw.random() < 0.5
    payload = bytes(draw.randrange(4)) if is_inline else b""
    return ValueRecord(
        content_id=draw.choice(VALUE_IDS),
        payload_hash=payload_hash,
        tier=Tier.INLINE if is_inline else Tier.LOOSE,
        location="" if is_inline else blob_name(payload_hash),
        offset=0,
        stored_size=0,
        raw_size=len(payload),
        codec_name="plain",
        codec_version=1,
        codec_header=b"\x80",
        inline=payload,
    )


def _tag(draw: random.Random) -> TagRecord:
    """Return a tag of a call or a ref."""
    name, target = draw.choice(["best", "paper", "für später"]), draw.choice(list(TagTarget))
    return TagRecord(name, target, bytes(16), draw.choice(VALUE_IDS), draw.randrange(3))


def _tombstone(draw: random.Random) -> Tombstone:
    """Return what hides some rows of some segment, or more than there are."""
    writer, seq, first, last = _range(draw)
    return Tombstone(writer, seq, first, last, draw.choice(list(TombstoneReason)))


def _untag(draw: random.Random) -> Untag:
    """Return what hides some tags of some segment."""
    writer, seq, first, _ = _range(draw)
    return Untag(writer, seq, first, first)


def _range(draw: random.Random) -> tuple[WriterId, int, int, int]:
    """Return a range of dots."""
    first = draw.randrange(4)
    last = draw.choice([first, first + draw.randrange(3), 2**32 - 1])
    return WriterId(bytes([draw.randrange(3)]) * 8), draw.randrange(3), first, last
