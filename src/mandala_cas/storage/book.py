"""The calls on record, as the memoizer sees them: index, values and batch behind one Protocol."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

from mandala_cas.codec.canonical import content_id
from mandala_cas.codec.hooks import Hasher
from mandala_cas.codec.impressions import ValueImpression
from mandala_cas.errors import CorruptionError, NotFoundError
from mandala_cas.index.lookup import CallLookup
from mandala_cas.memo import recovery
from mandala_cas.memo.book import Prepared
from mandala_cas.memo.reports import explained
from mandala_cas.memo.settings import OnStale
from mandala_cas.model.collections import Collection as StoredCollection
from mandala_cas.model.entries import CallRecord, Tombstone, TombstoneReason
from mandala_cas.model.ids import CallContentId, CallId, ContentId, Dot, constant_history_id
from mandala_cas.model.outcomes import Loaded, Outcome
from mandala_cas.model.refs import AtomRef, Elements, Ref, RefLoader
from mandala_cas.storage.collections import StoredCollections
from mandala_cas.storage.sources import Sources
from mandala_cas.values.creators import Creators
from mandala_cas.values.load import ValueLoader
from mandala_cas.values.recorder import Recorder
from mandala_cas.values.resolving import load_whole
from mandala_cas.values.save import PreparedValue, ValueEncoder
from mandala_cas.values.trust import Origin


@dataclass(frozen=True, slots=True)
class BookRules:
    """What a storage says of all ops: ``on_stale`` of those that do not say it themselves."""

    checks_mutation: bool = False
    on_stale: OnStale = "warn"
    namespace: str = ""
    records_failures: bool = False


_DEFAULT_RULES: Final = BookRules()


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
        sources: Sources,
        rules: BookRules = _DEFAULT_RULES,
    ) -> None:
        """``loader`` is what the refs handed out carry."""
        self._lookup = lookup
        self._recorder = recorder
        self._encoder = encoder
        self._values = values
        self._creators = creators
        self.collections = StoredCollections(lookup, values, creators, loader)
        self._clock_us = clock_us
        # Names of ops; what is not published yet, no part of the log has.
        self._recorded: set[str] = set()
        self.loader = loader
        # Said later, and changed by the user while the store is open.
        self.allows_new_calls = True
        self.records_failures = rules.records_failures
        self.checks_mutation = rules.checks_mutation
        self.on_stale: OnStale = rules.on_stale
        self.namespace = rules.namespace
        self.keep_source = sources.keep
        self.find_source = sources.find

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

    def may_have(self, op_name: str) -> bool:
        """Tell whether a call of the op was recorded here, or is in what was read of the log."""
        return op_name in self._recorded or self._lookup.ops_mean_duration(op_name) is not None

    def load(self, refs: Sequence[Ref], *, mmap: bool = True) -> list[Any]:
        """Return the values of refs, fetched together; inside the storage, lost ones are made."""
        return recovery.load(refs, self, mmap=mmap)

    def load_each(self, refs: Sequence[Ref], *, mmap: bool = True) -> list[Outcome]:
        """Return for each ref its value or what is wrong with it, fetched together."""
        return load_whole(self._values, [ref.content_id for ref in refs], mmap=mmap)

    def load_values(self, content_ids: Sequence[ContentId]) -> list[Any]:
        """Return values by content id, in one batch; a question runs no op."""
        values = []
        for value_id, outcome in zip(
            content_ids, load_whole(self._values, content_ids), strict=True
        ):
            if isinstance(outcome, CorruptionError):
                ref = AtomRef(constant_history_id(value_id), value_id)
                raise explained(ref, outcome, self.creators(ref)) from outcome
            if isinstance(outcome, NotFoundError):
                raise NotFoundError(
                    f"{outcome}; an op with save_inputs=False saves no value that it is given, and "
                    "its inputs can be named in lazy_vars",
                    **outcome.details,
                ) from outcome
            if not isinstance(outcome, Loaded):
                raise outcome
            values.append(outcome.value)
        return values

    def elements(self, ref: Ref) -> Elements:
        """Return refs of the elements of a collection; inside the storage, a lost one is made."""
        try:
            return self.collections.elements(ref)
        except CorruptionError:
            recovery.load([ref], self)
        return self.collections.elements(ref)

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

    def collections_below(
        self, content_ids: Sequence[ContentId]
    ) -> Mapping[ContentId, StoredCollection]:
        """Return what is stored of the collections among some values, and of those in them."""
        return self.collections.below(content_ids)

    def record(
        self,
        call: CallRecord,
        values: Sequence[Prepared],
        structural: Sequence[CallRecord] = (),
        *,
        replaces: Collection[CallId] = (),
    ) -> None:
        """Put the values and the calls on record, and hide what they replace: as one group.

        Were they two, a crash between them would leave both outcomes, or neither.
        """
        self._recorded.add(call.op_name)
        hides = self._all_of(replaces) if replaces else []
        new: list[CallRecord] = []
        for record in structural:
            known = self._lookup.find(record.call_id)
            if known is None:
                new.append(record)
            elif known.outputs != record.outputs:
                # Its collection was dropped, or lost, and is another one now.
                new.append(record)
                hides += _hiding(self._lookup.dots(record.call_id), TombstoneReason.DROPPED)
        self._recorder.record(call, _own(values), hides, new)

    def forget(self, call_ids: Collection[CallId]) -> None:
        """Hide the records there are of these calls."""
        self._recorder.drop(self._all_of(call_ids))

    def record_again(
        self,
        call: CallRecord,
        values: Sequence[Prepared],
        lost: Collection[ContentId],
        structural: Sequence[CallRecord] = (),
    ) -> None:
        """Put calls on record anew, and hide those of their records that gave what is lost."""
        gave_lost = self._creators.by_content(lost)
        own = {record.call_id for record in (call, *structural)}
        dots = [found.dot for found in gave_lost if found.record.call_id in own]
        again = {found.record.call_id for found in gave_lost}
        new = [
            record
            for record in structural
            if record.call_id in again
            or (known := self._lookup.find(record.call_id)) is None
            or known.outputs != record.outputs
        ]
        self._recorder.record(call, _own(values), _hiding(dots, TombstoneReason.LOST), new)

    def mark_lost(self, call_id: CallId, lost: Collection[ContentId]) -> None:
        """Hide those records of a call that gave what is lost."""
        self._recorder.drop(self._hides(call_id, lost))

    def _all_of(self, call_ids: Collection[CallId]) -> list[Tombstone]:
        """Return what hides all records of these calls that are seen here."""
        with self._recorder.lock:
            dots = [dot for call_id in call_ids for dot in self._lookup.dots(call_id)]
        return [Tombstone(d.writer, d.seq, d.row, d.row) for d in dots]

    def _hides(self, call_id: CallId, lost: Collection[ContentId]) -> list[Tombstone]:
        """Return what hides those records of a call that gave what is lost."""
        dots = [c.dot for c in self._creators.by_content(lost) if c.record.call_id == call_id]
        return _hiding(dots, TombstoneReason.LOST)

    def now_us(self) -> int:
        """Return the time, in microseconds since 1970."""
        return self._clock_us()


def _hiding(dots: Iterable[Dot], reason: TombstoneReason) -> list[Tombstone]:
    """Return what hides some records."""
    return [Tombstone(dot.writer, dot.seq, dot.row, dot.row, reason) for dot in dots]


def _own(values: Sequence[Prepared]) -> list[PreparedValue]:
    """Return values as what they are."""
    own = [value for value in values if isinstance(value, PreparedValue)]
    assert len(own) == len(values), "the memoizer hands back what `prepare` gave it"
    return own
