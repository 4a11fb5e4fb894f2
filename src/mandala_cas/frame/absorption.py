"""Letting rows take in what every union that they are part of has to hold anyway.

A row takes in another that agrees with it if each of the other's further columns is determined by
a column of the row: all rows with that column's value, if they have the further column at all,
have the same in it. Then no row can agree with the one and contradict the other, so no maximal
union has the one without the other. This turns the outputs of one call, and whatever hangs on a
value just once, into single rows before any combination is tried.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Final

import numpy as np
import polars as pl

from mandala_cas.frame.arrays import Mask, Rows

Columns = frozenset[str]
Groups = dict[Columns, pl.DataFrame]
_NONE: Final = -1


def in_order(groups: Iterable[Columns]) -> list[Columns]:
    """Return column sets in an order that does not depend on hashes."""
    return sorted(groups, key=sorted)


def add_rows(groups: Groups, table: pl.DataFrame) -> None:
    """Add rows to the group of their columns, each once; those of ``table`` are distinct."""
    names = sorted(table.columns)
    known = groups.get(frozenset(names))
    table = table.select(names)
    groups[frozenset(names)] = table if known is None else pl.concat([known, table]).unique()


def absorb(groups: Mapping[Columns, pl.DataFrame], order: Sequence[str]) -> Groups:
    """Return equivalent rows, fewer and wider; ``order`` puts neighbouring columns together."""
    rule = _Determination(groups, order)
    found: Groups = {}
    for table in groups.values():
        add_rows(found, table)
    is_changing = True
    while is_changing:
        is_changing = False
        for names in in_order(found):
            for other in in_order(found):
                if names in found and other in found and not other <= names:
                    is_changing |= _absorb_from(found, names, other, rule)
    return found


def _absorb_from(groups: Groups, names: Columns, other: Columns, rule: _Determination) -> bool:
    """Let rows of one group take in rows of another; tell whether any did."""
    shared, further = sorted(names & other), sorted(other - names)
    if not shared or not rule.is_possible(shared, further):
        return False
    table, partners = groups[names], groups[other]
    able = rule.determined(table, shared, further)
    if not able.any():
        return False
    places = np.full(table.height, _NONE)
    places[able] = _partners(table.filter(able), partners, shared, rule)
    takes = places != _NONE
    if not takes.any():
        return False
    left = table.filter(~takes)
    if left.height:
        groups[names] = left
    else:
        del groups[names]
    # With all of its columns in the other row, a row becomes that row, which is there already.
    if not names < other:
        gathered = partners.select(further)[places[takes]]
        add_rows(groups, table.filter(takes).hstack(gathered))
    return True


def _partners(
    table: pl.DataFrame, others: pl.DataFrame, shared: Sequence[str], rule: _Determination
) -> Rows:
    """Return for each row the first of the others that is equal in the shared columns, or -1."""
    for name in rule.nearest(shared):
        values = others[name].to_numpy()
        places = np.full(rule.limits[name], _NONE)
        places[values] = np.arange(len(values))
        if (places[values] != np.arange(len(values))).any():
            continue
        # The column tells the others apart, so there is one candidate at most for each row.
        found: Rows = places[table[name].to_numpy()]
        candidates = np.flatnonzero(found != _NONE)
        equal = np.ones(len(candidates), dtype=bool)
        for column in shared:
            wanted = others[column].to_numpy()[found[candidates]]
            equal &= table[column].to_numpy()[candidates] == wanted
        found[candidates[~equal]] = _NONE
        return found
    firsts = others.select(shared).with_row_index("").unique(shared, keep="first")
    joined = table.select(shared).join(firsts, on=shared, how="left", maintain_order="left")
    return joined[""].cast(pl.Int64).fill_null(_NONE).to_numpy().copy()


class _Determination:
    """Which values of one column determine another column, over all rows."""

    def __init__(self, groups: Mapping[Columns, pl.DataFrame], order: Sequence[str]) -> None:
        """Look at these rows."""
        self._groups = dict(groups)
        self._place = {name: number for number, name in enumerate(order)}
        self._known: dict[tuple[str, str], Mask] = {}
        holders: dict[str, list[Columns]] = {}
        for names in groups:
            for name in names:
                holders.setdefault(name, []).append(names)
        self._companions = {n: frozenset.intersection(*held) for n, held in holders.items()}
        self.limits = {
            name: 1 + max(int(groups[names][name].to_numpy().max()) for names in held)
            for name, held in holders.items()
        }

    def is_possible(self, shared: Sequence[str], further: Sequence[str]) -> bool:
        """Tell whether each further column always comes with one of the shared ones."""
        return all(not self._companions[name].isdisjoint(shared) for name in further)

    def nearest(self, names: Sequence[str]) -> list[str]:
        """Return columns, the last in order first: it tells most rows apart."""
        return sorted(names, key=lambda name: -self._place[name])

    def determined(
        self, table: pl.DataFrame, shared: Sequence[str], further: Sequence[str]
    ) -> Mask:
        """Tell of each row whether its shared columns determine all the further ones."""
        able = np.ones(table.height, dtype=bool)
        for name in further:
            companions = [other for other in shared if other in self._companions[name]]
            by_any = np.zeros(table.height, dtype=bool)
            for other in self.nearest(companions):
                by_any |= self._flags(other, name)[table[other].to_numpy()]
                if by_any.all():
                    break
            able &= by_any
            if not able.any():
                break
        return able

    def _flags(self, name: str, further: str) -> Mask:
        """Return a map of the values of a column: which go with one value of another only."""
        found = self._known.get((name, further))
        if found is None:
            pairs = [
                (table[name].to_numpy(), table[further].to_numpy())
                for names, table in self._groups.items()
                if further in names
            ]
            partner = np.full(self.limits[name], _NONE)
            for values, partners in pairs:
                partner[values] = partners
            found = partner != _NONE
            for values, partners in pairs:
                found[values[partner[values] != partners]] = False
            self._known[name, further] = found
        return found
