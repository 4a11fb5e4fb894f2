"""The rows of a part of a run as those of a segment, each column made when it is asked for.

What was left out because it follows from something else is computed here.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from typing import Final

import numpy as np
import numpy.typing as npt

from mandala_cas.codec.digests import BIG, Digests, payload_hash, small_payload_hashes
from mandala_cas.envelope.packing import corruption
from mandala_cas.log.columns import (
    BytesColumn,
    Column,
    FixedColumn,
    NumberColumn,
    TextColumn,
    bytes_column,
    text_column,
)
from mandala_cas.log.packed import (
    CODECS,
    CONSTANT,
    CONTENTS,
    DERIVED,
    HASHES,
    HISTORIES,
    OUTPUT,
    Tables,
)
from mandala_cas.log.rows import (
    CALLS,
    SCHEMA,
    SLOTS,
    TAGS,
    VALUES,
    call_of_slots,
    slot_counts,
    slots_of_call,
)
from mandala_cas.log.tables import Table
from mandala_cas.log.taking import take_rows
from mandala_cas.model.entries import CallRecord, Slot, Tier, ValueRecord
from mandala_cas.model.ids import (
    ContentId,
    HistoryId,
    PayloadHash,
    constant_history_ids,
    output_history_ids,
)
from mandala_cas.objectstore.layout import blob_name

Payloads = Callable[[], BytesColumn]
Kinds = npt.NDArray[np.number]

_HISTORY_SIZE: Final = f"V{HistoryId.SIZE}"
_HASH_SIZE: Final = f"V{PayloadHash.SIZE}"


class LazyColumns(Mapping[str, Column]):
    """Columns that are made when they are first asked for. Two threads may make one twice."""

    def __init__(self, makers: Mapping[str, Callable[[], Column]]) -> None:
        """Know how to make each."""
        self._makers = makers
        self._made: dict[str, Column] = {}

    def __getitem__(self, name: str) -> Column:
        """Return a column."""
        column = self._made.get(name)
        if column is None:
            column = self._made[name] = self._makers[name]()
        return column

    def __iter__(self) -> Iterator[str]:
        """Yield the names of all columns."""
        return iter(self._makers)

    def __len__(self) -> int:
        """Return how many columns there are."""
        return len(self._makers)


def unpacked_calls(tables: Tables) -> Table:
    """Return the calls with the columns that they have in a segment."""
    calls = tables[CALLS]
    columns = {name: calls.columns[name] for name in SCHEMA[CALLS]}
    for name in ("slot_start", "started_us"):
        columns[name] = NumberColumn(calls.numbers(name))
    return Table(CALLS, calls.row_count, columns)


def unpacked_slots(tables: Tables) -> Table:
    """Return the slots with the columns that they have in a segment."""
    slots = tables[SLOTS]
    makers: dict[str, Callable[[], Column]] = {
        "name": lambda: slots.columns["name"],
        "is_output": lambda: slots.columns["is_output"],
        "history_id": lambda: _history_ids(tables),
        "content_id": lambda: _contents(tables, SLOTS),
    }
    return Table(SLOTS, slots.row_count, LazyColumns(makers))


def unpacked_tags(tables: Tables) -> Table:
    """Return the tags with the columns that they have in a segment."""
    tags = tables[TAGS]
    columns = {name: column for name, column in tags.columns.items() if name in SCHEMA[TAGS]}
    makers: dict[str, Callable[[], Column]] = {
        name: lambda column=column: column  # type: ignore[misc]  # a default binds the loop's
        for name, column in columns.items()
    }
    makers["content_id"] = lambda: _contents(tables, TAGS)
    return Table(TAGS, tags.row_count, LazyColumns(makers))


def unpacked_values(tables: Tables, payloads: Payloads, *, name: str) -> Table:
    """Return the values with the columns that they have in a segment.

    ``payloads`` gives the inline ones, and is asked when a column needs them.
    """
    values, codecs = tables[VALUES], tables[CODECS]
    codec = values.numbers("codec")

    def words() -> Column:
        names = codecs.text("name")
        return TextColumn(names.codes[codec], names.words)

    makers: dict[str, Callable[[], Column]] = {
        "content_id": lambda: _contents(tables, VALUES),
        "payload_hash": lambda: _payload_hashes(tables, payloads, name),
        "tier": lambda: values.columns["tier"],
        "location": lambda: _locations(tables),
        "offset": lambda: values.columns["offset"],
        "stored_size": lambda: values.columns["stored_size"],
        "raw_size": lambda: values.columns["raw_size"],
        "codec_name": words,
        "codec_version": lambda: NumberColumn(codecs.numbers("version")[codec]),
        "codec_header": lambda: take_rows(codecs.bytes("header"), codec.astype(np.intp)),
        "inline": lambda: _inline(tables, payloads, name),
    }
    return Table(VALUES, values.row_count, LazyColumns(makers))


def unpacked_call(tables: Tables, row: int) -> CallRecord:
    """Return one call as an entry."""
    calls, slots = tables[CALLS], tables[SLOTS]
    begin, middle, end = slots_of_call(calls, slots, row)
    call_id = calls.fixed("call_id")[row]
    inputs = tuple(_slot(tables, at, call_id) for at in range(begin, middle))
    outputs = tuple(_slot(tables, at, call_id) for at in range(middle, end))
    return call_of_slots(calls, row, inputs, outputs)


def unpacked_value(tables: Tables, payloads: Payloads, row: int, *, name: str) -> ValueRecord:
    """Return one value as an entry; asks for the payloads where it is inline.

    Raises:
        CorruptionError: the payload is not of the size on record.
    """
    values, codecs = tables[VALUES], tables[CODECS]
    tier = Tier(int(values.numbers("tier")[row]))
    codec = int(values.numbers("codec")[row])
    raw_size = int(values.numbers("raw_size")[row])
    inline = b""
    if tier is Tier.INLINE:
        inline = payloads()[int(values.numbers("inline")[row]) - 1]
        _check_size(len(inline), raw_size, name)
    codec_name, version = codecs.text("name")[codec], int(codecs.numbers("version")[codec])
    header = codecs.bytes("header")[codec]
    code = int(values.numbers("hash")[row])
    if code == DERIVED:
        hash_ = payload_hash(codec_name, version, header, [inline], Digests())
    else:
        hash_ = PayloadHash(tables[HASHES].fixed("payload_hash")[code - 1])
    location = values.text("location")[row]
    return ValueRecord(
        content_id=ContentId(
            tables[CONTENTS].fixed("content_id")[int(values.numbers("content")[row])]
        ),
        payload_hash=hash_,
        tier=tier,
        location=location or (blob_name(hash_) if tier is Tier.LOOSE else ""),
        offset=int(values.numbers("offset")[row]),
        stored_size=int(values.numbers("stored_size")[row]),
        raw_size=raw_size,
        codec_name=codec_name,
        codec_version=version,
        codec_header=header,
        inline=inline,
    )


def derived_histories(
    kinds: Kinds, tables: Tables, contents: npt.NDArray[np.number]
) -> npt.NDArray[np.void]:
    """Return the history ids of the slots that ``kinds`` calls derived; zero bytes elsewhere.

    ``contents`` are the slots' rows of the table of contents.
    """
    slots = tables[SLOTS]
    found = np.zeros(slots.row_count, _HISTORY_SIZE)
    constants = np.flatnonzero(kinds == CONSTANT)
    used, codes = np.unique(contents[constants], return_inverse=True)
    rows = take_rows(tables[CONTENTS].fixed("content_id"), used.astype(np.intp))
    assert isinstance(rows, FixedColumn), "content ids are of fixed size"
    found[constants] = _voids(constant_history_ids(rows.rows()), _HISTORY_SIZE)[codes]
    outputs = np.flatnonzero(kinds == OUTPUT)
    owners = np.repeat(
        np.arange(tables[CALLS].row_count), slot_counts(tables[CALLS], tables[SLOTS])
    )[outputs]
    call_ids = tables[CALLS].fixed("call_id")
    names = slots.text("name")
    for code, word in enumerate(names.words):
        of_name = np.flatnonzero(names.codes[outputs] == code)
        taken = take_rows(call_ids, owners[of_name])
        assert isinstance(taken, FixedColumn), "call ids are of fixed size"
        found[outputs[of_name]] = _voids(output_history_ids(taken.rows(), word), _HISTORY_SIZE)
    return found


def derived_hashes(
    rows: npt.NDArray[np.intp], tables: Tables, payloads: BytesColumn
) -> npt.NDArray[np.void]:
    """Return the payload hashes of some inline values, as their payloads have them."""
    values, codecs = tables[VALUES], tables[CODECS]
    codec = values.numbers("codec")[rows].astype(np.int64)
    inline = values.numbers("inline")[rows].astype(np.int64) - 1
    # The same payload is there for each segment that uses it.
    pairs, codes = np.unique(codec * (len(payloads) + 1) + inline, return_inverse=True)
    hashes = np.zeros(len(pairs), _HASH_SIZE)
    of_codec, at = np.divmod(pairs, len(payloads) + 1)
    sizes = np.diff(payloads.offsets.astype(np.int64))[at]
    for number in np.unique(of_codec).tolist():
        name, version = codecs.text("name")[number], int(codecs.numbers("version")[number])
        header = codecs.bytes("header")[number]
        small = np.flatnonzero((of_codec == number) & (sizes < BIG))
        # Lists of Python: a million lookups of one number in an array take as long as hashing.
        begins, ends = (payloads.offsets[at[small] + n].tolist() for n in (0, 1))
        data = payloads.data
        contents = (data[begin:end] for begin, end in zip(begins, ends, strict=True))
        hashes[small] = _voids(small_payload_hashes(name, version, header, contents), _HASH_SIZE)
        for big in np.flatnonzero((of_codec == number) & (sizes >= BIG)).tolist():
            payload = payloads[int(at[big])]
            hashes[big] = np.void(payload_hash(name, version, header, [payload], Digests()))
    found: npt.NDArray[np.void] = hashes[codes]
    return found


def _slot(tables: Tables, at: int, call_id: bytes) -> Slot:
    """Return one slot of a call."""
    slots = tables[SLOTS]
    name = slots.text("name")[at]
    content = tables[CONTENTS].fixed("content_id")[int(slots.numbers("content")[at])]
    code = int(slots.numbers("history")[at])
    if code == CONSTANT:
        (history,) = constant_history_ids([content])
    elif code == OUTPUT:
        (history,) = output_history_ids([call_id], name)
    else:
        history = tables[HISTORIES].fixed("history_id")[code - 2]
    return Slot(name, HistoryId(history), ContentId(content))


def _contents(tables: Tables, table: str) -> Column:
    """Return the content ids of the rows of a table."""
    codes = tables[table].numbers("content").astype(np.intp)
    return take_rows(tables[CONTENTS].columns["content_id"], codes)


def _history_ids(tables: Tables) -> FixedColumn:
    """Return the history ids of all slots."""
    slots = tables[SLOTS]
    codes = slots.numbers("history")
    found = derived_histories(codes, tables, slots.numbers("content"))
    explicit = np.frombuffer(tables[HISTORIES].fixed("history_id").data, _HISTORY_SIZE)
    spelled = np.flatnonzero(codes > OUTPUT)
    found[spelled] = explicit[codes[spelled] - 2]
    return FixedColumn(HistoryId.SIZE, found.tobytes())


def _payload_hashes(tables: Tables, payloads: Payloads, name: str) -> FixedColumn:
    """Return the payload hashes of all values."""
    codes = tables[VALUES].numbers("hash")
    explicit = np.frombuffer(tables[HASHES].fixed("payload_hash").data, _HASH_SIZE)
    found = np.zeros(len(codes), _HASH_SIZE)
    spelled = np.flatnonzero(codes != DERIVED)
    found[spelled] = explicit[codes[spelled] - 1]
    derived = np.flatnonzero(codes == DERIVED)
    if len(derived):
        check_payloads(tables, payloads(), name=name)
        found[derived] = derived_hashes(derived, tables, payloads())
    return FixedColumn(PayloadHash.SIZE, found.tobytes())


def _locations(tables: Tables) -> TextColumn:
    """Return where all values are; a loose one whose place is not spelled out is at its hash."""
    values = tables[VALUES]
    written, codes = values.text("location"), values.numbers("hash")
    hashes = tables[HASHES].fixed("payload_hash")
    derived = (values.numbers("tier") == Tier.LOOSE) & _is_empty(written)
    if not derived.any():
        return written
    words = written.rows()
    for row in np.flatnonzero(derived).tolist():
        words[row] = blob_name(PayloadHash(hashes[int(codes[row]) - 1]))
    return text_column(words)


def check_payloads(tables: Tables, payloads: BytesColumn, *, name: str) -> None:
    """Check that every inline payload is of the size on record.

    Raises:
        CorruptionError: one is not.
    """
    values = tables[VALUES]
    sizes = np.concatenate([[0], np.diff(payloads.offsets.astype(np.int64))])
    found = sizes[values.numbers("inline")]
    is_inline = values.numbers("tier") == Tier.INLINE
    expected = np.where(is_inline, values.numbers("raw_size").astype(np.int64), 0)
    for row in np.flatnonzero(found != expected)[:1].tolist():
        _check_size(int(found[row]), int(expected[row]), name)


def _inline(tables: Tables, payloads: Payloads, name: str) -> BytesColumn:
    """Return the inline payloads of all values, empty ones where there is none."""
    codes = tables[VALUES].numbers("inline").astype(np.intp)
    there = payloads() if codes.any() else bytes_column([])
    check_payloads(tables, there, name=name)
    with_none = BytesColumn(np.concatenate([[np.uint64(0)], there.offsets]), there.data)
    column = take_rows(with_none, codes)
    assert isinstance(column, BytesColumn), "payloads are of any size"
    return column


def _check_size(found: int, expected: int, name: str) -> None:
    """Refuse a payload of another size than its record says."""
    if found != expected:
        raise corruption(name, f"has an inline payload of {found} bytes where {expected} should be")


def _is_empty(column: TextColumn) -> npt.NDArray[np.bool_]:
    """Tell of each row whether it is empty."""
    if not column.words:
        return np.zeros(len(column), bool)
    empty: npt.NDArray[np.bool_] = np.array([not word for word in column.words])[column.codes]
    return empty


def _voids(rows: list[bytes], kind: str) -> npt.NDArray[np.void]:
    """Return ids as an array."""
    return np.frombuffer(b"".join(rows), kind)
