"""What lies in a store, sorted by whether it is garbage, and why the rest is kept."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Final

from mandala_cas.errors import CorruptionError, UnsupportedFormatError
from mandala_cas.log.view import LogView
from mandala_cas.objectstore.api import ObjectInfo, ObjectStore
from mandala_cas.objectstore.layout import (
    BLOBS,
    CONFIG,
    MANIFEST,
    PACKS,
    QUARANTINE,
    README,
    RUN_PARTS,
    is_pack_name,
    is_run_part_name,
    payload_hash_of_blob,
)
from mandala_cas.upkeep.collecting.roots import Roots, find_roots

USED: Final = "used by calls on record"
TAGGED: Final = "tagged"
IN_RUN: Final = "part of a run"
YOUNG: Final = "younger than the grace"
AGELESS: Final = "of unknown age"
FOREIGN: Final = "named as no object is"
WAITING: Final = "announced, waits for a day"

_COLLECTED: Final = (PACKS, BLOBS, RUN_PARTS)
_KNOWN: Final = frozenset({README, CONFIG, MANIFEST, QUARANTINE, *_COLLECTED})


@dataclass(frozen=True, slots=True)
class Listed:
    """What lies where payload and parts of runs do; ``newest`` is of the whole store."""

    infos: Sequence[ObjectInfo]
    newest: float | None


@dataclass(frozen=True, slots=True)
class Sorted:
    """Objects that are garbage, and the others by the reason why they are kept."""

    garbage: Sequence[ObjectInfo]
    kept: Mapping[str, Sequence[ObjectInfo]]


@dataclass(frozen=True, slots=True)
class Needed:
    """What the visible log needs: payload that is rooted, and the parts of its runs."""

    roots: Roots
    run_parts: frozenset[str]

    def __contains__(self, name: object) -> bool:
        """Tell whether an object is needed."""
        return name in self.roots.used or name in self.roots.tagged or name in self.run_parts


def refuse_unknown_features(features: Iterable[str], where: str) -> None:
    """Refuse a store from which only a newer version may remove something.

    Raises:
        UnsupportedFormatError: this version knows no feature of that kind, and there is one.
    """
    unknown = sorted(features)
    if unknown:
        raise UnsupportedFormatError(
            f"{where} keeps objects by rules that this mandala-cas does not know "
            f"({', '.join(unknown)}): upgrade it before you remove anything",
            url=where,
            features=unknown,
        )


def list_store(objects: ObjectStore) -> Listed:
    """List the whole store: a request for each thousand objects.

    Raises:
        UnsupportedFormatError: something in its root is no part of a store as this version knows
            it; what that needs cannot be known.
    """
    infos = []
    newest: float | None = None
    unknown = set()
    for info in objects.list(""):
        folder, slash, _ = info.name.partition("/")
        if folder + slash not in _KNOWN:
            unknown.add(folder + slash)
        elif folder + slash in _COLLECTED:
            infos.append(info)
        if info.modified is not None:
            newest = info.modified if newest is None else max(newest, info.modified)
    if unknown:
        raise UnsupportedFormatError(
            f"{objects.url} has {', '.join(sorted(unknown)[:3])} in its root, which this "
            "mandala-cas does not know, so it cannot tell what may go: upgrade it, or move away "
            "what is not the store's",
            url=objects.url,
            found=sorted(unknown),
        )
    infos.sort(key=lambda info: info.name)
    return Listed(infos, newest)


def needed_by(view: LogView, where: str) -> Needed:
    """Return what the visible log needs.

    Raises:
        CorruptionError: some of the log cannot be read, and what it names would count as garbage.
    """
    unread = sorted({*view.damaged, *(view.listing.runs.keys() - view.runs.keys())} - view.unmissed)
    if unread:
        raise CorruptionError(
            f"some of the log of {where} cannot be read, {unread[0]} for one, so what it names "
            "would count as garbage; nothing was removed: run fsck, then repair",
            url=where,
            names=unread,
        )
    run_parts = frozenset(part.name for run in view.runs.values() for part in run.parts)
    return Needed(find_roots(view.parts.values()), run_parts)


def sort_out(
    infos: Iterable[ObjectInfo],
    needed: Needed,
    *,
    now: float | None,
    grace_s: float,
    may_be_ageless: bool,
) -> Sorted:
    """Sort objects by whether they are garbage. Names are compared exactly as they are stored.

    ``may_be_ageless`` says that an object whose age the store does not tell may go.
    """
    garbage: list[ObjectInfo] = []
    kept: dict[str, list[ObjectInfo]] = {}
    for info in infos:
        name = info.name
        if name in needed.roots.used:
            reason = USED
        elif name in needed.roots.tagged:
            reason = TAGGED
        elif name in needed.run_parts:
            reason = IN_RUN
        elif not _is_ours(name):
            reason = FOREIGN
        elif info.modified is None or now is None:
            reason = "" if may_be_ageless else AGELESS
        else:
            reason = "" if now - info.modified >= grace_s else YOUNG
        if reason:
            kept.setdefault(reason, []).append(info)
        else:
            garbage.append(info)
    return Sorted(garbage, kept)


def _is_ours(name: str) -> bool:
    """Tell whether an object has a name that this version gives."""
    return is_pack_name(name) or is_run_part_name(name) or payload_hash_of_blob(name) is not None
