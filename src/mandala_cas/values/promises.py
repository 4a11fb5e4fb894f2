"""Values that were freed here because another store holds them, and how they come back.

What is promised, and by whom, stands in ``local/config.json`` of the store, as JSON. The file is
this machine's own and never synced. It holds no credentials; and since a folder that somebody
sent may hold any file, each promise carries a keyed hash that only this user can make, and one
that does not verify is no promise: nobody is made to open a place that another chose.
"""

from __future__ import annotations

import base64
import json
import logging
import os
from collections.abc import Callable, Iterable, Mapping, Sequence
from collections.abc import Set as AbstractSet
from contextlib import suppress
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Final, Protocol
from urllib.parse import urlsplit

import numpy as np
from blake3 import blake3

from mandala_cas.blobs.packs import Placement
from mandala_cas.blobs.store import BlobStore
from mandala_cas.blobs.value import seal_value
from mandala_cas.errors import (
    CorruptionError,
    MandalaError,
    NotFoundError,
    StoreUnavailableError,
    UsageError,
)
from mandala_cas.index.copies import ValueCopy
from mandala_cas.log.announcements import Digests, digests_of
from mandala_cas.model.entries import Tier
from mandala_cas.model.ids import ContentId
from mandala_cas.objectstore.disk import writing
from mandala_cas.objectstore.files import write_file
from mandala_cas.objectstore.layout import blob_name
from mandala_cas.objectstore.locks import locked
from mandala_cas.objectstore.platforms import running_platform
from mandala_cas.values.freed import Freed
from mandala_cas.values.opening import open_verified

_LOGGER: Final = logging.getLogger("mandala_cas")

KEY_SIZE: Final = 32

_PROMISES: Final = "promises"
# Users of one machine may share a store, and each may free what another store holds.
_SHARED: Final = 0o666
_FILE_SIZE_MAX: Final = 256 << 20
_ON_DISK: Final = np.dtype(">u8")


class RemoteValues(Protocol):
    """A store that made a promise, opened: where its log places values, and its payload."""

    @property
    def blobs(self) -> BlobStore:
        """Its payload."""
        ...

    def copies(self, content_id: ContentId) -> Sequence[ValueCopy]:
        """Return the places of a value, on the word of its log."""
        ...


@dataclass(frozen=True, slots=True, eq=False)
class Promise:
    """Values that ``url`` held when they were freed here, last at ``evicted_us``.

    ``digests`` are those of the places that they had here, see ``Freed``; sorted.
    """

    url: str
    evicted_us: int
    digests: Digests


@dataclass(frozen=True, slots=True)
class FetchedValue:
    """A value that came back: its envelope, whole and true to ``copy.record``.

    ``copy`` is as if a loose blob of this store held the envelope; its signature is that of the
    log object of the other store, for who must know whom to trust. ``url`` is that store's.
    """

    copy: ValueCopy
    sealed: bytes
    url: str


