"""Every platform keeps its contract, and a store in a directory keeps its own on each of them.

Other systems are acted out here: what they refuse is refused, what they do differently is done so.
"""

from __future__ import annotations

import errno
import os
from pathlib import Path

import pytest

from mandala_cas.errors import StoreUnavailableError, UsageError
from mandala_cas.objectstore.local import LocalObjectStore
from mandala_cas.objectstore.locks import WindowsLocks
from mandala_cas.objectstore.platforms import (
    WAITS_S,
    MacPlatform,
    NoLinksError,
    PosixPlatform,
    WindowsPlatform,
    running_platform,
)
from mandala_cas.testing.object_stores import ObjectStoreSuite
from mandala_cas.testing.platform_suite import PlatformSuite, make
from mandala_cas.testing.windows import FakeMsvcrt, FakeWindows

FULL_SYNC = 51


class FakeFcntl:
    """The module ``fcntl`` of macOS, as far as full syncs go; network drives refuse them."""

    F_FULLFSYNC = FULL_SYNC

    def __init__(self, error: int | None = None) -> None:
        """Have seen no call yet; answer with ``error``, if there is one."""
        self.calls: list[tuple[int, int]] = []
        self._error = error

    def fcntl(self, descriptor: int, command: int) -> int:
        """Sync, or refuse."""
        self.calls.append((descriptor, command))
        if self._error is not None:
            raise OSError(self._error, os.strerror(self._error))
        return 0


@pytest.fixture
def windows(monkeypatch: pytest.MonkeyPatch) -> FakeWindows:
    """Return the Windows that the test runs on."""
    fake = FakeWindows()
    fake.install(monkeypatch.setattr)
    return fake


def windows_platform(windows: FakeWindows) -> WindowsPlatform:
    """Return the platform for it; waiting takes no time."""
    return WindowsPlatform(WindowsLocks(FakeMsvcrt()), wait=windows.waits.append)


@pytest.fixture
def exfat(monkeypatch: pytest.MonkeyPatch) -> PosixPlatform:
    """Return the platform of Linux, on a file system that can do little."""
    fsync = os.fsync

    def link(*_: object) -> None:
        raise PermissionError(errno.EPERM, os.strerror(errno.EPERM))

    def fsync_files(descriptor: int) -> None:
        if Path(f"/dev/fd/{descriptor}").is_dir():
            raise OSError(errno.EINVAL, os.strerror(errno.EINVAL))
        fsync(descriptor)

    monkeypatch.setattr(os, "link", link)
    monkeypatch.setattr(os, "fsync", fsync_files)
    return PosixPlatform()


class TestPosix(PlatformSuite):
    """What this test runs on."""

    @pytest.fixture
    def platform(self) -> PosixPlatform:
        """Return the platform."""
        return PosixPlatform()


class TestExFat(PlatformSuite):
    """A file system that can do little."""

    @pytest.fixture
    def platform(self, exfat: PosixPlatform) -> PosixPlatform:
        """Return the platform."""
        return exfat


class TestMac(PlatformSuite):
    """macOS."""

    @pytest.fixture
    def platform(self) -> MacPlatform:
        """Return the platform."""
        return MacPlatform(fcntl=FakeFcntl())


class TestWindows(PlatformSuite):
    """Windows."""

    @pytest.fixture
    def platform(self, windows: FakeWindows) -> WindowsPlatform:
        """Return the platform."""
        return windows_platform(windows)


class TestStoreOnExFat(ObjectStoreSuite):
    """A store where every name is given by a rename."""

    @pytest.fixture
    def store(self, tmp_path: Path, exfat: PosixPlatform) -> LocalObjectStore:
        """Return an empty store."""
        return LocalObjectStore(tmp_path / "store", platform=exfat)


class TestStoreOnWindows(ObjectStoreSuite):
    """A store on Windows."""

    @pytest.fixture
    def store(self, tmp_path: Path, windows: FakeWindows) -> LocalObjectStore:
        """Return an empty store."""
        return LocalObjectStore(tmp_path / "store", platform=windows_platform(windows))


