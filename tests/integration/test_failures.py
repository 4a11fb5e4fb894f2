"""Failures on real stores: listed, printed, framed, replaced and dropped."""

from __future__ import annotations

import json
from contextlib import suppress
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from mandala_cas.imports import Storage, op
from mandala_cas.objectstore.layout import BLOBS, PACKS
from mandala_cas.objectstore.memory import MemoryObjectStore

BROKEN = {"invert": True}


@op(record_failures=True)
def invert(numbers: Any, scale: int = 1) -> Any:
    """Fail while it is broken."""
    if BROKEN["invert"]:
        raise ZeroDivisionError("x" * 60 + "\nand more")
    return scale / numbers


@op
def fail_too(x: int) -> int:
    """Fail always, and say nothing about records."""
    raise KeyError(x)


@pytest.fixture(autouse=True)
def _broken() -> None:
    """Begin with what is broken."""
    BROKEN["invert"] = True


def attempt(storage: Storage, function: Any, *args: Any) -> None:
    """Make a call that may fail."""
    with suppress(ZeroDivisionError, KeyError), storage:
        function(*args)


def test_failures_are_listed_with_all_there_is_to_say(tmp_path: Path) -> None:
    """Also by another process."""
    storage = Storage(tmp_path / "store")
    attempt(storage, invert, np.zeros(3))
    attempt(storage, invert, np.ones(3), 5)
    storage.close()

    found = Storage(tmp_path / "store")
    first, second = found.failures()

    assert (first.op, first.version, first.type) == ("invert", "", "ZeroDivisionError")
    assert first.message == "x" * 60 + "\nand more"
    assert "raise ZeroDivisionError" in first.traceback
    assert list(second.inputs) == ["numbers", "scale"]
    assert found.unwrap(second.inputs["scale"]) == 5
    assert np.array_equal(found.unwrap(first.inputs["numbers"]), np.zeros(3))
    assert first.started < second.started
    assert found.fsck("data").ok

    BROKEN["invert"] = False
    with found:
        made = invert(np.zeros(3) + 1, 5)
    (creator,) = [c for c in found.cf(invert).df()["invert"] if c.outputs["output_0"] == made]
    assert creator.hid == second.hid


def test_failures_print_as_a_table_and_are_data() -> None:
    """A line for each; one by itself shows the traceback."""
    storage = Storage()
    assert str(storage.failures()) == "no failures on record"
    attempt(storage, invert, np.zeros(3))

    failures = storage.failures()

    header, _, line = repr(failures).splitlines()
    assert header.split() == ["op", "call", "error", "message", "started", "(UTC)", "after"]
    assert line.split()[0] == "invert"
    assert "x" * 47 + "..." in line
    assert "and more" not in line
    assert "raise ZeroDivisionError" in str(failures[0])
    data = json.loads(json.dumps(failures.to_dict()))
    assert data["failures"][0]["hid"] == failures[0].hid
    assert data["failures"][0]["inputs"].keys() == {"numbers", "scale"}


def test_failures_of_one_op_are_asked_for_by_op_or_name() -> None:
    """The storage can keep those of all ops."""
    storage = Storage(record_failures=True)
    attempt(storage, invert, np.zeros(3))
    attempt(storage, fail_too, 1)

    assert [failure.op for failure in storage.failures()] == ["invert", "fail_too"]
    assert [failure.op for failure in storage.failures(fail_too)] == ["fail_too"]
    assert [failure.op for failure in storage.failures("invert")] == ["invert"]
    assert storage.failures("never") == []


def test_without_being_asked_nothing_is_kept() -> None:
    """Whoever did not ask must not find exceptions in a shared store."""
    storage = Storage()

    attempt(storage, fail_too, 1)

    assert storage.stats().call_count == 0


