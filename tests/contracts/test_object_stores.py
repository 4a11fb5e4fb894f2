"""Every object store keeps the contract."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from fsspec.implementations.local import LocalFileSystem
from fsspec.implementations.memory import MemoryFileSystem
from fsspec.spec import AbstractFileSystem

from mandala_cas.objectstore.filesystems import close_filesystem, make_filesystem
from mandala_cas.objectstore.local import LocalObjectStore
from mandala_cas.objectstore.memory import MemoryObjectStore
from mandala_cas.objectstore.remote import RemoteObjectStore
from mandala_cas.objectstore.retrying import RetryingObjectStore
from mandala_cas.testing.counting import CountingObjectStore
from mandala_cas.testing.faults import FaultStore
from mandala_cas.testing.object_stores import ObjectStoreSuite
from mandala_cas.testing.scheduler import ScheduledStore
from mandala_cas.testing.servers import S3Server
from mandala_cas.testing.stale import StaleListStore


@pytest.fixture(scope="module")
def s3_client(s3_server: S3Server) -> Iterator[AbstractFileSystem]:
    """Return one file system for all: making a client takes longer than most of the tests."""
    fs = make_filesystem("s3", "s3://bucket", s3_server.storage_options)
    yield fs
    close_filesystem(fs)


class TestMemory(ObjectStoreSuite):
    """In a dictionary."""

    @pytest.fixture
    def store(self) -> MemoryObjectStore:
        """Return an empty store."""
        return MemoryObjectStore()


class TestLocal(ObjectStoreSuite):
    """In a directory that does not exist yet, with letters of all kinds in its name."""

    @pytest.fixture
    def store(self, tmp_path: Path) -> LocalObjectStore:
        """Return an empty store."""
        return LocalObjectStore(f"{tmp_path}/sp ace/\N{GREEK SMALL LETTER MU}\u0301/")


class TestS3(ObjectStoreSuite):
    """In a bucket, over a real connection."""

    @pytest.fixture
    def store(self, s3_client: AbstractFileSystem, s3_url: str) -> RemoteObjectStore:
        """Return an empty store."""
        return RemoteObjectStore.on_filesystem(s3_client, s3_url)


class TestS3WithObstore(ObjectStoreSuite):
    """In a bucket, through the other engine, with letters of all kinds in its name."""

    @pytest.fixture
    def store(self, s3_server: S3Server) -> RemoteObjectStore:
        """Return an empty store."""
        url = f"{s3_server.fresh_url()}/run[1]*/caf\N{LATIN SMALL LETTER E WITH ACUTE} 100%"
        return RemoteObjectStore.with_obstore(url, s3_server.storage_options)


class TestRetrying(ObjectStoreSuite):
    """Through a store that would ask again."""

    @pytest.fixture
    def store(self) -> RetryingObjectStore:
        """Return an empty store."""
        return RetryingObjectStore(MemoryObjectStore())


class TestForeignObjects(ObjectStoreSuite):
    """In a file system object that a user hands in, one of the kind of an object store."""

    @pytest.fixture
    def store(self) -> RemoteObjectStore:
        """Return an empty store."""
        fs = MemoryFileSystem(global_store=False, skip_instance_cache=True)
        return RemoteObjectStore.on_filesystem(fs, "/team/store/")


class TestForeignFiles(ObjectStoreSuite):
    """In a file system object that a user hands in, one with directories and half files."""

    @pytest.fixture
    def store(self, tmp_path: Path) -> RemoteObjectStore:
        """Return an empty store."""
        return RemoteObjectStore.on_filesystem(
            LocalFileSystem(skip_instance_cache=True), str(tmp_path)
        )


class TestFaultless(ObjectStoreSuite):
    """Through a store that could fail, and has no reason to."""

    @pytest.fixture
    def store(self) -> FaultStore:
        """Return an empty store."""
        return FaultStore(MemoryObjectStore())


class TestCounting(ObjectStoreSuite):
    """Through a store that counts."""

    @pytest.fixture
    def store(self) -> CountingObjectStore:
        """Return an empty store."""
        return CountingObjectStore(MemoryObjectStore())


class TestScheduled(ObjectStoreSuite):
    """Through a store that lets others go first, and pages its listings."""

    @pytest.fixture
    def store(self) -> ScheduledStore:
        """Return an empty store."""
        return ScheduledStore(MemoryObjectStore(), page_size=2)


class TestUpToDate(ObjectStoreSuite):
    """Through a store whose listings could lag, and do not."""

    @pytest.fixture
    def store(self) -> StaleListStore:
        """Return an empty store."""
        return StaleListStore(MemoryObjectStore())
