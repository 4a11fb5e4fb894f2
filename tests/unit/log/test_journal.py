"""The journal: written at once, found by the next process, left alone where it is not one's own."""

from __future__ import annotations

import os
import struct
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.unit.log.entry_strategies import call_record, entries, inline_record

from mandala_cas.errors import CorruptionError, StoreUnavailableError, UsageError
from mandala_cas.log.frames import FrameKey
from mandala_cas.log.groups import JournalGroup, JournalValue, pack_group
from mandala_cas.log.journal import Journal, batch_file_name, writer_of_file
from mandala_cas.log.journal_entries import Adopted, unpack_body
from mandala_cas.log.orphans import Orphan, Place, find_orphans
from mandala_cas.log.writer import Position
from mandala_cas.model.entries import Entry, ValueRecord
from mandala_cas.model.ids import WriterId
from mandala_cas.objectstore.locks import HeldLock, try_lock

KEY = b"k" * 32
ME = WriterId(b"somebody")
FIRST, SECOND = Position(ME, 0), Position(ME, 1)
GROUPS = [
    JournalGroup([call_record(0)], [JournalValue(inline_record())], 0, 0),
    JournalGroup(
        [call_record(1)],
        [
            JournalValue(inline_record(), b"bytes"),
        ],
        1,
        0,
    ),
]


def make_journal(directory: Path, key: bytes = KEY, host: str = "here") -> Journal:
    """Return a journal."""
    return Journal(directory, lambda: key, host)


def die(journal: Journal) -> None:
    """End the process: what is written stays, and the locks are free."""
    for held in journal._locks.values():
        assert held is not None
        held.release()


def found(directory: Path, key: bytes = KEY, *, shared: bool = False) -> list[Orphan]:
    """Return the orphans that a process finds."""
    return list(find_orphans(Place(directory, key, "here", is_shared=shared)))


def batch_file(directory: Path, position: Position = FIRST) -> Path:
    """Return where the journal of a batch is."""
    return directory / "journal" / batch_file_name(position)


@given(st.lists(entries, max_size=5))
def test_entries_come_back_as_they_were(mixed: list[Entry]) -> None:
    """All kinds of them, with what is in no field of one kind."""
    values = [JournalValue(e, b"x", "y") for e in mixed if isinstance(e, ValueRecord)]
    group = JournalGroup([e for e in mixed if not isinstance(e, ValueRecord)], values, 3, 4)

    assert unpack_body(memoryview(pack_group(group)), "journal") == group


@given(st.binary(max_size=50))
def test_a_body_that_this_version_did_not_write_is_a_typed_error(body: bytes) -> None:
    """Even one that has the right key: a bug of ours must not become a traceback of theirs."""
    try:
        unpack_body(memoryview(body), "journal")
    except CorruptionError as error:
        assert "journal has a frame" in str(error)  # noqa: PT017 (most bodies are refused)


def test_groups_are_found_by_the_next_process(tmp_path: Path) -> None:
    """In the order of batches, and of calls in them."""
    journal = make_journal(tmp_path)
    journal.append(FIRST, GROUPS[0])
    journal.append(FIRST, GROUPS[1])
    journal.append(SECOND, GROUPS[1])
    die(journal)

    (orphan,) = found(tmp_path)

    assert orphan.writer == ME
    assert [(b.position, list(b.groups)) for b in orphan.batches] == [
        (FIRST, GROUPS),
        (SECOND, GROUPS[1:]),
    ]


def test_the_journal_of_a_living_process_is_let_be(tmp_path: Path) -> None:
    """Its batch is its own to commit."""
    journal = make_journal(tmp_path)
    journal.append(FIRST, GROUPS[0])

    assert found(tmp_path) == []
    journal.close()


def test_what_one_process_adopts_no_other_does(tmp_path: Path) -> None:
    """The lock is held until it is done."""
    journal = make_journal(tmp_path)
    journal.append(FIRST, GROUPS[0])
    die(journal)
    (orphan,) = found(tmp_path)

    meanwhile = found(tmp_path)
    orphan.remove(orphan.batches[0])
    orphan.close_if_done()

    assert meanwhile == []
    assert found(tmp_path) == []
    assert list((tmp_path / "journal").iterdir()) == []


def test_a_lock_that_was_left_alone_is_removed(tmp_path: Path) -> None:
    """A process that committed everything was killed, a day ago."""
    journal = make_journal(tmp_path)
    journal.append(FIRST, GROUPS[0])
    journal.remove(FIRST)
    die(journal)
    (lock,) = (tmp_path / "journal").iterdir()
    made = lock.stat().st_mtime

    (orphan,) = find_orphans(Place(tmp_path, KEY, "here"), clock=lambda: made + 90_000)
    orphan.close_if_done()

    assert list((tmp_path / "journal").iterdir()) == []