class Promises:
    """The promises that other stores made to this one. Safe to use from several threads."""

    def __init__(
        self, config: Path, *, key: bytes, open_remote: Callable[[str], RemoteValues]
    ) -> None:
        """Keep promises in the file ``config``, under a keyed hash.

        ``key`` is 32 bytes that only this user has. ``open_remote`` opens a store by its URL, with
        whatever credentials the user has set up; each is opened once, when first needed.
        """
        if len(key) != KEY_SIZE:
            raise UsageError(f"promises need a key of {KEY_SIZE} bytes, got {len(key)}")
        self._config = config
        self._key = key
        self._open_remote = open_remote
        self._remotes: dict[str, RemoteValues] = {}

    def all(self) -> tuple[Promise, ...]:
        """Return the promises that verify. A file that is damaged or another's promises nothing."""
        found = self._read().get(_PROMISES)
        promises = [self._parse(entry) for entry in (found if isinstance(found, list) else ())]
        return tuple(promise for promise in promises if promise is not None)

    def among(self, places: Iterable[Freed]) -> AbstractSet[Freed]:
        """Return those of ``places`` that are empty because their values were freed, not lost.

        The file is read once.
        """
        asked = list(dict.fromkeys(places))
        if not asked:
            return set()
        digests = _digests_of(asked)
        found = np.zeros(len(asked), np.bool_)
        for promise in self.all():
            found |= np.isin(digests, promise.digests)
        return {asked[number] for number in np.flatnonzero(found).tolist()}

    def add(self, url: str, values: Iterable[Freed], *, evicted_us: int) -> None:
        """Note that ``url`` holds what is about to be freed here; on the disk when this returns.

        An object that is freed may also hold what ``url`` does not, and nobody needs: that is no
        part of ``values``, for somebody may come to need it.

        To be called before the objects are deleted: a crash in between leaves a promise of
        objects that are still here, which costs nothing. What others wrote to the file is kept,
        promises to another user among it.

        Raises:
            UsageError: the URL holds a secret, or the file may not be read or locked.
            StoreUnavailableError: the file cannot be read or written; free nothing.
        """
        _check_url(url)
        folder = self._config.parent
        with writing(self._config.name, folder):
            folder.mkdir(parents=True, exist_ok=True)
        lock = folder / f"{self._config.name}.lock"
        # Two that read before either writes would leave the promises of one, while both free.
        with locked(lock, mode=_SHARED):
            try:
                self._write(self._with_promise(url, values, evicted_us))
            finally:
                # Before the lock is free: whoever waits for a file that is gone makes a new one.
                with suppress(OSError):
                    lock.unlink(missing_ok=True)

    def fetch(self, content_ids: Iterable[ContentId]) -> dict[ContentId, FetchedValue]:
        """Return those of the values that a promise brings back, each verified.

        Stores are asked in turn, the one that promised last first. What none of them has is
        missing, and has to be computed again: it was collected there, or the store is another.

        Raises:
            StoreUnavailableError: a store that promised cannot be reached now, and no other has
                what was asked for; ask again later.
        """
        waiting = list(dict.fromkeys(content_ids))
        found: dict[ContentId, FetchedValue] = {}
        away: StoreUnavailableError | None = None
        for promise in sorted(self.all(), key=lambda item: -item.evicted_us):
            if not waiting:
                break
            try:
                found |= self._fetch_from(promise.url, waiting)
            except StoreUnavailableError as error:
                away = error
            except NotFoundError as error:
                # Somebody removed the store; nobody could ever take its promise back.
                _LOGGER.warning("a store that promised values is gone: %s", error)
            waiting = [content_id for content_id in waiting if content_id not in found]
        if waiting and away is not None:
            raise away
        return found

    def _fetch_from(
        self, url: str, content_ids: Sequence[ContentId]
    ) -> dict[ContentId, FetchedValue]:
        """Return what one store has, all that is asked for in as few requests as may be."""
        if url not in self._remotes:
            self._remotes[url] = self._open_remote(url)
        remote = self._remotes[url]
        waiting = {content_id: list(remote.copies(content_id)) for content_id in content_ids}
        found: dict[ContentId, FetchedValue] = {}
        while tried := {id_: copies.pop(0) for id_, copies in waiting.items() if copies}:
            placed = [copy.record for copy in tried.values() if copy.record.tier is not Tier.INLINE]
            places = [Placement(r.location, r.offset, r.stored_size) for r in placed]
            data = iter(_get_many(remote.blobs, places))
            for content_id, copy in tried.items():
                inline = copy.record.tier is Tier.INLINE
                sealed = _seal_inline(copy) if inline else next(data)
                value = None if sealed is None else _verified(copy, sealed, url)
                if value is not None:
                    found[content_id] = value
                    del waiting[content_id]
        return found

    def _read(self) -> dict[str, Any]:
        """Return what the file says; nothing where there is none, or none of ours."""
        try:
            return self._read_file()
        except OSError:
            return {}

    def _read_file(self) -> dict[str, Any]:
        """Return what the file says, or nothing where there is none, or none of ours.

        Raises:
            OSError: it is there, and cannot be read.
        """
        try:
            with self._config.open("rb") as file:
                fields = json.loads(file.read(_FILE_SIZE_MAX))
        except (FileNotFoundError, ValueError, RecursionError):
            return {}
        return fields if isinstance(fields, dict) else {}

    def _with_promise(self, url: str, values: Iterable[Freed], evicted_us: int) -> dict[str, Any]:
        """Return what the file is to say, with what it says now."""
        with writing(self._config.name, self._config.parent):
            fields = self._read_file()
        found = fields.get(_PROMISES)
        promises: dict[str, Promise] = {}
        others: list[object] = []
        for entry in found if isinstance(found, list) else ():
            promise = self._parse(entry)
            if promise is None:
                others.append(entry)
            else:
                promises[promise.url] = promise
        digests = np.unique(_digests_of(values))
        if url in promises:
            digests = np.union1d(promises[url].digests, digests)
        promises[url] = Promise(url, evicted_us, digests)
        own = [self._form(promise) for promise in promises.values()]
        return {**fields, _PROMISES: [*others, *own]}

    def _write(self, fields: Mapping[str, Any]) -> None:
        """Have the file say so, on the disk when this returns; a crash leaves the old file."""
        data = (json.dumps(fields, indent=1) + "\n").encode()
        folder = self._config.parent
        platform = running_platform()
        with writing(self._config.name, folder):
            temporary = folder / f"{self._config.name}.{os.getpid()}.tmp"
            write_file(platform, temporary, [data])
            platform.replace(temporary, self._config)
            # Only then is the promise on the disk, and only then may what it speaks of go.
            platform.sync_directory(folder)

    def _form(self, promise: Promise) -> dict[str, object]:
        """Return a promise as it stands in the file."""
        values = base64.b64encode(promise.digests.astype(_ON_DISK).tobytes()).decode()
        fields = {"url": promise.url, "evicted_us": promise.evicted_us, "values": values}
        return {**fields, "mac": self._mac(fields)}

    def _parse(self, entry: object) -> Promise | None:
        """Return the promise in an entry of the file if it is one, and this user's."""
        if not isinstance(entry, dict):
            return None
        fields = {key: entry.get(key) for key in ("url", "evicted_us", "values")}
        # The keyed hash first: nothing else of the entry is looked at unless it is ours.
        if entry.get("mac") != self._mac(fields):
            return None
        data = base64.b64decode(str(fields["values"]))
        digests = np.frombuffer(data, _ON_DISK).astype(np.uint64)
        return Promise(str(fields["url"]), int(str(fields["evicted_us"])), digests)

    def _mac(self, fields: Mapping[str, object]) -> str:
        """Return the keyed hash of an entry."""
        message = json.dumps(fields, sort_keys=True).encode()
        return blake3(message, key=self._key).hexdigest()


