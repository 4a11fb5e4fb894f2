"""Places for stores that count requests: in memory by call, on a server by what is really sent."""

from __future__ import annotations

import itertools
import uuid
from collections import Counter
from dataclasses import dataclass, replace
from typing import Any, Protocol

from mandala_cas.objectstore.api import Capabilities, ObjectStore
from mandala_cas.objectstore.fsspec_tree import FsspecTree
from mandala_cas.objectstore.memory import MemoryObjectStore
from mandala_cas.objectstore.remote import RemoteObjectStore
from mandala_cas.testing.counting import CountingObjectStore
from mandala_cas.testing.servers import S3Server


@dataclass(frozen=True, slots=True)
class Spent:
    """How many requests of each kind there were."""

    puts: int = 0
    gets: int = 0
    lists: int = 0
    others: int = 0

    def __sub__(self, before: Spent) -> Spent:
        """Return what was spent since ``before``."""
        return Spent(
            self.puts - before.puts,
            self.gets - before.gets,
            self.lists - before.lists,
            self.others - before.others,
        )


class CountedPlace(Protocol):
    """A place for one store."""

    @property
    def objects(self) -> ObjectStore:
        """What a storage is opened with."""
        ...

    def spent(self) -> Spent:
        """Return what was spent so far."""
        ...


class Bucket(MemoryObjectStore):
    """A store that lists in the order of names, and says that it outlives this process."""

    def __init__(self) -> None:
        """Be another bucket than any other."""
        super().__init__(clock=itertools.count(1_700_000_000).__next__)
        self._url = f"bucket://{uuid.uuid4()}"

    @property
    def url(self) -> str:
        """Where it would be."""
        return self._url

    @property
    def capabilities(self) -> Capabilities:
        """What a bucket promises."""
        return replace(super().capabilities, persistent=True)


class CountedBucket:
    """A bucket in memory; a batch counts once for each of its objects."""

    def __init__(self) -> None:
        """Begin empty."""
        self.objects = CountingObjectStore(Bucket())

    def spent(self) -> Spent:
        """Return what was spent so far."""
        requests = self.objects.requests
        return Spent(requests.puts, requests.gets, requests.lists, requests.deletes)


class CountedS3:
    """A place on a server; what counts is each request that goes out, whoever asked for it."""

    def __init__(self, server: S3Server) -> None:
        """Connect, and listen to what is sent."""
        self._counts: Counter[str] = Counter()
        self.objects = RemoteObjectStore.from_url(server.fresh_url(), server.storage_options)
        tree = self.objects._tree
        assert isinstance(tree, FsspecTree)
        tree.fs.connect()
        tree.fs._s3.meta.events.register("before-send.s3", self._sent)

    def spent(self) -> Spent:
        """Return what was spent so far."""
        counts = self._counts
        known = {"PutObject", "GetObject", "ListObjectsV2"}
        others = sum(count for operation, count in counts.items() if operation not in known)
        return Spent(counts["PutObject"], counts["GetObject"], counts["ListObjectsV2"], others)

    def _sent(self, event_name: str, **_: Any) -> None:
        """Count a request that is about to be sent."""
        self._counts[event_name.rpartition(".")[2]] += 1
