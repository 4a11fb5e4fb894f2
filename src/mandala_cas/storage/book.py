"""The calls on record, as the memoizer sees them: index, values and batch behind one Protocol."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from mandala_cas.codec.canonical import content_id
from mandala_cas.index.lookup import CallLookup
from mandala_cas.memo.book import Prepared
from mandala_cas.model.entries import CallRecord
from mandala_cas.model.ids import CallContentId, CallId, ContentId
from mandala_cas.model.refs import Ref, RefLoader
from mandala_cas.values.load import ValueLoader
from mandala_cas.values.recorder import Recorder
from mandala_cas.values.save import PreparedValue, ValueEncoder


class StoredCalls:
    """Implements ``mandala_cas.memo.book.CallBook`` on a store."""

    def __init__(
        self,
        *,
        lookup: CallLookup,
        recorder: Recorder,
        encoder: ValueEncoder,
        values: ValueLoader,
        loader: RefLoader,
        clock_us: Callable[[], int],
    ) -> None:
        """``loader`` is what the refs handed out carry."""
        self._lookup = lookup
        self._recorder = recorder
        self._encoder = encoder
        self._values = values
        self._clock_us = clock_us
        self.loader = loader

    def content_id(self, value: Any) -> ContentId:
        """Return the content id of a value."""
        return content_id(value)

    def find(self, call_id: CallId) -> CallRecord | None:
        """Return the live record of a call, if there is one."""
        return self._lookup.find(call_id)

    def find_equal(self, content_id: CallContentId) -> CallRecord | None:
        """Return a live record of a call of equal content, if there is one."""
        return self._lookup.find_equal(content_id)

    def load(self, refs: Sequence[Ref]) -> list[Any]:
        """Return the values of refs, fetched together."""
        return self._values.load_many([ref.content_id for ref in refs])

    def prepare(self, value: Any, content_id: ContentId | None = None) -> PreparedValue:
        """Take the bytes of a value."""
        return self._encoder.prepare(value, content_id)

    def record(self, call: CallRecord, values: Sequence[Prepared]) -> None:
        """Put the values and the call on record, as one."""
        own = [value for value in values if isinstance(value, PreparedValue)]
        assert len(own) == len(values), "the memoizer hands back what `prepare` gave it"
        self._recorder.record(call, own)

    def now_us(self) -> int:
        """Return the time, in microseconds since 1970."""
        return self._clock_us()
