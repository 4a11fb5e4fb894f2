"""The contract of an object store: put, get, list and delete of whole, immutable objects.

``mandala_cas.testing.ObjectStoreSuite`` checks every clause of it.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol, runtime_checkable

Buffer = bytes | bytearray | memoryview


@dataclass(frozen=True, slots=True)
class Pieces:
    """``nbytes`` bytes that are never together in memory: made piece by piece, at every pass.

    ``make`` begins a pass, and every pass gives the same bytes. ``sample`` returns some of them,
    ``size`` bytes from ``offset`` on, where that costs less than a pass.
    """

    nbytes: int
    make: Callable[[], Iterator[Buffer]]
    sample: Callable[[int, int], Buffer] | None = None

    def __iter__(self) -> Iterator[Buffer]:
        """Begin a pass."""
        return self.make()


Parts = Sequence[Buffer] | Pieces
"""Bytes that can be gone through more than once."""


@dataclass(frozen=True, slots=True)
class ObjectInfo:
    """What a listing says of one object; ``modified`` is seconds since 1970, if known."""

    name: str
    size: int
    modified: float | None = None


@dataclass(frozen=True, slots=True)
class ByteRange:
    """``size`` bytes of an object, from ``offset`` on."""

    name: str
    offset: int
    size: int


@dataclass(frozen=True, slots=True)
class Capabilities:
    """What a store promises beyond the contract.

    ``strong_list``: a listing that starts after a put returned shows it. ``atomic_create``: of two
    racing ``create`` calls exactly one returns True. ``persistent``: objects outlive the process.
    ``flat_list``: a listing comes in the order of names, over everything below the prefix, and the
    store was asked for its pages in that order. ``mtime``: every listed object has a ``modified``,
    which is the store's own time.
    """

    strong_list: bool = True
    atomic_create: bool = False
    persistent: bool = True
    flat_list: bool = False
    mtime: bool = False


@runtime_checkable
class TakesFiles(Protocol):
    """A store that may take a file as it is, without a second copy of its bytes."""

    def put_file(self, name: str, source: Path) -> None:
        """Store the bytes of the file ``source``, which stays and must never change.

        When this returns, the object is as durable as after ``put``.
        """
        ...


@dataclass(frozen=True, slots=True)
class FileIdentity:
    """Which file was seen, and in which state: another one means that it may hold other bytes."""

    device: int
    inode: int
    size: int
    modified_ns: int
    changed_ns: int


@dataclass(frozen=True, slots=True)
class MappedObject:
    """An object as memory: writable, and what is written there reaches nobody else."""

    data: memoryview
    identity: FileIdentity


@runtime_checkable
class MapsObjects(Protocol):
    """A store whose objects may be seen as memory without being read first."""

    @property
    def maps_objects(self) -> bool:
        """Whether that is worth asking for here."""
        ...

    def map_object(self, name: str) -> MappedObject | None:
        """Return the object as a private, copy-on-write map; None says to read it instead.

        The map stays good when the object is deleted or replaced.

        Raises:
            NotFoundError: there is no such object.
        """
        ...


@runtime_checkable
class ObjectStore(Protocol):
    """Named bytes. Names are relative, ``/``-separated, lower-case where they hold hashes.

    Every method may be called from several threads at once. Every method may raise
    ``StoreUnavailableError`` (retry later) and ``UsageError`` (denied, no such bucket); a failed
    put may take effect later all the same, whole.
    """

    @property
    def url(self) -> str:
        """Where the store is, as a person would write it; holds no credentials."""
        ...

    @property
    def capabilities(self) -> Capabilities:
        """What this store promises beyond the contract."""
        ...

    def put(self, name: str, parts: Iterable[Buffer]) -> None:
        """Store the concatenation of ``parts``. A reader sees all of it, or none of it.

        When this returns, the object is as durable as the store can make it. Putting the same
        bytes under the same name again changes nothing, so callers may retry freely.
        """
        ...

    def put_many(self, objects: Mapping[str, Parts]) -> None:
        """Store several objects, at the same time where that is faster, in no fixed order.

        On an error some of them may be there; each is there whole or not at all.
        """
        ...

    def create(self, name: str, data: bytes) -> bool:
        """Store ``data`` unless ``name`` exists; tell whether this call made it.

        Where ``capabilities.atomic_create`` is false, two racing callers may both be told True,
        and the last one's bytes stay: read back what there is.
        """
        ...

    def get(self, name: str) -> bytes:
        """Return the object, whole.

        Raises:
            NotFoundError: there is no such object.
        """
        ...

    def get_range(self, name: str, offset: int, size: int) -> bytes:
        """Return up to ``size`` bytes from ``offset`` on; fewer where the object ends before.

        Raises:
            NotFoundError: there is no such object.
        """
        ...

    def get_into(self, name: str, offset: int, buffer: memoryview) -> int:
        """Fill ``buffer`` from ``offset`` on, without a copy where possible; return bytes read.

        Raises:
            NotFoundError: there is no such object.
        """
        ...

    def get_many(self, names: Sequence[str]) -> list[bytes | None]:
        """Return several objects, in the order of ``names``; None for each that is not there."""
        ...

    def get_ranges(self, ranges: Sequence[ByteRange]) -> list[bytes | None]:
        """Return several ranges, in their order; None where the object is not there."""
        ...

    def list(self, prefix: str) -> Iterator[ObjectInfo]:
        """Yield every object whose name starts with ``prefix``.

        In the order of names where ``capabilities.flat_list`` is true, elsewhere in none.

        ``prefix`` is empty or ends with ``/``. What a writer has not finished is not listed.
        """
        ...

    def delete(self, names: Iterable[str]) -> None:
        """Remove the objects; one that is not there is a success."""
        ...

    def close(self) -> None:
        """Let go of connections and file handles; closing twice is harmless."""
        ...
