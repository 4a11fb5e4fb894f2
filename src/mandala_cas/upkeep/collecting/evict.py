"""Freeing of local bytes whose values another store holds: records stay, values can come back.

Not a drop: no call is forgotten. What was freed is promised by the other store, and is fetched
from there when somebody asks for it. Deleting is announced as in garbage collection: a writer here
may be about to rely on an object that goes.
"""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

import numpy as np

from mandala_cas.blobs.packs import Placement
from mandala_cas.blobs.store import BlobStore
from mandala_cas.envelope.signatures import Signer
from mandala_cas.errors import CorruptionError, UnsupportedFormatError, UsageError
from mandala_cas.index.prefixes import prefixes_of
from mandala_cas.index.sorting import among
from mandala_cas.log.part import LogPart
from mandala_cas.log.view import LogView
from mandala_cas.model.entries import Tier, ValueRecord
from mandala_cas.objectstore.api import ObjectInfo, ObjectStore
from mandala_cas.objectstore.layout import BLOBS, COLLECTIONS, PACKS
from mandala_cas.upkeep.amounts import Amount
from mandala_cas.upkeep.collecting.announcing import Crier, announced_in
from mandala_cas.upkeep.collecting.garbage import needed_by
from mandala_cas.upkeep.collecting.roots import find_live_values
from mandala_cas.upkeep.placed_values import objects_of
from mandala_cas.upkeep.printing import Report, as_count, as_size, as_table
from mandala_cas.values.freed import Freed
from mandala_cas.values.opening import open_verified
from mandala_cas.values.promises import Promises

NOT_HELD: Final = "not held, or not whole, elsewhere"
NOT_LIVE: Final = "of no call on record: collect"

_BATCH: Final = 64


@dataclass(frozen=True, slots=True, repr=False)
class EvictReport(Report):
    """What was freed, and what was kept and why. ``url`` is the store that holds the values."""

    url: str
    freed: tuple[str, ...]
    freed_size: int
    kept_because: Mapping[str, Amount]

    def to_dict(self) -> dict[str, Any]:
        """Return everything as plain numbers, strings, lists and dictionaries."""
        return {
            "url": self.url,
            "freed": list(self.freed),
            "freed_size": self.freed_size,
            "kept_because": {label: a.to_dict() for label, a in self.kept_because.items()},
        }

    def __str__(self) -> str:
        """Return a table for a terminal."""
        freed = as_count(len(self.freed), "object")
        lines = [f"freed {freed}, {as_size(self.freed_size)}: held by {self.url}"]
        if self.kept_because:
            rows = [(n, a.object_count, as_size(a.size)) for n, a in self.kept_because.items()]
            lines += ["", as_table(("kept, because", "objects", "size"), rows)]
        return "\n".join(lines)


def evict(
    objects: ObjectStore,
    view: LogView,
    remote: ObjectStore,
    remote_view: LogView,
    *,
    promises: Promises,
    signer: Signer | None,
    verify: bool = False,
    clock_us: Callable[[], int] = lambda: time.time_ns() // 1000,
    draw: Callable[[int], bytes] = os.urandom,
) -> EvictReport:
    """Free the payload objects of ``objects`` whose live values ``remote`` holds.

    An object goes if each live value in it is needed by a call or a tag in ``remote`` as well,
    and lies there in an object that a listing shows with the right size. ``verify`` also fetches
    each of them and checks its hash. Both views are refreshed.

    The order is: announce, read the log again, promise, delete. A crash at any moment leaves
    objects that are still here, or promised.

    Raises:
        UsageError: the two are one store, or ``remote`` does not outlive the process, or a
            listing of ``objects`` may lag.
        CorruptionError: some of the log here cannot be read, so it is not known what lies where.
        StoreUnavailableError: one of the two does not answer; nothing was lost.
    """
    _check_stores(objects, remote)
    eviction = _Eviction(
        objects, view, remote, promises, Crier(objects, signer, clock_us, draw), clock_us
    )
    return eviction.carry_out(remote_view, verify=verify)


