"""The runner that cuts a scenario off at every call: it visits each point, and notices a break."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Sequence
from contextlib import suppress

import pytest

from mandala_cas.objectstore.api import ObjectStore
from mandala_cas.objectstore.memory import MemoryObjectStore
from mandala_cas.testing import CrashPoint, SimulatedCrash, StoreCall, crash_at_every_call


def payload_first(store: ObjectStore, acknowledged: list[str]) -> None:
    """Put payload, then what names it: the right order."""
    store.put_many({"blobs/1": [b"x"], "blobs/2": [b"y"]})
    store.put("log/1", [b"blobs/1 blobs/2"])
    acknowledged.append("log/1")
    store.list("log/")


def log_first(store: ObjectStore, acknowledged: list[str]) -> None:
    """Put what names the payload first: the wrong order."""
    store.put("log/1", [b"blobs/1 blobs/2"])
    store.put_many({"blobs/1": [b"x"], "blobs/2": [b"y"]})
    acknowledged.append("log/1")


def acknowledge_early(store: ObjectStore, acknowledged: list[str]) -> None:
    """Promise before it is true."""
    acknowledged.append("log/1")
    payload_first(store, acknowledged)


def check(left: ObjectStore, acknowledged: Sequence[str], _: CrashPoint) -> None:
    """Whatever the log names is there, and whatever was acknowledged is in the log."""
    log = [info.name for info in left.list("log/")]
    named = [name for entry in log for name in left.get(entry).decode().split()]
    assert None not in left.get_many(named), "names what is not there"
    assert set(acknowledged) <= set(log), "lost what was acknowledged"


def test_every_call_is_a_place_to_crash_before_and_after() -> None:
    """Reads too, and each object of a batch; and once, nothing is cut off at all."""
    points: list[CrashPoint] = []

    def note(_: ObjectStore, __: Sequence[str], point: CrashPoint) -> None:
        points.append(point)

    count = crash_at_every_call(payload_first, note)

    calls = [
        *(StoreCall("put", "blobs/1"), StoreCall("put", "blobs/2")),
        *(StoreCall("put", "log/1"), StoreCall("list", "log/")),
    ]
    assert count == 4
    assert points == [
        CrashPoint(4, None),
        *(CrashPoint(n, call, after) for n, call in enumerate(calls) for after in (False, True)),
    ]


def test_the_right_order_passes() -> None:
    """Whatever is left is consistent, and what was acknowledged is there."""
    crash_at_every_call(payload_first, check)


def test_the_wrong_order_is_noticed() -> None:
    """With the point that it broke at."""
    with pytest.raises(AssertionError, match="names what is not there") as caught:
        crash_at_every_call(log_first, check)

    assert caught.value.__notes__ == ["crash after call 0: put log/1"]


def test_an_early_promise_is_noticed() -> None:
    """The check sees what had been acknowledged by then."""
    with pytest.raises(AssertionError, match="lost what was acknowledged") as caught:
        crash_at_every_call(acknowledge_early, check)

    assert caught.value.__notes__ == ["crash before call 0: put blobs/1"]


def test_a_break_without_a_crash_says_so() -> None:
    """The scenario itself is wrong."""
    with pytest.raises(AssertionError) as caught:
        crash_at_every_call(lambda _, acknowledged: acknowledged.append("log/1"), check)

    assert caught.value.__notes__ == ["no crash in 0 calls"]


def test_a_swallowed_crash_is_noticed() -> None:
    """A handler that catches everything would make every crash test pass."""

    def swallow(store: ObjectStore, _: list[str]) -> None:
        with suppress(SimulatedCrash):
            store.put("a", [b"x"])

    with pytest.raises(AssertionError, match="as if there had been no crash before call 0"):
        crash_at_every_call(swallow, lambda *_: None)


def test_what_else_a_scenario_raises_says_where() -> None:
    """An error while dying, such as from a ``finally``, is worth a look."""

    def fail(store: ObjectStore, _: list[str]) -> None:
        try:
            store.put("a", [b"x"])
        except SimulatedCrash:
            raise KeyError("in the handler") from None

    with pytest.raises(KeyError) as caught:
        crash_at_every_call(fail, lambda *_: None)

    assert caught.value.__notes__ == ["crash before call 0: put a"]


def test_a_scenario_may_start_on_what_is_there() -> None:
    """Each time on the same."""

    def make_store() -> MemoryObjectStore:
        store = MemoryObjectStore()
        store.put("log/0", [b""])
        return store

    seen: list[list[str]] = []

    def note(left: ObjectStore, _: Sequence[str], __: CrashPoint) -> None:
        seen.append(sorted(info.name for info in left.list("")))
        left.put("repaired", [b"x"])

    crash_at_every_call(lambda store, _: store.put("log/1", [b"x"]), note, make_store=make_store)

    assert seen == [["log/0", "log/1"], ["log/0"], ["log/0", "log/1"]]


def test_overwriting_is_noticed_while_at_it() -> None:
    """Nothing overwrites an object with other bytes."""

    def overwrite(store: ObjectStore, _: list[str]) -> None:
        store.put("a", [b"x"])
        store.put("a", [b"y"])

    with pytest.raises(AssertionError, match="a was about to be overwritten"):
        crash_at_every_call(overwrite, lambda *_: None)


def test_the_kit_does_not_need_pytest() -> None:
    """It serves other people's tests, whatever they run them with."""
    program = """
import sys
sys.modules["pytest"] = None
import mandala_cas.testing as kit
for name in kit.__all__:
    try:
        getattr(kit, name)
    except ImportError:
        assert name.endswith("Suite"), name
    else:
        assert not name.endswith("Suite"), name
"""

    done = subprocess.run([sys.executable, "-c", program], check=False, capture_output=True)

    assert (done.returncode, done.stderr) == (0, b"")


def test_what_the_kit_does_not_have_is_an_attribute_error() -> None:
    """As with any module."""
    from mandala_cas import testing  # noqa: PLC0415 (only here)

    assert testing.ObjectStoreSuite.__name__ == "ObjectStoreSuite"
    with pytest.raises(AttributeError, match="no_such_thing"):
        _ = testing.no_such_thing
