"""What a call costs, counted: looks at the index, writes to the journal, objects that stay."""

from __future__ import annotations

import gc
import os
from collections import Counter
from pathlib import Path
from typing import Any

import pytest

from mandala_cas.imports import Storage, op
from mandala_cas.index.row_numbers import RowNumbers
from mandala_cas.log.frames import FrameKey


@op
def combine(base: int, x: int, y: float) -> float:
    """Return a number that no other call gives."""
    return base * 1000 + x + y


@pytest.fixture
def place(tmp_path: Path) -> Path:
    """Return a store with some calls on record."""
    with Storage(tmp_path / "store", cache_dir=tmp_path / "cache"):
        for x in range(20):
            combine(7, x, 0.5)
    return tmp_path / "store"


def test_a_new_call_looks_for_each_id_once(place: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Its two ids and the values that are new; not again for what its batch has a row for."""
    looks: Counter[bytes] = Counter()
    of, first = RowNumbers.of, RowNumbers.first

    def counted_of(self: RowNumbers, id_: bytes) -> list[int]:
        looks[bytes(id_)] += 1
        return of(self, id_)

    def counted_first(self: RowNumbers, id_: bytes) -> int | None:
        looks[bytes(id_)] += 1
        return first(self, id_)

    with Storage(place, cache_dir=place.parent / "cache"):
        combine(7, 100, 0.5)
        monkeypatch.setattr(RowNumbers, "of", counted_of)
        monkeypatch.setattr(RowNumbers, "first", counted_first)

        combine(7, 101, 0.5)

    # The call by history and by content, the one input that is new, and the output.
    assert sorted(looks.values()) == [1, 1, 1, 1]


def test_a_new_call_is_one_frame_and_one_write(
    place: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Whatever else it has written by then, it waits for that."""
    written: list[int] = []
    frames: list[int] = []
    write, frame = os.write, FrameKey.frame

    def counted_write(descriptor: int, data: Any) -> int:
        written.append(len(data))
        return write(descriptor, data)

    def counted_frame(self: FrameKey, number: int, body: bytes) -> bytes:
        made = frame(self, number, body)
        frames.append(len(made))
        return made

    with Storage(place, cache_dir=place.parent / "cache"):
        combine(7, 100, 0.5)
        monkeypatch.setattr(os, "write", counted_write)
        monkeypatch.setattr(FrameKey, "frame", counted_frame)
        for x in range(101, 111):
            combine(7, x, 0.5)
        monkeypatch.undo()

    assert len(written) == 10
    assert written == frames


def test_what_is_not_committed_is_nothing_to_the_garbage_collector(place: Path) -> None:
    """It goes through all objects again and again: a sweep would get slower with each call."""
    with Storage(place, cache_dir=place.parent / "cache"):
        for x in range(100, 200):
            combine(7, x, 0.5)
        gc.collect()
        before = len(gc.get_objects())

        for x in range(200, 700):
            combine(7, x, 0.5)

        gc.collect()
        assert len(gc.get_objects()) - before < 250


def test_a_call_that_is_not_committed_is_found_and_shown(place: Path) -> None:
    """Its record is made of bytes when somebody asks."""
    with Storage(place, cache_dir=place.parent / "cache") as storage:
        made: Any = combine(7, 100, 0.5)
        found: Any = combine(7, 100, 0.5)

        assert found.hid == made.hid
        assert storage.unwrap(found) == 7100.5
        table = storage.cf(combine).expand_back().df()
    assert table.isin([7100.5]).any(axis=None)