# Where another store holds a value: a part of its log, and a row of its values.
_Held = dict[bytes, tuple[LogPart, int]]


@dataclass(frozen=True, slots=True)
class _Found:
    """What may be freed, and what is kept by the reason."""

    free: list[ObjectInfo]
    kept: dict[str, list[ObjectInfo]]


@dataclass(frozen=True, slots=True)
class _Eviction:
    """One eviction: the two stores, and who notes and announces it."""

    objects: ObjectStore
    view: LogView
    remote: ObjectStore
    promises: Promises
    crier: Crier
    clock_us: Callable[[], int]

    def carry_out(self, remote_view: LogView, *, verify: bool) -> EvictReport:
        """Announce, read the log again, promise, delete."""
        remote_view.refresh()
        held = _held_by(self.remote, remote_view)
        listed = [info for prefix in (PACKS, BLOBS) for info in self.objects.list(prefix)]
        self.view.refresh()
        found = self.sort(listed, held)
        if verify:
            contents = {content_id for _, content_id in _values_in(found.free, self.view)}
            damaged = _damaged(contents, held, self.remote)
            held = {id_: place for id_, place in held.items() if id_ not in damaged}
            found = self.sort(listed, held)
        if found.free:
            late = self.free(found.free, held)
            found = _Found(late.free, _joined(found.kept, late.kept))
        return EvictReport(
            url=self.remote.url,
            freed=tuple(info.name for info in found.free),
            freed_size=sum(info.size for info in found.free),
            kept_because={reason: Amount.of(infos) for reason, infos in found.kept.items()},
        )

    def free(self, chosen: Sequence[ObjectInfo], held: _Held) -> _Found:
        """Delete what was chosen, unless somebody has come to need more of it meanwhile."""
        names = [info.name for info in chosen]
        announced = self.crier.announce(names)
        shown = {info.name for info in self.remote.list(COLLECTIONS)}
        if any(item.name in shown for item in announced):
            raise _same_store(self.objects.url, self.remote.url)
        # Who published before the announcement is seen now; who does after it sees that.
        self.view.refresh()
        self.crier.check_shown(announced, self.view.listing.announcements)
        # Only what was announced: who knows what else may go by now.
        found = self.sort(chosen, held)
        # What nobody needs and the other store lacks goes with the rest of its object, and is no
        # part of the promise: a writer may come to rely on it at this moment, and must find out.
        values = [value for value in _values_in(found.free, self.view) if value[1] in held]
        # Before anything goes: a crash after this line leaves a promise of what is still here,
        # one after a deletion without it would leave values that nobody knows where to find.
        self.promises.add(self.remote.url, values, evicted_us=self.clock_us())
        self.objects.delete([info.name for info in found.free])
        freed = {info.name for info in found.free}
        spared = [info for info in chosen if info.name not in freed]
        for item in announced:
            self.crier.report_done(item, len(announced_in(spared, [item])))
        return found

    def sort(self, infos: Sequence[ObjectInfo], held: _Held) -> _Found:
        """Sort payload objects by whether each live value in them is held elsewhere."""
        needed_by(self.view, self.objects.url)
        parts = list(self.view.parts.values())
        live = np.union1d(*find_live_values(parts))
        numbers = {info.name: number for number, info in enumerate(infos)}
        has_live, is_held = np.zeros(len(infos), np.bool_), np.ones(len(infos), np.bool_)
        for part in parts:
            contents = part.values.fixed("content_id")
            places = objects_of(part, numbers)
            rows = np.flatnonzero((places >= 0) & among(prefixes_of(contents), live))
            has_live[places[rows]] = True
            lacking = [row for row in rows.tolist() if contents[row] not in held]
            is_held[places[lacking]] = False
        found = _Found([], {})
        for number, info in enumerate(infos):
            if has_live[number] and is_held[number]:
                found.free.append(info)
            else:
                reason = NOT_HELD if has_live[number] else NOT_LIVE
                found.kept.setdefault(reason, []).append(info)
        return found


