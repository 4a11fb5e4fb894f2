"""Who vouches for the values of a kept index: the log objects that they came from."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import numpy.typing as npt

from mandala_cas.envelope.signatures import Signature, key_id_of
from mandala_cas.index.kept_schema import ORIGINS, SOURCES
from mandala_cas.index.mapped import check_below, checked_row, damaged
from mandala_cas.log.tables import Table
from mandala_cas.model.ids import KeyId

Source = tuple[str, Signature | None, KeyId | None]


class Origins:
    """Of each value its source, and when its segment was written.

    A source is the name of a log object, its signature, as much of a claim as it is there, and, of
    a run, the key of who signed the segment that it covers.
    """

    def __init__(self, tables: Mapping[str, Table]) -> None:
        """Give what ``tables`` say."""
        self._origins = tables[ORIGINS]
        self._sources = tables[SOURCES]
        self._read: dict[int, Source] = {}

    @property
    def source_count(self) -> int:
        """How many sources there are."""
        return self._sources.row_count

    def source(self, row: int) -> Source:
        """Return the source of a value."""
        at = checked_row(row, self._origins.row_count)
        return self.source_at(int(self._origins.numbers("source")[at]))

    def source_at(self, at: int) -> Source:
        """Return one of the sources."""
        found = self._read.get(at)
        if found is None:
            # One object for all values of a source: it is verified once.
            found = self._read[at] = self._source(checked_row(at, self.source_count))
        return found

    def keys(self) -> set[KeyId]:
        """Return the keys that sources name."""
        sources = [self.source_at(at) for at in range(self.source_count)]
        signers = {key_id_of(signature.public_key) for _, signature, _ in sources if signature}
        return signers | {key for _, _, key in sources if key is not None and any(key)}

    def created_us(self, row: int) -> int:
        """Return when the segment that placed a value was written."""
        at = checked_row(row, self._origins.row_count)
        return int(self._origins.numbers("created_us")[at])

    def columns(self) -> tuple[npt.NDArray[np.uint32], npt.NDArray[np.int64]]:
        """Return the numbers of the sources of all values, and their times."""
        sources = np.asarray(self._origins.numbers("source"), np.uint32)
        check_below(sources, self.source_count)
        return sources, np.asarray(self._origins.numbers("created_us"), np.int64)

    def _source(self, at: int) -> Source:
        """Read a source."""
        columns = ("name", "public_key", "message", "signature", "writer_key")
        name, key, message, signature, writer_key = (
            self._sources.bytes(column)[at] for column in columns
        )
        text = str(name, "utf-8", "replace")
        if len(writer_key) not in {0, KeyId.SIZE}:
            raise damaged("has a source with half a key")
        return (
            text,
            Signature(text, key, message, signature) if key else None,
            KeyId(writer_key) if writer_key else None,
        )
