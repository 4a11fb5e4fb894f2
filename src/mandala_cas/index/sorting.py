"""Ids in order: sorted as numbers, eight bytes at a time, never as Python objects."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from mandala_cas.log.columns import FixedColumn
from mandala_cas.log.graves import Flags

Words = npt.NDArray[np.uint64]
Order = npt.NDArray[np.intp]


def words_of(ids: FixedColumn) -> Words:
    """Return ids as lines of numbers that compare as the ids do."""
    return np.frombuffer(ids.data, ">u8").reshape(-1, ids.width // 8).astype(np.uint64)


def order_of_ids(words: Words) -> Order:
    """Return the rows of ids in order; those of one id keep theirs."""
    order = np.argsort(words[:, 0], kind="stable")
    first, rest = words[order, 0], words[order, 1:]
    collides = (first[1:] == first[:-1]) & (rest[1:] != rest[:-1]).any(axis=1)
    # Hashes differ in the first eight bytes, unless somebody went to great lengths.
    return np.lexsort(words.T[::-1]) if collides.any() else order


def begins_of(*columns: npt.NDArray[np.number]) -> Flags:
    """Tell of each row of sorted columns whether it differs from the one before."""
    begins = np.ones(len(columns[0]), bool)
    if len(begins):
        begins[1:] = np.any([column[1:] != column[:-1] for column in columns], axis=0)
    return begins


def among(wanted: npt.NDArray[np.number], ascending: npt.NDArray[np.number]) -> Flags:
    """Tell of each of ``wanted`` whether it is in an array that ascends."""
    if not len(ascending):
        return np.zeros(len(wanted), bool)
    places = np.searchsorted(ascending, wanted)
    places[places == len(ascending)] = 0
    found: Flags = ascending[places] == wanted
    return found


def order_of_prefixes(prefixes: npt.NDArray[np.uint64], *then: npt.NDArray[np.number]) -> Order:
    """Return rows by prefix; those of one prefix by ``then``, of which the last counts most."""
    order = np.argsort(prefixes, kind="stable")
    tied = ties_of(prefixes[order])
    # Few rows are tied, and only those need more than one sort.
    if then and tied.any():
        rows = order[tied]
        order[tied] = rows[np.lexsort((*(column[rows] for column in then), prefixes[rows]))]
    return order


def ties_of(numbers: npt.NDArray[np.uint64]) -> Flags:
    """Tell of each of sorted numbers whether it is there several times."""
    tied = np.zeros(len(numbers), bool)
    same = numbers[1:] == numbers[:-1]
    tied[1:] |= same
    tied[:-1] |= same
    return tied
