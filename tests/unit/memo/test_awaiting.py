"""``async def`` ops: what is awaited, what waits for it, and what is on record afterwards."""

from __future__ import annotations

import asyncio
import contextvars
import functools
import inspect
import threading
from collections.abc import Callable, Coroutine
from typing import Any

import pytest
from tests.unit.memo.fake_book import FakeBook

from mandala_cas.errors import NewCallsNotAllowedError, UsageError
from mandala_cas.memo.awaiting import FLIGHTS
from mandala_cas.memo.context import Session, current, enter, innermost, leave
from mandala_cas.memo.op import Op, op
from mandala_cas.memo.recovery import load
from mandala_cas.model.refs import AtomRef, Ref


class Gate:
    """An op whose body says that it runs, and waits until it may go on."""

    def __init__(self) -> None:
        """Define the op."""
        self.runs: list[int] = []
        self.opened = asyncio.Event()
        self.error: Exception | None = None

        @op(name="gated")
        async def gated(x: int) -> int:
            self.runs.append(x)
            await self.opened.wait()
            if self.error is not None:
                raise self.error
            return x + 1

        self.op: Op[..., Any] = gated


async def settle() -> None:
    """Let every task run until it waits for something."""
    for _ in range(10):
        await asyncio.sleep(0)


def in_loop(main: Callable[[], Coroutine[Any, Any, Any]]) -> Any:
    """Run a coroutine; what is left in flight by it is a mistake."""
    result = asyncio.run(main())
    assert FLIGHTS._flying == {}
    return result


@op(name="plain_inner")
def plain_inner(x: int) -> int:
    """Be called by others."""
    return x * 10


@op(name="fetch")
async def fetch(x: int) -> int:
    """Await something, and call an ordinary op."""
    await asyncio.sleep(0)
    return plain_inner(x) + 1


@op(name="both", output_names=["low", "high"])
async def both(x: int) -> tuple[int, int]:
    """Await another op twice."""
    return await fetch(x), await fetch(x + 1)


def test_outside_it_is_the_plain_coroutine_function(book: FakeBook) -> None:
    """Refs are unwrapped."""
    entry = enter(book)
    ref: Any = plain_inner(4)
    leave(entry)

    result = in_loop(lambda: fetch(ref))

    assert result == 401


@pytest.mark.usefixtures("entered")
def test_inside_it_gives_refs_and_a_record() -> None:
    """The second time without running; several outputs have names."""
    computed: Any = in_loop(lambda: both(1))
    answered: Any = in_loop(lambda: both(1))

    assert [ref.value for ref in computed] == [11, 21]
    assert answered == computed
    assert [ref.in_memory for ref in answered] == [False, False]


def test_calls_in_bodies_are_linked_and_give_plain_values(entered: FakeBook) -> None:
    """Ordinary ones and awaited ones."""
    in_loop(lambda: both(1))

    calls = list(entered.calls.values())
    parents = {
        call.op_name: next((c.op_name for c in calls if c.call_id == call.parent), None)
        for call in calls
    }
    assert parents == {"plain_inner": "fetch", "fetch": "both", "both": None}
    assert len(calls) == 5


def test_the_storage_is_that_of_whoever_awaits(book: FakeBook) -> None:
    """Not that of where the coroutine was made."""

    async def main() -> tuple[Any, Any]:
        outside: Any = fetch(1)
        entry = enter(book)
        inside: Any = fetch(2)
        first = await outside
        leave(entry)
        return first, await inside

    first, second = in_loop(main)

    assert isinstance(first, AtomRef)
    assert second == 21


def test_concurrent_calls_compute_once(entered: FakeBook) -> None:
    """The others wait, and get refs of their own; a hit does not wait for anybody."""

    async def main() -> Any:
        gate = Gate()
        tasks = [asyncio.create_task(gate.op(1)) for _ in range(3)]
        other = asyncio.create_task(gate.op(2))
        await settle()
        waiting = list(gate.runs)
        gate.opened.set()
        results = await asyncio.gather(*tasks, other)
        gate.opened.clear()
        return waiting, results, await gate.op(1)

    waiting, results, again = in_loop(main)

    assert waiting == [1, 2]
    assert [ref.content_id for ref in results[:3]] == [results[0].content_id] * 3
    assert [ref.in_memory for ref in results] == [True, False, False, True]
    assert again == results[0]
    assert len(entered.calls) == 2


@pytest.mark.usefixtures("entered")
def test_concurrent_calls_in_a_body_get_values_of_their_own() -> None:
    """One may be changed by who got it."""

    @op(name="listed")
    async def listed() -> list[int]:
        await asyncio.sleep(0)
        return [1]

    @op(name="gathering")
    async def gathering() -> bool:
        one, two = await asyncio.gather(listed(), listed())
        return one == two == [1] and one is not two

    result: Any = in_loop(gathering)

    assert result.value is True


