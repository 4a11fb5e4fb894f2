"""The calls on record, as the memoizer sees them: index, values and batch behind one Protocol."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping, Sequence
from typing import Any

from mandala_cas.codec.canonical import content_id
from mandala_cas.codec.hooks import Hasher
from mandala_cas.codec.impressions import ValueImpression
from mandala_cas.errors import CorruptionError
from mandala_cas.index.lookup import CallLookup
from mandala_cas.memo import recovery
from mandala_cas.memo.book import Prepared
from mandala_cas.memo.reports import explained
from mandala_cas.model.entries import CallRecord, Tombstone, TombstoneReason
from mandala_cas.model.ids import CallContentId, CallId, ContentId, constant_history_id
from mandala_cas.model.outcomes import Loaded, Outcome
from mandala_cas.model.refs import AtomRef, Ref, RefLoader
from mandala_cas.values.creators import Creators
from mandala_cas.values.load import ValueLoader
from mandala_cas.values.recorder import Recorder
from mandala_cas.values.save import PreparedValue, ValueEncoder
from mandala_cas.values.trust import Origin


class StoredCalls:
    """Implements ``mandala_cas.memo.book.CallBook`` on a store."""

    def __init__(
        self,
        *,
        lookup: CallLookup,
        recorder: Recorder,
        encoder: ValueEncoder,
        values: ValueLoader,
        creators: Creators,
        loader: RefLoader,
        clock_us: Callable[[], int],
        checks_mutation: bool = False,
    ) -> None:
        """``loader`` is what the refs handed out carry."""
        self._lookup = lookup
        self._recorder = recorder
        self._encoder = encoder
        self._values = values
        self._creators = creators
        self._clock_us = clock_us
        self.loader = loader
        self.checks_mutation = checks_mutation

    def content_id(self, value: Any, hasher: Hasher | None = None) -> ContentId:
        """Return the content id of a value."""
        return content_id(value, hasher=hasher)

    def impression(self, value: Any, hasher: Hasher | None = None) -> ValueImpression:
        """Remember what a value is like."""
        return ValueImpression(value, hasher)

    def find(self, call_id: CallId) -> CallRecord | None:
        """Return the live record of a call, if there is one."""
        return self._lookup.find(call_id)

    def find_equal(self, content_id: CallContentId) -> CallRecord | None:
        """Return a live record of a call of equal content, if there is one."""
        return self._lookup.find_equal(content_id)

    def look_again(self, op_name: str) -> bool:
        """Take in what others published, where running the op costs far more than a look."""
        mean_s = self._lookup.ops_mean_duration(op_name)
        return mean_s is not None and self._recorder.look(worth_s=mean_s)

    def load(self, refs: Sequence[Ref], *, mmap: bool = True) -> list[Any]:
        """Return the values of refs, fetched together; inside the storage, lost ones are made."""
        return recovery.load(refs, self, mmap=mmap)

    def load_each(self, refs: Sequence[Ref], *, mmap: bool = True) -> list[Outcome]:
        """Return for each ref its value or what is wrong with it, fetched together."""
        return self._values.load_each([ref.content_id for ref in refs], mmap=mmap)

    def load_values(self, content_ids: Sequence[ContentId]) -> list[Any]:
        """Return values by content id, in one batch; a question runs no op."""
        values = []
        for value_id, outcome in zip(content_ids, self._values.load_each(content_ids), strict=True):
            if isinstance(outcome, CorruptionError):
                ref = AtomRef(constant_history_id(value_id), value_id)
                raise explained(ref, outcome, self.creators(ref)) from outcome
            if not isinstance(outcome, Loaded):
                raise outcome
            values.append(outcome.value)
        return values

    def creators(self, ref: Ref) -> list[CallRecord]:
        """Return calls on record that gave the value of a ref, that of its history first."""
        found = [
            *self._creators.by_history(ref.history_id),
            *self._creators.by_content({ref.content_id}),
        ]
        gave: dict[CallId, CallRecord] = {}
        for _, record in found:
            if any(slot.content_id == ref.content_id for slot in record.outputs):
                gave.setdefault(record.call_id, record)
        return list(gave.values())

    def origins_of(self, content_ids: Collection[ContentId]) -> Mapping[ContentId, Origin]:
        """Return the op and output that gave each of these values, of those that have one."""
        return self._creators.origins_of(content_ids)

    def check_codec(self, codec_name: str) -> None:
        """Refuse a codec that is not here."""
        self._encoder.check_codec(codec_name)

    def prepare(
        self,
        value: Any,
        content_id: ContentId | None = None,
        codec_name: str | None = None,
        *,
        hasher: Hasher | None = None,
        is_ref: bool = False,
    ) -> PreparedValue:
        """Take the bytes of a value."""
        return self._encoder.prepare(value, content_id, codec_name, hasher=hasher, is_ref=is_ref)

    def record(self, call: CallRecord, values: Sequence[Prepared]) -> None:
        """Put the values and the call on record, as one."""
        self._recorder.record(call, _own(values))

    def record_again(
        self, call: CallRecord, values: Sequence[Prepared], lost: Collection[ContentId]
    ) -> None:
        """Put a call on record anew, and hide those of its records that gave what is lost."""
        self._recorder.record(call, _own(values), self._hides(call.call_id, lost))

    def mark_lost(self, call_id: CallId, lost: Collection[ContentId]) -> None:
        """Hide those records of a call that gave what is lost."""
        self._recorder.drop(self._hides(call_id, lost))

    def _hides(self, call_id: CallId, lost: Collection[ContentId]) -> list[Tombstone]:
        """Return what hides those records of a call that gave what is lost."""
        dots = [c.dot for c in self._creators.by_content(lost) if c.record.call_id == call_id]
        return [Tombstone(d.writer, d.seq, d.row, d.row, TombstoneReason.LOST) for d in dots]

    def now_us(self) -> int:
        """Return the time, in microseconds since 1970."""
        return self._clock_us()


def _own(values: Sequence[Prepared]) -> list[PreparedValue]:
    """Return values as what they are."""
    own = [value for value in values if isinstance(value, PreparedValue)]
    assert len(own) == len(values), "the memoizer hands back what `prepare` gave it"
    return own