def test_a_lock_that_was_just_made_is_left_to_its_owner(tmp_path: Path) -> None:
    """Who opens a store must not take the lock that another process is about to take.

    A process that began to record while another one opened the store found its own lock taken,
    and went on without it: its journal could be taken for a dead one's while it lived.
    """
    (tmp_path / "journal").mkdir()
    lock = tmp_path / "journal" / FIRST.writer.hex()
    lock.touch()

    assert found(tmp_path) == []
    assert lock.exists()


def test_spooled_values_of_a_dead_process_go_with_its_journal(tmp_path: Path) -> None:
    """Also those of a call that never returned, and of which no journal speaks."""
    journal = make_journal(tmp_path)
    journal.live(ME)
    (tmp_path / "spool").mkdir()
    spooled = tmp_path / "spool" / f"{ME.hex()}-{'0' * 32}"
    spooled.write_bytes(b"large")
    other = tmp_path / "spool" / "somebody's notes"
    other.write_bytes(b"kept")
    die(journal)

    (orphan,) = found(tmp_path)
    orphan.close_if_done()

    assert list((tmp_path / "spool").iterdir()) == [other]


def test_word_of_an_adoption_is_found_by_the_next_process(tmp_path: Path) -> None:
    """Also where the file ended in the middle of a frame."""
    journal = make_journal(tmp_path)
    journal.append(FIRST, GROUPS[0])
    die(journal)
    with batch_file(tmp_path).open("ab") as file:
        # The beginning of a long frame, longer than the word that is to stand there.
        file.write(struct.pack("<II", 1000, 1000 ^ 0xFFFFFFFF) + b"torn" * 100)
    where = Position(WriterId(b"adopters"), 7)

    (orphan,) = found(tmp_path)
    orphan.mark(orphan.batches[0], where)
    orphan._lock.release()  # type: ignore[union-attr] # it was just taken
    (again,) = found(tmp_path)

    assert again.batches[0].adopted == (where,)
    assert list(again.batches[0].groups) == GROUPS[:1]
    assert unpack_body(memoryview(b"\x93\x00\xc4\x08adopters\x07"), "") == Adopted(where)


def damage(path: Path, place: int) -> None:
    """Flip a bit."""
    data = bytearray(path.read_bytes())
    data[place] ^= 1
    path.write_bytes(data)


@pytest.mark.parametrize("place", [0, 8, 16, 20, 24, 40, -1])
def test_a_damaged_journal_is_left_and_reported(tmp_path: Path, place: int) -> None:
    """It is evidence, and there may be somebody who can read more of it."""
    journal = make_journal(tmp_path)
    journal.append(FIRST, GROUPS[0])
    journal.append(SECOND, GROUPS[1])
    die(journal)
    damage(batch_file(tmp_path), place)
    before = batch_file(tmp_path).read_bytes()

    (orphan,) = found(tmp_path)
    orphan.remove(orphan.batches[0])
    orphan.close_if_done()

    assert list(orphan.left) == [batch_file(tmp_path)]
    assert batch_file(tmp_path).read_bytes() == before
    assert not batch_file(tmp_path, SECOND).exists()


def test_the_journal_of_another_user_is_left(tmp_path: Path) -> None:
    """A folder that two people share."""
    journal = make_journal(tmp_path, b"o" * 32)
    journal.append(FIRST, GROUPS[0])
    die(journal)

    (orphan,) = found(tmp_path)
    orphan.close_if_done()

    assert (orphan.batches, list(orphan.left.values())) == ([], ["another user's"])
    assert batch_file(tmp_path).exists()


@pytest.mark.skipif(os.name == "nt" or os.geteuid() == 0, reason="root may open everything")
def test_a_lock_that_cannot_be_opened_is_somebody_elses(tmp_path: Path) -> None:
    """Nobody is kept from opening the store by it."""
    journal = make_journal(tmp_path)
    journal.append(FIRST, GROUPS[0])
    die(journal)
    (tmp_path / "journal" / ME.hex()).chmod(0)

    assert found(tmp_path) == []