class TestStoreOnMac(ObjectStoreSuite):
    """A store on macOS, on a drive of another host."""

    @pytest.fixture
    def store(self, tmp_path: Path) -> LocalObjectStore:
        """Return an empty store."""
        return LocalObjectStore(tmp_path, platform=MacPlatform(fcntl=FakeFcntl(errno.ENOTSUP)))


@pytest.fixture
def store(tmp_path: Path, windows: FakeWindows) -> LocalObjectStore:
    """Return a store on Windows with an object in it."""
    store = LocalObjectStore(tmp_path, platform=windows_platform(windows))
    store.put("log/1", [b"one"])
    return store


def test_the_running_system_chooses() -> None:
    """Linux is what the tests run on."""
    assert type(running_platform()) is PosixPlatform
    assert running_platform() is running_platform()


@pytest.mark.parametrize(
    ("error", "sync_count"), [(None, 0), (errno.ENOTSUP, 1), (errno.ENOTTY, 1)]
)
def test_macos_asks_the_drive_itself(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    error: int | None,
    sync_count: int,
) -> None:
    """Its fsync stops at the drive's cache, which a power cut empties; else fsync has to do."""
    fake = FakeFcntl(error)
    synced: list[int] = []
    monkeypatch.setattr(os, "fsync", synced.append)

    with (tmp_path / "a").open("wb") as file:
        MacPlatform(fcntl=fake).sync_file(file.fileno())

        assert fake.calls == [(file.fileno(), FULL_SYNC)]
    assert len(synced) == sync_count


