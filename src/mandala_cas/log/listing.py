"""What lies in the manifest at one moment, asked for in the only safe order.

A compactor writes a run, and deletes what it covers later. A reader that listed runs first and
segments later could see neither: the run came after the one listing, the segments went before the
other. So it is segments, then runs, then announcements: the reverse of the order of writing.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

from mandala_cas.errors import UnsupportedFormatError
from mandala_cas.objectstore.api import ObjectInfo, ObjectStore
from mandala_cas.objectstore.layout import COLLECTIONS, MANIFEST, RUNS, SEGMENTS

_KNOWN: Final = (SEGMENTS, RUNS, COLLECTIONS)


@dataclass(frozen=True, slots=True)
class Listing:
    """One listing of the manifest: what lies in each of its folders, by name.

    ``newest`` is the newest time of modification among all of it, by the store's own clock; None
    where the store tells none.
    """

    segments: Mapping[str, ObjectInfo]
    runs: Mapping[str, ObjectInfo]
    announcements: Mapping[str, ObjectInfo]
    newest: float | None


EMPTY: Final = Listing({}, {}, {}, None)


def list_manifest(objects: ObjectStore) -> Listing:
    """List the manifest: one request where the store lists in the order of names, else three.

    Raises:
        UnsupportedFormatError: there is a kind of log object that this version does not know.
        StoreUnavailableError: the store does not answer.
    """
    found: dict[str, dict[str, ObjectInfo]] = {folder: {} for folder in _KNOWN}
    # The folders are numbered so that the order of names is the safe one. In any other order, what
    # the first listing says of runs and announcements may be too old, so they are listed again.
    in_order = getattr(objects.capabilities, "flat_list", True)
    for prefix in (MANIFEST,) if in_order else (MANIFEST, RUNS, COLLECTIONS):
        for info in objects.list(prefix):
            folder = next((known for known in _KNOWN if info.name.startswith(known)), None)
            if folder is not None:
                found[folder][info.name] = info
            elif info.name.removeprefix(MANIFEST)[:1].isdigit():
                # Log objects are in folders with a number. Others are what file managers leave.
                raise UnsupportedFormatError(
                    f"this store has {info.name}, which this mandala-cas does not read: "
                    "upgrade it, results would be missing",
                    name=info.name,
                )
    times = [
        info.modified
        for infos in found.values()
        for info in infos.values()
        if info.modified is not None
    ]
    return Listing(
        found[SEGMENTS], found[RUNS], found[COLLECTIONS], newest=max(times, default=None)
    )
