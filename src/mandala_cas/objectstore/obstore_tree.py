"""A root path of a bucket, as obstore reaches it: requests and listings, with errors as they come.

obstore is `object_store` of Rust behind Python functions: it lets other threads run while it waits,
so that a batch is a pool of threads for as long as it takes.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from datetime import timedelta
from typing import TYPE_CHECKING, Any, Final, TypeVar

from mandala_cas.errors import UsageError
from mandala_cas.objectstore.api import Capabilities, ObjectInfo, Parts
from mandala_cas.objectstore.buffers import flat, joined, size_of
from mandala_cas.objectstore.names import is_name
from mandala_cas.objectstore.obstore_options import translate_options
from mandala_cas.objectstore.protocols import promises_of
from mandala_cas.objectstore.tree import Asked

if TYPE_CHECKING:
    from obstore.store import ObjectStore as Bucket

Question = TypeVar("Question")

# What users write, and what obstore and the translation of options call it.
PROTOCOLS: Final[Mapping[str, str]] = {
    "s3": "s3",
    "s3a": "s3",
    "gs": "gs",
    "gcs": "gs",
    "az": "az",
    "abfs": "az",
    "abfss": "az",
}

_CONCURRENT_MAX: Final = 32
# Not every server answers a bulk request as Amazon does, and some fail in part.
_CONFIG: Final[Mapping[str, Mapping[str, Any]]] = {
    "s3": {"disable_bulk_delete": True},
    "gs": {},
    "az": {},
}
# Above this, several requests at the same time are faster than one.
_WHOLE_SIZE_MAX: Final = 16 * 1024 * 1024
# Small, so that a slow line gets one through before it counts as dead; but 10,000 are the limit.
_PART_SIZE_MIN: Final = 8 * 1024 * 1024
_PART_COUNT_MAX: Final = 9_000
_PART_CONCURRENT_MAX: Final = 4
_END_MAX: Final = (1 << 63) - 1

# Two more attempts, within a second or so: what takes longer is for ``RetryingObjectStore``.
_RETRIES: Final[Mapping[str, Any]] = {
    "max_retries": 2,
    "retry_timeout": timedelta(seconds=10),
    "backoff": {
        "init_backoff": timedelta(milliseconds=100),
        "max_backoff": timedelta(seconds=1),
        "base": 2,
    },
}
# Silence ends a request, and not how long it takes: lines may be slow. In the clear or not is for
# whoever wrote the endpoint to say, in an option or in the environment, as it is with fsspec.
_CLIENT: Final[Mapping[str, Any]] = {
    "allow_http": True,
    "connect_timeout": "5s",
    "read_timeout": "60s",
    "timeout": "30m",
}


class _Process:
    """In which process obstore has begun to work: its threads do not survive a fork."""

    pid: int | None = None


class ObstoreTree:
    """The objects below a root of a bucket; everything raises what obstore raises.

    obstore cannot be used in a process that was forked from one in which it was used: it would
    wait for ever for threads that are not there, so that a question raises ``UsageError`` instead.
    """

    def __init__(self, url: str, options: Mapping[str, Any]) -> None:
        """Reach what is below ``url``, a tidy one of one of ``PROTOCOLS``.

        Raises:
            UsageError: obstore is not installed, or an option is wrong.
        """
        protocol, _, rest = url.partition("://")
        bucket, _, root = rest.partition("/")
        self.url = url
        self._kind = PROTOCOLS[protocol]
        self._options = dict(options)
        if self._kind == "az" and "@" in bucket:
            bucket, _, host = bucket.partition("@")
            self._options.setdefault("account_name", host.partition(".")[0])
        self._bucket_name = bucket
        self._root = root
        self._promises = promises_of(protocol, bucket)
        self._opened: Bucket | None = self._open()

    @property
    def capabilities(self) -> Capabilities:
        """What the protocol promises; servers other than Amazon's may ignore conditions of S3."""
        return self._promises.capabilities(atomic_create=self._kind != "s3")

    def read_each(self, asked: Sequence[Asked]) -> list[Any]:
        """Read all at the same time."""
        return self._ask_each(self._read, asked)

    def write(self, name: str, parts: Parts) -> None:
        """Store an object with one request, or a large one in parts that are seen together."""
        import obstore  # noqa: PLC0415 (heavy)

        size = size_of(parts)
        if size <= _WHOLE_SIZE_MAX:
            obstore.put(self._bucket(), name, joined(parts), use_multipart=False)
            return
        # Given as they are, and taken as they come: no second copy of the whole in memory.
        obstore.put(
            self._bucket(),
            name,
            (view for view in map(flat, parts) if view.nbytes),
            use_multipart=True,
            chunk_size=max(_PART_SIZE_MIN, size // _PART_COUNT_MAX),
            max_concurrency=_PART_CONCURRENT_MAX,
        )

    def write_each(self, objects: Mapping[str, bytes]) -> list[Any]:
        """Store all at the same time."""
        return self._ask_each(lambda item: self.write(item[0], [item[1]]), list(objects.items()))

    def create(self, name: str, data: bytes) -> bool:
        """Look, then put on the condition that there is nothing: some servers ignore conditions."""
        import obstore  # noqa: PLC0415 (heavy)
        from obstore.exceptions import AlreadyExistsError  # noqa: PLC0415 (heavy)

        try:
            self.size(name)
        except FileNotFoundError:
            pass
        else:
            return False
        try:
            obstore.put(self._bucket(), name, data, mode="create", use_multipart=False)
        except AlreadyExistsError:
            # obstore may have asked twice, because the first answer was lost.
            return bytes(obstore.get(self._bucket(), name).bytes()) == data
        return True

    def remove_each(self, names: Sequence[str]) -> list[Any]:
        """Remove all, one request each."""
        import obstore  # noqa: PLC0415 (heavy)

        return self._ask_each(lambda name: obstore.delete(self._bucket(), [name]), names)

    def size(self, name: str) -> int:
        """Return the size of an object, as it is now."""
        import obstore  # noqa: PLC0415 (heavy)

        return int(obstore.head(self._bucket(), name)["size"])

    def listing(self, prefix: str) -> list[ObjectInfo]:
        """Return what is below ``prefix`` now, in the order of names."""
        import obstore  # noqa: PLC0415 (heavy)

        pages = obstore.list(self._bucket(), prefix.rstrip("/") or None, chunk_size=1000)
        found = [
            ObjectInfo(entry["path"], int(entry["size"]), entry["last_modified"].timestamp())
            for page in pages
            for entry in page
            # A bucket may hold what other programs put.
            if is_name(entry["path"]) and entry["path"].startswith(prefix)
        ]
        markers = self._markers_among(found)
        found = [info for info in found if info.name not in markers]
        return sorted(found, key=lambda info: info.name)

    def close(self) -> None:
        """Let go of the connections; a later question opens new ones."""
        self._opened = None

    def _markers_among(self, found: Sequence[ObjectInfo]) -> set[str]:
        """Return the names that are markers of directories, whose last slash obstore leaves out.

        They are empty, which no object of a store is in practice.
        """
        empty = [info.name for info in found if info.size == 0]
        sizes = self._ask_each(self.size, empty)
        for answer in sizes:
            if isinstance(answer, Exception) and not isinstance(answer, FileNotFoundError):
                raise answer
        return {
            name for name, size in zip(empty, sizes, strict=True) if isinstance(size, Exception)
        }

    def _read(self, asked: Asked) -> bytes:
        """Read part of an object, or all of it."""
        import obstore  # noqa: PLC0415 (heavy)

        name, offset, size = asked
        if size is None and offset == 0:
            return bytes(obstore.get(self._bucket(), name).bytes())
        end = _END_MAX if size is None else min(offset + size, _END_MAX)
        return bytes(obstore.get_range(self._bucket(), name, start=offset, end=end))

    def _ask_each(
        self, ask: Callable[[Question], object], questions: Sequence[Question]
    ) -> list[Any]:
        """Return the answers, or what asking raised, in the order of the questions."""

        def outcome(question: Question) -> object:
            try:
                return ask(question)
            except Exception as error:  # noqa: BLE001 (handed to the caller, who raises it)
                return error

        if len(questions) > 1:
            # Nobody starts threads while Python ends; and all of this may be asked twice.
            with (
                suppress(RuntimeError),
                ThreadPoolExecutor(min(_CONCURRENT_MAX, len(questions))) as pool,
            ):
                return list(pool.map(outcome, questions))
        return [outcome(question) for question in questions]

    def _bucket(self) -> Bucket:
        """Return what obstore is asked with, in this process."""
        if _Process.pid is None:
            _Process.pid = os.getpid()
        elif _Process.pid != os.getpid():
            raise UsageError(
                "the engine obstore cannot be used in a process that was forked from one that used "
                "it; start processes with the method 'spawn' or 'forkserver', or open the store "
                "with engine='fsspec'"
            )
        if self._opened is None:
            self._opened = self._open()
        return self._opened

    def _open(self) -> Bucket:
        """Return a new client of the bucket; it connects when it is first asked something."""
        try:
            from obstore import store as stores  # noqa: PLC0415 (heavy)
            from obstore.exceptions import BaseError  # noqa: PLC0415 (heavy)
        except ImportError as error:
            raise UsageError(
                "the engine obstore is not installed; run: pip install 'mandala-cas[fast]', or "
                "open the store with engine='fsspec'"
            ) from error
        translated = translate_options(self._kind, self._options)
        make: Callable[..., Bucket] = {
            "s3": stores.S3Store,
            "gs": stores.GCSStore,
            "az": stores.AzureStore,
        }[self._kind]
        try:
            return make(
                self._bucket_name,
                prefix=self._root or None,
                config={**_CONFIG[self._kind], **translated.config},
                client_options={**_CLIENT, **translated.client},
                retry_config=_RETRIES,
            )
        except (BaseError, TypeError, ValueError) as error:
            raise UsageError(
                f"the engine obstore cannot open {self.url} with these storage options: "
                f"{type(error).__name__}; they are {sorted(self._options)}, check their values"
            ) from error
