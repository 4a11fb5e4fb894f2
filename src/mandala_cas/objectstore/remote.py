"""An object store behind an engine: S3, Google, Azure, or any file system a user hands in.

Requests of a batch run at the same time where the engine can. No listing is cached, and
nothing that was once missing is remembered as missing: another writer may have put it since.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import suppress
from itertools import pairwise
from typing import TYPE_CHECKING, Any, Final, Self
from urllib.parse import urlsplit

from mandala_cas.errors import NotFoundError, UsageError
from mandala_cas.objectstore.api import Buffer, ByteRange, Capabilities, ObjectInfo, Parts
from mandala_cas.objectstore.buffers import flat_target, joined, repeatable, size_of
from mandala_cas.objectstore.filesystems import make_filesystem, split_url
from mandala_cas.objectstore.foreign import (
    Border,
    is_past_end,
    may_be_past_end,
    secrets_of,
    without_secrets,
)
from mandala_cas.objectstore.fsspec_tree import FsspecTree
from mandala_cas.objectstore.names import check_name, check_prefix, check_range
from mandala_cas.objectstore.tree import PIECE_SIZE, STREAMED_MIN, Asked, ObjectTree

if TYPE_CHECKING:
    from fsspec.spec import AbstractFileSystem

# Above this, what a record says of a size is checked before anybody allocates it.
TRUSTED_SIZE_MAX: Final = 64 * 1024 * 1024
BATCH_SIZE_MAX: Final = 64 * 1024 * 1024
# What is on its way into one buffer at the same time.
READ_SIZE_MAX: Final = 4 * PIECE_SIZE


# Spelt outside of the class, where ``list`` is a method.
_Asked = list[Asked]
_Answers = list[bytes | None]


class RemoteObjectStore:
    """Objects below the root of a tree."""

    def __init__(
        self, tree: ObjectTree, *, url: str | None = None, secrets: frozenset[str] = frozenset()
    ) -> None:
        """Keep objects in ``tree``, which is closed with the store.

        ``url`` is what people call the place; ``secrets`` never appear in a message.
        """
        self._tree = tree
        shown = without_secrets(url or tree.url).rstrip("/")
        self._border = Border(shown, shown.partition("://")[2].partition("/")[0], secrets)

    @classmethod
    def on_filesystem(cls, fs: AbstractFileSystem, root: str) -> Self:
        """Return the store below ``root``, as ``fs`` spells it; ``fs`` stays the caller's."""
        return cls(FsspecTree(fs, root))

    @classmethod
    def from_url(cls, url: str, storage_options: Mapping[str, Any] | None = None) -> Self:
        """Return the store at ``url``, on a file system of its own; nothing is asked of it yet.

        Raises:
            UsageError: the URL cannot be one of a store, or a package for it is missing.
        """
        options = dict(storage_options or {})
        protocol, tidy = split_url(url)
        fs = make_filesystem(protocol, tidy, options)
        secrets = secrets_of({**options, "password in the URL": urlsplit(tidy).password})
        return cls(FsspecTree(fs, tidy, owned=True), url=tidy, secrets=secrets)

    @classmethod
    def with_obstore(cls, url: str, storage_options: Mapping[str, Any] | None = None) -> Self:
        """Return the store at ``url``, reached by obstore; nothing is asked of it yet.

        ``storage_options`` are those that ``from_url`` takes, and are translated.

        Raises:
            UsageError: obstore is not installed, does not know the protocol, or has no word for an
                option.
        """
        from mandala_cas.objectstore.obstore_tree import PROTOCOLS, ObstoreTree  # noqa: PLC0415 (one engine of two)

        options = dict(storage_options or {})
        protocol, tidy = split_url(url)
        if protocol not in PROTOCOLS:
            raise UsageError(
                f"the engine obstore does not reach {protocol}://; it does s3://, gs:// and az://, "
                "so leave engine out, or say engine='fsspec'",
                protocol=protocol,
            )
        return cls(ObstoreTree(tidy, options), url=tidy, secrets=secrets_of(options))

    @property
    def url(self) -> str:
        """Where the store is, without user, password or query."""
        return self._border.url

    @property
    def capabilities(self) -> Capabilities:
        """What the protocol promises; of an unknown one, little."""
        return self._tree.capabilities

    def put(self, name: str, parts: Iterable[Buffer]) -> None:
        """Store the concatenation of ``parts``, a very large one piece by piece."""
        check_name(name)
        buffers = repeatable(parts)
        with self._border.crossing_to_bucket("put", name):
            self._tree.write(name, buffers)

    def put_many(self, objects: Mapping[str, Parts]) -> None:
        """Store several objects at the same time, as many as fit into a bounded memory."""
        for name in objects:
            check_name(name)
        batch: dict[str, bytes] = {}
        size = 0
        for name, parts in objects.items():
            part_size = size_of(parts)
            if part_size >= STREAMED_MIN:
                self.put(name, parts)
                continue
            if size + part_size > BATCH_SIZE_MAX:
                self._put_batch(batch)
                batch, size = {}, 0
            batch[name] = joined(parts)
            size += part_size
        self._put_batch(batch)

    def create(self, name: str, data: bytes) -> bool:
        """Store ``data`` unless ``name`` exists; ``capabilities`` say whether two may race."""
        check_name(name)
        with self._border.crossing_to_bucket("create", name):
            return self._tree.create(name, data)

    def get(self, name: str) -> bytes:
        """Return the object, whole, with one request."""
        return self._found(self._read([Asked(check_name(name))])[0], name)

    def get_range(self, name: str, offset: int, size: int) -> bytes:
        """Return part of an object."""
        found = self.get_ranges([ByteRange(name, offset, size)])[0]
        return self._found(found, name)

    def get_into(self, name: str, offset: int, buffer: memoryview) -> int:
        """Copy part of an object into ``buffer``, piece by piece where it is large."""
        target = flat_target(buffer)
        check_range(name, offset, target.nbytes)
        if target.nbytes == 0:
            self._found(self._read([Asked(name, offset, 0)])[0], name)
        filled = 0
        # A few pieces at the same time, and never the whole of it a second time in memory.
        while filled < target.nbytes:
            end = min(target.nbytes, filled + READ_SIZE_MAX)
            cuts = [*range(filled, end, PIECE_SIZE), end]
            pieces = [Asked(name, offset + at, to - at) for at, to in pairwise(cuts)]
            for data in self._read(pieces):
                found = self._found(data, name)
                target[filled : filled + len(found)] = found
                filled += len(found)
            if filled < end:
                break
        return filled

    def get_many(self, names: Sequence[str]) -> _Answers:
        """Return several objects, asked for at the same time."""
        return self._read([Asked(check_name(name)) for name in names])

    def get_ranges(self, ranges: Sequence[ByteRange]) -> _Answers:
        """Return several ranges, asked for at the same time."""
        for part in ranges:
            check_range(part.name, part.offset, part.size)
        asked: _Asked = []
        for part in ranges:
            size = part.size
            if size > TRUSTED_SIZE_MAX:
                # Some file systems would allocate whatever a record claims.
                with suppress(NotFoundError):
                    size = max(0, min(size, self._size(part.name) - part.offset))
            asked.append(Asked(part.name, part.offset, size))
        return self._read(asked)

    def list(self, prefix: str) -> Iterator[ObjectInfo]:
        """Yield what is below ``prefix``; a bucket that is not there is an error, when asked."""
        check_prefix(prefix)
        with self._border.crossing_to_bucket("list", prefix):
            return iter(self._tree.listing(prefix))

    def delete(self, names: Iterable[str]) -> None:
        """Remove the objects, as many at the same time as the engine can."""
        checked = [check_name(name) for name in names]
        answers = self._tree.remove_each(checked)
        for name, answer in zip(checked, answers, strict=True):
            if isinstance(answer, Exception):
                with suppress(NotFoundError), self._border.crossing("delete", name):
                    raise answer

    def close(self) -> None:
        """Close connections; a later call opens new ones."""
        self._tree.close()

    def _read(self, asked: _Asked) -> _Answers:
        """Read all; an empty range tells only whether the object is there."""
        # An empty range cannot be asked for: one byte tells as much.
        answers = self._tree.read_each(
            [part if part.size is None else part._replace(size=max(part.size, 1)) for part in asked]
        )
        return [
            self._answer(answer, *question) for answer, question in zip(answers, asked, strict=True)
        ]

    def _answer(self, answer: Any, name: str, offset: int, size: int | None) -> bytes | None:
        """Return the bytes that were read; None where there is no such object."""
        if not isinstance(answer, Exception):
            data = bytes(answer)
            return data if size is None else data[:size]
        try:
            if is_past_end(answer) or (may_be_past_end(answer) and self._size(name) <= offset):
                return b""
            with self._border.crossing("get", name):
                raise answer
        except NotFoundError:
            return None

    def _found(self, data: bytes | None, name: str) -> bytes:
        """Return ``data``, or raise where there is none."""
        if data is None:
            raise self._border.not_found(name)
        return data

    def _size(self, name: str) -> int:
        """Return the size of an object, as it is now."""
        with self._border.crossing("look up", name):
            return self._tree.size(name)

    def _put_batch(self, batch: Mapping[str, bytes]) -> None:
        """Put objects at the same time; raise the first error once all are done."""
        answers = self._tree.write_each(batch)
        for name, answer in zip(batch, answers, strict=True):
            if isinstance(answer, Exception):
                with self._border.crossing_to_bucket("put", name):
                    raise answer