def test_the_journal_of_another_host_is_left_where_hosts_share_a_disk(tmp_path: Path) -> None:
    """Its process may live, and the lock that it holds be seen there only."""
    journal = make_journal(tmp_path, host="there")
    journal.append(FIRST, GROUPS[0])
    die(journal)
    (tmp_path / "spool").mkdir()
    (tmp_path / "spool" / f"{ME.hex()}-{'0' * 32}").write_bytes(b"large")

    (orphan,) = found(tmp_path, shared=True)
    orphan.close_if_done()

    assert (orphan.batches, list(orphan.left.values())) == ([], ["of host there"])
    assert len(list((tmp_path / "spool").iterdir())) == 1
    (own,) = found(tmp_path)
    assert len(own.batches) == 1


def test_a_journal_of_this_host_is_adopted_on_a_shared_disk(tmp_path: Path) -> None:
    """The kernel that had the lock is this one."""
    journal = make_journal(tmp_path)
    journal.append(FIRST, GROUPS[0])
    die(journal)

    (orphan,) = found(tmp_path, shared=True)

    assert len(orphan.batches) == 1


def test_a_write_that_failed_leaves_the_file_as_it_was(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """And nothing is added behind what is missing, until the next batch."""
    journal = make_journal(tmp_path)
    journal.append(FIRST, GROUPS[0])
    before = batch_file(tmp_path).read_bytes()
    real = os.write

    def half(descriptor: int, data: bytes) -> int:
        if len(data) < 10:
            raise OSError(28, "No space left on device")
        return real(descriptor, data[: len(data) - 5])

    monkeypatch.setattr(os, "write", half)
    with pytest.raises(StoreUnavailableError, match="full"):
        journal.append(FIRST, GROUPS[1])
    monkeypatch.undo()

    with pytest.raises(StoreUnavailableError, match="could not be written before"):
        journal.append(FIRST, GROUPS[1])
    journal.append(SECOND, GROUPS[1])
    assert batch_file(tmp_path).read_bytes() == before
    journal.close()


def test_a_group_is_one_write(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """So that a kill can tear no more than the last one, and the caller waits once."""
    journal = make_journal(tmp_path)
    journal.append(FIRST, GROUPS[0])
    sizes: list[int] = []
    real = os.write

    def counted(descriptor: int, data: bytes) -> int:
        sizes.append(len(data))
        return real(descriptor, data)

    monkeypatch.setattr(os, "write", counted)
    monkeypatch.setattr(os, "fsync", pytest.fail)
    journal.append(FIRST, GROUPS[1])

    assert len(sizes) == 1
    journal.close()


def test_nothing_is_made_before_something_is_recorded(tmp_path: Path) -> None:
    """Reading leaves no trace."""
    make_journal(tmp_path / "local").close()

    assert found(tmp_path / "local") == []
    assert not (tmp_path / "local").exists()


def test_a_folder_that_cannot_be_written_is_said_so(tmp_path: Path) -> None:
    """The caller goes on without a journal."""
    (tmp_path / "journal").write_bytes(b"a file is in the way")

    with pytest.raises(UsageError, match="in the way"):
        make_journal(tmp_path).append(FIRST, GROUPS[0])


def test_a_lock_that_ctrl_c_left_taken_is_as_good(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It is held until the process ends, which is all that is wanted of it."""
    journal = make_journal(tmp_path)
    taken: list[HeldLock | None] = []

    def interrupted(path: Path) -> None:
        taken.append(try_lock(path))
        raise KeyboardInterrupt

    monkeypatch.setattr("mandala_cas.log.journal.try_lock", interrupted)
    with pytest.raises(KeyboardInterrupt):
        journal.append(FIRST, GROUPS[0])
    monkeypatch.undo()

    journal.append(FIRST, GROUPS[0])

    assert batch_file(tmp_path).exists()
    assert found(tmp_path) == []
    journal.close()
    assert not (tmp_path / "journal" / ME.hex()).exists()
    assert taken[0] is not None
    taken[0].release()


@pytest.mark.parametrize("name", ["notes", "0" * 15, "0" * 16 + "-xyz", ME.hex() + ".tmp"])
def test_other_files_are_nobodys(name: str) -> None:
    """What a file manager leaves behind is neither read nor removed."""
    assert writer_of_file(name) is None


def test_the_frames_of_a_file_are_bound_to_its_name(tmp_path: Path) -> None:
    """A copy under another number would be recorded twice."""
    journal = make_journal(tmp_path)
    journal.append(FIRST, GROUPS[0])
    die(journal)
    batch_file(tmp_path, SECOND).write_bytes(batch_file(tmp_path).read_bytes())

    (orphan,) = found(tmp_path)

    assert [batch.position for batch in orphan.batches] == [FIRST]
    assert list(orphan.left) == [batch_file(tmp_path, SECOND)]
    assert FrameKey(KEY, "a").mark == FrameKey(KEY, "b").mark
