"""Which file system a directory is on, and what a store there may promise."""

from __future__ import annotations

import os
import sys
from pathlib import Path
from typing import Any

import pytest

from mandala_cas.objectstore import mounts
from mandala_cas.objectstore.local import LocalObjectStore
from mandala_cas.objectstore.mounts import (
    capabilities_of,
    file_system_by_drive,
    file_system_by_mounts,
    file_system_by_statfs,
    file_system_of,
)

TABLE = r"""
22 27 0:21 / /proc rw,relatime - proc proc rw
27 1 254:0 / / rw,relatime shared:1 - ext4 /dev/vda rw
30 27 0:40 / /home rw - autofs systemd-1 rw
31 30 0:41 /export /home rw shared:7 master:2 - nfs4 server:/export rw
32 31 0:42 / /home/me/fast rw - xfs /dev/vdb rw
40 27 0:50 / /content/drive rw - fuse.drive drive rw
41 27 0:51 / /mnt/with\040space\134 rw - cifs //server/share rw
42 27 0:52 / /mnt/c rw - 9p C: rw
50 27 0:60 / /hidden/below rw - ext4 /dev/vdc rw
51 27 0:61 / /hidden rw - fuse.sshfs host:/ rw
60 27 0:70 / /newer rw - ext3003 /dev/vdd rw
61 27 0:71 / /homework rw - btrfs /dev/vde rw
"""


@pytest.mark.parametrize(
    ("place", "expected"),
    [
        ("/", "ext4"),
        ("/var/store", "ext4"),
        ("/home", "nfs4"),
        ("/home/me/store", "nfs4"),
        ("/home/me/fast/store", "xfs"),
        ("/homework/store", "btrfs"),
        ("/content/drive/MyDrive/store", "fuse.drive"),
        ("/mnt/with space\\/store", "cifs"),
        ("/mnt/c/Users", "9p"),
        ("/hidden/below/store", "fuse.sshfs"),
    ],
)
def test_the_mount_that_a_path_is_on_is_found(place: str, expected: str) -> None:
    """By whole names, through later mounts, and not in what those hide."""
    assert file_system_by_mounts(Path(place), TABLE) == expected


@pytest.mark.parametrize("table", ["", "nonsense", "1 2 3", "x y 0:1 / / rw - ext4 a rw", "\0 - "])
def test_a_table_that_says_nothing_is_no_answer(table: str) -> None:
    """A sandbox may show another table, or none."""
    assert file_system_by_mounts(Path("/home"), table) == "unknown"


def test_mounts_in_a_circle_end() -> None:
    """No kernel writes such a table; a loop would hang whoever opens a store."""
    table = "1 0 0:1 / / rw - ext4 a rw\n2 1 0:2 / / rw - xfs b rw\n1 2 0:1 / / rw - ext4 a rw\n"

    assert file_system_by_mounts(Path("/a"), table) in {"ext4", "xfs", "unknown"}


@pytest.mark.parametrize(
    "kind", ["ext4", "xfs", "btrfs", "zfs", "tmpfs", "overlay", "apfs", "ntfs", "refs"]
)
def test_a_local_disk_shows_every_name(kind: str) -> None:
    """A collector need not wait for listings to catch up."""
    promised = capabilities_of(kind)

    assert promised.strong_list
    assert promised.atomic_create
    assert promised.persistent


@pytest.mark.parametrize(
    "kind",
    [
        *("nfs", "nfs4", "cifs", "smb3", "smbfs", "afs", "ceph", "lustre", "9p", "virtiofs"),
        *("fuse", "fuse.sshfs", "fuse.drive", "fuseblk", "vboxsf", "drvfs", "webdav", "unknown"),
        *("ntfs, remote", "ext4000", ""),
    ],
)
def test_what_others_may_write_to_promises_less(kind: str) -> None:
    """Another host's name may not be listed yet, so whoever deletes has to wait."""
    promised = capabilities_of(kind)

    assert not promised.strong_list
    assert not promised.atomic_create
    assert promised.persistent


@pytest.mark.skipif(sys.platform != "linux", reason="reads the table of Linux")
def test_the_running_system_is_asked(tmp_path: Path) -> None:
    """Also for a directory that is not there yet, and through a link to another place."""
    (tmp_path / "link").symlink_to("/proc")

    assert file_system_of(Path("/proc/self")) == "proc"
    assert file_system_of(tmp_path / "link/not/there") == "proc"
    assert file_system_of(tmp_path / "not/there") == file_system_of(tmp_path)


