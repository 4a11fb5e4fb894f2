"""Code that changed, in stores that others wrote: told with the difference, across processes."""

from __future__ import annotations

import importlib.util
import subprocess
import sys
import warnings
from collections.abc import Callable
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

from mandala_cas.errors import StaleWarning, UsageError
from mandala_cas.imports import NewArgDefault, Storage, op
from mandala_cas.memo import staleness
from mandala_cas.memo.op import Op
from mandala_cas.objectstore.layout import BLOBS, PACKS
from mandala_cas.objectstore.memory import MemoryObjectStore

TRAINING = """
from mandala_cas.imports import op

@op
def train(x):
    # a comment that is not the point
    return x + 1
"""
TRAINED_OTHERWISE = TRAINING.replace("x + 1", "x + 2")
Load = Callable[[str], ModuleType]


@pytest.fixture(autouse=True)
def _nobody_was_told(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let each test hear what this process told already."""
    monkeypatch.setattr(staleness, "_WARNED", set())


@pytest.fixture
def load(tmp_path: Path) -> Load:
    """Return what imports a text as module ``training``, each time from a new file."""
    folders = iter(range(100))

    def load_text(text: str) -> ModuleType:
        path = tmp_path / str(next(folders)) / "training.py"
        path.parent.mkdir()
        path.write_text(text)
        spec = importlib.util.spec_from_file_location("training", path)
        assert spec is not None
        assert spec.loader is not None
        module = importlib.util.module_from_spec(spec)
        spec.loader.exec_module(module)
        return module

    return load_text


def told(call: Callable[[], Any]) -> str:
    """Return the one warning that a call gives; "" for none."""
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        call()
    assert len(caught) <= 1
    assert all(item.category is StaleWarning for item in caught)
    return str(caught[0].message) if caught else ""


def train_in(place: Any, train: Op[..., Any], **settings: Any) -> Any:
    """Return what training with 1 gives, in a storage opened for it."""
    with Storage(place, **settings) as storage:
        return storage.unwrap(train(1))


@pytest.mark.parametrize("merged", ["segments", "run", "kept"])
def test_the_difference_is_shown_wherever_the_source_lies(
    tmp_path: Path, load: Load, merged: str
) -> None:
    """In a segment, in a run that covers it, and in what a kept index was made from."""
    place = tmp_path / "store"
    with Storage(place, cache_dir=tmp_path / "cache") as storage:
        load(TRAINING).train(1)
    if merged == "run":
        storage.compact(full=True, delay=0)
    if merged == "kept":
        Storage(place, cache_dir=tmp_path / "cache").close()
    new = load(TRAINED_OTHERWISE).train

    message = told(lambda: train_in(place, new, cache_dir=tmp_path / "cache"))

    assert "train: its code has changed since" in message
    assert "\n-    return x + 1\n+    return x + 2" in message


def test_another_process_reads_the_source(tmp_path: Path, load: Load) -> None:
    """It was written by a process that is long gone."""
    script = tmp_path / "project" / "training.py"
    script.parent.mkdir()
    script.write_text(TRAINING)
    run = "import sys; from training import train; from mandala_cas.imports import Storage\n"
    run += "with Storage(sys.argv[1]): train(1)"
    subprocess.run(
        [sys.executable, "-c", run, str(tmp_path / "store")], check=True, cwd=script.parent
    )

    message = told(lambda: train_in(tmp_path / "store", load(TRAINED_OTHERWISE).train))

    assert "-    return x + 1" in message


def test_comments_and_hints_are_no_difference(tmp_path: Path, load: Load) -> None:
    """Nor is where the file lies."""
    train_in(tmp_path / "store", load(TRAINING).train)
    text = TRAINING.replace("# a comment that is not the point", '"""Train."""').replace(
        "train(x)", "train(x: int) -> int"
    )

    assert told(lambda: train_in(tmp_path / "store", load(text).train)) == ""


@pytest.mark.parametrize(
    ("on_stale", "expected", "again"), [("warn", 2, 2), ("keep", 2, 2), ("recompute", 3, 3)]
)
def test_a_storage_says_what_to_do(
    tmp_path: Path, load: Load, on_stale: Any, expected: int, again: int
) -> None:
    """For all ops that do not say it; what was computed anew is what the next one finds."""
    place = tmp_path / "store"
    train_in(place, load(TRAINING).train)
    new = load(TRAINED_OTHERWISE).train
    found: list[Any] = []

    message = told(lambda: found.append(train_in(place, new, on_stale=on_stale)))

    assert (bool(message), found) == (on_stale == "warn", [expected])
    assert train_in(place, new, on_stale="keep") == again
    assert len(Storage(place).cf(new).df()) == 1


def test_a_storage_can_refuse(tmp_path: Path, load: Load) -> None:
    """For a pipeline whose results are to be published."""
    train_in(tmp_path / "store", load(TRAINING).train)

    with pytest.raises(UsageError, match="train: its code has changed"):
        train_in(tmp_path / "store", load(TRAINED_OTHERWISE).train, on_stale="error")


def test_what_changes_back_and_forth_is_recomputed_each_time(load: Load) -> None:
    """One record is left, in whichever batch the others were."""
    old, new = load(TRAINING).train, load(TRAINED_OTHERWISE).train
    with Storage(on_stale="recompute") as storage:
        found = [storage.unwrap(train(1)) for train in (old, new, new, old, old, new)]

    assert found == [2, 3, 3, 2, 2, 3]
    assert len(storage.cf(new).df()) == 1


def test_the_tutorial_warns_of_nothing() -> None:
    """Its training op gets two new arguments, one after the other, and a body that uses them."""
    seen: list[Any] = []

    # As a notebook has it: each cell defines the op anew.
    @op(name="train_model")
    def first(x_train: list[int]) -> tuple[int, int]:
        seen.append(1)
        return len(x_train), 1

    with Storage(on_stale="error") as storage:
        _, made = first([1, 2])

        @op(name="train_model")
        def second(x_train: list[int], n: int = NewArgDefault(1)) -> tuple[int, int]:
            seen.append(2)
            size = len(x_train)
            return size * n, n

        for n in (1, 10):
            second([1, 2], n=n)

        @op(name="train_model")
        def third(
            x_train: list[int],
            n: int = NewArgDefault(1),
            depth: int | None = NewArgDefault(None),
        ) -> tuple[int, int]:
            seen.append(3)
            return len(x_train) * n * (depth or 1), n

        for n in (1, 10):
            for depth in (None, 2):
                third([1, 2], n=n, depth=depth)
        _, again = third([1, 2])

    assert again == made
    assert seen == [1, 2, 3, 3]
    assert len(storage.cf(third).df()) == 4


def test_sources_are_written_once_and_within_bounds(tmp_path: Path, load: Load) -> None:
    """One that is too long is left out, and calls are recorded all the same."""
    long = TRAINING + "".join(f"    print({i!r} * 1000)\n" for i in range(5_000))
    short, long_one = (
        load(TRAINING).train,
        load(long.replace("def train", "def train_long")).train_long,
    )
    with Storage(tmp_path / "store") as storage:
        short(1)
        storage.commit()
        short(2)
        long_one(1)

    sessions = [s.header.session for s in storage._parts.view.segments.values()]
    texts = [
        source["text"] for session in sessions for source in session.get("sources", {}).values()
    ]
    assert len(sessions) == 2
    assert texts == [short.f.__globals__["__loader__"].get_source("training").split("\n\n")[1]]


def test_namespaces_share_no_calls(tmp_path: Path, load: Load) -> None:
    """Two projects on one store, each with an op of one name."""
    old, new = load(TRAINING).train, load(TRAINED_OTHERWISE).train
    place = tmp_path / "store"
    found = {
        space: train_in(place, train, namespace=space, on_stale="error")
        for space, train in (("one", old), ("two", new), (None, old))
    }

    assert found == {"one": 2, "two": 3, None: 2}
    spaced = Storage(place, namespace="two")
    assert len(spaced.cf(new).df()) == len(spaced.cf("train").df()) == 1
    assert len(spaced.cf("one/train").df()) == 1
    assert sorted(spaced.stats().by_op) == ["one/train", "train", "two/train"]


def test_a_lost_value_is_computed_in_its_namespace() -> None:
    """By the op of this process, which has its name without it."""
    objects = MemoryObjectStore()
    runs: list[int] = []

    @op(name="many")
    def many(count: int) -> list[int]:
        runs.append(count)
        return [i * i for i in range(count)]

    with Storage(objects, namespace="proj"):
        many(1_000)
    for info in [*objects.list(PACKS), *objects.list(BLOBS)]:
        objects.delete([info.name])

    with Storage(objects, namespace="proj") as storage:
        assert len(storage.unwrap(many(1_000))) == 1_000
    assert runs == [1_000, 1_000]
    assert set(storage.stats().by_op) == {"proj/many"}


@pytest.mark.parametrize("namespace", ["", "/proj", "proj/", 5])
def test_a_namespace_is_a_text(namespace: Any) -> None:
    """Which stands before a slash."""
    with pytest.raises(UsageError, match="namespace is a text without a slash at its ends"):
        Storage(namespace=namespace)


def test_on_stale_of_a_storage_is_checked() -> None:
    """When it is opened."""
    with pytest.raises(UsageError, match="Storage: on_stale is one of warn, recompute"):
        Storage(on_stale="ask")  # type: ignore[arg-type]  # wrong on purpose