def _joined(
    first: dict[str, list[ObjectInfo]], second: dict[str, list[ObjectInfo]]
) -> dict[str, list[ObjectInfo]]:
    """Return what was kept at two moments, by the reason."""
    return {
        reason: first.get(reason, []) + second.get(reason, [])
        for reason in sorted(first.keys() | second.keys())
    }


def _check_stores(objects: ObjectStore, remote: ObjectStore) -> None:
    """Refuse two stores between which nothing can be evicted."""
    if objects.url == remote.url:
        raise _same_store(objects.url, remote.url)
    if not remote.capabilities.persistent:
        raise UsageError(
            f"{remote.url} does not outlive this process, so it cannot hold what is freed here; "
            "name a store that lasts",
            url=remote.url,
        )
    if not objects.capabilities.strong_list:
        raise UsageError(
            f"listings of {objects.url} may lag, so a writer might not see that its values are "
            "about to go; nothing can be freed from it while it holds a log",
            url=objects.url,
        )


def _same_store(url: str, remote_url: str) -> UsageError:
    """Return the error of somebody who would free the only copy."""
    return UsageError(
        f"{url} and {remote_url} are one store; nothing was freed: name a store that holds "
        "another copy",
        url=remote_url,
    )


def _held_by(remote: ObjectStore, view: LogView) -> _Held:
    """Return where another store holds values that it needs itself.

    Others would go with its next collection. What its listing does not show with the size that
    its log says is not held.
    """
    sizes = {info.name: info.size for prefix in (PACKS, BLOBS) for info in remote.list(prefix)}
    parts = list(view.parts.values())
    live = np.union1d(*find_live_values(parts))
    held: _Held = {}
    for part in parts:
        values = part.values
        locations = values.text("location")
        of_words = np.array([sizes.get(word, -1) for word in locations.words] or [-1], np.int64)
        there = of_words[locations.codes] if len(locations) else np.zeros(0, np.int64)
        ends = (values.numbers("offset") + values.numbers("stored_size")).astype(np.int64)
        whole = np.where(values.numbers("tier") == Tier.LOOSE, there == ends, there >= ends)
        contents = values.fixed("content_id")
        # An inline value has no object; that it is held is the log's own affair.
        is_placed = values.numbers("tier") != Tier.INLINE
        rows = np.flatnonzero(whole & is_placed & among(prefixes_of(contents), live))
        held.update((contents[row], (part, row)) for row in rows.tolist())
    return held


def _values_in(infos: Sequence[ObjectInfo], view: LogView) -> set[Freed]:
    """Return the values that a log places in some objects, each with the object."""
    numbers = {info.name: number for number, info in enumerate(infos)}
    found: set[Freed] = set()
    for part in view.parts.values():
        contents = part.values.fixed("content_id")
        places = objects_of(part, numbers)
        rows = np.flatnonzero(places >= 0).tolist()
        found.update((infos[places[row]].name, contents[row]) for row in rows)
    return found


def _damaged(contents: set[bytes], held: _Held, remote: ObjectStore) -> set[bytes]:
    """Return those of ``contents`` whose copy in the other store is not what its log says."""
    blobs = BlobStore(remote)
    wanted = sorted(id_ for id_ in contents if id_ in held)
    damaged: set[bytes] = set()
    for start in range(0, len(wanted), _BATCH):
        batch = wanted[start : start + _BATCH]
        records = [part.value_record(row) for part, row in (held[id_] for id_ in batch)]
        places = [Placement(r.location, r.offset, r.stored_size) for r in records]
        for id_, record, data in zip(batch, records, blobs.get_many(places), strict=True):
            if data is None or not _is_whole(record, data):
                damaged.add(id_)
    return damaged


def _is_whole(record: ValueRecord, data: bytes) -> bool:
    """Tell whether an envelope holds what its record says."""
    try:
        open_verified(data, name=record.location, record=record)
    except (CorruptionError, UnsupportedFormatError):
        return False
    return True