def test_macos_does_not_forget_an_error_of_the_disk(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The plain sync after it would find nothing left to write."""
    synced: list[int] = []
    monkeypatch.setattr(os, "fsync", synced.append)

    with (tmp_path / "a").open("wb") as file, pytest.raises(OSError, match="Input/output"):
        MacPlatform(fcntl=FakeFcntl(errno.EIO)).sync_file(file.fileno())

    assert synced == []


@pytest.mark.parametrize("number", [errno.EINVAL, errno.ENOTSUP])
def test_a_directory_without_anything_to_sync_is_no_error(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, number: int
) -> None:
    """Some mounted drives have no directories on a disk."""

    def fsync(_: int) -> None:
        raise OSError(number, os.strerror(number))

    monkeypatch.setattr(os, "fsync", fsync)

    PosixPlatform().sync_directory(tmp_path)


def test_a_directory_that_could_not_be_synced_is_an_error(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The names in it may be lost."""

    def fsync(_: int) -> None:
        raise OSError(errno.EIO, os.strerror(errno.EIO))

    monkeypatch.setattr(os, "fsync", fsync)

    with pytest.raises(OSError, match="Input/output"):
        PosixPlatform().sync_directory(tmp_path)


@pytest.mark.parametrize("number", [errno.EPERM, errno.EMLINK, errno.ENOTSUP, errno.ENOSYS])
def test_a_missing_ability_is_told_from_an_error(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, number: int
) -> None:
    """What cannot link can rename; what is full can neither."""

    def link(*_: object) -> None:
        raise OSError(number, os.strerror(number))

    monkeypatch.setattr(os, "link", link)

    with pytest.raises(NoLinksError):
        PosixPlatform().place(tmp_path / "a", tmp_path / "b")


class WithoutLocks:
    """Locks of a mounted drive that has none."""

    def acquire(self, descriptor: int, *, wait: bool) -> bool:
        """Refuse."""
        del descriptor, wait
        raise OSError(errno.ENOLCK, os.strerror(errno.ENOLCK))

    def release(self, descriptor: int) -> None:
        """Never come here."""
        raise AssertionError(descriptor)


class OvertakenPlatform(PosixPlatform):
    """A drive where another host creates the same name a moment later."""

    def __init__(self, other: bytes) -> None:
        """Have the other host write ``other``."""
        super().__init__(WithoutLocks())
        self._other = other

    def place(self, source: Path, target: Path) -> None:
        """Refuse."""
        raise NoLinksError(errno.EPERM, f"{source} to {target}")

    def replace(self, source: Path, target: Path) -> None:
        """Rename, and be overtaken."""
        super().replace(source, target)
        target.write_bytes(self._other)


@pytest.mark.parametrize(("other", "made"), [(b"mine", True), (b"other", False)])
def test_without_links_and_locks_a_creator_looks_at_what_is_there(
    tmp_path: Path,
    other: bytes,
    made: bool,  # noqa: FBT001 (a case of the table)
) -> None:
    """Nothing keeps another host out there, so what stays decides who made it."""
    store = LocalObjectStore(tmp_path, platform=OvertakenPlatform(other))

    assert store.create("config", b"mine") is made
    assert store.get("config") == other
    assert not store.create("config", b"mine")


def test_windows_waits_for_who_has_the_file_open(
    store: LocalObjectStore, windows: FakeWindows, tmp_path: Path
) -> None:
    """A scanner looks at each new file for a moment."""
    windows.busy[tmp_path / "log/1"] = 3

    store.put("log/1", [b"other"])

    assert store.get("log/1") == b"other"
    assert windows.waits == list(WAITS_S[:3])


def test_windows_does_not_wait_for_ever(
    store: LocalObjectStore, windows: FakeWindows, tmp_path: Path
) -> None:
    """A reader may keep a file open for hours; the caller can try again."""
    windows.busy[tmp_path / "log/1"] = 100

    with pytest.raises(StoreUnavailableError, match="in use by another program"):
        store.put("log/1", [b"other"])
    with pytest.raises(StoreUnavailableError, match="in use by another program"):
        store.delete(["log/1"])

    assert store.get("log/1") == b"one"
    assert windows.waits == 2 * list(WAITS_S)
    assert list((tmp_path / "local/tmp").iterdir()) == []


def test_windows_does_not_touch_what_is_there_already(
    store: LocalObjectStore, windows: FakeWindows, tmp_path: Path
) -> None:
    """The same object put again, while a reader has it open."""
    windows.busy[tmp_path / "log/1"] = 100

    store.put("log/1", [b"one"])

    assert windows.waits == []


def test_windows_takes_what_another_writer_put_for_done(
    windows: FakeWindows, tmp_path: Path
) -> None:
    """Two writers of one object; the first one's file is being read when the second comes."""
    waited: list[float] = []

    def wait(seconds: float) -> None:
        waited.append(seconds)
        (tmp_path / "log/1").write_bytes(b"right")

    platform = WindowsPlatform(WindowsLocks(FakeMsvcrt()), wait=wait)
    store = LocalObjectStore(tmp_path, platform=platform)
    (tmp_path / "log").mkdir()
    (tmp_path / "log/1").write_bytes(b"wrong")
    windows.busy[tmp_path / "log/1"] = 100

    store.put("log/1", [b"right"])

    assert len(waited) == len(WAITS_S)
    assert store.get("log/1") == b"right"


def test_windows_names_a_place_that_may_not_be_written(
    store: LocalObjectStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Nothing is there that could be in use, so somebody has to change who may write."""

    def rename(source: Path, target: Path) -> None:
        raise PermissionError(errno.EACCES, f"Access to {source} is denied", str(target))

    monkeypatch.setattr(os, "rename", rename)

    with pytest.raises(UsageError, match="check who owns it"):
        store.put("log/2", [b"two"])


def test_a_leftover_that_is_in_use_stays(
    store: LocalObjectStore, windows: FakeWindows, tmp_path: Path
) -> None:
    """Its writer is alive, then; all others are removed."""
    busy = make(windows_platform(windows), tmp_path / "local/tmp/1-2-3", b"x")
    make(windows_platform(windows), tmp_path / "local/tmp/4-5-6", b"x")
    windows.busy[busy] = 100

    removed = store.remove_leftovers(modified_before=float("inf"))

    assert removed == 1
    assert list((tmp_path / "local/tmp").iterdir()) == [busy]