def _digests_of(values: Iterable[Freed]) -> Digests:
    """Return the digests of places, in their order."""
    return digests_of(f"{name} {content_id.hex()}" for name, content_id in values)


def _get_many(blobs: BlobStore, places: Sequence[Placement]) -> list[bytes | None]:
    """Return what lies at some places; a place that is none has nothing."""
    try:
        return blobs.get_many(places)
    except CorruptionError:
        # One record of a store may name nonsense; the others are still worth asking for.
        return [_get_one(blobs, place) for place in places]


def _get_one(blobs: BlobStore, place: Placement) -> bytes | None:
    """Return what lies at one place."""
    try:
        return blobs.get_many([place])[0]
    except CorruptionError:
        return None


def _seal_inline(copy: ValueCopy) -> bytes:
    """Return an inline value as an envelope."""
    record = copy.record
    return seal_value(
        record.payload_hash,
        record.codec_name,
        record.codec_version,
        record.codec_header,
        [record.inline],
    ).to_bytes()


def _verified(copy: ValueCopy, sealed: bytes, url: str) -> FetchedValue | None:
    """Return the value if its bytes are what the record says, as every read checks it."""
    record = copy.record
    try:
        as_sealed = replace(record, tier=Tier.LOOSE, inline=b"")
        open_verified(sealed, name=f"{url}: {record.location or 'inline'}", record=as_sealed)
    except MandalaError:
        # Damaged, or too new for this version: another copy may do.
        return None
    loose = replace(
        as_sealed, location=blob_name(record.payload_hash), offset=0, stored_size=len(sealed)
    )
    return FetchedValue(replace(copy, record=loose), sealed, url)


def _check_url(url: str) -> None:
    """Refuse a URL with a secret in it: the file is read by people, and copied."""
    parts = urlsplit(url)
    if parts.password is not None or parts.query or parts.fragment:
        raise UsageError(
            "the URL of a store that makes a promise must hold no password and no parameters; "
            "set credentials up where the machine keeps them"
        )
