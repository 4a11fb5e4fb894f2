"""Bad input is a clear error, and loses nothing."""

from __future__ import annotations

import json
import threading
from pathlib import Path
from typing import Any

import pytest

from mandala_cas.errors import StoreUnavailableError, UnsupportedFormatError, UsageError
from mandala_cas.imports import Storage, op
from mandala_cas.objectstore.memory import MemoryObjectStore
from mandala_cas.testing import Deny, FaultStore, OutOfSpace, Rule
from mandala_cas.testing.faults import WRITES
from mandala_cas.testing.servers import S3Server


@op
def increment(x: int) -> int:
    """Return the next number."""
    return x + 1


@op
def make_lock(x: int) -> Any:
    """Return something that no store can hold."""
    return {"number": x, "lock": threading.Lock()}


@op
def count_keys(cfg: dict[str, Any]) -> int:
    """Return how many keys there are."""
    return len(cfg)


def contents(folder: Path) -> dict[str, bytes]:
    """Return every file below a folder."""
    return {
        str(path.relative_to(folder)): path.read_bytes()
        for path in folder.rglob("*")
        if path.is_file()
    }


def test_a_file_is_not_a_place_for_a_store(tmp_path: Path) -> None:
    """The user may have mistyped, and the file may matter."""
    path = tmp_path / "notes.txt"
    path.write_text("mine")

    with pytest.raises(UsageError, match=r"notes\.txt is a file; a store is a folder"):
        Storage(path)

    assert contents(tmp_path) == {"notes.txt": b"mine"}


def test_a_storage_of_mandala_is_recognised(tmp_path: Path) -> None:
    """People come with `db_path="results.db"` in their notebooks."""
    path = tmp_path / "results.db"
    path.write_bytes(b"SQLite format 3\0" + bytes(84))

    with pytest.raises(UsageError, match="SQLite file, perhaps a storage of mandala"):
        Storage(db_path=path)


@pytest.mark.parametrize("name", ["photo.jpg", "Urlaub am Meer.jpg", "été.jpg"])
def test_a_folder_with_other_files_is_not_made_a_store(tmp_path: Path, name: str) -> None:
    """A store among somebody's photos would be hard to get out again."""
    (tmp_path / name).write_bytes(b"jpg")

    with pytest.raises(UsageError, match=f"holds {name} and no config of a store"):
        Storage(tmp_path)

    assert contents(tmp_path) == {name: b"jpg"}


def test_a_store_that_was_not_finished_is_finished(tmp_path: Path) -> None:
    """A crash between README and config leaves a place that still counts as empty."""
    Storage(tmp_path / "store").close()
    (tmp_path / "store" / "config").unlink()

    Storage(tmp_path / "store").close()

    assert (tmp_path / "store" / "config").is_file()


def test_a_store_of_a_newer_format_is_refused_and_left_alone(tmp_path: Path) -> None:
    """An old library must not write into what it cannot read."""
    Storage(tmp_path / "store").close()
    config = tmp_path / "store" / "config"
    fields = json.loads(config.read_text())
    config.write_text(json.dumps(fields | {"format": 2}))
    before = contents(tmp_path)

    with pytest.raises(UnsupportedFormatError, match=r"format 2.*upgrade"):
        Storage(tmp_path / "store")

    assert contents(tmp_path) == before


def test_a_bucket_that_does_not_exist_is_named(s3_server: S3Server) -> None:
    """A typing mistake in a bucket's name is the commonest of all."""
    with pytest.raises(UsageError, match="no-such-bucket"):
        Storage("s3://no-such-bucket/team", storage_options=s3_server.storage_options)


def test_a_store_that_denies_writing_cannot_be_made() -> None:
    """Denied access will not pass by itself, so it is the caller's to solve."""
    objects = FaultStore(MemoryObjectStore(), [Rule(Deny(), WRITES, times=None)])

    with pytest.raises(UsageError, match="denied"):
        Storage(objects)


