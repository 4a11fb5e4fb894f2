"""Point lookups in what this process has not published: in bytes, until somebody asks."""

from __future__ import annotations

from collections.abc import Sequence

from mandala_cas.log.groups import CALL, entry_of, rows_of, unpack_group
from mandala_cas.log.writer import Appended
from mandala_cas.model.entries import CallRecord, Entry, Tombstone, ValueRecord
from mandala_cas.model.ids import CallContentId, CallId, ContentId, Dot, WriterId


class OpenEntries:
    """Calls and values by id, each as the group that it was recorded with.

    Of a group that is asked for the records are made, and kept. Nothing else here is gone through
    when garbage is collected, however many calls there are: keys and groups are plain bytes.
    """

    def __init__(self) -> None:
        """Start empty."""
        self._calls: dict[bytes, bytes | CallRecord] = {}
        self._equal: dict[bytes, bytes | CallRecord] = {}
        self._values: dict[bytes, bytes | ValueRecord] = {}
        self._dots: dict[bytes, tuple[bytes, int, int]] = {}
        self._ids: dict[tuple[bytes, int, int], bytes] = {}

    def clear(self) -> None:
        """Forget everything."""
        self._calls.clear()
        self._equal.clear()
        self._values.clear()
        self._dots.clear()
        self._ids.clear()

    def add(
        self, rows: Sequence[ValueRecord], entries: Sequence[Entry], appended: Appended
    ) -> None:
        """Take in the values and calls of a group; of several of one id, the first counts."""
        (writer, seq), row, _, packed = appended
        for value in rows:
            self._values.setdefault(bytes(value.content_id), packed)
        for entry in entries:
            if isinstance(entry, CallRecord):
                call_id = bytes(entry.call_id)
                # The dot first: Ctrl-C leaves no call that can be found and has none.
                dot = (bytes(writer), seq, row)
                self._ids[dot] = call_id
                self._dots.setdefault(call_id, dot)
                self._calls.setdefault(call_id, packed)
                self._equal.setdefault(bytes(entry.content_id), packed)
                row += 1

    def hide(self, tombstones: Sequence[Tombstone]) -> None:
        """Have the calls that are hidden answer no more; of what is published, nothing is here."""
        for tombstone in tombstones:
            if tombstone.last - tombstone.first < len(self._ids):
                rows = range(tombstone.first, tombstone.last + 1)
                dots = [(bytes(tombstone.writer), tombstone.seq, row) for row in rows]
            else:
                named = (tombstone.writer, tombstone.seq)
                first, last = tombstone.first, tombstone.last
                dots = [d for d in self._ids if d[:2] == named and first <= d[2] <= last]
            for dot in dots:
                self._hide(dot)

    def find(self, call_id: CallId) -> CallRecord | None:
        """Return the record of a call, if there is one."""
        found = self._calls.get(call_id)
        if isinstance(found, bytes):
            self._unpack_calls(found)
            return self.find(call_id)
        return found

    def find_equal(self, content_id: CallContentId) -> CallRecord | None:
        """Return the record of a call of equal content, if there is one."""
        found = self._equal.get(content_id)
        if isinstance(found, bytes):
            self._unpack_calls(found)
            return self.find_equal(content_id)
        return found

    def dot(self, call_id: CallId) -> Dot | None:
        """Return the dot that the record of a call will have."""
        found = self._dots.get(call_id)
        if found is None:
            return None
        writer, seq, row = found
        return Dot(WriterId(writer), seq, row)

    def has_value(self, content_id: ContentId) -> bool:
        """Tell whether a record says where a value is."""
        return content_id in self._values

    def value(self, content_id: ContentId) -> ValueRecord | None:
        """Return the record of a value, if there is one."""
        found = self._values.get(content_id)
        if isinstance(found, bytes):
            self._unpack_values(found)
            return self.value(content_id)
        return found

    def _hide(self, dot: tuple[bytes, int, int]) -> None:
        """Have the call of this dot answer no more, if it is here and the one that does."""
        call_id = self._ids.pop(dot, None)
        if call_id is None or self._dots.get(call_id) != dot:
            return
        record = self.find(CallId(call_id))
        if record is not None and self._equal.get(record.content_id) is record:
            del self._equal[record.content_id]
        self._calls.pop(call_id, None)
        del self._dots[call_id]

    def _unpack_calls(self, packed: bytes) -> None:
        """Put the calls of a group in the place of its bytes.

        All of them: who asks for one element of a collection asks for the next one, too, and a
        group may have a hundred thousand. Its values are left: a hit asks for none.
        """
        for fields in rows_of(packed)[1]:
            if fields[0] != CALL:
                continue
            call = entry_of(fields)
            assert isinstance(call, CallRecord), "that is what the kind says"
            if self._calls.get(call.call_id) is packed:
                self._calls[bytes(call.call_id)] = call
            if self._equal.get(call.content_id) is packed:
                self._equal[bytes(call.content_id)] = call

    def _unpack_values(self, packed: bytes) -> None:
        """Put the values of a group in the place of its bytes, all of them as well."""
        for value in unpack_group(packed).values:
            if self._values.get(value.record.content_id) is packed:
                self._values[bytes(value.record.content_id)] = value.record
