"""The places of a value: each once, whoever named it how often."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from typing import Final

from mandala_cas.envelope.signatures import Signature
from mandala_cas.errors import CorruptionError
from mandala_cas.model.entries import ValueRecord
from mandala_cas.model.ids import KeyId


@dataclass(frozen=True, slots=True)
class ValueCopy:
    """One place where a value is, on the word of one log object.

    ``segment`` is that object's name, None for what this process wrote and has not published;
    ``signature`` is that object's, ``created_us`` when the segment was written that placed it.
    ``writer_key`` is the key of who signed that segment, on the word of the run that covers it;
    None where the object is the segment. Zero bytes stand for nobody.
    """

    record: ValueRecord
    segment: str | None
    signature: Signature | None
    created_us: int
    writer_key: KeyId | None = None

    def is_forged(self) -> bool:
        """Tell whether there is a signature, and it is not of that object by that key."""
        if self.signature is None:
            return False
        try:
            self.signature.verified_key()
        except CorruptionError:
            return True
        return False


def each_place_once(copies: Iterable[ValueCopy]) -> list[ValueCopy]:
    """Return the first copy of each place, in order.

    Every segment that uses a value names its place again, so thousands may name one. A place that
    two signers name counts twice: what one of them says may be trusted and what the other says
    not. So does a place under two payload hashes, of which one at most is right.
    """
    found: dict[_Place, ValueCopy] = {}
    for copy in copies:
        found.setdefault(_place_of(copy), copy)
    return list(found.values())


class KnownCopies:
    """Copies by value, each row of the log read once: a value may have one in every segment.

    Rows are numbered in the order in which they came, so what was read of a value stays right, and
    a new segment brings one row more. Values with few rows are not worth remembering.
    """

    def __init__(self, read: Callable[[int], ValueCopy | None]) -> None:
        """``read`` gives what a row says, None where it cannot be told just now."""
        self._read = read
        self._known: dict[bytes, _Known] = {}

    def of(self, content_id: bytes, rows: Sequence[int]) -> list[ValueCopy]:
        """Return each place once that ``rows``, all rows of a value, name."""
        if len(rows) < _FEW:
            return each_place_once(copy for row in sorted(rows) if (copy := self._read(row)))
        known = self._known.get(content_id)
        if known is None:
            if len(self._known) >= _KNOWN_MAX:
                self._known.clear()
            known = self._known[bytes(content_id)] = _Known()
        if known.row_count != len(rows):
            for row in sorted(set(rows) - known.rows):
                copy = self._read(row)
                # What cannot be told now may be told the next time.
                if copy is not None:
                    known.copies.setdefault(_place_of(copy), copy)
                    known.rows.add(row)
            known.row_count = len(known.rows)
        return list(known.copies.values())


_Place = tuple[object, ...]
_FEW: Final = 4
_KNOWN_MAX: Final = 1 << 12


@dataclass(slots=True)
class _Known:
    """What was read of one value; ``row_count`` is how many rows that was."""

    copies: dict[_Place, ValueCopy] = field(default_factory=dict)
    rows: set[int] = field(default_factory=set)
    row_count: int = 0


def _place_of(copy: ValueCopy) -> _Place:
    """Return what tells a place from others."""
    record, signature = copy.record, copy.signature
    signer = None if signature is None else signature.public_key
    at = (record.location, record.offset, record.payload_hash)
    return (*at, copy.segment is None, signer, copy.writer_key)
