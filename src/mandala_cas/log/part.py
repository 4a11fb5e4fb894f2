"""What readers of the log see of it: rows with dots, whatever object they came in.

A segment is one part. A run is several, each with rows of many segments. Whoever reads parts need
not know which of the two they have.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

import numpy as np
import numpy.typing as npt

from mandala_cas.envelope.signatures import Signature
from mandala_cas.log.tables import Table
from mandala_cas.model.entries import CallRecord, TagRecord, Tombstone, Untag, ValueRecord
from mandala_cas.model.ids import Dot, KeyId, SegmentId


@dataclass(frozen=True, slots=True, eq=False)
class Dots:
    """The dots of rows, as columns; a writer is its eight bytes as one big-endian number.

    Rows are sorted by dot.
    """

    writers: npt.NDArray[np.uint64]
    seqs: npt.NDArray[np.uint32]
    rows: npt.NDArray[np.uint32]


class LogPart(Protocol):
    """Rows of the log that came in one object. Never changes.

    ``name`` is that of the object, empty for what this process has not published. ``calls``,
    ``slots``, ``values`` and ``tags`` have the columns of ``mandala_cas.log.rows.SCHEMA``.
    ``signature`` is that of the object, unchecked. Rows of ``calls``, and of ``tags``, are sorted
    by dot. Not every record of a covered segment has a row in a run: what was dropped has none.
    """

    @property
    def name(self) -> str:
        """The object's name."""
        ...

    @property
    def calls(self) -> Table:
        """The calls."""
        ...

    @property
    def slots(self) -> Table:
        """The inputs and outputs of the calls."""
        ...

    @property
    def values(self) -> Table:
        """Where values are."""
        ...

    @property
    def tags(self) -> Table:
        """The tags."""
        ...

    @property
    def tombstones(self) -> tuple[Tombstone, ...]:
        """What hides calls, here or in any other part."""
        ...

    @property
    def untags(self) -> tuple[Untag, ...]:
        """What hides tags, here or in any other part."""
        ...

    @property
    def signature(self) -> Signature | None:
        """Who vouches for the rows."""
        ...

    @property
    def segment_ids(self) -> frozenset[SegmentId]:
        """The segments whose rows are here."""
        ...

    def call_record(self, row: int) -> CallRecord:
        """Return one row of ``calls`` with its slots."""
        ...

    def value_record(self, row: int) -> ValueRecord:
        """Return one row of ``values``."""
        ...

    def value_created_us(self, row: int) -> int:
        """Return when the segment that placed a value was written."""
        ...

    def value_key(self, row: int) -> KeyId | None:
        """Return who signed the segment that placed a value, on the word of ``signature``.

        None where the part is that segment; zero bytes where nobody did, or nobody knows.
        """
        ...

    def tag_record(self, row: int) -> TagRecord:
        """Return one row of ``tags``."""
        ...

    def call_dots(self) -> Dots:
        """Return the dots of all rows of ``calls``."""
        ...

    def dot(self, row: int) -> Dot:
        """Return what names the record in one row of ``calls``."""
        ...

    def tag_dots(self) -> Dots:
        """Return the dots of all rows of ``tags``."""
        ...

    def tag_dot(self, row: int) -> Dot:
        """Return what names the record in one row of ``tags``."""
        ...

    def rows_named_by(self, tombstone: Tombstone) -> range:
        """Return the rows of ``calls`` that a tombstone hides."""
        ...

    def tag_rows_named_by(self, untag: Untag) -> range:
        """Return the rows of ``tags`` that are hidden."""
        ...
