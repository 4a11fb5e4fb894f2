"""Cut the power at every step of a store in a directory, and look at what the disk may hold."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from mandala_cas import Storage, op
from mandala_cas.objectstore.layout import TEMPORARY
from mandala_cas.objectstore.local import LocalObjectStore
from mandala_cas.objectstore.platforms import NoLinksError, Platform, PosixPlatform
from mandala_cas.testing.crashfs import CrashState, crash_states
from mandala_cas.testing.platforms import RecordingPlatform

STORE = "a/store"


class WithoutLinks(PosixPlatform):
    """A file system without hard links."""

    def place(self, source: Path, target: Path) -> None:
        """Refuse."""
        raise NoLinksError(1, f"{source} to {target}")


@pytest.fixture(params=[PosixPlatform, WithoutLinks])
def disk(request: pytest.FixtureRequest, tmp_path: Path) -> RecordingPlatform:
    """Return a platform that records all that happens to an empty disk."""
    (tmp_path / "disk").mkdir()
    platform: Platform = request.param()
    return RecordingPlatform(tmp_path / "disk", platform)


@pytest.fixture
def store(disk: RecordingPlatform, tmp_path: Path) -> LocalObjectStore:
    """Return a store on the disk, in a directory that is not there yet."""
    return LocalObjectStore(tmp_path / "disk" / STORE, platform=disk)


def whole(name: str) -> bytes:
    """Return what is put under a name: long enough to be torn."""
    return name.encode() * 50_000


def put_one(store: LocalObjectStore, disk: RecordingPlatform) -> None:
    """Put one object after the other, in old directories and in new ones."""
    for name in ("blobs/ab/one", "blobs/ab/two", "manifest/three"):
        store.put(name, [whole(name)])
        disk.mark(name)


def put_again(store: LocalObjectStore, disk: RecordingPlatform) -> None:
    """Put what is there already, as another process that knows nothing of its directories."""
    store.put("blobs/one", [whole("blobs/one")])
    LocalObjectStore(store.root, platform=disk).put("blobs/one", [whole("blobs/one")])
    disk.mark("blobs/one")


def put_many(store: LocalObjectStore, disk: RecordingPlatform) -> None:
    """Put several at once."""
    names = ["blobs/ab/one", "blobs/ab/two", "blobs/cd/three"]
    store.put_many({name: [whole(name)[:7], whole(name)[7:]] for name in names})
    for name in names:
        disk.mark(name)


def create(store: LocalObjectStore, disk: RecordingPlatform) -> None:
    """Create, and lose the race for it; whoever lost it relies on the object all the same."""
    store.create("config", whole("config"))
    disk.mark("config")
    assert not LocalObjectStore(store.root, platform=disk).create("config", b"other")


def visible(state: CrashState) -> CrashState:
    """Return a state without temporary files, which no reader looks at."""
    files = {n: d for n, d in state.files.items() if not n.startswith(f"{STORE}/{TEMPORARY}")}
    return CrashState(state.marks, files, state.directories, state.last_step)


def visible_states(disk: RecordingPlatform) -> Iterator[CrashState]:
    """Yield every state that a reader can tell from the others."""
    seen = set()
    for state in map(visible, crash_states(disk.steps)):
        key = (state.marks, frozenset(state.files.items()), state.directories)
        if key not in seen:
            seen.add(key)
            yield state


@pytest.mark.parametrize("scenario", [put_one, put_again, put_many, create])
def test_no_power_cut_tears_an_object_or_loses_an_acknowledged_one(
    store: LocalObjectStore,
    disk: RecordingPlatform,
    tmp_path: Path,
    scenario: Callable[[LocalObjectStore, RecordingPlatform], None],
) -> None:
    """This is what "on the disk when put returns" means."""
    scenario(store, disk)
    states = list(visible_states(disk))

    for number, state in enumerate(states):
        place = tmp_path / str(number)
        state.write_to(place)
        found = LocalObjectStore(place / STORE)
        names = [info.name for info in found.list("")]
        assert all(found.get(name) == whole(name) for name in names), state.last_step
        assert set(state.marks) <= set(names), state.last_step
        found.put("manifest/after", [b"the store is of use"])
        assert found.get("manifest/after") == b"the store is of use"
    # Before anything, and after each mark, at the least.
    assert len(states) > len(set(states[-1].marks))


def test_no_power_cut_loses_a_committed_call(disk: RecordingPlatform, tmp_path: Path) -> None:
    """The same for what users care about: the calls that a commit returned for, with values."""
    ran: list[int] = []

    @op
    def big(seed: int) -> bytes:
        ran.append(seed)
        return bytes([seed]) * 5000

    storage = Storage(LocalObjectStore(tmp_path / "disk" / STORE, platform=disk))
    for seed in (1, 2):
        with storage:
            big(seed)
        disk.mark(str(seed))
    storage.close()
    states = list(visible_states(disk))

    for number, state in enumerate(states):
        ran.clear()
        place = tmp_path / str(number)
        state.write_to(place)
        with Storage(place / STORE) as reader:
            found = [reader.unwrap(big(seed)) for seed in (1, 2)]
        assert found == [bytes([seed]) * 5000 for seed in (1, 2)], state.last_step
        assert not set(ran) & set(map(int, state.marks)), state.last_step
    assert {len(state.marks) for state in states} == {0, 1, 2}
