"""Names that people give to refs and calls, as methods of a storage."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from mandala_cas.index.tags import tags_in_effect
from mandala_cas.model.calls import Call
from mandala_cas.model.entries import TagRecord
from mandala_cas.model.ids import CallId
from mandala_cas.model.refs import Ref
from mandala_cas.storage.assembly import now_us
from mandala_cas.storage.base import StorageFace
from mandala_cas.storage.tagging import (
    check_tagged,
    ref_on_record,
    tag_records,
    things_tagged,
    untags_of,
)


class StoreTags(StorageFace):
    """The part of a storage that knows tags."""

    def tag(self, name: str, things: Ref | Call | str | Iterable[Ref | Call | str]) -> None:
        """Give refs or calls a name; what it is on is kept, also if its calls are dropped.

        Args:
            name: up to 200 characters; a name may be on many things, and is added to what it is on.
            things: refs, calls, or their hids, one or several.

        Raises:
            NotFoundError: a hid is none of this store's; or a value is gone, because others
                dropped its calls and collected it while it was tagged.
        """
        self._check_writable("tag")
        records = tag_records(name, things, now_us(), self._find_by_hid)
        self._parts.recorder.tag(records)
        self.commit()
        check_tagged(records, tags_in_effect(self._parts.log.parts()).get(name, []))

    def untag(
        self, name: str, things: Ref | Call | str | Iterable[Ref | Call | str] | None = None
    ) -> None:
        """Take a name off refs or calls, or off everything that has it.

        Raises:
            NotFoundError: there is no such tag, or it is not on one of them.
        """
        self._check_writable("untag")
        self.commit()
        tagged = tags_in_effect(self._parts.log.parts()).get(name, [])
        self._parts.recorder.untag(untags_of(name, things, tagged))
        self.commit()

    def tags(self) -> dict[str, list[Ref | Call]]:
        """Return what each tag is on, by name."""
        self._check_open()
        return {
            name: things_tagged(tagged, self._find_call, self._parts.book.loader)
            for name, tagged in tags_in_effect(self._parts.log.parts()).items()
        }

    def _tags_in_effect(self) -> Iterator[TagRecord]:
        """Yield the records of all tags in effect."""
        for tagged in tags_in_effect(self._parts.log.parts()).values():
            yield from (item.record for item in tagged)

    def _find_call(self, call_id: CallId) -> Call | None:
        """Return a call on record, if it is there."""
        record = self._parts.lookup.find(call_id)
        return None if record is None else Call(self._names.in_record(record), self)

    def _find_by_hid(self, hid: bytes) -> Ref | Call | None:
        """Return the call or the ref of a history id, if there is one."""
        found = self._find_call(CallId(hid))
        return (
            found
            if found is not None
            else ref_on_record(self._parts.log.parts(), hid, self._parts.book.loader)
        )
