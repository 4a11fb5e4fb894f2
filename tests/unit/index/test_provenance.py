"""What the log says of where results came from is what its records say, in whatever order."""

from __future__ import annotations

import random
import tempfile
from collections import defaultdict
from collections.abc import Sequence
from pathlib import Path

import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from tests.unit.index.random_logs import Model, random_batches

from mandala_cas.index.call_columns import call_columns, count_ops
from mandala_cas.index.kept import KeptIndex, write_kept_index
from mandala_cas.index.neighbours import consumers_of, creators_of, unknown_refs
from mandala_cas.index.replay import build_tables
from mandala_cas.index.rivals import Rival, find_rivals
from mandala_cas.index.unpublished import NOBODY, open_segment
from mandala_cas.index.unused import unused_refs, unused_values
from mandala_cas.log.part import LogPart
from mandala_cas.model.entries import CallRecord, TagTarget, Tombstone
from mandala_cas.model.ids import CallId, ContentId, Dot, HistoryId

HISTORIES = [HistoryId(bytes([n]) * 16) for n in range(5)]

seeds = st.integers(0, 2**32)


def model_of(seed: int) -> Model:
    """Return a random log that came all at once."""
    model = Model()
    model.add([segment for batch in random_batches(seed) for segment in batch])
    return model


def forms(seed: int, model: Model) -> list[Sequence[LogPart]]:
    """Return the same log as it came, in another order, and as a kept index with a tail."""
    shuffled = list(model.parts)
    random.Random(seed).shuffle(shuffled)  # noqa: S311 (a test's choice, not a secret)
    cut = len(shuffled) // 2
    with tempfile.TemporaryDirectory() as directory:
        named = [part.name for part in shuffled[:cut]]
        assert write_kept_index(Path(directory), shuffled[:cut], named)
        kept = KeptIndex.open(Path(directory))
    assert kept is not None
    return [model.parts, shuffled, [*kept.parts, *shuffled[cut:]]]


def best_first(records: Sequence[tuple[Dot, CallRecord]]) -> list[tuple[Dot, CallRecord]]:
    """Return records of one call, the one that answers first."""
    return sorted(records, key=lambda item: (item[1].started_us, item[0]))


def by_call(model: Model) -> dict[CallId, list[tuple[Dot, CallRecord]]]:
    """Return the live records of each call, the one that answers first."""
    found = defaultdict(list)
    for dot, call in model.live:
        found[call.call_id].append((dot, call))
    return {call_id: best_first(records) for call_id, records in found.items()}


def winners(model: Model) -> list[tuple[Dot, CallRecord]]:
    """Return the record that answers for each call, in the order of tables."""
    found = [records[0] for records in by_call(model).values()]
    return sorted(found, key=lambda item: (item[1].started_us, item[1].call_id))


@given(seeds)
@example(3)
def test_rivals_are_the_calls_whose_records_gave_different_things(seed: int) -> None:
    """Nobody may miss a conflict, or see another winner than a lookup gives."""
    model = model_of(seed)
    expected = [
        [Rival(*item) for item in records]
        for records in by_call(model).values()
        if len({tuple(slot.content_id for slot in call.outputs) for _, call in records}) > 1
    ]
    expected.sort(key=lambda group: (group[0].record.started_us, group[0].dot))

    for parts in forms(seed, model):
        assert find_rivals(parts) == expected
        assert all(group[0].record == model.find(group[0].record.call_id) for group in expected)


def test_the_random_logs_have_conflicts() -> None:
    """Else the test above would show nothing."""
    assert sum(bool(find_rivals(model_of(seed).parts)) for seed in range(20)) > 5


