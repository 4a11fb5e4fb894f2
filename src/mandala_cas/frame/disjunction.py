"""The full disjunction: every maximal union of partial rows that agree.

Two rows agree if they share a column and are equal in all columns that they share. Rows are kept
in groups by the columns they have; each step joins two groups on what they share.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Final

import numpy as np
import polars as pl

from mandala_cas.errors import UsageError
from mandala_cas.frame.absorption import Groups, absorb, add_rows, in_order
from mandala_cas.frame.arrays import Rows, distinct, numbered

_ABSENT: Final = -1


def full_disjunction(
    columns: Mapping[str, Rows], sinks: Sequence[str], rows_max: int
) -> pl.DataFrame:
    """Return all maximal unions of agreeing rows; null where a row has nothing.

    ``columns`` gives the cells of each column as numbers, -1 where a row has nothing.

    Raises:
        UsageError: there would be more than ``rows_max`` rows.
    """
    base = _group(columns)
    base = absorb(base, list(columns))
    groups = _without_parts(_unions(base, sinks, rows_max))
    schema = dict.fromkeys(columns, pl.Int64)
    tables = [groups[names] for names in in_order(groups)]
    return pl.concat([pl.DataFrame(schema=schema), *tables], how="diagonal").select(list(columns))


def _group(columns: Mapping[str, Rows]) -> Groups:
    """Put the rows that have the same columns together."""
    if not columns:
        return {}
    names = list(columns)
    present = np.stack([columns[name] != _ABSENT for name in names], axis=1)
    by_presence = numbered(present)
    groups = {}
    for number in distinct(by_presence).tolist():
        rows = np.flatnonzero(by_presence == number)
        held = [name for i, name in enumerate(names) if present[rows[0], i]]
        if held:
            # Histories of different refs differ, so there is no row to be found twice.
            groups[frozenset(held)] = pl.DataFrame({name: columns[name][rows] for name in held})
    return groups


def _unions(base: Groups, sinks: Sequence[str], rows_max: int) -> Groups:
    """Return the rows and all their unions, of any number, that agree.

    A union of agreeing rows can be made by adding one of them at a time, each agreeing with what
    is there; so each round joins what is new with the rows to begin with. Rows that are part of
    others stay until the end: a union may need the part where the whole contradicts it.
    """
    found = dict(base)
    new = base
    while new:
        following: Groups = {}
        for names in in_order(new):
            for other in in_order(base):
                shared = sorted(names & other)
                if not shared or other <= names or names <= other:
                    continue
                _refuse_beyond(new[names], base[other], shared, sinks, rows_max)
                union = new[names].join(base[other], on=shared, how="inner")
                known = found.get(names | other)
                if known is not None:
                    union = union.join(known, on=sorted(names | other), how="anti")
                if union.height:
                    union = union.unique()
                    add_rows(following, union)
                    add_rows(found, union)
        _refuse_rows(following, rows_max)
        new = following
    return found


def _without_parts(groups: Groups) -> Groups:
    """Drop the rows that are contained in others."""
    kept = {}
    for names in in_order(groups):
        table = groups[names]
        for other in in_order(groups):
            if names < other:
                table = table.join(groups[other], on=sorted(names), how="anti")
        kept[names] = table
    return kept


def _refuse_beyond(
    left: pl.DataFrame, right: pl.DataFrame, shared: list[str], sinks: Sequence[str], rows_max: int
) -> None:
    """Raise before a join whose result would have more than ``rows_max`` rows."""
    if left.height * right.height <= rows_max:
        return
    counts = (
        left.group_by(shared)
        .len("left")
        .join(right.group_by(shared).len("right"), on=shared, how="inner")
    )
    total = counts.select((pl.col("left").cast(pl.Int64) * pl.col("right")).sum()).item()
    if total > rows_max:
        first = next((s for s in sinks if s in left.columns and s not in shared), left.columns[-1])
        second = next(
            (s for s in sinks if s in right.columns and s not in shared), right.columns[-1]
        )
        raise UsageError(
            f"this table would have {total:,} rows or more, and max_rows is {rows_max:,}: "
            f"{first!r} and {second!r} have too little history in common; leave one of them out, "
            "name the columns you want, or raise max_rows",
            first=first,
            second=second,
            row_count=total,
        )


def _refuse_rows(groups: Groups, rows_max: int) -> None:
    """Raise if there are more than ``rows_max`` rows already."""
    total = sum(table.height for table in groups.values())
    if total > rows_max:
        raise UsageError(
            f"this table would have {total:,} rows or more, and max_rows is {rows_max:,}: name the "
            "columns you want, or raise max_rows",
            row_count=total,
        )
