"""Calls whose records do not agree: all are kept, one answers, and people see who made them."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from tests.unit.storage.round_trips import RoundTripStore

from mandala_cas.imports import Storage, op

GIVEN: list[int] = []


@op(version="3")
def draw(limit: int) -> tuple[int, int]:
    """Return what nobody can foresee, and what everybody can."""
    return GIVEN.pop(0), limit


@op
def double(x: int) -> int:
    """Pass a difference on."""
    return 2 * x


def two_storages(place: Any) -> tuple[Storage, Storage]:
    """Return storages on one place that have not seen each other make the same calls."""
    GIVEN[:] = [11, 22]
    first, second = Storage(place), Storage(place)
    for storage in (first, second):
        with storage:
            made: Any = draw(100)
            double(made[0])
    for storage in (first, second):
        storage.refresh()
    return first, second


def test_both_records_are_kept_and_the_one_that_started_first_answers(tmp_path: Path) -> None:
    """For whoever opens the store from now on."""
    two_storages(tmp_path)
    later = Storage(tmp_path)

    conflict, inherited = later.conflicts()

    assert (conflict.op, conflict.version) == ("draw", "3")
    values = [later.unwrap(dict(record.outputs)) for record in conflict.records]
    assert values == [
        {"output_0": 11, "output_1": 100},
        {"output_0": 22, "output_1": 100},
    ]
    assert conflict.winner is conflict.records[0]
    assert conflict.records[0].started < conflict.records[1].started
    assert later.get_call(conflict.hid).record == conflict.winner.call.record
    with later:
        made: Any = draw(100)
    assert later.unwrap(made) == (11, 100)
    assert (conflict.is_inherited, inherited.is_inherited) == (False, True)
    assert later.unwrap([r.outputs["output_0"] for r in inherited.records]) == [22, 44]


def test_two_readers_see_the_same(tmp_path: Path) -> None:
    """Whichever of the records they saw first."""
    first, second = two_storages(tmp_path)
    compacted = Storage(tmp_path)
    compacted.compact(full=True, delay=0)

    seen = [storage.conflicts().to_dict() for storage in (first, second, Storage(tmp_path))]

    assert seen[0] == seen[1] == seen[2]
    assert len(seen[0]["conflicts"]) == 2


def test_a_process_that_answered_goes_on_with_its_own(tmp_path: Path) -> None:
    """As it does for hits; the table shows what everybody else gets."""
    _, second = two_storages(tmp_path)

    (conflict, _) = second.conflicts()

    with second:
        made: Any = draw(100)
    assert second.unwrap(made) == (22, 100)
    assert second.unwrap(conflict.winner.outputs["output_0"]) == 11


def test_who_and_when_is_shown(tmp_path: Path) -> None:
    """People have to ask somebody what is different there."""
    first, _ = two_storages(tmp_path)
    (conflict, _) = first.conflicts()

    data = json.loads(json.dumps(conflict.to_dict()))
    text = str(first.conflicts())

    assert [record["key_name"] for record in data["records"]] == ["yourself", "yourself"]
    metadata = [record.metadata for record in conflict.records]
    assert [record.call.metadata for record in conflict.records] == metadata
    assert metadata[0] != metadata[1]
    assert data["records"][0]["host"] == conflict.winner.metadata.host
    assert data["records"][0]["written"] == conflict.winner.metadata.written.isoformat()  # type: ignore[union-attr] # committed
    assert text.startswith("2 calls have records that gave different things")
    assert text.count("answers") == 3
    assert "yourself, " in text
    assert f"{conflict.winner.started:%Y-%m-%d %H:%M:%S}" in text
    assert conflict.winner.outputs["output_0"].cid[:12] in text
    assert str(conflict) in repr([conflict])


def test_conflicts_are_a_sequence(tmp_path: Path) -> None:
    """That prints as one table."""
    report = two_storages(tmp_path)[0].conflicts()

    assert [report[0], *report[1:]] == list(report)
    assert len(report) == 2
    assert repr(report) == str(report)


def test_records_that_agree_are_no_conflict(tmp_path: Path) -> None:
    """Two machines may well compute the same."""
    GIVEN[:] = [5, 5]
    first, second = Storage(tmp_path), Storage(tmp_path)
    for storage in (first, second):
        with storage:
            draw(1)

    report = Storage(tmp_path).conflicts()

    assert list(report) == []
    assert str(report).startswith("No conflicts")
    assert report.to_dict() == {"conflicts": []}


def test_a_conflict_in_the_open_batch_is_seen(tmp_path: Path) -> None:
    """Before it is committed, too."""
    GIVEN[:] = [1, 2]
    first, second = Storage(tmp_path), Storage(tmp_path, flush_after=1000)
    with second:
        draw(1)
        with first:
            draw(1)
        second.refresh()

        (conflict,) = second.conflicts()

        assert [record.metadata.written is None for record in conflict.records] == [True, False]


def test_dropping_the_one_that_answers_lets_the_other_answer(tmp_path: Path) -> None:
    """A drop takes all records of a call that are seen, so it is dropped before the other is."""
    GIVEN[:] = [1, 2]
    first, second = Storage(tmp_path), Storage(tmp_path)
    with first:
        made: Any = draw(1)
    with second:
        draw(1)
    first.drop_calls(first.get_creators(made[0]))

    later = Storage(tmp_path)

    assert len(later.conflicts()) == 0
    with later:
        answer: Any = draw(1)
    assert later.unwrap(answer[0]) == 2


@pytest.mark.parametrize(
    ("said", "shown"),
    [
        ({"host": "evil\x1b[2J", "user": "a\nb"}, "a?b@evil?[2J"),
        ({"host": 5, "user": ["x"], "pid": True, "packages": 7}, "unknown"),
        ({"pid": 2**63}, "unknown"),
        ({"user": "u" * 500}, "u" * 60),
    ],
)
def test_what_a_writer_says_of_itself_is_not_believed_blindly(
    said: dict[str, Any], shown: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Anybody may write anything there: a terminal must not obey it, nor a table break."""
    monkeypatch.setattr("mandala_cas.storage.session.SessionDescription.__call__", lambda _: said)
    objects = RoundTripStore()
    first, _ = two_storages(objects)

    (conflict, _) = first.conflicts()

    assert [record.who for record in conflict.records] == [shown, shown]
    assert "\x1b" not in str(first.conflicts())
    assert len(first.calls_df()) == 2
