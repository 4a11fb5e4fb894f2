"""The failing store: each fault does what it says, at the call that it was meant for."""

from __future__ import annotations

import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor

import pytest

from mandala_cas.errors import NotFoundError, StoreUnavailableError, UsageError
from mandala_cas.objectstore.api import ByteRange
from mandala_cas.objectstore.memory import MemoryObjectStore
from mandala_cas.testing import (
    Crash,
    Delay,
    Deny,
    ErrorAfter,
    ErrorBefore,
    Fault,
    FaultStore,
    FlippedGet,
    Hang,
    OutOfSpace,
    PartialList,
    Rule,
    SimulatedCrash,
    StaleList,
    StoreCall,
    TruncatedGet,
)
from mandala_cas.testing.faults import READS, WRITES


def failing(fault: Fault, *, skip: int = 0, times: int | None = 1) -> FaultStore:
    """Return a store in which every call can be the one that fails."""
    return FaultStore(MemoryObjectStore(), [Rule(fault, skip=skip, times=times)])


def names(store: FaultStore) -> list[str]:
    """Return what is really there."""
    return sorted(info.name for info in store.inner.list(""))


def test_an_error_before_the_effect_leaves_nothing() -> None:
    """The request did not arrive."""
    store = failing(ErrorBefore())

    with pytest.raises(StoreUnavailableError, match="put log/1"):
        store.put("log/1", [b"x"])

    assert names(store) == []


def test_an_error_after_the_effect_leaves_all() -> None:
    """The answer was lost: the caller cannot know."""
    store = failing(ErrorAfter())

    with pytest.raises(StoreUnavailableError):
        store.put("log/1", [b"x"])

    assert names(store) == ["log/1"]


def test_an_error_can_be_of_any_kind() -> None:
    """Such as one that the code under test must not catch."""
    store = failing(ErrorBefore(lambda call: KeyError(call.name)))

    with pytest.raises(KeyError, match="log/1"):
        store.get("log/1")


def test_a_delayed_put_arrives_calls_later() -> None:
    """After its caller has long been told that it failed."""
    store = failing(Delay(calls=2))
    with pytest.raises(StoreUnavailableError):
        store.put("log/1", [b"x"])

    seen = [sorted(info.name for info in store.list("")) for _ in range(3)]

    assert seen == [[], [], ["log/1"]]


def test_a_delayed_put_arrives_even_after_a_crash() -> None:
    """It was under way when the process died."""
    store = FaultStore(
        MemoryObjectStore(),
        [Rule(Delay(calls=100, error=None), "put"), Rule(Crash(), "get")],
    )
    store.put("log/1", [b"x"])
    with pytest.raises(SimulatedCrash):
        store.get("log/1")
    assert names(store) == []

    store.settle()
    store.settle()

    assert names(store) == ["log/1"]


def test_a_read_cannot_be_delayed() -> None:
    """It would have nothing to return: the test is wrong and should know."""
    with pytest.raises(AssertionError, match="not a get"):
        failing(Delay(calls=1)).get("log/1")


def test_a_hanging_call_goes_on_when_released() -> None:
    """Others are served meanwhile; nobody sleeps."""
    hang = Hang()
    store = FaultStore(MemoryObjectStore(), [Rule(hang, "put", "log/")])

    with ThreadPoolExecutor(1) as pool:
        hanging = pool.submit(store.put, "log/1", [b"x"])
        hang.reached.wait()
        store.put("other", [b"y"])
        before = names(store)
        hang.released.set()
        hanging.result()

    assert before == ["other"]
    assert names(store) == ["log/1", "other"]


def test_who_hangs_when_the_process_dies_dies_too() -> None:
    """Its effect must not come after the death that everybody else saw."""
    hang = Hang()
    store = FaultStore(MemoryObjectStore(), [Rule(hang, "put"), Rule(Crash(), "get")])

    with ThreadPoolExecutor(1) as pool:
        hanging = pool.submit(store.put, "log/1", [b"x"])
        hang.reached.wait()
        with pytest.raises(SimulatedCrash):
            store.get("log/1")
        hang.released.set()
        died = hanging.exception()

    assert isinstance(died, SimulatedCrash)
    assert names(store) == []


def test_a_hanging_call_that_nobody_releases_fails(monkeypatch: pytest.MonkeyPatch) -> None:
    """Instead of hanging the whole run."""
    monkeypatch.setattr("mandala_cas.testing.faults.kinds._HANG_MAX_S", 0.0)

    with pytest.raises(AssertionError, match="nobody released put log/1"):
        failing(Hang()).put("log/1", [b"x"])


