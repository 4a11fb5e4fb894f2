"""The store that asks again: for what, how often, and how long."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any, cast

import pytest

from mandala_cas.errors import MandalaError, NotFoundError, StoreUnavailableError, UsageError
from mandala_cas.objectstore.api import ByteRange, ObjectInfo, ObjectStore, Pieces
from mandala_cas.objectstore.memory import MemoryObjectStore
from mandala_cas.objectstore.retrying import RetryingObjectStore, RetryPolicy

IDEMPOTENT: dict[str, Callable[[ObjectStore], object]] = {
    "put": lambda store: store.put("b", iter([b"x", b"y"])),
    "put of pieces": lambda store: store.put("b", Pieces(2, lambda: iter([b"x", b"y"]))),
    "put_many": lambda store: store.put_many({"b": [b"x"], "c": [b"y"]}),
    "get": lambda store: store.get("a"),
    "get_range": lambda store: store.get_range("a", 1, 2),
    "get_into": lambda store: store.get_into("a", 0, memoryview(bytearray(3))),
    "get_many": lambda store: store.get_many(["a", "none"]),
    "get_ranges": lambda store: store.get_ranges([ByteRange("a", 0, 1)]),
    "list": lambda store: [info.name for info in store.list("")],
    "delete": lambda store: store.delete(iter(["a"])),
}


class Clock:
    """Time that passes only where somebody sleeps, or works."""

    def __init__(self) -> None:
        """Begin."""
        self.now = 1000.0
        self.slept: list[float] = []

    def __call__(self) -> float:
        """Return the time."""
        return self.now

    def sleep(self, seconds: float) -> None:
        """Let time pass."""
        self.slept.append(seconds)
        self.now += seconds


class Moody:
    """A store with one object, that fails so many times, after so many seconds of work each."""

    def __init__(
        self, clock: Clock, error: Exception, *, fail_count: int, seconds: float = 0.0
    ) -> None:
        """Work on this clock."""
        self.inner = MemoryObjectStore()
        self.inner.put("a", [b"abc"])
        self.clock, self.error, self.fail_count, self.seconds = clock, error, fail_count, seconds
        self.asked_count = 0

    def __getattr__(self, name: str) -> Callable[..., Any]:
        """Return a method that fails first, or does as the inner store does."""

        def ask(*question: object) -> Any:
            self.asked_count += 1
            self.clock.now += self.seconds
            if self.asked_count <= self.fail_count:
                # What it would have taken is gone all the same.
                for part in question:
                    if isinstance(part, Iterator):
                        list(part)
                raise self.error
            return getattr(self.inner, name)(*question)

        return ask


def throttled() -> StoreUnavailableError:
    """Return the error for a store that asks for patience."""
    return StoreUnavailableError("slow down", temporary=True)


def retrying(
    store: Moody, clock: Clock, *, chance: float = 0.5, policy: RetryPolicy | None = None
) -> RetryingObjectStore:
    """Return ``store``, asked again at times of this clock."""
    return RetryingObjectStore(
        cast("ObjectStore", store), policy, clock=clock, sleep=clock.sleep, chance=lambda: chance
    )


@pytest.mark.parametrize("ask", IDEMPOTENT.values(), ids=IDEMPOTENT)
def test_what_may_be_done_twice_is_asked_again(ask: Callable[[ObjectStore], object]) -> None:
    """A moment of throttling ends no experiment; what was done is what was asked, once."""
    clock = Clock()
    store = Moody(clock, throttled(), fail_count=3)
    untroubled = Moody(clock, throttled(), fail_count=0)

    answer = ask(retrying(store, clock))

    assert store.asked_count == 4
    assert len(clock.slept) == 3
    assert answer == ask(cast("ObjectStore", untroubled))
    assert store.inner._objects.keys() == untroubled.inner._objects.keys()
    assert "b" not in store.inner._objects or store.inner.get("b") == untroubled.inner.get("b")


def test_what_may_not_be_done_twice_is_not_asked_again() -> None:
    """The first answer may have been that this very call made the object, and got lost."""
    clock = Clock()
    store = Moody(clock, throttled(), fail_count=1)

    with pytest.raises(StoreUnavailableError, match="slow down"):
        retrying(store, clock).create("b", b"x")

    assert store.asked_count == 1
    assert clock.slept == []


@pytest.mark.parametrize(
    "error",
    [
        pytest.param(UsageError("access denied"), id="denied"),
        pytest.param(UsageError("the credentials have expired"), id="expired"),
        pytest.param(NotFoundError("no object a"), id="absent"),
        pytest.param(StoreUnavailableError("nobody listens", temporary=False), id="refused"),
        pytest.param(StoreUnavailableError("disk full"), id="not said to be temporary"),
    ],
)
def test_what_will_not_pass_is_told_at_once(error: MandalaError) -> None:
    """Half a minute of waiting would change nothing, and hide what is to be done."""
    clock = Clock()
    store = Moody(clock, error, fail_count=9)

    with pytest.raises(type(error)) as caught:
        retrying(store, clock).get("a")

    assert caught.value is error
    assert store.asked_count == 1
    assert clock.slept == []


def test_waits_grow_and_are_left_to_chance() -> None:
    """Those who were turned away together must not come back together."""
    policy = RetryPolicy(first_delay_max=1.0, delay_max=4.0, total_max=1000.0)
    slept: list[list[float]] = []
    for chance in (0.0, 0.5):
        clock = Clock()
        retrying(Moody(clock, throttled(), fail_count=4), clock, chance=chance, policy=policy).get(
            "a"
        )
        slept.append(clock.slept)

    assert slept == [[0.5, 1.0, 2.0, 2.0], [0.75, 1.5, 3.0, 3.0]]


@pytest.mark.parametrize("chance", [0.0, 0.999])
def test_it_ends(chance: float) -> None:
    """No attempt begins later than was said, and what remains says how often it was tried."""
    clock = Clock()
    store = Moody(clock, throttled(), fail_count=10**6)

    with pytest.raises(StoreUnavailableError, match="slow down") as caught:
        retrying(store, clock, chance=chance).get("a")

    assert 20.0 < clock.now - 1000.0 <= 30.0
    assert caught.value.attempt_count == store.asked_count == len(clock.slept) + 1
    assert 5 <= store.asked_count <= 12


def test_what_the_engine_spent_on_attempts_of_its_own_counts() -> None:
    """Loops around loops would make many minutes of a server that hangs."""
    clock = Clock()
    store = Moody(clock, throttled(), fail_count=9, seconds=31.0)

    with pytest.raises(StoreUnavailableError):
        retrying(store, clock).get("a")

    assert store.asked_count == 1


def test_a_listing_that_breaks_off_is_taken_from_the_start() -> None:
    """Nothing is handed out twice, and nothing of a listing that did not come to its end."""

    class Breaking(MemoryObjectStore):
        """Breaks off its first listing."""

        broken = False

        def list(self, prefix: str) -> Iterator[ObjectInfo]:
            """Yield some, then fail; the next time, yield all."""
            for info in super().list(prefix):
                if info.name == "b" and not self.broken:
                    self.broken = True
                    raise throttled()
                yield info

    store = Breaking()
    store.put_many({"a": [b""], "b": [b""]})
    clock = Clock()

    listed = RetryingObjectStore(store, clock=clock, sleep=clock.sleep).list("")

    assert [info.name for info in listed] == ["a", "b"]
    assert len(clock.slept) == 1