@given(seeds)
def test_neighbours_are_those_of_the_records(seed: int) -> None:
    """In the order in which the calls began, ties by history id."""
    model = model_of(seed)
    calls = [call for _, call in winners(model)]
    wanted = HISTORIES[:2]

    for parts in forms(seed, model):
        tables = build_tables(parts)
        assert creators_of(tables, wanted) == [
            call.call_id for call in calls if any(s.history_id in wanted for s in call.outputs)
        ]
        assert consumers_of(tables, wanted) == [
            call.call_id for call in calls if any(s.history_id in wanted for s in call.inputs)
        ]
        known = {slot.history_id for call in calls for slot in (*call.inputs, *call.outputs)}
        assert unknown_refs(tables, HISTORIES) == [h for h in HISTORIES if h not in known]


@given(seeds)
def test_what_nothing_uses_is_what_no_live_record_names(seed: int) -> None:
    """A ref or a value that counts must never be called an orphan."""
    model = model_of(seed)
    live_slots = [s for _, call in model.live for s in (*call.inputs, *call.outputs)]
    tags = [record for tagged in model.tags().values() for _, record in tagged]
    tagged_refs = [tag for tag in tags if tag.target is TagTarget.REF]
    tagged_calls = {tag.history_id for tag in tags if tag.target is TagTarget.CALL}

    for parts in forms(seed, model):
        calls = [part.call_record(row) for part in parts for row in range(part.calls.row_count)]
        slots = [s for call in calls for s in (*call.inputs, *call.outputs)]
        of_tagged = [s for c in calls if c.call_id in tagged_calls for s in (*c.inputs, *c.outputs)]
        values = {
            part.value_record(row).content_id
            for part in parts
            for row in range(part.values.row_count)
        }
        histories = {s.history_id for s in slots} | {HistoryId(t.history_id) for t in tagged_refs}
        assert unused_refs(parts) == histories - {s.history_id for s in live_slots}
        assert unused_values(parts) == (
            values
            - {s.content_id for s in (*live_slots, *of_tagged)}
            - {t.content_id for t in tagged_refs}
        )


def test_ids_that_end_in_zeros_come_back_whole() -> None:
    """What sorts them takes zeros at the end for padding."""
    orphans: set[HistoryId] = set()
    values: set[ContentId] = set()
    for seed in range(20):
        model = model_of(seed)
        everything = [Tombstone(dot.writer, dot.seq, 0, 2**32 - 1) for dot, _ in model.live]
        parts = [*model.parts, open_segment(everything, NOBODY, 0)]
        orphans |= unused_refs(parts)
        values |= unused_values(parts)

    assert HistoryId(bytes(16)) in orphans
    assert ContentId(b"v" * 8 + bytes(24)) in values


@given(seeds)
def test_columns_of_calls_say_what_their_records_say(seed: int) -> None:
    """A row that mixes two records would be a call that nobody made."""
    model = model_of(seed)
    expected = winners(model)

    for parts in forms(seed, model):
        columns = call_columns(parts)
        places, numbers = columns.places()
        rows = zip(
            columns.texts["op"],
            columns.ids["call_id"],
            columns.ids["content_id"],
            columns.ids["parent"],
            columns.started_us.tolist(),
            columns.duration_us.tolist(),
            [places[number] for number in numbers.tolist()],
            strict=True,
        )
        assert list(rows) == [
            (
                call.op_name,
                call.call_id.hex(),
                call.content_id.hex(),
                call.parent and call.parent.hex(),
                call.started_us,
                call.duration_us,
                dot[:2],
            )
            for dot, call in expected
        ]


@given(seeds)
def test_ops_are_counted_by_what_answers(seed: int) -> None:
    """Two records of one call are one call."""
    model = model_of(seed)
    expected: dict[tuple[str, str], list[int]] = defaultdict(list)
    for _, call in winners(model):
        expected[call.op_name, call.op_version].append(call.duration_us)

    for parts in forms(seed, model):
        assert count_ops(parts) == [
            (*key, len(durations), sum(durations)) for key, durations in sorted(expected.items())
        ]


@pytest.mark.parametrize("find", [find_rivals, unused_refs, unused_values, count_ops])
def test_an_empty_log_has_nothing(find: object) -> None:
    """People ask before they made a call."""
    assert callable(find)
    assert not find([])