def test_a_store_that_denies_writing_keeps_the_batch() -> None:
    """Whoever gets the rights back loses nothing."""
    inner = MemoryObjectStore()
    Storage(inner).close()
    denied = Rule(Deny(), "put", times=None)
    objects = FaultStore(inner, [denied])
    storage = Storage(objects)

    with pytest.raises(UsageError, match="denied"), storage:
        increment(1)
    objects.plan.remove(denied)
    storage.commit()

    with Storage(inner):
        found: Any = increment(1)
    assert not found.in_memory


def test_a_disk_that_is_full_in_mid_commit_keeps_the_batch() -> None:
    """Space can be made, and then a commit goes through."""
    inner = MemoryObjectStore()
    full = Rule(OutOfSpace(), "put", "manifest/", times=None)
    objects = FaultStore(inner, [full])
    storage = Storage(objects)

    with pytest.raises(StoreUnavailableError, match="space"), storage:
        increment(1)
    objects.plan.remove(full)
    storage.commit()

    with Storage(inner):
        found: Any = increment(1)
    assert not found.in_memory


def test_an_error_of_the_block_is_not_hidden_by_one_of_the_commit() -> None:
    """What the user did wrong comes first; that the disk is full as well is a note on it."""
    objects = FaultStore(MemoryObjectStore(), [Rule(OutOfSpace(), "put", "manifest/", times=None)])
    storage = Storage(objects)

    with pytest.raises(ZeroDivisionError) as caught, storage:
        increment(1)
        1 / 0  # noqa: B018 (raises)

    assert any("could not be committed" in note for note in caught.value.__notes__)


def test_an_output_that_cannot_be_stored_names_op_and_output() -> None:
    """And what was computed before it is kept."""
    objects = MemoryObjectStore()
    with pytest.raises(UsageError, match=r"make_lock.*output_0.*lock"), Storage(objects):
        increment(1)
        make_lock(1)

    with Storage(objects):
        found: Any = increment(1)
    assert not found.in_memory


def test_an_argument_that_cannot_be_hashed_is_named() -> None:
    """The path inside the value is what the user needs."""
    with pytest.raises(UsageError, match=r"count_keys.*'cfg'.*\[\"loader\"\]"), Storage():
        count_keys({"loader": threading.Lock()})


def test_an_unknown_policy_for_pickles_is_refused() -> None:
    """A typing mistake must not decide what code runs."""
    with pytest.raises(UsageError, match="'trusted', 'allow' or 'refuse', got 'alow'"):
        Storage(pickle="alow")  # type: ignore[arg-type] # the mistake under test


@pytest.mark.parametrize("size", [-1, True, 1.5, "20 GiB"])
def test_a_limit_that_is_no_size_is_refused(size: Any) -> None:
    """What is kept or goes must not be decided silently."""
    with pytest.raises(UsageError, match="file_cache_max is a number of bytes or None"):
        Storage(file_cache_max=size)


@pytest.mark.parametrize("flush_after", [-1, float("nan"), "1"])
def test_a_time_that_is_none_is_refused(flush_after: Any) -> None:
    """It would decide silently when work is safe."""
    with pytest.raises(UsageError, match="flush_after is a number of seconds"):
        Storage(flush_after=flush_after)


def test_options_without_a_url_are_refused() -> None:
    """Whoever gives credentials does not mean a store in memory."""
    with pytest.raises(UsageError, match=r"\['key'\] are for URLs"):
        Storage(storage_options={"key": "k"})


def test_two_places_are_one_too_many() -> None:
    """`db_path` is another name, not another place."""
    with pytest.raises(UsageError, match="not both"):
        Storage("a", db_path="b")


def test_a_closed_storage_says_so(tmp_path: Path) -> None:
    """The next step is to open it again."""
    storage = Storage(tmp_path / "store")
    storage.close()
    storage.close()

    with pytest.raises(UsageError, match="is closed; open the store again"), storage:
        pass
