"""Which file system a directory is on, as far as the operating system says.

A directory may be mounted from another host, or be a drive somewhere behind a program. Then what
another host has just written may not be listed yet, and a lock may not be seen there. Only file
systems that are known to have no other side are taken for local ones.
"""

from __future__ import annotations

import ctypes
import os
import re
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any, Final, NamedTuple

from mandala_cas.objectstore.api import Capabilities

UNKNOWN: Final = "unknown"

# One host writes to these at a time, through one kernel, and so each listing shows every name.
# Everything else is remote, behind a program (fuse, 9p, virtiofs), shared by a cluster, or unheard
# of. An overlay's upper directory cannot be on NFS.
_LOCAL: Final = frozenset(
    {
        *("apfs", "bcachefs", "btrfs", "exfat", "ext2", "ext3", "ext4", "f2fs", "fat", "fat32"),
        *("hfs", "hfsplus", "jfs", "msdos", "nilfs2", "ntfs", "ntfs3", "overlay", "ramfs", "refs"),
        *("reiserfs", "rootfs", "tmpfs", "ufs", "vfat", "xfs", "zfs"),
    }
)

_MOUNTS: Final = Path("/proc/self/mountinfo")
_ESCAPED: Final = re.compile(r"\\([0-7]{3})")

# Where macOS puts these into what statfs returns, and what marks a disk of this host.
_MAC_STATFS_SIZE: Final = 4096
_MAC_FLAGS: Final = slice(64, 68)
_MAC_TYPE: Final = slice(72, 88)
_MAC_LOCAL: Final = 0x1000

_WINDOWS_NAME_SIZE: Final = 261
# Removable, fixed, in memory; a remote drive is 4.
_WINDOWS_LOCAL_DRIVES: Final = frozenset({2, 3, 6})


class Mount(NamedTuple):
    """One line of Linux's table of mounts."""

    mount_id: int
    parent_id: int
    place: str
    file_system: str


def file_system_of(path: Path) -> str:
    """Return the type of the file system that ``path`` is on, or will be: ``ext4``, ``nfs4``.

    In lower case, ``unknown`` where nothing says it. Reads a table of the kernel's; never fails.
    """
    try:
        place = _nearest(path)
        match sys.platform:
            case "linux":
                return file_system_by_mounts(place, _MOUNTS.read_text("utf-8", "surrogateescape"))
            case "darwin":
                return file_system_by_statfs(place, _mac_statfs())
            case "win32":
                return file_system_by_drive(place, _kernel32())
            case _:
                return UNKNOWN
    except (OSError, RuntimeError, AttributeError, ValueError):
        # No such table or function here: then nothing is known, which is a safe answer.
        return UNKNOWN


def capabilities_of(file_system: str) -> Capabilities:
    """Return what a directory on such a file system promises."""
    is_local = file_system in _LOCAL
    return Capabilities(strong_list=is_local, atomic_create=is_local, persistent=True, mtime=True)


def file_system_by_mounts(place: Path, text: str) -> str:
    """Return the type by a table in the form of ``/proc/self/mountinfo``; ``place`` is resolved.

    Walks from mount to mount as the kernel does, so that what is hidden below a later mount does
    not count.
    """
    mounts = [mount for line in text.splitlines() if (mount := _parse_mount(line)) is not None]
    below = {(mount.parent_id, mount.place): mount for mount in mounts}
    # Several may be stacked there; from any of them the walk leads to the uppermost.
    current = next((mount for mount in mounts if mount.place == "/"), None)
    if current is None:
        return UNKNOWN
    for step in (*reversed(place.parents), place):
        while (mount := below.pop((current.mount_id, str(step)), None)) is not None:
            current = mount
    return current.file_system


def file_system_by_statfs(place: Path, statfs: Callable[[bytes, Any], int]) -> str:
    """Return the type as statfs(2) of macOS says it; remote ones are marked so."""
    answer = ctypes.create_string_buffer(_MAC_STATFS_SIZE)
    if statfs(os.fsencode(place), answer) != 0:
        return UNKNOWN
    name = answer.raw[_MAC_TYPE].split(b"\0")[0].decode("ascii", "replace").lower()
    is_local = int.from_bytes(answer.raw[_MAC_FLAGS], sys.byteorder) & _MAC_LOCAL
    return name if is_local else f"{name}, remote"


def file_system_by_drive(place: Path, kernel32: Any) -> str:
    """Return the type as Windows says it of the drive; remote ones are marked so."""
    root = ctypes.create_unicode_buffer(_WINDOWS_NAME_SIZE)
    name = ctypes.create_unicode_buffer(_WINDOWS_NAME_SIZE)
    size = _WINDOWS_NAME_SIZE
    if not kernel32.GetVolumePathNameW(str(place), root, size):
        return UNKNOWN
    # In between: serial number, longest name, flags. Nobody asks for them here.
    if not kernel32.GetVolumeInformationW(root, None, 0, None, None, None, name, size):
        return UNKNOWN
    is_local = kernel32.GetDriveTypeW(root) in _WINDOWS_LOCAL_DRIVES
    return name.value.lower() if is_local else f"{name.value.lower()}, remote"


def _nearest(path: Path) -> Path:
    """Return ``path`` or what is next above it and there, by its real name."""
    place = path.absolute()
    while not place.exists() and place != place.parent:
        place = place.parent
    return place.resolve()


def _parse_mount(line: str) -> Mount | None:
    """Return what a line of the table says; None where it is not of the known form."""
    # The number of optional fields before the dash varies.
    fields, dash, after = line.partition(" - ")
    parts = fields.split(" ")
    if not dash or len(parts) < 6 or not (parts[0].isdecimal() and parts[1].isdecimal()):
        return None
    place = _ESCAPED.sub(lambda found: chr(int(found[1], 8)), parts[4])
    return Mount(int(parts[0]), int(parts[1]), place, after.split(" ")[0].lower())


def _mac_statfs() -> Callable[[bytes, Any], int]:
    """Return statfs of macOS, which has another name where it had to be told from an older one."""
    library = ctypes.CDLL(None)
    try:
        found: Callable[[bytes, Any], int] = library["statfs$INODE64"]
    except AttributeError:
        found = library["statfs"]
    return found


def _kernel32() -> Any:
    """Return the functions of Windows."""
    return ctypes.WinDLL("kernel32")  # type: ignore[attr-defined,unused-ignore] # Windows only
