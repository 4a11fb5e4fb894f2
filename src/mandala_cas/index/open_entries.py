"""Point lookups in what this process has not published: in bytes, until somebody asks."""

from __future__ import annotations

from collections.abc import Sequence

from mandala_cas.log.groups import unpack_group
from mandala_cas.log.writer import Appended
from mandala_cas.model.entries import CallRecord, Entry, ValueRecord
from mandala_cas.model.ids import CallContentId, CallId, ContentId, Dot, WriterId


class OpenEntries:
    """Calls and values by id, each as the group that it was recorded with.

    A call that is asked for is made of its group, and kept. Nothing else here is gone through when
    garbage is collected, however many calls there are: keys and groups are plain bytes.
    """

    def __init__(self) -> None:
        """Start empty."""
        self._calls: dict[bytes, bytes | CallRecord] = {}
        self._equal: dict[bytes, bytes | CallRecord] = {}
        self._values: dict[bytes, bytes] = {}
        self._dots: dict[bytes, tuple[bytes, int, int]] = {}

    def clear(self) -> None:
        """Forget everything."""
        self._calls.clear()
        self._equal.clear()
        self._values.clear()
        self._dots.clear()

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
                self._dots.setdefault(call_id, (bytes(writer), seq, row))
                self._calls.setdefault(call_id, packed)
                self._equal.setdefault(bytes(entry.content_id), packed)
                row += 1

    def find(self, call_id: CallId) -> CallRecord | None:
        """Return the record of a call, if there is one."""
        found = self._calls.get(call_id)
        if isinstance(found, bytes):
            calls = [call for call in _calls_of(found) if call.call_id == call_id]
            found = self._calls[calls[0].call_id] = calls[0]
        return found

    def find_equal(self, content_id: CallContentId) -> CallRecord | None:
        """Return the record of a call of equal content, if there is one."""
        found = self._equal.get(content_id)
        if isinstance(found, bytes):
            calls = [call for call in _calls_of(found) if call.content_id == content_id]
            found = self._equal[calls[0].content_id] = calls[0]
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
        packed = self._values.get(content_id)
        if packed is None:
            return None
        values = [value.record for value in unpack_group(packed).values]
        return next(value for value in values if value.content_id == content_id)


def _calls_of(packed: bytes) -> list[CallRecord]:
    """Return the calls of a group."""
    return [entry for entry in unpack_group(packed).entries if isinstance(entry, CallRecord)]
