"""A collector that steps in where it does most harm."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from itertools import count

from tests.crash.dying import Disk

from mandala_cas.log.announcements import encode_condemned
from mandala_cas.objectstore.api import ObjectInfo, ObjectStore
from mandala_cas.objectstore.layout import BLOBS, MANIFEST, PACKS

_nonces = count(1)


class Interrupted(Disk):
    """A store in which something happens right before the next listings of the manifest."""

    def __init__(self) -> None:
        """Nothing happens yet."""
        super().__init__()
        self.before_listings: list[Callable[[], None]] = []

    def list(self, prefix: str) -> Iterator[ObjectInfo]:
        """List, after what was to happen."""
        if prefix == MANIFEST and self.before_listings:
            self.before_listings.pop(0)()
        return super().list(prefix)


def payload_of(objects: ObjectStore) -> list[str]:
    """Return the names of all packs and blobs."""
    return sorted(info.name for prefix in (PACKS, BLOBS) for info in objects.list(prefix))


def announce(objects: ObjectStore, names: Iterable[str]) -> None:
    """Announce that objects are about to be deleted."""
    name, sealed = encode_condemned(
        names, created_us=1, nonce=next(_nonces).to_bytes(16, "big"), signer=None
    )
    objects.put(name, sealed.parts)


def condemn_all(objects: ObjectStore) -> Callable[[], None]:
    """Return what condemns all payload that there is, and deletes it."""

    def collect() -> None:
        names = payload_of(objects)
        if names:
            announce(objects, names)
            objects.delete(names)

    return collect