def test_a_store_asks_once_and_late(tmp_path: Path) -> None:
    """Opening a store costs nothing that its use does not need."""
    asked: list[Path] = []

    def file_system(path: Path) -> str:
        asked.append(path)
        return "nfs4"

    store = LocalObjectStore(tmp_path, file_system_of=file_system)
    store.put("log/1", [b"x"])
    before = list(asked)

    assert not store.capabilities.strong_list
    assert not store.capabilities.strong_list
    assert before == []
    assert asked == [tmp_path]


class FakeStatfs:
    """The answer of macOS about one volume."""

    def __init__(self, name: bytes, flags: int, result: int = 0) -> None:
        """Answer with these."""
        self._name, self._flags, self._result = name, flags, result
        self.asked: list[bytes] = []

    def __call__(self, path: bytes, answer: Any) -> int:
        """Fill in the fields at their places."""
        self.asked.append(path)
        answer[64:68] = self._flags.to_bytes(4, sys.byteorder)
        answer[72 : 72 + len(self._name)] = self._name
        return self._result


@pytest.mark.parametrize(
    ("name", "flags", "result", "expected"),
    [
        (b"apfs", 0x04909000, 0, "apfs"),
        (b"smbfs", 0x00000018, 0, "smbfs, remote"),
        (b"apfs", 0x00000018, 0, "apfs, remote"),
        (b"", 0, -1, "unknown"),
    ],
)
def test_macos_says_what_a_volume_is(name: bytes, flags: int, result: int, expected: str) -> None:
    """The flag of a local disk counts, whatever the name is."""
    statfs = FakeStatfs(name, flags, result)

    assert file_system_by_statfs(Path("/Users/me"), statfs) == expected
    assert statfs.asked == [b"/Users/me"]


class FakeKernel32:
    """The answers of Windows about one drive."""

    def __init__(self, name: str, drive: int) -> None:
        """Answer with these; without a name, with an error."""
        self._name, self._drive = name, drive

    def GetVolumePathNameW(self, path: str, root: Any, size: int) -> int:  # noqa: N802 (Windows)
        """Say where the volume begins."""
        assert len(root) == size
        root.value = path[:3]
        return 1

    def GetVolumeInformationW(self, root: Any, *rest: Any) -> int:  # noqa: N802 (Windows)
        """Say what the volume is."""
        *_, name, size = rest
        assert (root.value, len(rest), len(name)) == ("C:\\", 7, size)
        name.value = self._name
        return int(bool(self._name))

    def GetDriveTypeW(self, root: Any) -> int:  # noqa: N802 (Windows)
        """Say what kind of drive it is on."""
        assert root.value == "C:\\"
        return self._drive


@pytest.mark.parametrize(
    ("name", "drive", "expected"),
    [
        ("NTFS", 3, "ntfs"),
        ("exFAT", 2, "exfat"),
        ("NTFS", 4, "ntfs, remote"),
        ("NTFS", 0, "ntfs, remote"),
        ("", 3, "unknown"),
    ],
)
def test_windows_says_what_a_drive_is(name: str, drive: int, expected: str) -> None:
    """A share calls itself NTFS, too."""
    kernel32 = FakeKernel32(name, drive)

    assert file_system_by_drive(Path("C:\\Users"), kernel32) == expected


@pytest.mark.parametrize(
    ("system", "function"),
    [("darwin", "_mac_statfs"), ("win32", "_kernel32"), ("freebsd14", "_kernel32")],
)
def test_a_system_that_does_not_answer_is_unknown(
    monkeypatch: pytest.MonkeyPatch, system: str, function: str
) -> None:
    """A function may be missing there; a store is opened all the same."""

    def missing() -> object:
        raise AttributeError(function)

    monkeypatch.setattr(mounts, function, missing)
    monkeypatch.setattr(sys, "platform", system)

    found = file_system_of(Path(os.sep))

    monkeypatch.undo()
    assert found == "unknown"


@pytest.mark.skipif(sys.platform != "linux", reason="takes the table of Linux away")
def test_without_a_table_nothing_is_known(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Some containers hide it."""
    monkeypatch.setattr(mounts, "_MOUNTS", tmp_path / "missing")

    assert file_system_of(tmp_path) == "unknown"
