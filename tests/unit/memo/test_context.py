"""Sessions: which book the calls of a thread or task go to."""

from __future__ import annotations

import asyncio
import threading

import pytest
from tests.unit.memo.fake_book import FakeBook

from mandala_cas.errors import UsageError
from mandala_cas.memo.context import Entry, Session, current, enter, innermost, leave, run_in_body
from mandala_cas.model.ids import CallId

CALL_ID = CallId(bytes(range(16)))


def session_in(book: FakeBook) -> Session:
    """Return the innermost entry, in which calls are remembered."""
    entry = innermost(book)
    assert isinstance(entry, Session)
    return entry


def test_outside_every_storage_there_is_no_session() -> None:
    """An op is its plain function then."""
    assert current() is None


def test_leaving_restores_what_was_there() -> None:
    """In mandala an inner ``with`` ended the outer one: later calls were silently not recorded."""
    outer, inner = FakeBook("outer"), FakeBook("inner")
    outer_session = enter(outer)
    inner_session = enter(inner)

    leave(inner_session)

    assert current() is outer_session
    leave(outer_session)
    assert current() is None


def test_a_book_can_be_entered_again(book: FakeBook) -> None:
    """A function with its own ``with storage:`` may be called from such a block."""
    first = enter(book)
    second = enter(book)

    leave(second)

    assert current() is first
    leave(first)


def test_storages_left_in_the_wrong_order_are_an_error(book: FakeBook) -> None:
    """Nothing changes then, and the right order still works."""
    outer = enter(FakeBook("outer"))
    inner = enter(book)

    with pytest.raises(UsageError, match="not the innermost"):
        leave(outer)

    leave(inner)
    leave(outer)


def test_an_entry_left_twice_is_an_error(book: FakeBook) -> None:
    """The second time would end an entry that is not its own."""
    outer = enter(book)
    inner = enter(book)
    leave(inner)

    with pytest.raises(UsageError, match="left twice"):
        leave(inner)

    leave(outer)


def test_innermost_finds_the_entry_to_leave(book: FakeBook) -> None:
    """A storage used as a context manager by several threads keeps no entries itself."""
    enter(book)
    second = enter(book)

    assert innermost(book) is second

    leave(innermost(book))
    leave(innermost(book))
    assert current() is None


def test_a_thread_starts_outside_every_storage(entered: FakeBook) -> None:
    """Each thread has its own answer."""
    seen: list[Entry | None] = [current()]
    thread = threading.Thread(target=lambda: seen.append(current()))

    thread.start()
    thread.join()

    assert seen[0] is not None
    assert seen[0].book is entered
    assert seen[1:] == [None]


def test_tasks_do_not_see_each_other() -> None:
    """Two coroutines interleaved in one thread, each in its own storage."""

    async def visit(book: FakeBook, barrier: asyncio.Barrier) -> bool:
        session = enter(book)
        await barrier.wait()
        seen = current()
        leave(session)
        return seen is session

    async def visit_both() -> list[bool]:
        barrier = asyncio.Barrier(2)
        visits = (visit(FakeBook(name), barrier) for name in ("one", "two"))
        return await asyncio.gather(*visits)

    assert asyncio.run(visit_both()) == [True, True]
    assert current() is None


def test_a_body_runs_in_a_session_of_its_own(entered: FakeBook) -> None:
    """Calls made there have a parent and give plain values."""
    outer = session_in(entered)

    inside = run_in_body(outer, CALL_ID, current, [], {})

    assert (inside.book, inside.parent, inside.in_body) == (entered, CALL_ID, True)
    assert current() is outer


def test_a_body_that_raises_restores_the_session(entered: FakeBook) -> None:
    """The next call of the caller is an ordinary one."""
    outer = session_in(entered)

    with pytest.raises(ZeroDivisionError):
        run_in_body(outer, CALL_ID, lambda: 1 // 0, [], {})

    assert current() is outer


def test_a_storage_entered_in_a_body_gives_refs_and_keeps_the_parent(entered: FakeBook) -> None:
    """As outside a body; calls to the same book are still made by that body."""
    outer = session_in(entered)

    same = run_in_body(outer, CALL_ID, lambda: enter(entered), [], {})
    other = run_in_body(outer, CALL_ID, lambda: enter(FakeBook("other")), [], {})

    assert (same.parent, same.in_body) == (CALL_ID, False)
    assert (other.parent, other.in_body) == (None, False)
    assert current() is outer


def test_a_body_cannot_leave_the_storage_it_was_called_in(entered: FakeBook) -> None:
    """Its caller is still inside."""
    outer = session_in(entered)

    with pytest.raises(UsageError, match="not the innermost"):
        run_in_body(outer, CALL_ID, lambda: leave(outer), [], {})
