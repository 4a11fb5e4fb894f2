"""Where this machine keeps what is its own about a store: journal, spool, kept index, files.

Architecture invariant: nothing here is shared. Deleting it loses time, and at most what a killed
process had computed and not committed.
"""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path

from blake3 import blake3

from mandala_cas.objectstore.api import ObjectStore
from mandala_cas.objectstore.layout import LOCAL
from mandala_cas.objectstore.local import LocalObjectStore


@dataclass(frozen=True, slots=True)
class LocalPlaces:
    """Folders of this machine for one store; None where nothing is kept.

    ``local`` holds journal and spool: in the store's own folder where it is a folder, so that they
    move with it. ``index``, and ``files`` with the contents of stored files, are always in the
    user's own cache: a folder that somebody sent may hold anything, also a crafted index.
    """

    local: Path | None
    index: Path | None
    files: Path | None


def default_cache_directory() -> Path:
    """Return where the caches of this user are."""
    import platformdirs  # noqa: PLC0415 (only stores that persist need it)

    return Path(platformdirs.user_cache_dir("mandala-cas", appauthor=False))


def local_places(
    objects: ObjectStore, uuid: str, cache_directory: str | os.PathLike[str] | None
) -> LocalPlaces:
    """Return the folders for the store ``uuid``; nothing is made yet.

    A store in memory has none. Any other but a folder is known by its uuid together with its place:
    a bucket that claims the uuid of another one must not be given that one's journal.
    """
    if not objects.capabilities.persistent:
        return LocalPlaces(None, None, None)
    root = Path(cache_directory) if cache_directory is not None else default_cache_directory()
    # Hashed: both come from outside, and neither may choose a path.
    own = root / blake3(f"{uuid}\0{objects.url}".encode()).hexdigest()[:32]
    if isinstance(objects, LocalObjectStore):
        return LocalPlaces(objects.root / LOCAL, own / "index", own / "files")
    return LocalPlaces(own / LOCAL, own / "index", own / "files")
