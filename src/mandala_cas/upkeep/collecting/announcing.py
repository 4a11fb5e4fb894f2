"""Saying what is about to be deleted, so that every writer can know, and what became of it."""

from __future__ import annotations

from collections.abc import Callable, Container, Iterable, Sequence
from dataclasses import dataclass

import numpy as np

from mandala_cas.envelope.signatures import Signer
from mandala_cas.errors import NotFoundError, StoreUnavailableError
from mandala_cas.log.announcements import (
    NAMES_MAX,
    Condemned,
    decode_condemned,
    digests_of,
    encode_condemned,
    encode_done,
)
from mandala_cas.log.graves import Flags
from mandala_cas.objectstore.api import ObjectInfo, ObjectStore
from mandala_cas.objectstore.layout import NONCE_SIZE


@dataclass(frozen=True, slots=True)
class Crier:
    """Announces on behalf of whoever deletes: first what will go, at the end what did."""

    objects: ObjectStore
    signer: Signer | None
    clock_us: Callable[[], int]
    draw: Callable[[int], bytes]

    def announce(self, names: Sequence[str]) -> list[Condemned]:
        """Announce that objects are about to be deleted, and see that others can read it.

        Raises:
            CorruptionError: what came back is not what was put.
            StoreUnavailableError: nothing came back.
        """
        made = []
        for start in range(0, len(names), NAMES_MAX):
            name, sealed = encode_condemned(
                names[start : start + NAMES_MAX],
                created_us=self.clock_us(),
                nonce=self.draw(NONCE_SIZE),
                signer=self.signer,
            )
            self.objects.put(name, sealed.parts)
            try:
                made.append(decode_condemned(name, self.objects.get(name)))
            except NotFoundError as error:
                raise self._not_shown(name) from error
        return made

    def check_shown(self, items: Iterable[Condemned], listed: Container[str]) -> None:
        """Check that a listing which began later shows all announcements, as writers need it.

        Raises:
            StoreUnavailableError: it does not: the store keeps less than it promises.
        """
        for item in items:
            if item.name not in listed:
                raise self._not_shown(item.name)

    def report_done(self, item: Condemned, spared_count: int) -> None:
        """Say that an announcement was carried out, but for so many objects that are in use."""
        name, sealed = encode_done(
            item.name,
            # Two names may share a digest, so there may be more spared than were announced.
            max(0, len(item) - spared_count),
            spared_count,
            created_us=self.clock_us(),
            nonce=self.draw(NONCE_SIZE),
            signer=self.signer,
        )
        self.objects.put(name, sealed.parts)

    def _not_shown(self, name: str) -> StoreUnavailableError:
        """Return the error of a store that hides what was put into it."""
        where = self.objects.url
        return StoreUnavailableError(
            f"{where} does not show {name}, which was put there, so writers may not see what is "
            "about to be deleted; nothing was deleted, collect again later",
            url=where,
            name=name,
        )


def announced_in(infos: Sequence[ObjectInfo], items: Iterable[Condemned]) -> list[ObjectInfo]:
    """Return those of ``infos`` that any of ``items`` condemns."""
    mask: Flags = np.zeros(len(infos), np.bool_)
    digests = digests_of(info.name for info in infos)
    for item in items:
        mask |= item.mask_of_digests(digests)
    return [infos[row] for row in np.flatnonzero(mask).tolist()]
