"""Files within other values: each is stored once, and comes back as a path where it stood."""

from __future__ import annotations

import gc
import os
import tracemalloc
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any

import numpy as np
import pytest
from tests.unit.codec.file_trees import make_tree, read_tree

from mandala_cas.codec import file_contents
from mandala_cas.codec.canonical import content_id
from mandala_cas.errors import CorruptionError, UsageError
from mandala_cas.imports import Dir, File, Hash, Storage, op
from mandala_cas.values import save

RUNS: list[Any] = []


@dataclass
class Config:
    """What a model was made with."""

    weights: File
    depth: int


class Opaque:
    """Something that only pickle takes."""

    def __init__(self, inside: Any = None) -> None:
        """Hold something."""
        self.inside = inside


@op
def train(cfg: Any) -> Any:
    """Write a model, and return it with what is to be known of it."""
    RUNS.append(cfg)
    path = Path("model.bin")
    path.write_text(f"trained {cfg['seed']}\n")
    return {"model": File(path), "metrics": {"loss": 0.5, "curve": np.arange(3)}}


@op
def read_all(cfg: Any) -> list[str]:
    """Return what is in files."""
    RUNS.append(cfg)
    return [file.path.read_text() for file in cfg]


@op
def length_of(value: Any) -> int:
    """Return the length of something."""
    return len(value)


@op
def tracked_folder(folder: str) -> Dir:
    """Write a directory that is to stay where it is."""
    RUNS.append(folder)
    return Dir(make_tree(Path(folder), {"a": b"1", "b/c": b"2"}), copy=False)


@op
def same(value: Any) -> Any:
    """Return what it was given."""
    return value


@op
def same_by_name(value: Annotated[Any, Hash(sorted)]) -> Any:
    """Return what it was given; only the keys say which call it is."""
    return value


@pytest.fixture(autouse=True)
def _folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Work in a folder and with a cache of this test's own."""
    (tmp_path / "folder").mkdir()
    monkeypatch.chdir(tmp_path / "folder")
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "caches"))
    RUNS.clear()


