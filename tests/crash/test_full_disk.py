"""A disk that is full, or a quota that is used up, at every single step of a write."""

from __future__ import annotations

import errno
import os
from collections.abc import Callable
from pathlib import Path

import pytest

from mandala_cas.errors import StoreUnavailableError
from mandala_cas.objectstore.local import LocalObjectStore
from mandala_cas.objectstore.platforms import NoLinksError, Platform, PosixPlatform
from mandala_cas.testing.platforms import RecordingPlatform, Step

EARLIER = {"log/0": b"earlier", "blobs/ab/0": bytes(100_000)}
STEP_COUNT_MAX = 100


class WithoutLinks(PosixPlatform):
    """A file system without hard links."""

    def place(self, source: Path, target: Path) -> None:
        """Refuse."""
        raise NoLinksError(1, f"{source} to {target}")


class Disk:
    """Steps of a platform, of which one fails."""

    def __init__(self, root: Path, platform: Platform, number: int) -> None:
        """Fail with ``number`` at the step that ``fail_at`` names; at none of them yet."""
        self.fail_at = -1
        self.failed: Step | None = None
        self.platform = RecordingPlatform(root, platform, self._before)
        self._number = number

    def _before(self, step: Step) -> None:
        """Fail at the step whose turn it is."""
        # A full disk does remove files: that is how it gets room.
        if step.kind == "unlink":
            return
        if self.fail_at == 0:
            self.failed = step
            self.fail_at = -1
            raise OSError(self._number, os.strerror(self._number))
        self.fail_at -= 1


def put(store: LocalObjectStore) -> None:
    """Put one object into a new directory."""
    store.put("log/new/1", [bytes(70_000), bytes(70_000)])


def put_other(store: LocalObjectStore) -> None:
    """Put other bytes under a name that is taken, as a repair does."""
    store.put("log/0", [b"earlier"[::-1]])


def put_many(store: LocalObjectStore) -> None:
    """Put several."""
    store.put_many({"log/new/1": [b"1"], "blobs/cd/2": [b"2"], "blobs/ab/0": [bytes(100_000)]})


def create(store: LocalObjectStore) -> object:
    """Create one."""
    return store.create("config", b"new")


@pytest.mark.parametrize("number", [errno.ENOSPC, errno.EDQUOT])
@pytest.mark.parametrize("platform", [PosixPlatform(), WithoutLinks()], ids=["links", "no links"])
@pytest.mark.parametrize("write", [put, put_other, put_many, create])
def test_a_full_disk_at_any_step_loses_nothing(
    tmp_path: Path, write: Callable[[LocalObjectStore], object], platform: Platform, number: int
) -> None:
    """The caller learns it, earlier objects are whole, and there is nothing to tidy up."""
    failed: list[str] = []
    for fail_at in range(STEP_COUNT_MAX):
        root = tmp_path / str(fail_at)
        LocalObjectStore(root).put_many({name: [data] for name, data in EARLIER.items()})
        disk = Disk(root, platform, number)
        store = LocalObjectStore(root, platform=disk.platform)
        disk.fail_at = fail_at
        try:
            write(store)
        except StoreUnavailableError as error:
            assert disk.failed is not None
            assert "is full" in str(error)  # noqa: PT017 (see above)
        else:
            assert disk.failed is None, f"{disk.failed} failed, and nobody was told"
            break
        failed.append(disk.failed.kind)
        found = {info.name: store.get(info.name) for info in store.list("")}
        before = {name: data for name, data in found.items() if name in EARLIER}
        assert before == EARLIER or (write is put_other and before["log/0"] == b"reilrae")
        assert list((root / "local/tmp").iterdir()) == []
        write(store)
        store.put("log/after", [b"there is room again"])
        assert store.get("log/after") == b"there is room again"

    assert disk.failed is None
    assert {"new file", "write", "sync file", "place", "sync directory"} <= set(failed)