def test_if_the_first_is_cancelled_another_takes_over(entered: FakeBook) -> None:
    """Nothing is on record of the first; a waiting one that is cancelled disturbs nobody."""

    async def main() -> Any:
        gate = Gate()
        first, second, third = (asyncio.create_task(gate.op(1)) for _ in range(3))
        await settle()
        second.cancel()
        await settle()
        assert gate.runs == [1]
        first.cancel()
        await settle()
        assert entered.calls == {}
        gate.opened.set()
        return gate.runs, await asyncio.gather(first, second, third, return_exceptions=True)

    runs, results = in_loop(main)

    assert runs == [1, 1]
    assert [type(result) for result in results] == [
        asyncio.CancelledError,
        asyncio.CancelledError,
        AtomRef,
    ]
    assert results[2].value == 2


@pytest.mark.usefixtures("entered")
def test_if_it_fails_all_get_the_exception() -> None:
    """The same one; nothing is on record, and the next call runs again."""
    error = ValueError("no")

    async def main() -> Any:
        gate = Gate()
        gate.error = error
        tasks = [asyncio.create_task(gate.op(1)) for _ in range(3)]
        await settle()
        gate.opened.set()
        failed = await asyncio.gather(*tasks, return_exceptions=True)
        gate.error = None
        return failed, await gate.op(1), gate.runs

    failed, again, runs = in_loop(main)

    assert failed == [error] * 3
    assert again.value == 2
    assert runs == [1, 1]


def test_calls_of_two_threads_compute_once(book: FakeBook) -> None:
    """Each thread has an event loop of its own."""
    runs: list[str] = []
    running, waiting = threading.Event(), threading.Event()
    results: dict[str, Any] = {}

    @op(name="shared")
    async def shared(x: int) -> int:
        runs.append(threading.current_thread().name)
        running.set()
        # The other thread has looked, found nothing, and joined.
        await asyncio.to_thread(waiting.wait)
        return x + 1

    async def join() -> Any:
        task = asyncio.create_task(shared(1))
        await settle()
        waiting.set()
        return await task

    def work(name: str, make: Callable[[], Any]) -> None:
        entry = enter(book)
        results[name] = asyncio.run(make())
        leave(entry)

    first = threading.Thread(target=work, name="first", args=("first", lambda: shared(1)))
    first.start()
    running.wait()
    second = threading.Thread(target=work, name="second", args=("second", join))
    second.start()
    first.join()
    second.join()

    assert runs == ["first"]
    assert results["first"] == results["second"]


