"""Ids in order: rows of an id by binary search, in columns that may lie in a file."""

from __future__ import annotations

from bisect import bisect_left
from typing import Final

import numpy as np
import numpy.typing as npt

from mandala_cas.index.sorting import order_of_prefixes
from mandala_cas.log.columns import FixedColumn, NumberColumn
from mandala_cas.log.tables import Table

Prefixes = npt.NDArray[np.uint64]

PREFIX_SIZE: Final = 8


class PrefixIndex:
    """Finds the rows of a column by id: the first bytes by search, the rest by comparison."""

    def __init__(self, order: Table, ids: FixedColumn, base: int = 0) -> None:
        """``order`` is that of ``ids``; the first row of these has the number ``base``."""
        self._ids = ids
        self._base = base
        # A view gives Python integers, which bisect compares without making arrays of them.
        self._prefixes = order.numbers("prefix").data
        self._rows = order.numbers("row").data

    def of(self, id_: bytes) -> list[int]:
        """Return the rows of an id, in the order in which they were put."""
        prefix = prefix_of(id_)
        prefixes, found = self._prefixes, []
        at = bisect_left(prefixes, prefix)
        while at < len(prefixes) and prefixes[at] == prefix:
            row = self._rows[at]
            # A row that is not there has no bytes, and so is none of the id.
            if self._ids[row] == id_:
                found.append(self._base + row)
            at += 1
        return found


def order_of(name: str, ids: FixedColumn, *then: npt.NDArray[np.number]) -> Table:
    """Return ``ids`` in order as a table; rows of one id are sorted by ``then``, then as they are.

    The last of ``then`` counts most.
    """
    prefixes = prefixes_of(ids)
    rows = order_of_prefixes(prefixes, *then)
    columns = {
        "prefix": NumberColumn(prefixes[rows]),
        "row": NumberColumn(rows.astype(np.uint32)),
    }
    return Table(name, len(rows), columns)


def prefix_of(id_: bytes) -> int:
    """Return the first bytes of an id as a number that sorts as they do."""
    return int.from_bytes(id_[:PREFIX_SIZE], "big")


def prefixes_of(ids: FixedColumn) -> Prefixes:
    """Return what ``prefix_of`` gives for each of ``ids``.

    Prefixes stand for ids where a mix-up of two cannot harm: where it keeps what could go.
    """
    raw = np.frombuffer(ids.data, ">u8").reshape(-1, ids.width // PREFIX_SIZE)
    return raw[:, 0].astype(np.uint64)