def test_a_call_has_one_failure_until_it_succeeds(tmp_path: Path) -> None:
    """In one process or in several, committed or not."""
    for _ in range(2):
        storage = Storage(tmp_path / "store")
        with storage:
            for _ in range(2):
                with suppress(ZeroDivisionError):
                    invert(np.ones(2))
            assert len(storage.failures()) == 1
        storage.close()
        assert len(Storage(tmp_path / "store").failures()) == 1

    BROKEN["invert"] = False
    storage = Storage(tmp_path / "store")
    with storage:
        invert(np.ones(2))
        assert storage.failures() == []
    storage.close()
    found = Storage(tmp_path / "store")
    assert found.failures() == []
    assert found.stats().call_count == 1


def test_a_success_that_did_not_know_of_the_failure_ends_it() -> None:
    """Another process made the call meanwhile; a later failure is one all the same."""
    objects = MemoryObjectStore()
    unaware = Storage(objects)
    storage = Storage(objects)
    attempt(storage, invert, np.ones(2))
    BROKEN["invert"] = False
    # As if it had not looked before the call.
    unaware._parts.recorder.lookout.refresh = lambda: None  # type: ignore[method-assign]  # it sleeps
    with unaware(mode="recompute"):
        invert(np.ones(2))
    found = Storage(objects)

    assert found.stats().by_op.keys() == {"invert", "invert.__failure__"}
    assert found.failures() == []

    BROKEN["invert"] = True
    with suppress(ZeroDivisionError), found:
        invert.call(np.ones(2))
    assert len(found.failures()) == 1


def test_failures_are_in_frames_and_can_be_dropped() -> None:
    """As calls of the op ``invert.__failure__``."""
    storage = Storage()
    attempt(storage, invert, np.ones(2))
    attempt(storage, invert, np.zeros(2))

    table = storage.cf("invert.__failure__").df()
    error = table["error"].iloc[0]
    assert set(error) == {"type", "message", "traceback"}
    storage.drop_calls(table["invert.__failure__"])

    assert storage.failures() == []


def test_expanding_a_frame_brings_no_failures() -> None:
    """They used a ref, and nothing came of it; a table of results is to look as ever."""

    @op(name="given")
    def given() -> Any:
        return np.ones(2)

    storage = Storage()
    with storage:
        ref = given()
        with suppress(ZeroDivisionError):
            invert(ref)
        BROKEN["invert"] = False
        invert(ref, 3)

    frame = storage.cf(given).expand_all()
    assert sorted(frame.fnames) == ["given", "invert"]
    BROKEN["invert"] = True
    with suppress(ZeroDivisionError), storage:
        invert(ref, 7)
    assert sorted(storage.cf(given).expand_all().fnames) == ["given", "invert"]
    back = storage.cf("invert.__failure__").expand_back(recursive=True)
    assert "given" in back.fnames


def test_a_failure_whose_description_is_lost_is_still_listed() -> None:
    """It says so; the others are not hidden by it."""
    objects = MemoryObjectStore()
    with Storage(objects) as storage:
        for x in (1.0, 2.0):
            with suppress(ZeroDivisionError):
                invert(np.full(2, x))
    del storage
    found = Storage(objects)
    assert len(found.failures()) == 2

    # Long ones are not in the log.
    @op(name="verbose", record_failures=True)
    def verbose(x: int) -> int:
        raise ValueError("".join(chr(97 + (x * i * i) % 26) for i in range(100_000)))

    with suppress(ValueError), found:
        verbose(7)
    objects.delete([info.name for folder in (PACKS, BLOBS) for info in objects.list(folder)])
    one, two, lost = Storage(objects).failures()

    assert one.type == two.type == "ZeroDivisionError"
    assert (lost.op, lost.type) == ("verbose", "")
    assert lost.message.startswith("(lost: ")


def test_a_reader_keeps_failures_to_itself(tmp_path: Path) -> None:
    """In memory, as the calls that it makes."""
    Storage(tmp_path / "store").close()
    storage = Storage(tmp_path / "store", mode="r")

    attempt(storage, invert, np.ones(2))
    attempt(storage, invert, np.ones(2))

    assert len(storage.failures()) == 1
    assert Storage(tmp_path / "store").failures() == []
