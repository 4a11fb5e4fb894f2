"""The store in a directory: what is on the disk, when, and what is said if it cannot be."""

from __future__ import annotations

import errno
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from mandala_cas.errors import MandalaError, NotFoundError, StoreUnavailableError, UsageError
from mandala_cas.objectstore import local
from mandala_cas.objectstore.local import LocalObjectStore
from mandala_cas.testing.platforms import RecordingPlatform, Step


@pytest.fixture
def root(tmp_path: Path) -> Path:
    """Return where the store will be; nothing is there yet."""
    return tmp_path / "new" / "store"


@pytest.fixture
def store(root: Path) -> LocalObjectStore:
    """Return a store in a directory that is not there yet."""
    return LocalObjectStore(root)


def leftovers(root: Path) -> list[Path]:
    """Return the temporary files of a store."""
    return sorted((root / "local" / "tmp").glob("*"))


def counted(platform: RecordingPlatform, *kinds: str) -> list[str]:
    """Return the steps that make an object last, or those of ``kinds``; forget all of them."""
    wanted = kinds or ("sync file", "place", "sync directory")
    # The number of a temporary file says nothing.
    found = [
        " ".join([step.kind, step.target or step.path] if step.kind != "sync file" else [step.kind])
        for step in platform.steps
        if step.kind in wanted
    ]
    platform.steps.clear()
    return found


def refuse_links(monkeypatch: pytest.MonkeyPatch) -> None:
    """Behave as a file system without hard links does, such as exFAT."""

    def link(*_: object) -> None:
        raise OSError(errno.EPERM, os.strerror(errno.EPERM))

    monkeypatch.setattr(os, "link", link)


def fail_sync(monkeypatch: pytest.MonkeyPatch, number: int) -> list[int]:
    """Make every sync fail with ``number``; return a list that grows with each try."""
    tries: list[int] = []

    def fsync(descriptor: int) -> None:
        tries.append(descriptor)
        raise OSError(number, os.strerror(number))

    monkeypatch.setattr(os, "fsync", fsync)
    return tries


def test_reading_makes_nothing(store: LocalObjectStore, root: Path) -> None:
    """Opening a store to look, perhaps at the wrong place, leaves no trace."""
    with pytest.raises(NotFoundError):
        store.get("config")
    assert store.get_many(["config"]) == [None]
    assert list(store.list("")) == []
    store.delete(["config"])
    store.close()

    assert not root.parent.exists()