@pytest.fixture
def hashed(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Return a list that grows with the name of every file that is read to be hashed."""
    names: list[str] = []
    read = file_contents._digest

    def digest(file: Any, size: int) -> bytes:
        names.append(Path(f"/proc/self/fd/{file.fileno()}").readlink().name)
        return read(file, size)

    monkeypatch.setattr(file_contents, "_digest", digest)
    return names


def named(name: str, text: str = "") -> File:
    """Return a file with that text, or its name."""
    Path(name).write_text(text or name)
    return File(name)


@pytest.mark.parametrize("is_kept", [True, False])
def test_a_file_beside_other_results_is_kept_with_them(tmp_path: Path, is_kept: Any) -> None:
    """Calls write under one path; each dict has the model that its call wrote."""
    place = tmp_path / "store" if is_kept else None
    storage = Storage(place)

    with storage:
        refs = [train({"seed": seed}) for seed in (1, 2)]
        found: Any = storage.unwrap(refs)

    assert [value["model"].path.read_text() for value in found] == ["trained 1\n", "trained 2\n"]
    assert all(v["model"].path.is_relative_to(storage.file_cache.path) for v in found)
    assert {v["model"].path.name for v in found} == {"model.bin"}
    assert found[0]["metrics"]["curve"].tolist() == [0, 1, 2]


def test_another_storage_has_it_when_the_files_are_gone(tmp_path: Path) -> None:
    """A path in a store would lead nowhere by then."""
    with Storage(tmp_path / "store"):
        ref: Any = train({"seed": 3})
    Path("model.bin").unlink()
    other = Storage(tmp_path / "store", cache_dir=tmp_path / "other")

    with other:
        again: Any = other.unwrap(train({"seed": 3}))

    assert again["model"].path.read_text() == "trained 3\n"
    assert again["model"].path.is_relative_to(tmp_path / "other")
    assert len(RUNS) == 1
    del ref


@pytest.mark.parametrize(
    ("make", "files"),
    [
        (lambda: [named("a"), named("b")], lambda v: v),
        (lambda: ({"x": (named("a"),)}, 1), lambda v: [v[0]["x"][0]]),
        (lambda: Config(named("w"), 3), lambda v: [v.weights]),
        (lambda: {named("key"): 1}, list),
        (lambda: {named("in a set")}, list),
        (lambda: np.array([named("a"), None], object), lambda v: [v[0]]),
    ],
)
def test_a_file_is_part_of_any_container(
    tmp_path: Path, make: Callable[[], Any], files: Callable[[Any], list[File]]
) -> None:
    """Of lists, dataclasses, keys and arrays, as any other part."""
    original = make()
    with Storage(tmp_path / "store") as storage:
        found: Any = storage.unwrap(same((original,)))[0]

    assert type(found) is type(original)
    assert [f.path.read_text() for f in files(found)] == [
        f.path.read_text() for f in files(original)
    ]
    assert all(f.path.is_relative_to(storage.file_cache.path) for f in files(found))


def test_directories_and_tracked_files_are_parts_as_well(tmp_path: Path) -> None:
    """Each as it is by itself."""
    root = make_tree(tmp_path / "root", {"a": b"1", "b/c": b"2"}, empty="d")
    tracked = named("big")
    value = [Dir(root), File(tracked, copy=False), Dir(root), 5, tracked]

    with Storage(tmp_path / "store") as storage:
        found: Any = storage.unwrap(same(value))

    assert read_tree(found[0].path) == read_tree(root)
    assert found[0] == found[2]
    assert found[1] == File("big", copy=False)
    assert found[4].path.read_text() == "big"
    Path("big").write_text("changed")
    with pytest.raises(CorruptionError, match=r"big is tracked"):
        Storage(tmp_path / "store").cf(same).df()


def test_an_argument_is_the_contents_of_its_files() -> None:
    """Under whatever name; a change in one of them is another call."""
    storage = Storage()

    with storage:
        one: Any = read_all([named("a", "1"), named("b", "2")])
        other: Any = read_all([named("c", "1"), named("d", "2")])
        Path("a").write_text("3")
        changed = read_all([File("a"), File("b")])

    assert one.hid == other.hid
    assert storage.unwrap([one, changed]) == [["1", "2"], ["3", "2"]]
    assert len(RUNS) == 2


def test_an_id_is_made_of_those_of_the_files() -> None:
    """As of any other elements: files that are equal are equal everywhere."""
    assert content_id([named("a", "1"), 2]) == content_id([named("b", "1"), 2])
    assert content_id([named("a", "1")]) != content_id([named("b", "2")])
    assert content_id([File("a")]) != content_id([File("a", copy=False)])


def test_a_file_in_several_places_is_read_and_stored_once(hashed: list[str]) -> None:
    """Hashing reads it once, storing copies it once."""
    Path("large").write_bytes(np.random.default_rng(0).bytes(3_000_000))
    storage = Storage()

    with storage:
        length_of({"a": File("large"), "b": [File("large")]})

    assert hashed == ["large"]
    value_id = content_id({"a": File("large"), "b": [File("large")]})
    (copy,) = storage._parts.lookup.copies(value_id)
    assert 3_000_000 < copy.record.raw_size < 3_001_000


def test_many_large_files_are_stored_without_being_read_into_memory(tmp_path: Path) -> None:
    """Nor with a map or an open file for each: there may be more files than the system allows."""
    size, count = 1 << 20, 48
    contents = np.random.default_rng(0).bytes(size)
    for number in range(count):
        Path(f"{number}").write_bytes(bytes([number]) + contents)

    with Storage(tmp_path / "store") as storage:
        # What the first calls of a process open and import is none of these files' doing.
        _opened_by(lambda: same([File("0"), File("1")]))
        by_few = _opened_by(lambda: same([File("2"), File("3")]))
        tracemalloc.start()
        by_many = _opened_by(lambda: same([File(f"{number}") for number in range(count)]))
        _, peak = tracemalloc.get_traced_memory()
        tracemalloc.stop()
        ref = same([File(f"{number}") for number in range(count)])

    assert peak < size * count // 2
    assert by_many == by_few
    assert [f.path.read_bytes()[0] for f in storage.unwrap(ref)] == list(range(count))


def _opened_by(make: Callable[[], Any]) -> int:
    """Return how many more files are open after a call, before anything unreachable is closed."""
    gc.collect()
    gc.disable()
    try:
        before = len(list(Path("/proc/self/fd").iterdir()))
        make()
        return len(list(Path("/proc/self/fd").iterdir())) - before
    finally:
        gc.enable()


def test_a_file_that_is_not_there_is_named_with_its_place() -> None:
    """With op, argument, and the path within it."""
    with (
        Storage(),
        pytest.raises(
            UsageError,
            match=r"read_all: .* cfg\[\"model\"\]\[1\] \(of type " + ".*none.txt: it is not",
        ),
    ):
        read_all({"model": [named("a"), File("none.txt")]})


@pytest.mark.parametrize("value", [{"a": Opaque(), "model": 0}, {"model": 0, "a": Opaque()}])
def test_a_file_beside_what_is_pickled_is_refused_with_its_place(value: dict[str, Any]) -> None:
    """A pickle would bring back a path, with whatever is there by then."""
    with (
        Storage(),
        pytest.raises(
            UsageError,
            match=r"same: .* value\[\"model\"\] \(of type mandala_cas.model.files.File\)",
        ) as raised,
    ):
        same({**value, "model": named("a")})

    assert raised.value.path == '["model"]'


def test_a_file_within_what_only_pickle_takes_is_refused() -> None:
    """The same, further down."""
    with Storage(), pytest.raises(UsageError, match=r"value\[0\]\.inside .*no part of a pickle"):
        same([Opaque(named("a"))])


@pytest.mark.parametrize("is_hashed_before", [True, False])
def test_a_part_that_changed_after_it_was_hashed_is_named(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, is_hashed_before: Any
) -> None:
    """The id would stand for contents that the store does not have."""
    value = {"old": named("old"), "new": [named("new", "1")], "all": Dir(tmp_path / "folder")}
    os.utime("old", ns=(1, 1))
    before = content_id(value) if is_hashed_before else None
    storage = Storage()
    if is_hashed_before:
        Path("new").write_text("2")
    else:
        _change_after_hashing(monkeypatch, Path("new"))

    with pytest.raises(UsageError, match="changed after it was hashed") as raised:
        storage._parts.book.prepare(value, before)

    assert raised.value.path in {'["new"][0]', '["all"]'}


def _change_after_hashing(monkeypatch: pytest.MonkeyPatch, path: Path) -> None:
    """Have somebody write to a file between hashing and copying."""

    def hash_and_change(*args: Any, **options: Any) -> Any:
        found = content_id(*args, **options)
        path.write_text("2")
        return found

    monkeypatch.setattr(save, "content_id", hash_and_change)


def test_a_part_that_went_after_it_was_hashed_is_named() -> None:
    """Hashing is not the only time when it is read."""
    value = {"new": [named("new", "1")]}
    before = content_id(value)
    Path("new").unlink()

    with pytest.raises(UsageError, match="it is not there") as raised:
        Storage()._parts.book.prepare(value, before)

    assert raised.value.path == '["new"][0]'


def test_a_hasher_that_looks_at_no_file_refuses_none(tmp_path: Path) -> None:
    """What decides the id is the user's affair; the files are stored all the same."""
    with Storage(tmp_path / "store") as storage:
        first: Any = storage.unwrap(same_by_name({"a": named("a", "1")}))
        again: Any = storage.unwrap(same_by_name({"a": named("a", "2")}))

    assert (first["a"].path.read_text(), again["a"].path.read_text()) == ("1", "1")


def test_what_a_user_wrote_into_the_cache_is_nobodys_part(tmp_path: Path) -> None:
    """As for files that are values of their own."""
    with Storage(tmp_path / "store") as storage:
        ref = same([named("a", "1")])
        path = storage.unwrap(ref)[0].path
        path.chmod(0o644)
        path.write_text("mine")

        found = storage.unwrap(read_all(ref))

    assert found == ["1"]
    assert path.read_text() == "1"


def test_a_tracked_part_that_moved_is_recorded_where_it_is_now(tmp_path: Path) -> None:
    """A record of a place that is empty helps nobody."""
    named("old.txt")
    with Storage(tmp_path / "store"):
        same([File("old.txt", copy=False)])
    Path("old.txt").rename("new.txt")

    with Storage(tmp_path / "store"):
        read_all([File("new.txt", copy=False)])

    (found,) = Storage(tmp_path / "store").cf(same).df()["value"]
    assert found == [File("new.txt", copy=False)]


def test_a_tracked_directory_stays_where_it_is(tmp_path: Path) -> None:
    """It is another value than a copied one, and neither in the store nor in the cache."""
    root = tmp_path / "large"
    with Storage(tmp_path / "store") as storage:
        made = tracked_folder(str(root))
        found = storage.unwrap([made, length_of([storage.unwrap(made)])])

    assert found == [Dir(root, copy=False), 1]
    assert not storage.file_cache.path.exists()
    assert content_id(Dir(root)) != content_id(Dir(root, copy=False))


def test_a_tracked_directory_that_changed_is_made_again(tmp_path: Path) -> None:
    """Inside a block, where ops may run; outside of one it is an error that says what changed."""
    root = tmp_path / "large"
    with Storage(tmp_path / "store"):
        made: Any = tracked_folder(str(root))
    ref = made.detached()
    (root / "a").write_bytes(b"3")
    storage = Storage(tmp_path / "store")

    with pytest.raises(CorruptionError, match=r"large.*'a' has other contents"):
        storage.unwrap(ref)
    with storage:
        again = storage.unwrap(ref)

    assert again == Dir(root, copy=False)
    assert (root / "a").read_bytes() == b"1"
    assert len(RUNS) == 2


def test_a_storage_bounds_its_cache(tmp_path: Path) -> None:
    """What it was given stays, what somebody left there long ago goes."""
    storage = Storage(tmp_path / "store", file_cache_max=10)
    old = storage.file_cache.path / ("0" * 32)
    make_tree(old, {"a": bytes(1000)})
    os.utime(old, ns=(1, 1))

    with storage:
        found = storage.unwrap([same([named(name)]) for name in ("a", "b")])

    assert not old.exists()
    assert [value[0].path.read_text() for value in found] == ["a", "b"]
