"""The tables with ops and inputs under other names than they have on record: a pure function."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np
import numpy.typing as npt
import polars as pl

from mandala_cas.index.schema import IndexTables

Codes = npt.NDArray[np.uint32]


@dataclass(frozen=True, slots=True)
class Rename:
    """What an op is called now, and those of its inputs that have other names now."""

    name: str
    inputs: Mapping[str, str]


def renamed(tables: IndexTables, renames: Mapping[str, Rename]) -> IndexTables:
    """Return the tables with the calls of some ops under present names; codes stay alphabetical."""
    if not any(op in renames for op in tables.ops):
        return tables
    present = [renames[op].name if op in renames else op for op in tables.ops]
    ops, op_codes = _alphabetical(present)
    calls = tables.calls.with_columns(_recoded(tables.calls["op"], op_codes))
    names, slots = _rename_inputs(tables, renames)
    return replace(tables, calls=calls, slots=slots, ops=ops, names=names)


def _rename_inputs(
    tables: IndexTables, renames: Mapping[str, Rename]
) -> tuple[tuple[str, ...], pl.DataFrame]:
    """Return the names, and the slots with the inputs of renamed ops under theirs."""
    if not any(rename.inputs for rename in renames.values()):
        return tables.names, tables.slots
    codes = tables.slots["name"].to_numpy().copy()
    stated = codes.copy()
    is_input = ~tables.slots["is_output"].to_numpy()
    ops = tables.calls["op"].to_numpy()[tables.slots["call"].to_numpy()]
    names = list(tables.names)
    for op, rename in renames.items():
        if op not in tables.ops:
            continue
        of_op = is_input & (ops == tables.ops.index(op))
        for old, new in rename.inputs.items():
            if old not in tables.names:
                continue
            if new not in names:
                names.append(new)
            # By what is stated, so that two inputs can swap their names.
            codes[of_op & (stated == tables.names.index(old))] = names.index(new)
    ordered, name_codes = _alphabetical(names)
    return ordered, tables.slots.with_columns(pl.Series("name", name_codes[codes], pl.UInt32))


def _alphabetical(words: Sequence[str]) -> tuple[tuple[str, ...], Codes]:
    """Return the words in order, each once, and of each word given its place there."""
    ordered = tuple(sorted(set(words)))
    places = {word: place for place, word in enumerate(ordered)}
    return ordered, np.array([places[word] for word in words], np.uint32)


def _recoded(column: pl.Series, codes: Codes) -> pl.Series:
    """Return a column of codes with other codes in their place."""
    return pl.Series(column.name, codes[column.to_numpy()], pl.UInt32)