@pytest.mark.parametrize(
    ("writes", "expected"), [(0, ["c"]), (1, ["b", "c"]), (2, ["b"]), (3, []), (9, [])]
)
def test_a_stale_listing_shows_how_it_was(writes: int, expected: list[str]) -> None:
    """Deleted things are back, new ones are not there yet."""
    store = FaultStore(MemoryObjectStore(), [Rule(StaleList(writes), "list")])
    store.put("log/b", [b"x"])
    store.put("log/c", [b"x"])
    store.delete(["log/b"])

    stale = [info.name for info in store.list("log/")]
    fresh = [info.name for info in store.list("log/")]

    assert sorted(stale) == [f"log/{name}" for name in expected]
    assert fresh == ["log/c"]


def test_a_stale_listing_before_any_write_is_what_there_is() -> None:
    """What was there at the start never was not there."""
    inner = MemoryObjectStore()
    inner.put("log/1", [b"x"])
    store = FaultStore(inner, [Rule(StaleList())])

    assert [info.name for info in store.list("")] == ["log/1"]


def test_a_partial_listing_ends_early() -> None:
    """As one does whose second page got lost."""
    store = FaultStore(MemoryObjectStore(), [Rule(PartialList(2), "list")])
    store.put_many({name: [b""] for name in ("c", "a", "b")})

    assert [info.name for info in store.list("")] == ["a", "b"]
    assert len(list(store.list(""))) == 3


def test_a_truncated_read_returns_the_beginning() -> None:
    """By every way of reading."""
    store = FaultStore(MemoryObjectStore(), [Rule(TruncatedGet(3), READS, times=None)])
    store.put("a", [b"0123456789"])
    buffer = bytearray(8)

    count = store.get_into("a", 1, memoryview(buffer))

    assert store.get("a") == b"012"
    assert store.get_range("a", 2, 5) == b"234"
    assert store.get_many(["a"]) == [b"012"]
    assert store.get_ranges([ByteRange("a", 4, 4)]) == [b"456"]
    assert (count, bytes(buffer[:4])) == (3, b"123\0")


@pytest.mark.parametrize(
    ("bit", "expected"), [(0, b"\x01\x00"), (9, b"\x00\x02"), (16, b"\x01\x00")]
)
def test_a_flipped_bit_is_flipped_in_what_is_read(bit: int, expected: bytes) -> None:
    """What is stored stays as it is."""
    store = FaultStore(MemoryObjectStore(), [Rule(FlippedGet(bit), READS)])
    store.put("a", [b"\0\0"])

    assert store.get("a") == expected
    assert store.get("a") == b"\0\0"


def test_nothing_flips_in_nothing() -> None:
    """An empty object has no bit."""
    store = FaultStore(MemoryObjectStore(), [Rule(FlippedGet(5), READS)])
    store.put("a", [])

    assert store.get("a") == b""


def test_denied_access_is_a_usage_error() -> None:
    """As the stores themselves say it."""
    store = FaultStore(MemoryObjectStore(), [Rule(Deny(), WRITES, times=None)])

    for _ in range(2):
        with pytest.raises(UsageError, match="access denied"):
            store.put("a", [b"x"])
    with pytest.raises(NotFoundError):
        store.get("a")


def test_a_full_store_wrote_nothing() -> None:
    """Space may be freed, and the put tried again."""
    store = failing(OutOfSpace())

    with pytest.raises(StoreUnavailableError, match="the disk is full; nothing of it was written"):
        store.put("a", [b"x"])

    assert names(store) == []
    store.put("a", [b"x"])
    assert names(store) == ["a"]


@pytest.mark.parametrize("after_effect", [False, True])
def test_after_a_crash_nothing_answers(after_effect: bool) -> None:  # noqa: FBT001 (a parameter of the test)
    """No handler may carry on by asking again; what is left is looked at through ``inner``."""
    store = failing(Crash(after_effect))

    with pytest.raises(SimulatedCrash, match="at put a"):
        store.put("a", [b"x"])

    uses: list[Callable[[], object]] = [
        lambda: store.get("a"),
        lambda: store.put("b", [b"y"]),
        lambda: store.list(""),
        lambda: store.delete(["a"]),
        lambda: store.create("c", b""),
    ]
    for use in uses:
        with pytest.raises(SimulatedCrash):
            use()
    store.close()
    assert names(store) == (["a"] if after_effect else [])


def test_a_crash_after_a_call_that_fails_is_a_crash_all_the_same() -> None:
    """Nobody is left to be told that the object was not there."""
    with pytest.raises(SimulatedCrash):
        failing(Crash(after_effect=True)).get("none")


