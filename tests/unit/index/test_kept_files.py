"""A kept index that is damaged, foreign or another user's does no harm."""

from __future__ import annotations

import errno
import os
import random
import stat
import subprocess
import sys
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from tests.unit.index.random_logs import CALL_IDS, CONTENT_IDS, OPS, VALUE_IDS, random_batches

from mandala_cas.errors import CorruptionError
from mandala_cas.index import kept_file
from mandala_cas.index.kept import FILE_NAME, KeptIndex, write_kept_index
from mandala_cas.index.kept_making import kept_tables
from mandala_cas.index.lookup import CallLookup
from mandala_cas.index.replay import build_tables
from mandala_cas.index.tags import tags_in_effect
from mandala_cas.log.segment import Segment
from mandala_cas.objectstore.platforms import running_platform

pytestmark_posix = pytest.mark.skipif(os.name == "nt", reason="modes say nothing on Windows")


@pytest.fixture
def log() -> list[Segment]:
    """Return segments with calls, values, drops, tags and untags."""
    return [segment for batch in random_batches(7) for segment in batch]


@pytest.fixture
def directory(tmp_path: Path, log: list[Segment]) -> Path:
    """Return a directory with a kept index of the log."""
    folder = tmp_path / "index"
    assert write_kept_index(folder, log, [segment.name for segment in log])
    return folder


def ask_everything(index: KeptIndex) -> None:
    """Ask for all that an index can say; damage that is noticed is an error of ours."""
    lookup = CallLookup(index)
    questions: list[Callable[[], object]] = [
        *(lambda id_=id_: repr(lookup.find(id_)) for id_ in CALL_IDS),
        *(lambda id_=id_: lookup.dots(id_) for id_ in CALL_IDS),
        *(lambda id_=id_: repr(lookup.find_equal(id_)) for id_ in CONTENT_IDS),
        *(lambda id_=id_: lookup.count_equal(id_) for id_ in CONTENT_IDS),
        *(lambda id_=id_: lookup.copies(id_) for id_ in VALUE_IDS),
        *(lambda op=op: lookup.ops_mean_duration(op) for op in OPS),
        lambda: build_tables(index.parts),
        lambda: tags_in_effect(index.parts),
        lambda: kept_tables(index.parts, index.names),
        lambda: index.segment_ids,
        lambda: index.part.untags,
    ]
    for question in questions:
        try:
            question()
        except CorruptionError:
            continue


def test_no_index_is_none(tmp_path: Path) -> None:
    """A first opening has none, and says so without an error."""
    assert KeptIndex.open(tmp_path) is None
    assert KeptIndex.open(tmp_path / "nothing") is None


def test_a_file_that_was_cut_or_extended_anywhere_is_not_used(directory: Path) -> None:
    """A block that is not there could not be mapped: touching it would end the process."""
    path = directory / FILE_NAME
    whole = path.read_bytes()

    for size in [*range(0, len(whole), 61), len(whole) - 1]:
        path.write_bytes(whole[:size])

        assert KeptIndex.open(directory) is None, size

    path.write_bytes(whole + bytes(64))

    assert KeptIndex.open(directory) is None


def test_a_flipped_byte_anywhere_is_harmless(directory: Path) -> None:
    """Not used, an error of ours, or a wrong row of the user's own; never a crash."""
    path = directory / FILE_NAME
    whole = path.read_bytes()
    draw = random.Random(1)  # noqa: S311 (a test's choice, not a secret)

    for at in range(draw.randrange(71), len(whole), 71):
        flipped = bytearray(whole)
        flipped[at] ^= draw.choice([1, 128, 255])
        path.write_bytes(flipped)
        index = KeptIndex.open(directory)

        if index is not None:
            ask_everything(index)


def test_an_id_that_differs_in_a_byte_is_not_found(directory: Path, log: list[Segment]) -> None:
    """Prefixes find rows; only the whole id tells that it is the right one."""
    index = KeptIndex.open(directory)
    assert index is not None
    known = {call_id for part in log for call_id in part.calls.fixed("call_id").rows()}
    ids = index.part.calls.fixed("call_id")

    for row in range(len(ids)):
        near = ids[row][:15] + bytes([ids[row][15] ^ 64])

        assert near not in known
        assert index.by_call.of(near) == []
        assert row in index.by_call.of(ids[row])


