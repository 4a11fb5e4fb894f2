"""The segments that a run stands for, each with what is remembered of it.

Kept so that it can still be asked who wrote a call, with what, and whether a segment of a writer
is missing, after the segment is gone. Sorted by writer, number and digest.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property, partial
from typing import Any, Final

import numpy as np
import numpy.typing as npt

from mandala_cas.envelope.packing import corruption, pack, unpack
from mandala_cas.log.checks import SEQ_MAX, TIME_MAX_US, TIME_MIN_US
from mandala_cas.log.columns import (
    BytesColumn,
    DeltaColumn,
    FixedColumn,
    NumberColumn,
    TextColumn,
    bytes_column,
    fixed_column,
    text_column,
)
from mandala_cas.log.segment import NO_PREVIOUS, Segment
from mandala_cas.log.tables import Schema, Table
from mandala_cas.model.ids import KeyId, SegmentId, WriterId

COVERED: Final = "covered"
PREVIOUS: Final = "previous"
SESSIONS: Final = "sessions"

COVERED_SCHEMA: Final[Schema] = {
    COVERED: {
        "seq": "d4",
        "created_us": "d8",
        "call_count": "u4",
        "tag_count": "u4",
        "link": "u1",
        "session": "u4",
        "library": "text",
        "writer": "fixed8",
        "key": "fixed16",
        "digest": "fixed32",
    },
    PREVIOUS: {"digest": "fixed32"},
    SESSIONS: {"session": "bytes"},
}

# What stands in `link`: how to come by the digest of the segment before.
_EXPLICIT: Final = 0
_ROW_BEFORE: Final = 1
_FIRST: Final = 2
_NO_KEY: Final = bytes(KeyId.SIZE)

_Digests = npt.NDArray[np.void]


@dataclass(frozen=True, slots=True)
class CoveredSegment:
    """What a run remembers of one segment; the fields are those of its header.

    ``digest`` is blake3 of the whole segment. ``key_id`` is that of who signed it, as far as the
    compactor that covered it first could verify; None if nobody did.
    """

    writer: WriterId
    seq: int
    digest: bytes
    previous: bytes
    created_us: int
    call_count: int
    tag_count: int
    key_id: KeyId | None
    library: str
    session: Mapping[str, Any]

    @property
    def segment_id(self) -> SegmentId:
        """What the segment is called inside runs."""
        return SegmentId(self.writer + self.seq.to_bytes(4, "big") + self.digest[:8])


@dataclass(frozen=True, eq=False)
class Covered:
    """Segments as columns. ``sessions`` are canonical msgpack, ``session_codes`` name them."""

    writers: FixedColumn
    seqs: npt.NDArray[np.uint32]
    digests: FixedColumn
    previous: FixedColumn
    created_us: npt.NDArray[np.int64]
    call_counts: npt.NDArray[np.uint32]
    tag_counts: npt.NDArray[np.uint32]
    keys: FixedColumn
    libraries: TextColumn
    session_codes: npt.NDArray[np.uint32]
    sessions: tuple[bytes, ...]

    def __len__(self) -> int:
        """Return how many segments there are."""
        return len(self.seqs)

    def __iter__(self) -> Iterator[CoveredSegment]:
        """Yield the segments in their order."""
        return (self[row] for row in range(len(self)))

    def __getitem__(self, row: int) -> CoveredSegment:
        """Return one segment."""
        key = self.keys[row]
        session, _ = unpack(
            self.sessions[int(self.session_codes[row])], name="session", what="session"
        )
        return CoveredSegment(
            writer=WriterId(self.writers[row]),
            seq=int(self.seqs[row]),
            digest=self.digests[row],
            previous=self.previous[row],
            created_us=int(self.created_us[row]),
            call_count=int(self.call_counts[row]),
            tag_count=int(self.tag_counts[row]),
            key_id=None if key == _NO_KEY else KeyId(key),
            library=self.libraries[row],
            session=session if isinstance(session, dict) else {},
        )

    @cached_property
    def segment_ids(self) -> tuple[SegmentId, ...]:
        """What the segments are called, in their order."""
        raw = np.empty((len(self), SegmentId.SIZE), np.uint8)
        raw[:, :8] = _bytes_of(self.writers)
        raw[:, 8:12] = self.seqs.astype(">u4").view(np.uint8).reshape(-1, 4)
        raw[:, 12:] = _bytes_of(self.digests)[:, :8]
        # Not through the constructor: the size is right, and there may be a hundred thousand.
        make = partial(bytes.__new__, SegmentId)
        return tuple(map(make, FixedColumn(SegmentId.SIZE, raw.tobytes()).rows()))


def cover_segments(segments: Sequence[tuple[Segment, KeyId | None]]) -> Covered:
    """Return what is to be remembered of segments, each with the key that signed it."""
    headers = [segment.header for segment, _ in segments]
    sessions = [pack(header.session) for header in headers]
    codes = {session: code for code, session in enumerate(dict.fromkeys(sessions))}
    return _sorted(
        Covered(
            writers=fixed_column(8, [header.writer for header in headers]),
            seqs=np.array([header.seq for header in headers], np.uint32),
            digests=fixed_column(32, [segment.digest for segment, _ in segments]),
            previous=fixed_column(32, [header.previous for header in headers]),
            created_us=np.array([header.created_us for header in headers], np.int64),
            call_counts=np.array([part.calls.row_count for part, _ in segments], np.uint32),
            tag_counts=np.array([part.tags.row_count for part, _ in segments], np.uint32),
            keys=fixed_column(16, [key or _NO_KEY for _, key in segments]),
            libraries=text_column([header.library for header in headers]),
            session_codes=np.array([codes[session] for session in sessions], np.uint32),
            sessions=tuple(codes),
        )
    )


def unite(inputs: Sequence[Covered]) -> Covered:
    """Return the segments of all ``inputs``, each once."""
    sessions = dict.fromkeys(session for item in inputs for session in item.sessions)
    codes = {session: code for code, session in enumerate(sessions)}
    return _sorted(
        Covered(
            writers=_joined([item.writers for item in inputs], 8),
            seqs=np.concatenate([item.seqs for item in inputs]),
            digests=_joined([item.digests for item in inputs], 32),
            previous=_joined([item.previous for item in inputs], 32),
            created_us=np.concatenate([item.created_us for item in inputs]),
            call_counts=np.concatenate([item.call_counts for item in inputs]),
            tag_counts=np.concatenate([item.tag_counts for item in inputs]),
            keys=_joined([item.keys for item in inputs], 16),
            libraries=text_column([word for item in inputs for word in item.libraries.rows()]),
            session_codes=np.concatenate(
                [
                    np.array([codes[session] for session in item.sessions], np.uint32)[
                        item.session_codes
                    ]
                    for item in inputs
                ]
            ),
            sessions=tuple(sessions),
        )
    )


def covered_tables(covered: Covered) -> list[Table]:
    """Return the tables that say it; a digest that the row before has is not said again."""
    count = len(covered)
    digests, previous = _voids(covered.digests), _voids(covered.previous)
    link = np.full(count, _EXPLICIT, np.uint8)
    link[previous == np.void(NO_PREVIOUS)] = _FIRST
    if count:
        follows = _follows(covered.writers, covered.seqs) & (previous[1:] == digests[:-1])
        link[1:][follows] = _ROW_BEFORE
    explicit = FixedColumn(32, previous[link == _EXPLICIT].tobytes())
    table = Table(
        COVERED,
        count,
        {
            "seq": DeltaColumn(covered.seqs),
            "created_us": DeltaColumn(covered.created_us),
            "call_count": NumberColumn(covered.call_counts),
            "tag_count": NumberColumn(covered.tag_counts),
            "link": NumberColumn(link),
            "session": NumberColumn(covered.session_codes),
            "library": covered.libraries,
            "writer": covered.writers,
            "key": covered.keys,
            "digest": covered.digests,
        },
    )
    return [
        table,
        Table(PREVIOUS, len(explicit), {"digest": explicit}),
        Table(SESSIONS, len(covered.sessions), {"session": bytes_column(covered.sessions)}),
    ]


def read_covered(tables: Mapping[str, Table], *, name: str) -> Covered:
    """Return the segments that tables speak of.

    Raises:
        CorruptionError: a row breaks a rule of the format; ``name`` says where.
    """
    rows, sessions = tables[COVERED], tables[SESSIONS].bytes("session")
    writers, digests = rows.fixed("writer"), rows.fixed("digest")
    seqs, codes = rows.numbers("seq"), rows.numbers("session")
    created, link = rows.numbers("created_us"), rows.numbers("link")
    _check_order(writers, seqs, digests, name)
    follows = np.zeros(rows.row_count, bool)
    follows[1:] = _follows(writers, seqs)
    rules = (
        seqs <= SEQ_MAX,
        (created >= TIME_MIN_US) & (created <= TIME_MAX_US),
        codes < len(sessions),
        link <= _FIRST,
        (link == _FIRST) == (seqs == 0),
        (link != _ROW_BEFORE) | follows,
    )
    if not all(rule.all() for rule in rules):
        raise corruption(name, "breaks a rule of the format in what it says of a segment")
    _check_sessions(sessions, name)
    return Covered(
        writers=writers,
        seqs=np.asarray(seqs, np.uint32),
        digests=digests,
        previous=_previous(digests, link, tables[PREVIOUS].fixed("digest"), name),
        created_us=np.asarray(created, np.int64),
        call_counts=np.asarray(rows.numbers("call_count"), np.uint32),
        tag_counts=np.asarray(rows.numbers("tag_count"), np.uint32),
        keys=rows.fixed("key"),
        libraries=rows.text("library"),
        session_codes=np.asarray(codes, np.uint32),
        sessions=tuple(sessions.rows()),
    )


def _previous(
    digests: FixedColumn, link: npt.NDArray[np.number], explicit: FixedColumn, name: str
) -> FixedColumn:
    """Return the digest of the segment before each; those that are spelled out in their order."""
    if len(explicit) != int((link == _EXPLICIT).sum()):
        raise corruption(name, f"has {len(explicit)} digests of segments before, for other rows")
    of_rows = _voids(digests)
    previous = np.zeros(len(of_rows), of_rows.dtype)
    previous[link == _EXPLICIT] = _voids(explicit)
    behind = np.flatnonzero(link == _ROW_BEFORE)
    previous[behind] = of_rows[behind - 1]
    if (previous[link == _EXPLICIT] == np.void(NO_PREVIOUS)).any():
        raise corruption(name, "has a segment with none before it that is not the first")
    return FixedColumn(32, previous.tobytes())


def _check_order(
    writers: FixedColumn, seqs: npt.NDArray[np.number], digests: FixedColumn, name: str
) -> None:
    """Refuse segments that are not sorted, or there twice."""
    order = _keys(writers, np.asarray(seqs, np.uint32), digests)
    if not bool((order[:-1] < order[1:]).all()):
        raise corruption(name, "has segments out of order")
    # The first eight bytes of a digest name a segment, and they must name one.
    ids = {(key[:12], key[12:20]) for key in order.tolist()}
    if len(ids) != len(order):
        raise corruption(name, "has two segments of one id")


def _check_sessions(sessions: BytesColumn, name: str) -> None:
    """Refuse sessions that are not one map each."""
    for packed in sessions.rows():
        session, used = unpack(packed, name=name, what="session")
        if not isinstance(session, dict) or used != len(packed):
            raise corruption(name, "has a session that is not one map")


def _sorted(covered: Covered) -> Covered:
    """Return the segments in their order, each once, and only the sessions that are used."""
    order = _keys(covered.writers, covered.seqs, covered.digests)
    _, rows = np.unique(order, return_index=True)
    used, codes = np.unique(covered.session_codes[rows], return_inverse=True)
    return Covered(
        writers=_taken(covered.writers, rows),
        seqs=covered.seqs[rows],
        digests=_taken(covered.digests, rows),
        previous=_taken(covered.previous, rows),
        created_us=covered.created_us[rows],
        call_counts=covered.call_counts[rows],
        tag_counts=covered.tag_counts[rows],
        keys=_taken(covered.keys, rows),
        libraries=text_column([covered.libraries[int(row)] for row in rows]),
        session_codes=codes.astype(np.uint32),
        sessions=tuple(covered.sessions[int(code)] for code in used),
    )


def _keys(
    writers: FixedColumn, seqs: npt.NDArray[np.uint32], digests: FixedColumn
) -> npt.NDArray[np.object_]:
    """Return what segments are sorted by, as bytes that compare as it does."""
    raw = np.empty((len(seqs), 44), np.uint8)
    raw[:, :8] = _bytes_of(writers)
    raw[:, 8:12] = seqs.astype(">u4").view(np.uint8).reshape(-1, 4)
    raw[:, 12:] = _bytes_of(digests)
    return np.array(FixedColumn(44, raw.tobytes()).rows(), object)


def _follows(writers: FixedColumn, seqs: npt.NDArray[np.number]) -> npt.NDArray[np.bool_]:
    """Tell of each row but the first whether it is of the next segment of the same writer."""
    of_writers = _voids(writers)
    follows: npt.NDArray[np.bool_] = (of_writers[1:] == of_writers[:-1]) & (
        seqs[1:].astype(np.int64) == seqs[:-1].astype(np.int64) + 1
    )
    return follows


def _voids(column: FixedColumn) -> _Digests:
    """Return a column as an array of rows."""
    return np.frombuffer(column.data, f"V{column.width}")


def _bytes_of(column: FixedColumn) -> npt.NDArray[np.uint8]:
    """Return a column as an array of bytes, a line for each row."""
    return np.frombuffer(column.data, np.uint8).reshape(-1, column.width)


def _taken(column: FixedColumn, rows: npt.NDArray[np.intp]) -> FixedColumn:
    """Return some rows of a column."""
    return FixedColumn(column.width, _voids(column)[rows].tobytes())


def _joined(columns: Sequence[FixedColumn], width: int) -> FixedColumn:
    """Return columns one behind the other."""
    return FixedColumn(width, b"".join(column.data for column in columns))
