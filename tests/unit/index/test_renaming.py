"""Tables under present names: the same calls and refs, other codes."""

from __future__ import annotations

import polars as pl

from mandala_cas.index.renaming import Rename, renamed
from mandala_cas.index.schema import CALLS_SCHEMA, REFS_SCHEMA, SLOTS_SCHEMA, IndexTables

OPS = ("fit", "load", "train")
NAMES = ("data", "rows", "seed", "y")
# The op of each call, and its slots: whether it is an output, and the name.
CALLS = ["load", "fit", "train", "fit"]
SLOTS = [
    (0, False, "seed"),
    (0, True, "rows"),
    (1, False, "rows"),
    (1, True, "y"),
    (2, False, "data"),
    (2, True, "y"),
    (3, False, "rows"),
    (3, True, "rows"),
]


def tables() -> IndexTables:
    """Return four calls of three ops."""
    count = len(CALLS)
    calls = {
        "call": list(range(count)),
        "op": [OPS.index(name) for name in CALLS],
        "hid": [bytes([i]) * 16 for i in range(count)],
        "cid": [bytes([i]) * 16 for i in range(count)],
        "started_us": [0] * count,
        "duration_us": [0] * count,
    }
    slots = {
        "call": [call for call, _, _ in SLOTS],
        "is_output": [is_output for _, is_output, _ in SLOTS],
        "position": [0] * len(SLOTS),
        "name": [NAMES.index(name) for _, _, name in SLOTS],
        "ref": list(range(len(SLOTS))),
    }
    refs = {
        "ref": list(range(len(SLOTS))),
        "hid": [bytes([i]) * 16 for i in range(len(SLOTS))],
        "cid": [bytes([i]) * 32 for i in range(len(SLOTS))],
    }
    return IndexTables(
        calls=pl.DataFrame(calls, CALLS_SCHEMA),
        slots=pl.DataFrame(slots, SLOTS_SCHEMA),
        refs=pl.DataFrame(refs, REFS_SCHEMA),
        ops=OPS,
        names=NAMES,
    )


def ops_of(found: IndexTables) -> list[str]:
    """Return the op of each call."""
    return [found.ops[code] for code in found.calls["op"]]


def names_of(found: IndexTables) -> list[str]:
    """Return the name of each slot."""
    return [found.names[code] for code in found.slots["name"]]


def test_calls_of_two_names_become_those_of_one_op() -> None:
    """And codes stay in the order of the alphabet, for sorting by code is sorting by name."""
    found = renamed(tables(), {"fit": Rename("train", {"rows": "data"})})

    assert found.ops == ("load", "train")
    assert ops_of(found) == ["load", "train", "train", "train"]
    # Inputs of that op alone: its outputs, and the outputs of others, keep their names.
    assert names_of(found) == ["seed", "rows", "data", "y", "data", "y", "data", "rows"]
    assert list(found.names) == sorted(found.names)
    assert found.calls.schema == pl.Schema(CALLS_SCHEMA)
    assert found.slots.schema == pl.Schema(SLOTS_SCHEMA)
    assert found.refs is not None
    assert found.calls["hid"].equals(tables().calls["hid"])


def test_a_new_name_takes_its_place_in_the_alphabet() -> None:
    """One that no call had, before all others or after them."""
    found = renamed(tables(), {"fit": Rename("zoo", {"rows": "a"}), "load": Rename("bee", {})})

    assert found.ops == ("bee", "train", "zoo")
    assert ops_of(found) == ["bee", "zoo", "train", "zoo"]
    assert names_of(found) == ["seed", "rows", "a", "y", "data", "y", "a", "rows"]
    assert found.names == ("a", "data", "rows", "seed", "y")


def test_two_inputs_are_renamed_at_once() -> None:
    """One may take the name that another gives up."""
    found = renamed(tables(), {"load": Rename("load", {"seed": "rows", "rows": "seed"})})

    assert names_of(found)[:2] == ["rows", "rows"]


def test_without_calls_of_such_ops_nothing_changes() -> None:
    """The same object, so that nobody builds anything anew."""
    stated = tables()

    assert renamed(stated, {"gone": Rename("fit", {"rows": "data"})}) is stated


def test_names_that_no_call_has_are_passed_over() -> None:
    """An argument that was renamed before its first call."""
    found = renamed(tables(), {"fit": Rename("fit", {"never": "data"})})

    assert names_of(found) == names_of(tables())
