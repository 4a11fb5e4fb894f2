"""Ops that run outside every storage in a thread, while another thread is inside one."""

from __future__ import annotations

import asyncio
import os
import threading
import warnings
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from tests.unit.memo.fake_book import FakeBook

from mandala_cas.errors import MandalaWarning, UncapturedThreadWarning
from mandala_cas.memo import presence
from mandala_cas.memo.context import carried, current, enter, leave
from mandala_cas.memo.op import op
from mandala_cas.memo.pausing import noop


@op(name="watched")
def watched(x: int) -> int:
    """Be called somewhere."""
    return x


@op(name="watched_async")
async def watched_async(x: int) -> int:
    """Be awaited somewhere."""
    return x


@pytest.fixture(autouse=True)
def _nobody_was_warned() -> Iterator[None]:
    """Warn of each op once more, and leave nobody inside."""
    presence._WARNED.clear()
    yield
    assert presence.INSIDE == {}


def warned_in_a_thread(work: Callable[[], object]) -> list[str]:
    """Return what a thread is warned of."""
    said: list[str] = []

    def run() -> None:
        with warnings.catch_warnings(record=True) as caught:
            warnings.simplefilter("always")
            work()
        said.extend(str(item.message) for item in caught)
        assert all(issubclass(item.category, UncapturedThreadWarning) for item in caught)
        assert all(item.filename == __file__ for item in caught)

    thread = threading.Thread(target=run, name="pool-1")
    thread.start()
    thread.join()
    return said


def test_it_warns_once_for_each_op(entered: FakeBook) -> None:
    """And names the way out."""
    said = warned_in_a_thread(lambda: [watched(1), watched(2)])

    assert len(said) == 1
    assert "watched ran outside every storage in the thread 'pool-1'" in said[0]
    assert "storage.wrap(f)" in said[0]
    assert issubclass(UncapturedThreadWarning, MandalaWarning)
    assert warned_in_a_thread(lambda: watched(3)) == []
    assert entered.calls == {}


def test_it_warns_of_what_is_awaited(entered: FakeBook) -> None:
    """An event loop in a thread of its own."""
    said: list[str] = []

    def run() -> None:
        with warnings.catch_warnings(record=True) as caught:
            warnings.simplefilter("always")
            asyncio.run(watched_async(1))
        said.extend(str(item.message) for item in caught)

    thread = threading.Thread(target=run)
    thread.start()
    thread.join()

    assert len(said) == 1
    assert entered.calls == {}


def test_it_does_not_warn_where_nobody_is_inside(book: FakeBook) -> None:
    """Nobody meant to record anything: before, after, and in a pause."""
    assert warned_in_a_thread(lambda: watched(1)) == []
    entry = enter(book)
    with noop():
        assert warned_in_a_thread(lambda: watched(1)) == []
    leave(entry)
    assert warned_in_a_thread(lambda: watched(1)) == []


def test_it_does_not_warn_of_what_is_paused_or_inside(entered: FakeBook) -> None:
    """There the user has said what is to happen."""

    def inside() -> None:
        entry = enter(entered)
        watched(1)
        leave(entry)

    def paused() -> None:
        with noop():
            watched(2)

    assert warned_in_a_thread(inside) == []
    assert warned_in_a_thread(paused) == []


def test_it_does_not_warn_in_the_main_thread(book: FakeBook) -> None:
    """Which hands work over, and is handed none."""
    is_inside, may_leave = threading.Event(), threading.Event()

    def stay() -> None:
        entry = enter(book)
        is_inside.set()
        may_leave.wait()
        leave(entry)

    thread = threading.Thread(target=stay)
    thread.start()
    is_inside.wait()
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        result = watched(1)
    may_leave.set()
    thread.join()

    assert result == 1


def test_what_is_carried_counts_as_inside(book: FakeBook) -> None:
    """And not any more when it is over."""
    entry: Any = enter(book)
    leave(entry)

    with carried(entry):
        assert list(presence.INSIDE) == [threading.get_ident()]
        inner = current()
    assert inner is not None
    assert inner.book is book
    assert current() is None


def test_tasks_of_one_thread_do_not_warn_each_other(book: FakeBook) -> None:
    """Only threads are handed work by pools; a task says what it wants."""

    async def inside(barrier: asyncio.Barrier) -> None:
        entry = enter(book)
        await barrier.wait()
        await barrier.wait()
        leave(entry)

    async def outside(barrier: asyncio.Barrier) -> int:
        await barrier.wait()
        result = watched(1)
        await barrier.wait()
        return result

    async def both() -> Any:
        barrier = asyncio.Barrier(2)
        return await asyncio.gather(inside(barrier), outside(barrier))

    results: list[Any] = []

    assert warned_in_a_thread(lambda: results.append(asyncio.run(both()))) == []
    assert results == [[None, 1]]


@pytest.mark.skipif(not hasattr(os, "fork"), reason="there is no fork on this platform")
def test_a_forked_child_knows_who_is_inside(book: FakeBook) -> None:
    """The threads of the parent are not there any more; its own block is."""
    is_inside, may_leave = threading.Event(), threading.Event()

    def stay() -> None:
        entry = enter(book)
        is_inside.set()
        may_leave.wait()
        leave(entry)

    thread = threading.Thread(target=stay)
    thread.start()
    is_inside.wait()
    entry = enter(book)
    child = os.fork()
    if child == 0:
        os._exit(0 if list(presence.INSIDE) == [threading.get_ident()] else 1)
    _, status = os.waitpid(child, 0)
    leave(entry)
    may_leave.set()
    thread.join()

    assert os.waitstatus_to_exitcode(status) == 0
