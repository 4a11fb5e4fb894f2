"""Whatever came in whatever order, kept or not: the index says what the records say."""

from __future__ import annotations

import tempfile
from collections.abc import Sequence
from pathlib import Path
from unittest.mock import patch

from hypothesis import given, settings
from hypothesis import strategies as st
from tests.unit.index.random_logs import (
    CALL_IDS,
    CONTENT_IDS,
    OPS,
    VALUE_IDS,
    Model,
    random_batches,
)

from mandala_cas.index import lookup as lookup_module
from mandala_cas.index.kept import KeptIndex, write_kept_index
from mandala_cas.index.lookup import CallLookup
from mandala_cas.index.replay import build_tables
from mandala_cas.index.tags import tags_in_effect
from mandala_cas.log.part import LogPart

seeds = st.integers(0, 2**32)


def kept(parts: Sequence[LogPart], directory: Path) -> KeptIndex:
    """Return an index of ``parts`` as another process would open it."""
    assert write_kept_index(directory, parts, [part.name for part in parts])
    index = KeptIndex.open(directory)
    assert index is not None
    return index


def assert_agree(lookup: CallLookup, model: Model) -> None:
    """Compare all that point lookups say."""
    live = model.live
    for call_id in CALL_IDS:
        assert lookup.find(call_id) == model.find(call_id)
        assert sorted(lookup.dots(call_id)) == sorted(d for d, c in live if c.call_id == call_id)
    for content_id in CONTENT_IDS:
        equal = [call for _, call in live if call.content_id == content_id]
        assert lookup.count_equal(content_id) == len(equal)
        found = lookup.find_equal(content_id)
        assert found in equal if equal else found is None
    for value_id in VALUE_IDS:
        assert lookup.copies(value_id) == model.copies(value_id)
        assert lookup.has_value(value_id) == bool(model.copies(value_id))
    for op_name in OPS:
        assert lookup.ops_mean_duration(op_name) == model.mean_duration(op_name)


def assert_same_tables(parts: Sequence[LogPart], model: Model) -> None:
    """Compare tables with those of the log itself, and those with the records."""
    found, expected = build_tables(parts), build_tables(model.parts)
    assert found.calls.equals(expected.calls)
    assert found.slots.equals(expected.slots)
    assert found.refs.equals(expected.refs)
    assert (found.ops, found.names) == (expected.ops, expected.names)
    best: dict[bytes, tuple[object, ...]] = {}
    for dot, call in model.live:
        best[call.call_id] = min(
            best.get(call.call_id, (10**9,)), (call.started_us, dot, call.content_id, call.op_name)
        )
    rows = sorted((best[hid][0], hid, *best[hid][2:]) for hid in best)
    columns = (found.calls["started_us"], found.calls["hid"], found.calls["cid"])
    ops = [found.ops[code] for code in found.calls["op"]]
    assert list(zip(*columns, ops, strict=True)) == rows
    refs: dict[bytes, bytes] = {}
    for dot, call in model.live:
        if best[call.call_id][1] == dot:
            for slot in (*call.inputs, *call.outputs):
                earlier = refs.get(slot.history_id, slot.content_id)
                refs[slot.history_id] = min(earlier, slot.content_id)
    assert list(zip(found.refs["hid"], found.refs["cid"], strict=True)) == sorted(refs.items())


@settings(max_examples=25)
@given(seed=seeds, many=st.sampled_from([0, 20, 10**6]))
def test_an_index_of_batches_says_what_the_records_say(seed: int, many: int) -> None:
    """Sorted or in dictionaries, in one batch or in several."""
    batches = random_batches(seed)
    lookup, model = CallLookup(), Model()

    with patch.object(lookup_module, "_MANY", many):
        for batch in batches:
            lookup.add_parts(batch)
            model.add(batch)

            assert_agree(lookup, model)

    assert_same_tables(model.parts, model)


@settings(max_examples=25)
@given(seed=seeds, many=st.sampled_from([0, 10**6]))
def test_a_kept_index_and_a_tail_say_what_the_records_say(seed: int, many: int) -> None:
    """A process that opens a kept index knows what one that read the log knows."""
    base, *tail = random_batches(seed)
    model = Model()
    with tempfile.TemporaryDirectory() as folder, patch.object(lookup_module, "_MANY", many):
        index = kept(base, Path(folder))
        lookup = CallLookup(index)
        model.add(base)

        assert_agree(lookup, model)

        for batch in tail:
            lookup.add_parts(batch)
            model.add(batch)

            assert_agree(lookup, model)

    parts = [*index.parts, *model.parts[len(base) :]]
    assert_same_tables(parts, model)
    tags = tags_in_effect(parts)
    assert {k: {(t.dot, t.record) for t in v} for k, v in tags.items()} == model.tags()
    assert index.names == {part.name for part in base}
    assert index.segment_ids == {part.segment_id for part in base}


@settings(max_examples=25)
@given(seed=seeds)
def test_an_index_made_from_a_kept_one_and_a_tail_is_as_good(seed: int) -> None:
    """It is rewritten from itself, for years, and must not wear out."""
    batches = random_batches(seed)
    model = Model()
    with tempfile.TemporaryDirectory() as folder:
        parts: list[LogPart] = []
        for batch in batches:
            index = kept([*parts, *batch], Path(folder))
            parts = [*index.parts]
            model.parts += batch

    model.add([])  # one batch: what is kept was seen together
    assert_agree(CallLookup(index), model)
    assert_same_tables(parts, model)
    assert index.segment_ids == {id_ for part in model.parts for id_ in part.segment_ids}
