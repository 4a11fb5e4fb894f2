"""The spool: large values on this machine's disk, as they were when their call returned."""

from __future__ import annotations

import gc
import mmap
import os
import sys
from pathlib import Path

import pytest

from mandala_cas.envelope.seal import Sealed
from mandala_cas.errors import CorruptionError, NotFoundError, StoreUnavailableError
from mandala_cas.log.journal import Journal
from mandala_cas.model.ids import WriterId
from mandala_cas.objectstore.buffers import size_of
from mandala_cas.values import spool as spool_module
from mandala_cas.values.spool import Spool, SpooledValue

ME = WriterId(b"somebody")
SEALED = Sealed((b"head", bytearray(b"payload"), memoryview(b"tail")), 15)


@pytest.fixture
def spool(tmp_path: Path) -> Spool:
    """Return an empty spool."""
    return Spool(Journal(tmp_path, lambda: b"k" * 32), lambda: ME)


def files(tmp_path: Path) -> list[Path]:
    """Return the spooled files."""
    return sorted((tmp_path / "spool").iterdir())


def test_a_value_is_read_as_it_was_written(spool: Spool) -> None:
    """Whatever its owner does to it afterwards."""
    payload = bytearray(b"payload")

    spooled = spool.write((b"head", payload))
    payload[:] = b"changed"

    assert spooled.sealed().to_bytes() == b"headpayload"


def test_what_is_read_may_be_changed_and_the_file_stays(spool: Spool) -> None:
    """It becomes part of a value, which is the user's."""
    spooled = spool.write(SEALED.parts)
    (part,) = spooled.sealed().parts
    assert isinstance(part, memoryview)

    part[0] ^= 0xFF

    assert spooled.path.read_bytes() == SEALED.to_bytes()


@pytest.mark.skipif(sys.platform == "win32", reason="there a map keeps a file from being removed")
def test_reading_maps_the_file(spool: Spool) -> None:
    """A value of gigabytes is not copied to be decoded."""
    (part,) = spool.write(SEALED.parts).sealed().parts

    assert isinstance(memoryview(part).obj, mmap.mmap)


def test_a_value_is_sent_away_in_pieces(spool: Spool, monkeypatch: pytest.MonkeyPatch) -> None:
    """As often as an upload has to be tried, and never whole in memory."""
    monkeypatch.setattr(spool_module, "_PIECE_SIZE", 3)
    streamed = spool.write((b"abcdefg",)).streamed()

    assert [list(streamed.parts) for _ in range(2)] == [[b"abc", b"def", b"g"]] * 2
    assert size_of(streamed.parts) == 7


def test_a_value_that_nobody_recorded_leaves_nothing(spool: Spool, tmp_path: Path) -> None:
    """Its op raised."""
    spooled = spool.write(SEALED.parts)
    before = files(tmp_path)
    del spooled
    gc.collect()

    assert len(before) == 1
    assert files(tmp_path) == []


def test_a_value_that_was_recorded_stays_until_it_is_removed(spool: Spool, tmp_path: Path) -> None:
    """The journal names it, whether or not anybody here still refers to it."""
    spooled = spool.write(SEALED.parts)
    spooled.keep()
    path = spooled.path
    del spooled
    gc.collect()

    assert files(tmp_path) == [path]
    SpooledValue(path, 15, is_kept=True).remove()
    assert files(tmp_path) == []


def test_the_disk_begins_before_all_is_written(
    spool: Spool, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Or the flush, which waits for it, would take as long again as the writing."""
    begun: list[tuple[int, int]] = []

    def note(descriptor: int, offset: int, size: int, advice: int) -> None:
        """Note what is asked for, of what is in the file by then; some file systems refuse."""
        del advice
        assert os.fstat(descriptor).st_size == offset + size
        begun.append((offset, size))
        raise OSError("not here")

    monkeypatch.setattr(spool_module, "_BEGUN_AT_ONCE", 10)
    monkeypatch.setattr(os, "posix_fadvise", note, raising=False)
    monkeypatch.setattr(os, "POSIX_FADV_DONTNEED", 4, raising=False)
    parts = (b"head", bytes(range(25)), b"tail")

    spooled = spool.write(parts)

    assert spooled.path.read_bytes() == b"".join(parts)
    assert begun == [(0, 14), (14, 10)]


@pytest.mark.skipif(not hasattr(os, "fork"), reason="this system has no fork")
def test_a_forked_child_removes_nothing_of_its_parents(spool: Spool, tmp_path: Path) -> None:
    """It lets go of what it inherited; the parent has yet to write it."""
    spooled = spool.write(SEALED.parts)
    child = os.fork()
    if child == 0:
        # A child of a test must never get back into pytest.
        del spooled
        gc.collect()
        os._exit(0)
    os.waitpid(child, 0)

    assert files(tmp_path) == [spooled.path]


def test_a_file_of_another_size_is_not_mapped(spool: Spool) -> None:
    """Reading behind the end of a mapped file would end the process."""
    spooled = spool.write(SEALED.parts)
    spooled.path.write_bytes(b"short")

    with pytest.raises(CorruptionError, match="has 5 bytes, 15 were written"):
        spooled.sealed()


def test_a_file_that_is_gone_is_said_so(spool: Spool) -> None:
    """Somebody cleaned up by hand."""
    spooled = spool.write(SEALED.parts)
    spooled.path.unlink()

    with pytest.raises(NotFoundError):
        spooled.sealed()


def test_a_full_disk_leaves_no_file(
    spool: Spool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The space is needed."""

    def full(*_: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("mandala_cas.values.spool._write_all", full)

    with pytest.raises(StoreUnavailableError, match="full"):
        spool.write(SEALED.parts)

    assert files(tmp_path) == []


def test_the_file_of_a_living_process_is_locked_before_it_is_made(
    spool: Spool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Or whoever opens the store at this moment could take it for a dead one's."""
    locked: list[bool] = []
    real = Path.open

    def open_noted(path: Path, *args: object, **kwargs: object) -> object:
        locked.append((tmp_path / "journal" / ME.hex()).exists())
        return real(path, *args, **kwargs)  # type: ignore[call-overload] # passed on as it came

    monkeypatch.setattr(Path, "open", open_noted)

    spool.write(SEALED.parts)

    assert locked == [True]