def test_a_store_stays_where_it_was_opened(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A process may change its directory, as notebooks do."""
    monkeypatch.chdir(tmp_path)
    store = LocalObjectStore("here")
    (tmp_path / "elsewhere").mkdir()
    monkeypatch.chdir(tmp_path / "elsewhere")

    store.put("config", [b"x"])

    assert (tmp_path / "here" / "config").read_bytes() == b"x"
    assert store.url == str(tmp_path / "here")


def test_a_put_leaves_no_temporary_file(store: LocalObjectStore, root: Path) -> None:
    """Neither the first nor the second one under the same name, equal or not."""
    for data in (b"one", b"one", b"two", b"three"):
        store.put("config", [data])
    store.create("config", b"four")

    assert leftovers(root) == []


def test_temporary_files_are_on_the_file_system_of_the_store(
    store: LocalObjectStore, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A name can be given in one step only there; ``$TMPDIR`` may be another disk, or gone."""
    monkeypatch.setenv("TMPDIR", str(tmp_path / "missing"))

    store.put("config", [b"x"])

    assert store.get("config") == b"x"


def test_an_object_is_synced_before_it_has_its_name_and_its_directory_after(
    tmp_path: Path,
) -> None:
    """A power cut between any two steps leaves the whole object or none."""
    platform = RecordingPlatform(tmp_path)
    store = LocalObjectStore(tmp_path, platform=platform)
    store.put("log/0", [b"the directories are there"])
    platform.steps.clear()

    store.put("log/1", [b"x"])
    one_put = counted(platform)
    store.put_many({"log/2": [b"x"], "log/3": [b"x"]})

    assert one_put == ["sync file", "place log/1", "sync directory log"]
    assert counted(platform) == [
        *("sync file", "place log/2", "sync file", "place log/3", "sync directory log")
    ]


def test_new_directories_are_synced_from_the_top_down(tmp_path: Path) -> None:
    """An object in a directory that a power cut takes away is lost as well."""
    platform = RecordingPlatform(tmp_path)
    store = LocalObjectStore(tmp_path / "new/store", platform=platform)

    store.put("blobs/ab/cd", [b"x"])
    first = counted(platform, "sync directory")
    store.put("blobs/ab/ce", [b"x"])

    places = [".", "new", "new/store", "new/store/local", "new/store", "new/store/blobs"]
    assert first == [f"sync directory {place}" for place in [*places, "new/store/blobs/ab"]]
    assert counted(platform, "sync directory") == ["sync directory new/store/blobs/ab"]


def test_a_directory_that_was_removed_is_made_again(store: LocalObjectStore, root: Path) -> None:
    """Somebody tidied up; what was known of directories no longer holds."""
    store.put("blobs/ab/cd", [b"x"])
    (root / "blobs/ab/cd").unlink()
    (root / "blobs/ab").rmdir()
    (root / "blobs").rmdir()

    store.put("blobs/ab/cd", [b"y"])

    assert store.get("blobs/ab/cd") == b"y"


@pytest.mark.parametrize("number", [errno.ENOSPC, errno.EDQUOT])
def test_a_full_disk_loses_nothing(
    store: LocalObjectStore, root: Path, monkeypatch: pytest.MonkeyPatch, number: int
) -> None:
    """Space often runs out when the file is synced. Whoever frees some may go on."""
    store.put("log/1", [b"kept"])

    with monkeypatch.context() as patch:
        fail_sync(patch, number)
        with pytest.raises(StoreUnavailableError, match="is full; nothing of it was written"):
            store.put("log/2", [b"too much"])

    assert leftovers(root) == []
    assert [info.name for info in store.list("")] == ["log/1"]
    assert store.get("log/1") == b"kept"
    store.put("log/2", [b"fits now"])
    assert store.get("log/2") == b"fits now"


def test_a_really_full_disk_loses_nothing(tmp_path: Path) -> None:
    """The same on a small file system in memory, where the write itself fails."""
    place = tmp_path / "small"
    place.mkdir()
    mount = ["mount", "-t", "tmpfs", "-o", "size=1m", "tmpfs", str(place)]
    if subprocess.run(mount, check=False, capture_output=True).returncode != 0:
        pytest.skip("may not mount a small file system; the test with a failing sync says the same")
    try:
        store = LocalObjectStore(place / "store")
        store.put("log/1", [b"kept"])

        with pytest.raises(StoreUnavailableError, match="is full"):
            store.put("log/2", [bytes(2 << 20)])

        assert leftovers(place / "store") == []
        assert [info.name for info in store.list("")] == ["log/1"]
        store.put("log/2", [bytes(100_000)])
        assert store.get_range("log/2", 99_990, 100) == bytes(10)
    finally:
        subprocess.run(["umount", str(place)], check=True)  # noqa: S607 (undoes the mount above)


def test_a_sync_that_failed_is_not_tried_again(
    store: LocalObjectStore, root: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The kernel forgets what it could not write, and would call the second try a success."""
    store.put("log/1", [b"kept"])
    tries = fail_sync(monkeypatch, errno.EIO)

    with pytest.raises(StoreUnavailableError, match="cannot write log/2: input/output error"):
        store.put("log/2", [b"x"])

    assert len(tries) == 1
    assert leftovers(root) == []
    assert store.get_many(["log/2"]) == [None]


@pytest.mark.parametrize("number", [errno.EACCES, errno.EROFS, errno.EPERM])
@pytest.mark.parametrize(
    "write",
    [
        pytest.param(lambda store: store.put("log/1", [b"x"]), id="put"),
        pytest.param(lambda store: store.put_many({"log/1": [b"x"]}), id="put_many"),
        pytest.param(lambda store: store.create("config", b"x"), id="create"),
    ],
)
def test_a_place_that_may_not_be_written_is_named(
    root: Path,
    monkeypatch: pytest.MonkeyPatch,
    number: int,
    write: Callable[[LocalObjectStore], object],
) -> None:
    """Trying again is of no use; somebody has to change who may write where."""

    def mkdir(path: Path, **_: object) -> None:
        raise OSError(number, os.strerror(number), str(path))

    monkeypatch.setattr(Path, "mkdir", mkdir)

    with pytest.raises(UsageError, match=r"at .*/new/store/local/tmp; check who owns it"):
        write(LocalObjectStore(root))


@pytest.mark.skipif(os.geteuid() == 0, reason="root may write everywhere")
def test_a_read_only_directory_is_named(store: LocalObjectStore, root: Path) -> None:
    """The same with a directory that really is."""
    root.mkdir(parents=True)
    root.chmod(0o500)

    with pytest.raises(UsageError, match=str(root)):
        store.put("config", [b"x"])


def test_what_cannot_be_read_is_not_missing(
    store: LocalObjectStore, root: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Who took an unreadable object for a missing one would compute it again, for ever."""
    store.put("log/1", [b"x"])
    is_open = Path.open

    def refuse(path: Path, *args: object, **kwargs: object) -> object:
        if path == root / "log/1":
            raise PermissionError(errno.EACCES, "Permission denied", str(path))
        return is_open(path, *args, **kwargs)  # type: ignore[call-overload] # passes on what it got

    monkeypatch.setattr(Path, "open", refuse)

    with pytest.raises(UsageError, match="cannot read log/1: permission denied"):
        store.get_many(["log/1"])


def test_a_directory_that_cannot_be_listed_is_not_empty(
    store: LocalObjectStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A collector would take what is hidden for gone."""
    store.put("log/1", [b"x"])

    def scandir(path: Path) -> None:
        raise PermissionError(errno.EACCES, "Permission denied", str(path))

    monkeypatch.setattr(os, "scandir", scandir)

    with pytest.raises(UsageError, match="permission denied"):
        list(store.list("log/"))


def test_a_file_in_the_way_is_named(store: LocalObjectStore, root: Path) -> None:
    """A store is opened at the path of something else, or an object is where a directory goes."""
    root.parent.mkdir(parents=True)
    root.write_bytes(b"a file")

    with pytest.raises(UsageError, match="in the way"):
        store.put("config", [b"x"])
    assert list(store.list("")) == []


def test_without_hard_links_objects_are_whole_all_the_same(
    store: LocalObjectStore, root: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A rename is the next best single step."""
    refuse_links(monkeypatch)

    for data in (b"one", b"two"):
        store.put("log/1", [data])

    assert store.get("log/1") == b"two"
    assert (store.create("config", b"first"), store.create("config", b"second")) == (True, False)
    assert store.get("config") == b"first"
    assert leftovers(root) == []
    assert (root / "local/create.lock").is_file()
    assert sorted(info.name for info in store.list("")) == ["config", "log/1"]


def test_without_hard_links_creators_take_turns(
    root: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Another process may create between the first look and the lock."""
    refuse_links(monkeypatch)
    other = LocalObjectStore(root)
    root.parent.mkdir()

    def overtake(step: Step) -> None:
        if step.kind == "place":
            other.create("config", b"other")

    platform = RecordingPlatform(root.parent, before=overtake)

    made = LocalObjectStore(root, platform=platform).create("config", b"mine")

    assert not made
    assert other.get("config") == b"other"


def test_a_damaged_object_is_repaired_by_putting_it_again(
    store: LocalObjectStore, root: Path
) -> None:
    """A disk may flip a bit and keep the size; what is put is what is there afterwards."""
    store.put("blobs/ab/cd", [b"0123456789"])
    (root / "blobs/ab/cd").write_bytes(b"012345678!")

    store.put("blobs/ab/cd", [b"0123456789"])

    assert store.get("blobs/ab/cd") == b"0123456789"


def test_an_object_that_is_there_is_not_written_again(store: LocalObjectStore, root: Path) -> None:
    """Readers may hold the file open, or have it mapped."""
    store.put("blobs/ab/cd", [b"same"])
    before = (root / "blobs/ab/cd").stat().st_ino

    store.put("blobs/ab/cd", [b"same"])

    assert (root / "blobs/ab/cd").stat().st_ino == before


def test_only_objects_are_listed(store: LocalObjectStore, root: Path) -> None:
    """What people and their tools leave in a directory is none of them."""
    store.put("log/1", [b"x"])
    for name in (
        "local/tmp/1-2-3",
        "local/index/x",
        ".DS_Store",
        "log/.nfs01",
        "log/a b",
        "log/x~.",
    ):
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_bytes(b"x")
    os.mkfifo(root / "log" / "pipe")

    assert [info.name for info in store.list("")] == ["log/1"]


def test_a_listing_goes_through_directories_in_order(store: LocalObjectStore) -> None:
    """The log is listed before what was made of it: whoever reads in that order misses nothing."""
    for name in ("manifest/3-gc/a", "manifest/1-log/b", "manifest/2-run/c"):
        store.put(name, [b"x"])

    listed = [info.name for info in store.list("manifest/")]

    assert listed == ["manifest/1-log/b", "manifest/2-run/c", "manifest/3-gc/a"]


def test_what_vanishes_during_a_listing_is_left_out(
    store: LocalObjectStore, root: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Another process deletes an object, and a directory, that the listing is about to come to."""
    store.put_many({name: [b"x"] for name in ("log/1/a", "log/2/b", "log/3/c")})
    listing = store.list("log/")

    first = next(listing)
    store.delete(["log/2/b"])
    (root / "log/2").rmdir()
    is_status = local._status

    def status(entry: os.DirEntry[str], name: str, below: Path) -> object:
        if name == "log/3/c":
            (root / name).unlink()
        return is_status(entry, name, below)

    monkeypatch.setattr(local, "_status", status)

    assert first.name == "log/1/a"
    assert list(listing) == []


def test_leftovers_are_removed_by_their_age(store: LocalObjectStore, root: Path) -> None:
    """A young one may be of a writer at work."""
    store.put("config", [b"x"])
    for name, modified in (("1-1-old", 1000.0), ("2-2-young", 3000.0)):
        path = root / "local/tmp" / name
        path.write_bytes(b"left behind")
        os.utime(path, (modified, modified))

    removed = store.remove_leftovers(modified_before=2000.0)

    assert removed == 1
    assert [path.name for path in leftovers(root)] == ["2-2-young"]
    assert LocalObjectStore(root / "nowhere").remove_leftovers(modified_before=2000.0) == 0


def test_an_error_among_the_parts_leaves_nothing(store: LocalObjectStore, root: Path) -> None:
    """A codec that fails half-way through must not publish half a value."""

    def parts() -> object:
        yield b"half"
        raise KeyError("no more")

    with pytest.raises(KeyError):
        store.put("log/1", parts())  # type: ignore[arg-type] # a generator of bytes

    assert leftovers(root) == []
    assert list(store.list("")) == []


def test_a_batch_that_fails_leaves_whole_objects(tmp_path: Path) -> None:
    """Those that came before are there, the one that failed is not."""

    def fail_third(step: Step) -> None:
        if step.kind == "write" and step.data == b"3":
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    store = LocalObjectStore(tmp_path, platform=RecordingPlatform(tmp_path, before=fail_third))

    with pytest.raises(MandalaError):
        store.put_many({f"log/{digit}": [digit.encode()] for digit in "1234"})

    assert {info.name: store.get(info.name) for info in store.list("")} == {
        "log/1": b"1",
        "log/2": b"2",
    }
    assert leftovers(tmp_path) == []


def test_forked_writers_do_not_get_in_each_others_way(root: Path) -> None:
    """The children of one process put at once, through the store that they inherited."""
    program = """
import os, sys
from mandala_cas.objectstore.local import LocalObjectStore
store = LocalObjectStore(sys.argv[1])
store.put("log/parent", [b"x"])
children = []
for child in range(4):
    pid = os.fork()
    if not pid:
        for number in range(10):
            store.put(f"log/{child}-{number}", [b"%d" % number])
            store.put("log/same", [b"same"])
        os._exit(0)
    children.append(pid)
sys.exit(any(os.waitpid(pid, 0)[1] for pid in children))
"""

    done = subprocess.run([sys.executable, "-c", program, str(root)], check=False)

    assert done.returncode == 0
    names = [f"log/{child}-{number}" for child in range(4) for number in range(10)]
    store = LocalObjectStore(root)
    assert sorted(info.name for info in store.list("")) == sorted(
        [*names, "log/parent", "log/same"]
    )
    assert store.get_many(names) == [b"%d" % number for _ in range(4) for number in range(10)]
    assert leftovers(root) == []
