"""Places that this process found empty or damaged, although the log names them.

A value that was computed again must be written again, also where the index knows a place for it;
and not under the name of a blob that is there and broken, for a store may keep what is there.
"""

from __future__ import annotations

import os
import threading
from collections.abc import Callable
from typing import NamedTuple

from mandala_cas.index.copies import ValueCopy
from mandala_cas.log.forks import ForkAware
from mandala_cas.model.ids import PayloadHash
from mandala_cas.objectstore.layout import NONCE_SIZE, blob_name


class _Place(NamedTuple):
    """One place of one payload: two records may give different payloads the same place."""

    object_name: str
    offset: int
    payload_hash: PayloadHash


class UnreadablePlaces(ForkAware):
    """A set of places, by the records that name them. May be used by several threads at once.

    Only ever advice: a place that can be read again is forgotten by whoever read it, and one that
    is not known here costs an attempt.
    """

    def __init__(self, draw: Callable[[int], bytes] = os.urandom) -> None:
        """Start with none; ``draw`` gives random bytes."""
        self._draw = draw
        self._places: set[_Place] = set()
        self.renew()
        super().__init__()

    def renew(self) -> None:
        """Keep the places: they are as bad for a forked child."""
        self._lock = threading.Lock()

    def __contains__(self, copy: object) -> bool:
        """Tell whether a copy is known to be unreadable."""
        return isinstance(copy, ValueCopy) and _place_of(copy) in self._places

    def __len__(self) -> int:
        """Return how many places are known."""
        return len(self._places)

    def add(self, copy: ValueCopy) -> None:
        """Remember that this copy is missing or damaged."""
        with self._lock:
            self._places.add(_place_of(copy))

    def discard(self, copy: ValueCopy) -> None:
        """Forget a copy that could be read."""
        if self._places:
            with self._lock:
                self._places.discard(_place_of(copy))

    def nonce_for(self, payload_hash: PayloadHash) -> bytes:
        """Return what makes the name of a new loose blob: nothing, or where need be fresh bytes.

        The plain name will not do where something unreadable may lie under it: a store need not
        replace what is there, and a reader would find the same damage again.
        """
        plain = _Place(blob_name(payload_hash), 0, payload_hash)
        return self._draw(NONCE_SIZE) if plain in self._places else b""


def _place_of(copy: ValueCopy) -> _Place:
    """Return the place that a record names; an inline value lies in its segment."""
    record = copy.record
    return _Place(record.location or copy.segment or "", record.offset, record.payload_hash)
