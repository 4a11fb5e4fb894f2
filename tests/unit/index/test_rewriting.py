"""When a kept index is written anew: not for every call, and before the tail costs more."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path

import pytest

from mandala_cas.index import kept
from mandala_cas.index.kept import KeptIndex, should_rewrite, write_kept_index
from mandala_cas.log.segment import Segment
from mandala_cas.model.entries import CallRecord

MakeCall = Callable[..., CallRecord]
MakeSegment = Callable[..., Segment]
MakeCalls = Callable[[int, int], Segment]


@pytest.fixture
def calls(make_call: MakeCall, make_segment: MakeSegment) -> MakeCalls:
    """Return a function that makes a segment of some calls."""
    return lambda count, writer: make_segment(
        [make_call("gen", f"{writer} {n}") for n in range(count)], writer=writer
    )


@pytest.fixture
def keep(tmp_path: Path) -> Callable[[Sequence[Segment]], KeptIndex]:
    """Return a function that keeps parts and opens what it kept."""

    def keep(parts: Sequence[Segment]) -> KeptIndex:
        assert write_kept_index(tmp_path, parts, [part.name for part in parts])
        index = KeptIndex.open(tmp_path)
        assert index is not None
        return index

    return keep


def test_a_small_log_is_not_worth_keeping(
    calls: MakeCalls, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Reading it is cheaper than looking for a file."""
    monkeypatch.setattr(kept, "_ROW_COUNT_MIN", 10)

    assert not should_rewrite(None, [calls(10, 1)])
    assert should_rewrite(None, [calls(10, 1), calls(1, 2)])


def test_many_small_objects_are_worth_keeping(
    calls: MakeCalls, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Each is a request at the next opening, however little it holds."""
    monkeypatch.setattr(kept, "_PART_COUNT_MAX", 2)

    assert not should_rewrite(None, [calls(1, n) for n in range(2)])
    assert should_rewrite(None, [calls(1, n) for n in range(3)])


def test_a_tail_may_grow_to_an_eighth(
    calls: MakeCalls,
    keep: Callable[[Sequence[Segment]], KeptIndex],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """One colleague's call must not cost a rebuild of a million."""
    monkeypatch.setattr(kept, "_ROW_COUNT_MIN", 1)
    base = keep([calls(80, 1)])

    assert not should_rewrite(base, [*base.parts])
    assert not should_rewrite(base, [*base.parts, calls(10, 2)])
    assert should_rewrite(base, [*base.parts, calls(10, 2), calls(1, 3)])