def test_what_another_thread_made_meanwhile_answers(
    entered: FakeBook, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It came on record after this one looked, and before it would have begun."""
    other = FakeBook("other")
    entry = enter(other)
    made: Any = in_loop(lambda: fetch(1))
    leave(entry)

    def arrive(op_name: str) -> bool:
        assert op_name == "fetch"
        entered.calls |= other.calls
        entered.values |= other.values
        return False

    monkeypatch.setattr(entered, "look_again", arrive)

    result: Any = in_loop(lambda: fetch(1))

    assert result == made
    assert not result.in_memory
    assert entered.asked["record"] == 0


def test_a_call_that_awaits_itself_is_refused(entered: FakeBook) -> None:
    """It would wait for its own end, for ever."""

    @op(name="circular")
    async def circular(x: int) -> int:
        inner: int = await circular(x)
        return inner

    with pytest.raises(UsageError, match="would wait for itself"):
        in_loop(lambda: circular(1))

    assert entered.calls == {}


def test_other_tasks_do_not_see_the_body(entered: FakeBook) -> None:
    """While one body waits, calls of another task have no parent and give refs."""

    async def main() -> Any:
        gate = Gate()
        task = asyncio.create_task(gate.op(1))
        await settle()
        seen, result = current(), plain_inner(1)
        gate.opened.set()
        await task
        return seen, result, current()

    seen, result, after = in_loop(main)

    assert seen is after is innermost(entered)
    assert isinstance(result, Ref)
    assert next(c for c in entered.calls.values() if c.op_name == "plain_inner").parent is None


@pytest.mark.usefixtures("entered")
def test_a_coroutine_that_is_thrown_away_leaves_nothing() -> None:
    """It is closed from outside, in another context; the next one computes."""

    async def main() -> Any:
        gate = Gate()
        coroutine: Any = gate.op(1)
        contextvars.copy_context().run(coroutine.send, None)
        coroutine.close()
        gate.opened.set()
        return await gate.op(1), gate.runs

    result, runs = in_loop(main)

    assert (result.value, runs) == (2, [1, 1])


def test_new_calls_can_be_forbidden(entered: FakeBook) -> None:
    """Hits are given; forced ones are new if nothing is on record."""
    in_loop(lambda: fetch(1))
    entered.allows_new_calls = False

    assert isinstance(in_loop(lambda: fetch(1)), Ref)
    assert isinstance(in_loop(lambda: fetch.call(1)), Ref)
    for make in (fetch, fetch.call):
        with pytest.raises(NewCallsNotAllowedError):
            in_loop(functools.partial(make, 2))


def test_recompute_runs_each_call_once(book: FakeBook) -> None:
    """Also where two tasks make it at once; what changed replaces the record."""
    entry = enter(book)
    in_loop(lambda: both(1))
    leave(entry)
    drift, runs = [0], []

    @op(name="fetch")
    async def drifting(x: int) -> int:
        runs.append(x)
        await asyncio.sleep(0)
        return x + drift[0]

    async def main() -> Any:
        return await asyncio.gather(drifting(1), drifting(1), drifting(2))

    entry = enter(book, "recompute")
    results = in_loop(main)
    third = in_loop(lambda: drifting(2))
    leave(entry)

    assert runs == [1, 2]
    assert [book.values[ref.content_id] for ref in [*results, third]] == [1, 1, 2, 2]
    assert len([call for call in book.calls.values() if call.op_name == "fetch"]) == 2


def test_a_forced_call_runs_and_replaces(entered: FakeBook) -> None:
    """As of ordinary ops."""
    runs: list[int] = []

    @op(name="counted")
    async def counted() -> int:
        runs.append(len(runs))
        return len(runs)

    in_loop(counted)
    forced: Any = in_loop(counted.call)

    assert forced.value == 2
    assert entered.values[entered.only_call().outputs[0].content_id] == 2
    assert counted.is_cached()
    assert counted.lookup() == forced


def test_a_lost_value_is_computed_again(entered: FakeBook) -> None:
    """In an event loop of its own, also from within one; its calls have their parent."""
    ref: Any = in_loop(lambda: fetch(3))

    async def main() -> Any:
        entered.lost.add(ref.content_id)
        return load([ref.detached()], entered)

    assert in_loop(main) == [31]
    assert entered.asked["mark_lost"] == 1


def test_a_lost_value_does_not_wait_for_the_loop_that_waits_for_it(entered: FakeBook) -> None:
    """Its op awaits a call that another task is making, and that task cannot go on."""

    async def main() -> Any:
        gate = Gate()

        @op(name="relying")
        async def relying() -> int:
            inner: int = await gate.op(1)
            return inner + 1

        gate.opened.set()
        ref: Any = await relying()
        inner = next(call for call in entered.calls.values() if call.op_name == "gated")
        entered.forget([inner.call_id])
        entered.lost.add(ref.content_id)
        gate.opened = asyncio.Event()
        gated = asyncio.create_task(gate.op(1))
        await settle()
        loop_of_task, gate.opened = gate.opened, asyncio.Event()
        gate.opened.set()
        values = load([ref.detached()], entered)
        loop_of_task.set()
        await gated
        return values

    assert in_loop(main) == [3]


def test_python_takes_it_for_a_coroutine_function() -> None:
    """Frameworks ask before they decide how to call something."""

    class Client:
        """Has an async method for an op."""

        @op(name="get")
        async def get(self, page: str, *, retries: int = 1) -> str:
            """Return something."""
            return page * retries

    partly = op(functools.partial(fetch.f, 1), name="partly")

    for function in (fetch, Client.get, Client().get, partly):
        assert inspect.iscoroutinefunction(function)
    assert not inspect.iscoroutinefunction(plain_inner)
    assert list(inspect.signature(Client().get).parameters) == ["page", "retries"]
    assert asyncio.iscoroutinefunction(fetch)


def test_async_methods_are_ops(entered: FakeBook) -> None:
    """The instance is the first input."""

    class Client:
        """Has an async method for an op."""

        @op(name="get")
        async def get(self, page: int) -> int:
            """Return something."""
            return page + 1

    method: Any = Client.get
    result: Any = in_loop(lambda: method(5, 1))

    assert result.value == 2
    assert [slot.name for slot in entered.only_call().inputs] == ["self", "page"]
    assert asyncio.run(Client.get.f(Client(), 1)) == 2


def test_a_body_has_a_session_of_its_own(entered: FakeBook) -> None:
    """It ends with the body, also where that fails."""
    seen: list[Any] = []

    @op(name="watching")
    async def watching() -> int:
        seen.append(current())
        await asyncio.sleep(0)
        seen.append(current())
        raise ZeroDivisionError

    async def main() -> None:
        with pytest.raises(ZeroDivisionError):
            await watching()
        seen.append(current())

    in_loop(main)

    assert isinstance(seen[0], Session)
    assert seen[0].in_body
    assert seen[1] is seen[0]
    assert seen[2] is innermost(entered)
