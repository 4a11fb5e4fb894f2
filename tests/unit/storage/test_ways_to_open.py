"""What the parameters of a `Storage` decide."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from tests.unit.storage.buckets import Bucket

from mandala_cas.errors import NotFoundError, UsageError
from mandala_cas.imports import Storage, op
from mandala_cas.testing.faults import WRITES, Deny, Rule


@op
def increment(x: int) -> int:
    """Return the next number."""
    return x + 1


def test_a_reader_makes_no_store(tmp_path: Path) -> None:
    """A misspelt folder is an error, and stays a folder that is not there."""
    with pytest.raises(NotFoundError, match="there is no store at"):
        Storage(tmp_path / "mistyped", mode="r")

    assert list(tmp_path.iterdir()) == []


def test_a_reader_writes_nothing_and_answers(tmp_path: Path) -> None:
    """On a store that would refuse every write."""
    bucket = Bucket()
    with Storage(bucket, cache_dir=tmp_path / "writer"):
        increment(1)
    bucket.plan.append(Rule(Deny(), WRITES, times=None))
    reader = Storage(bucket, mode="r", cache_dir=tmp_path / "reader")

    with reader:
        found: Any = increment(1)
    reader.close()

    assert not found.in_memory
    assert reader.url == bucket.url
    assert not (tmp_path / "reader").exists() or not list((tmp_path / "reader").rglob("journal"))


def test_another_mode_is_refused(tmp_path: Path) -> None:
    """What is not understood must not decide silently."""
    with pytest.raises(UsageError, match="mode is 'rw' or 'r', got 'w'"):
        Storage(tmp_path, mode="w")  # type: ignore[arg-type] # as somebody might


def test_an_engine_is_for_urls() -> None:
    """A store in memory sends no requests."""
    with pytest.raises(UsageError, match="an engine is for URLs"):
        Storage(engine="obstore")


def test_an_engine_that_nobody_knows_is_refused() -> None:
    """Before anything is sent."""
    with pytest.raises(UsageError, match="engine"):
        Storage("s3://bucket/folder", engine="carrier pigeon")  # type: ignore[arg-type] # as somebody might


def test_the_journal_of_a_bucket_lies_in_the_cache_that_was_named(tmp_path: Path) -> None:
    """Machines differ in which of their disks is large, and which outlives a job."""
    with Storage(Bucket(), cache_dir=tmp_path):
        increment(1)

        journals = list(tmp_path.rglob("journal/*"))

    assert journals


def test_a_cache_may_be_named_by_a_string(tmp_path: Path) -> None:
    """As every other path here."""
    with Storage(Bucket(), cache_dir=str(tmp_path)):
        increment(1)

        assert list(tmp_path.rglob("journal/*"))
