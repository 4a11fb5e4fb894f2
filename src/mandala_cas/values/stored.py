"""Which values need no bytes of their own: a place on record has them.

A record can outlive its place. Garbage collection deletes the payload of calls that were dropped,
and repair puts aside what is damaged, while segments go on naming the place until they are merged
away. Whoever relied on that name would commit a call without its value. So in a log that hides
records, a place is read and verified before it is relied on, once in a process: nobody else
looks after what no live call uses, so it may be damaged as well as gone.
"""

from __future__ import annotations

from collections.abc import Callable

from mandala_cas.blobs.store import BlobStore
from mandala_cas.errors import CorruptionError
from mandala_cas.index.copies import ValueCopy
from mandala_cas.index.lookup import CallLookup
from mandala_cas.model.entries import Tier
from mandala_cas.model.ids import ContentId
from mandala_cas.values.resettling import read_copy
from mandala_cas.values.unreadable import UnreadablePlaces


class StoredValues:
    """Tells of a value whether the store has a copy that this user may rely on.

    A pickle of somebody untrusted does not count: the user's own bytes are stored beside it. Nor
    does a copy that was found missing or damaged. May be asked by several threads at once.
    """

    def __init__(
        self,
        blobs: BlobStore,
        lookup: CallLookup,
        *,
        is_held: Callable[[ContentId], bool],
        may_rely: Callable[[ValueCopy], bool],
        hides_records: Callable[[], bool],
        unreadable: UnreadablePlaces,
    ) -> None:
        """Ask ``may_rely`` whose word is good enough, and whether the place will stay.

        ``is_held`` tells of the open batch, ``hides_records`` whether the log has tombstones.
        """
        self._blobs = blobs
        self._lookup = lookup
        self._is_held = is_held
        self._may_rely = may_rely
        self._hides_records = hides_records
        self._unreadable = unreadable
        self._seen: set[ContentId] = set()

    def __call__(self, content_id: ContentId) -> bool:
        """Tell whether the value is stored."""
        if self._lookup.has_open_value(content_id) or self._is_held(content_id):
            return True
        for copy in self._lookup.copies(content_id):
            if copy not in self._unreadable and self._may_rely(copy) and self._is_there(copy):
                return True
        return False

    def _is_there(self, copy: ValueCopy) -> bool:
        """Tell whether the place of a copy can be relied on."""
        record = copy.record
        if record.tier is Tier.INLINE or record.content_id in self._seen:
            return True
        if not self._hides_records():
            return True
        try:
            is_there = read_copy(self._blobs, [record]) is not None
        except CorruptionError:
            # The record names no place that could be.
            is_there = False
        if is_there:
            self._seen.add(record.content_id)
        else:
            self._unreadable.add(copy)
        return is_there