def test_no_handler_of_exceptions_stops_a_crash() -> None:
    """It stands for the death of the process."""
    assert not issubclass(SimulatedCrash, Exception)


def test_a_batch_is_cut_off_between_its_objects() -> None:
    """Any beginning of it may be there."""
    store = failing(Crash(), skip=2)

    with pytest.raises(SimulatedCrash):
        store.put_many({name: [b"x"] for name in "abc"})

    assert names(store) == ["a", "b"]


@pytest.mark.parametrize(
    ("rule", "failed"),
    [
        (Rule(ErrorBefore()), [0]),
        (Rule(ErrorBefore(), times=None), [0, 1, 2, 3, 4]),
        (Rule(ErrorBefore(), skip=1, times=2), [1, 2]),
        (Rule(ErrorBefore(), "get", times=None), [2, 3]),
        (Rule(ErrorBefore(), frozenset({"get", "delete"}), times=None), [2, 3, 4]),
        (Rule(ErrorBefore(), None, "log/", times=None), [1, 3]),
        (Rule(ErrorBefore(), "get", "log/", skip=1), []),
    ],
)
def test_a_rule_strikes_where_it_says(rule: Rule, failed: list[int]) -> None:
    """By operation, prefix and count; only calls that match are counted."""
    inner = MemoryObjectStore()
    inner.put_many({"a": [b"x"], "log/b": [b"x"]})
    store = FaultStore(inner, [rule])
    uses: list[Callable[[], object]] = [
        lambda: store.put("a", [b"x"]),
        lambda: store.put("log/b", [b"x"]),
        lambda: store.get("a"),
        lambda: store.get("log/b"),
        lambda: store.delete(["a"]),
    ]

    struck = []
    for number, use in enumerate(uses):
        try:
            use()
        except StoreUnavailableError:
            struck.append(number)

    assert struck == failed


def test_of_two_rules_the_first_one_strikes_and_both_count() -> None:
    """So that a plan can be read from top to bottom."""
    store = FaultStore(
        MemoryObjectStore(),
        [Rule(ErrorBefore(lambda _: KeyError("first"))), Rule(ErrorBefore(), times=2)],
    )

    with pytest.raises(KeyError, match="first"):
        store.put("a", [b"x"])
    with pytest.raises(StoreUnavailableError):
        store.put("a", [b"x"])
    store.put("a", [b"x"])


def test_every_call_is_recorded_in_order() -> None:
    """Also one that fails; of a batch, each object; of what is refused, nothing."""
    store = FaultStore(MemoryObjectStore(), [Rule(ErrorBefore(), "create")])
    store.put_many({"a": [b"x"], "b": [b"y"]})
    with pytest.raises(StoreUnavailableError):
        store.create("c", b"z")
    store.get_many(["a", "none"])
    store.get_ranges([ByteRange("b", 0, 1)])
    store.get_into("b", 0, memoryview(bytearray(1)))
    store.list("log/")
    store.delete(["a"])
    with pytest.raises(UsageError):
        store.put("../x", [b"x"])

    assert store.calls == [
        StoreCall("put", "a"),
        StoreCall("put", "b"),
        StoreCall("create", "c"),
        StoreCall("get", "a"),
        StoreCall("get", "none"),
        StoreCall("get_range", "b"),
        StoreCall("get_into", "b"),
        StoreCall("list", "log/"),
        StoreCall("delete", "a"),
    ]


def test_overwriting_with_other_bytes_can_be_forbidden() -> None:
    """Nothing overwrites an object; a retry with the same bytes does not."""
    store = FaultStore(MemoryObjectStore(), forbid_overwrite=True)
    store.put("a", [b"x"])
    store.put("a", [b"x"])

    with pytest.raises(AssertionError, match="a was about to be overwritten with other bytes"):
        store.put("a", [b"y"])

    assert store.get("a") == b"x"


def test_calls_from_many_threads_are_all_counted() -> None:
    """The nth call is the nth, whoever makes it."""
    store = failing(ErrorBefore(), skip=10, times=5)
    failures: list[StoreUnavailableError] = []
    start = threading.Barrier(8)

    def put(number: int) -> None:
        start.wait()
        for round_ in range(10):
            try:
                store.put(f"log/{number}-{round_}", [b"x"])
            except StoreUnavailableError as error:
                failures.append(error)

    with ThreadPoolExecutor(8) as pool:
        list(pool.map(put, range(8)))

    assert len(store.calls) == 80
    assert len(failures) == 5
    assert len(names(store)) == 75