def test_an_index_of_another_format_is_made_again(
    directory: Path, log: list[Segment], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Two versions share a cache; neither may trip over the other."""
    monkeypatch.setattr(kept_file, "FORMAT", kept_file.FORMAT + 1)

    assert KeptIndex.open(directory) is None
    assert write_kept_index(directory, log, [])
    assert KeptIndex.open(directory) is not None


@pytestmark_posix
@pytest.mark.parametrize("mode", [0o620, 0o602])
def test_a_file_that_others_can_write_is_not_used(directory: Path, mode: int) -> None:
    """Its values would be taken for those of the signers that it names."""
    (directory / FILE_NAME).chmod(mode)

    assert KeptIndex.open(directory) is None


@pytestmark_posix
def test_a_directory_that_others_can_write_is_neither_read_nor_written(
    directory: Path, log: list[Segment]
) -> None:
    """Whoever can write there can put another file under the name."""
    directory.chmod(0o770)

    assert KeptIndex.open(directory) is None
    assert not write_kept_index(directory, log, [])


@pytestmark_posix
def test_what_another_user_owns_is_not_used(
    directory: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Also where nobody else can write: it is theirs."""
    owner = os.geteuid()
    monkeypatch.setattr(os, "geteuid", lambda: owner + 1)

    assert KeptIndex.open(directory) is None


@pytestmark_posix
def test_a_link_in_place_of_the_file_is_not_followed(directory: Path) -> None:
    """It would lead to a file that was checked for nothing of the kind."""
    path = directory / FILE_NAME
    elsewhere = directory / "elsewhere"
    path.rename(elsewhere)
    path.symlink_to(elsewhere)

    assert KeptIndex.open(directory) is None


@pytestmark_posix
def test_nobody_else_may_read_what_is_kept(tmp_path: Path, log: list[Segment]) -> None:
    """It holds small values of stores that may be private."""
    old = os.umask(0)
    try:
        assert write_kept_index(tmp_path / "a" / "b", log, [])
    finally:
        os.umask(old)

    assert stat.S_IMODE((tmp_path / "a" / "b").stat().st_mode) == 0o700
    assert stat.S_IMODE((tmp_path / "a" / "b" / FILE_NAME).stat().st_mode) == 0o600


def test_an_index_that_was_replaced_goes_on_to_be_read(directory: Path, log: list[Segment]) -> None:
    """A long session must not change under its user, nor end."""
    index = KeptIndex.open(directory)
    assert index is not None
    expected = [repr(CallLookup(index).find(call_id)) for call_id in CALL_IDS]

    assert write_kept_index(directory, log[:1], []) or os.name == "nt"

    assert [repr(CallLookup(index).find(call_id)) for call_id in CALL_IDS] == expected


def test_of_several_writers_at_once_one_whole_file_stays(
    tmp_path: Path, log: list[Segment]
) -> None:
    """Ten jobs end at the same time and keep what they know."""
    with ThreadPoolExecutor(4) as pool:
        done = list(
            pool.map(lambda n: write_kept_index(tmp_path, log[:n], [f"{n}"]), range(len(log)))
        )

    index = KeptIndex.open(tmp_path)
    assert index is not None
    (name,) = index.names
    assert index.segment_ids == {segment.segment_id for segment in log[: int(name)]}
    assert any(done)
    assert [path.name for path in tmp_path.iterdir()] == [FILE_NAME]


def test_a_disk_that_refuses_costs_the_index_and_nothing_else(
    tmp_path: Path, log: list[Segment], monkeypatch: pytest.MonkeyPatch
) -> None:
    """The next opening reads the log; nothing is left lying around."""

    def refuse(_: int) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(running_platform(), "sync_file", refuse)

    assert not write_kept_index(tmp_path, log, [])
    assert list(tmp_path.iterdir()) == []


def test_what_writers_left_half_done_long_ago_is_removed(
    directory: Path, log: list[Segment]
) -> None:
    """A kill in the middle of a write leaves a file as large as an index."""
    old, recent = directory / f"{FILE_NAME}.new-old", directory / f"{FILE_NAME}.new-recent"
    for path in (old, recent):
        path.write_bytes(b"half")
    written = (directory / FILE_NAME).stat().st_mtime
    os.utime(old, (written - 2 * 24 * 3600,) * 2)

    assert write_kept_index(directory, log, [])

    assert not old.exists()
    assert recent.exists()


def test_an_index_that_proves_damaged_when_it_is_rewritten_is_removed(
    directory: Path, log: list[Segment]
) -> None:
    """It would else be found damaged by every process to come."""
    path = directory / FILE_NAME
    whole = path.read_bytes()
    index = KeptIndex.open(directory)
    assert index is not None
    codes = index.part.calls.text("op").codes.tobytes()
    path.write_bytes(whole.replace(codes, b"\xff" * len(codes), 1))
    damaged = KeptIndex.open(directory)
    assert damaged is not None

    assert not write_kept_index(directory, [*damaged.parts], damaged.names)

    assert not path.exists()
    assert write_kept_index(directory, log, [])


def test_opening_and_hits_import_no_tables(directory: Path) -> None:
    """Polars and Arrow take longer to import than a million calls to open."""
    script = (
        "import sys, pathlib\n"
        "from mandala_cas.index.kept import KeptIndex\n"
        "from mandala_cas.index.lookup import CallLookup\n"
        "from mandala_cas.model.ids import CallId, ContentId\n"
        "index = KeptIndex.open(pathlib.Path(sys.argv[1]))\n"
        "lookup = CallLookup(index)\n"
        "assert any(lookup.find(CallId(bytes.fromhex(h))) for h in sys.argv[2].split())\n"
        "assert any(lookup.copies(ContentId(bytes.fromhex(h))) for h in sys.argv[3].split())\n"
        "print(*sorted({name.partition('.')[0] for name in sys.modules}))\n"
    )
    ids = [" ".join(id_.hex() for id_ in group) for group in (CALL_IDS, VALUE_IDS)]

    done = subprocess.run(
        [sys.executable, "-c", script, directory, *ids], capture_output=True, text=True, check=True
    )

    heavy = {"cryptography", "fsspec", "pandas", "polars", "pyarrow"}
    assert heavy.isdisjoint(done.stdout.split())
