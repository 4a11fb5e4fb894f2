"""The contract of a platform, one clause to a test.

Subclass ``PlatformSuite`` in a test module, and give it a fixture ``platform``.
"""

from __future__ import annotations

import mmap
import os
from io import BufferedWriter
from pathlib import Path

import pytest

from mandala_cas.objectstore.locks import locked, try_lock
from mandala_cas.objectstore.platforms import NoLinksError, Platform


def make(platform: Platform, path: Path, data: bytes) -> Path:
    """Make a file with ``data`` in it."""
    with BufferedWriter(platform.new_file(path)) as file:
        file.write(data)
    return path


class PlatformSuite:
    """The contract of ``Platform``."""

    def test_a_new_file_holds_what_was_written(self, platform: Platform, tmp_path: Path) -> None:
        """Line ends and the character that ends a text on Windows included."""
        with platform.new_file(tmp_path / "a") as file:
            file.write(b"a\r\nb\n\x1a")
            platform.sync_file(file.fileno())

        assert (tmp_path / "a").read_bytes() == b"a\r\nb\n\x1a"

    def test_a_new_file_is_new(self, platform: Platform, tmp_path: Path) -> None:
        """Two writers in one file would make an object that neither wrote."""
        make(platform, tmp_path / "a", b"first")

        with pytest.raises(FileExistsError):
            platform.new_file(tmp_path / "a")

        assert (tmp_path / "a").read_bytes() == b"first"

    def test_directories_are_made_with_those_above(
        self, platform: Platform, tmp_path: Path
    ) -> None:
        """Another process may make the same one at the same time."""
        platform.make_directory(tmp_path / "a/b/c")
        platform.make_directory(tmp_path / "a/b/c")
        platform.sync_directory(tmp_path / "a/b")

        assert (tmp_path / "a/b/c").is_dir()

    def test_a_name_that_is_free_is_given(self, platform: Platform, tmp_path: Path) -> None:
        """Or the file system has no links, and says so before it has done anything."""
        source = make(platform, tmp_path / "source", b"x")

        try:
            platform.place(source, tmp_path / "target")
        except NoLinksError:
            assert source.exists()
            assert not (tmp_path / "target").exists()
        else:
            assert (tmp_path / "target").read_bytes() == b"x"

    def test_a_name_that_is_taken_stays(self, platform: Platform, tmp_path: Path) -> None:
        """Of those who race for a name one has it, and all others learn that."""
        source = make(platform, tmp_path / "source", b"second")
        make(platform, tmp_path / "target", b"first")

        with pytest.raises((FileExistsError, NoLinksError)):
            platform.place(source, tmp_path / "target")

        assert (tmp_path / "target").read_bytes() == b"first"
        assert source.read_bytes() == b"second"

    @pytest.mark.parametrize("before", [None, b"before"])
    def test_a_file_takes_the_place_of_another(
        self, platform: Platform, tmp_path: Path, before: bytes | None
    ) -> None:
        """A damaged object is repaired so."""
        if before is not None:
            make(platform, tmp_path / "target", before)
        source = make(platform, tmp_path / "source", b"after")

        platform.replace(source, tmp_path / "target")

        assert (tmp_path / "target").read_bytes() == b"after"
        assert not source.exists()

    def test_a_mapped_file_may_be_removed_where_the_platform_says_so(
        self, platform: Platform, tmp_path: Path
    ) -> None:
        """Its bytes stay for whoever has mapped it; elsewhere nothing is mapped."""
        path = make(platform, tmp_path / "a", b"mapped")
        if not platform.keeps_unlinked:
            return
        with path.open("rb") as file, mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_COPY) as map_:
            platform.unlink(path)

            assert bytes(map_) == b"mapped"

    def test_a_file_is_removed_once(self, platform: Platform, tmp_path: Path) -> None:
        """Who comes second is told, and need not wait."""
        make(platform, tmp_path / "a", b"x")

        platform.unlink(tmp_path / "a")

        assert list(tmp_path.iterdir()) == []
        with pytest.raises(FileNotFoundError):
            platform.unlink(tmp_path / "a")

    @pytest.mark.parametrize("step", ["place", "replace"])
    def test_what_is_not_there_gets_no_name(
        self, platform: Platform, tmp_path: Path, step: str
    ) -> None:
        """Somebody removed the temporary file; the object must not seem to be put."""
        with pytest.raises((FileNotFoundError, NoLinksError)):
            getattr(platform, step)(tmp_path / "source", tmp_path / "target")

        assert not (tmp_path / "target").exists()

    def test_a_lock_is_for_one_at_a_time(self, platform: Platform, tmp_path: Path) -> None:
        """It is free again after its release, and after its block."""
        with locked(tmp_path / "lock", locks=platform.locks):
            inside = try_lock(tmp_path / "lock", locks=platform.locks)
        after = try_lock(tmp_path / "lock", locks=platform.locks)

        assert inside is None
        assert after is not None
        after.release()

    def test_a_release_frees_copies_as_well(self, platform: Platform, tmp_path: Path) -> None:
        """A forked child has a copy of the descriptor, and may live longer than the lock should.

        Where the descriptors stand does not matter: a holder may write who it is.
        """
        descriptor = os.open(tmp_path / "lock", os.O_RDWR | os.O_CREAT)
        other = os.open(tmp_path / "lock", os.O_RDWR)
        copy = os.dup(descriptor)
        os.lseek(descriptor, 3, os.SEEK_SET)

        taken = platform.locks.acquire(descriptor, wait=False)
        os.lseek(descriptor, 5, os.SEEK_SET)
        refused = platform.locks.acquire(other, wait=False)
        platform.locks.release(descriptor)
        freed = platform.locks.acquire(other, wait=False)

        for opened in (descriptor, other, copy):
            os.close(opened)
        assert (taken, refused, freed) == (True, False, True)
