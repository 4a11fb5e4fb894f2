"""Decoding of values: locate, fetch, verify, trust, decode, in this order.

What one copy cannot give, another does; what none can, the log as it is now; what that cannot
either, a store that promised it. Only then is a value lost, and each is lost alone.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

from mandala_cas.blobs.packs import Placement
from mandala_cas.blobs.store import BlobStore, FetchedBlob
from mandala_cas.codec.registry import CodecRegistry
from mandala_cas.envelope.seal import Sealed
from mandala_cas.errors import CorruptionError, MandalaError, NotFoundError
from mandala_cas.index.copies import ValueCopy
from mandala_cas.model.entries import Tier, ValueRecord
from mandala_cas.model.ids import ContentId
from mandala_cas.model.outcomes import Loaded, Outcome
from mandala_cas.objectstore.layout import check_payload_name
from mandala_cas.values.mapped_files import VERIFIED
from mandala_cas.values.opening import check_payload, open_verified
from mandala_cas.values.trust import Trust
from mandala_cas.values.unreadable import UnreadablePlaces


class PromisedValue(Protocol):
    """A value that another store gave: what its log says of it, and the envelope."""

    @property
    def copy(self) -> ValueCopy:
        """The record, and who signed it there."""
        ...

    @property
    def sealed(self) -> bytes:
        """The value envelope, unchecked."""
        ...


class PromisedValues(Protocol):
    """Other stores that hold what this one gave up its bytes of."""

    def fetch(self, content_ids: Iterable[ContentId]) -> Mapping[ContentId, PromisedValue]:
        """Return those of the values that can be had."""
        ...


@dataclass(frozen=True, slots=True)
class ValueSource:
    """Where values are found: ``held`` in the open batch, or ``copies`` on record.

    ``is_known`` tells of a value without copies that the log has a record of it: then the part of
    the log that held it is damaged. ``refresh`` takes in what others published; ``kept`` gives a
    value that this machine has beside the store, verified; ``promised`` are the stores to ask last.
    """

    held: Callable[[ContentId], tuple[ValueRecord, Sealed] | None]
    copies: Callable[[ContentId], Sequence[ValueCopy]]
    refresh: Callable[[], None] = lambda: None
    promised: PromisedValues | None = None
    is_known: Callable[[ContentId], bool] = lambda _: False
    kept: Callable[[ValueRecord], Any | None] = lambda _: None


class ValueLoader:
    """Gives values by content id, in batches. Each is decoded anew: callers may change it."""

    def __init__(
        self,
        blobs: BlobStore,
        codecs: CodecRegistry,
        source: ValueSource,
        trust: Trust,
        unreadable: UnreadablePlaces | None = None,
    ) -> None:
        """Read payload from ``blobs``, as the records of ``source`` say.

        What cannot be read is put down in ``unreadable``.
        """
        self._blobs = blobs
        self._codecs = codecs
        self._source = source
        self._trust = trust
        self._unreadable = UnreadablePlaces() if unreadable is None else unreadable

    def load_many(self, content_ids: Sequence[ContentId], *, mmap: bool = True) -> list[Any]:
        """Return the values, in order; an id that repeats gives the same object.

        With ``mmap``, large raw values of a directory of this host are mapped and not read.

        Raises:
            NotFoundError: no record says where a value is.
            CorruptionError: every copy of a value is missing or damaged, here and elsewhere.
            UntrustedError: a value is a pickle of somebody whom this user does not trust.
        """
        outcomes = self.load_each(content_ids, mmap=mmap)
        for outcome in outcomes:
            if isinstance(outcome, MandalaError):
                raise outcome
        return [outcome.value for outcome in outcomes if isinstance(outcome, Loaded)]

    def load_each(self, content_ids: Sequence[ContentId], *, mmap: bool = True) -> list[Outcome]:
        """Return for each value, in order, itself or what is wrong with it.

        One that cannot be had keeps nobody from the others. See ``load_many`` for the errors.

        Raises:
            StoreUnavailableError: the store does not answer, so nothing can be said.
        """
        outcomes: dict[ContentId, Outcome] = {}
        for content_id in dict.fromkeys(content_ids):
            held = self._source.held(content_id)
            if held is not None:
                kept = self._source.kept(held[0])
                blob = FetchedBlob(held[1].whole())
                outcomes[content_id] = (
                    self._attempt(held[0], blob, "this batch") if kept is None else Loaded(kept)
                )
        wanted = [id_ for id_ in content_ids if id_ not in outcomes]
        self._load_copies(wanted, outcomes, mmap=mmap)
        lost = _lost(outcomes)
        if lost:
            # Somebody may have repaired it, or computed it again, since this process looked.
            self._source.refresh()
            self._load_copies(lost, outcomes, mmap=mmap)
            lost = _lost(outcomes)
        if lost and self._source.promised is not None:
            for content_id, value in self._source.promised.fetch(lost).items():
                if content_id in outcomes:
                    outcomes[content_id] = self._take_promised(content_id, value)
        return [outcomes[content_id] for content_id in content_ids]

    def _load_copies(
        self, content_ids: Iterable[ContentId], outcomes: dict[ContentId, Outcome], *, mmap: bool
    ) -> None:
        """Put into ``outcomes`` what the copies on record give, the first that can be read."""
        waiting: dict[ContentId, list[ValueCopy]] = {}
        refused: list[ValueCopy] = []
        for content_id in dict.fromkeys(content_ids):
            copies, reason = self._candidates(content_id)
            # What failed before is tried last: it may have been restored.
            waiting[content_id] = sorted(copies, key=self._unreadable.__contains__)
            if isinstance(reason, ValueCopy):
                refused.append(reason)
            elif reason is not None:
                outcomes[content_id] = reason
        outcomes.update(self._trust.refusals(refused))
        while waiting := {content_id: copies for content_id, copies in waiting.items() if copies}:
            tried = {content_id: copies.pop(0) for content_id, copies in waiting.items()}
            for content_id, outcome in self._try_copies(tried, mmap=mmap).items():
                outcomes[content_id] = outcome
                if isinstance(outcome, Loaded):
                    self._unreadable.discard(tried[content_id])
                    waiting[content_id].clear()
                elif isinstance(outcome, CorruptionError):
                    self._unreadable.add(tried[content_id])

    def _candidates(
        self, content_id: ContentId
    ) -> tuple[list[ValueCopy], ValueCopy | MandalaError | None]:
        """Return the copies that may be decoded; if none may, one that is refused, or why not."""
        copies = self._source.copies(content_id)
        if not copies and self._source.is_known(content_id):
            return [], CorruptionError(
                f"value {content_id.short} is on record, and what the log held of it cannot be "
                "read; compute it again, or run `mandala-cas fsck`",
                content_id=content_id,
            )
        if not copies:
            return [], NotFoundError(
                f"value {content_id.short} is not in this store; was its ref made with another "
                "storage, or its call dropped?",
                content_id=content_id,
            )
        allowed: list[ValueCopy] = []
        refused: list[ValueCopy] = []
        failure: MandalaError | None = None
        for copy in copies:
            try:
                self._check_fragile(copy)
                if not self._codecs.runs_code(copy.record.codec_name) or self._trust.allows(copy):
                    allowed.append(copy)
                else:
                    refused.append(copy)
            except MandalaError as error:
                # A forged signature, or a codec that is not here.
                failure = error
        if allowed:
            return allowed, None
        return [], refused[0] if refused else failure

    def _check_fragile(self, copy: ValueCopy) -> None:
        """Refuse a forged copy of what is read by a parser that crafted bytes may crash.

        Raises:
            CorruptionError: its signature is not of this object, or not by this key.
        """
        # A stranger's table is read, and an unsigned one: what nobody forged has the hash that
        # its writer gave it, and a name that can be held to account where there is one.
        if copy.signature is not None and self._codecs.is_fragile(copy.record.codec_name):
            copy.signature.verified_key()

    def _try_copies(
        self, tried: Mapping[ContentId, ValueCopy], *, mmap: bool
    ) -> dict[ContentId, Outcome]:
        """Fetch all these copies at once; give each one's value, or what is wrong with it."""
        outcomes: dict[ContentId, Outcome] = {}
        together: list[ValueRecord] = []
        large: list[ValueRecord] = []
        for content_id, copy in tried.items():
            kept = self._source.kept(copy.record)
            if kept is not None:
                outcomes[content_id] = Loaded(kept)
                continue
            if copy.record.tier is Tier.INLINE:
                outcomes[content_id] = self._attempt_inline(copy.record)
                continue
            try:
                check_payload_name(copy.record.location)
            except CorruptionError as error:
                outcomes[content_id] = error
            else:
                is_alone = copy.record.tier is Tier.LOOSE and self._blobs.fetches_alone(
                    copy.record.stored_size
                )
                (large if is_alone else together).append(copy.record)
        found = self._blobs.get_many([_place(record) for record in together])
        # From the last to the first, so that the bytes of each can go as soon as it is decoded.
        while together:
            record, data = together.pop(), found.pop()
            blob = None if data is None else FetchedBlob(data)
            outcomes[record.content_id] = self._attempt(record, blob, record.location)
        for record in large:
            # Code that runs is not taken from memory that the writer of the file can still change.
            mapped = mmap and not self._codecs.runs_code(record.codec_name)
            blob = self._blobs.fetch_large(_place(record), record.raw_size, mapped=mapped)
            outcomes[record.content_id] = self._attempt(record, blob, record.location)
        return outcomes

    def _take_promised(self, content_id: ContentId, value: PromisedValue) -> Outcome:
        """Decode what another store gave; its log is not this one's, so its word is worth less.

        A pickle is decoded if somebody trusted placed it there, or the very same payload here.
        """
        record = value.copy.record
        if record.content_id != content_id:
            return CorruptionError(
                f"another store gave value {record.content_id.short} for {content_id.short}; do "
                "not rely on that store",
                content_id=content_id,
            )
        is_known = any(
            copy.record.payload_hash == record.payload_hash and self._trust.allows_quietly(copy)
            for copy in self._source.copies(content_id)
        )
        # Without a segment it would count as this process's own.
        is_own = value.copy.segment is not None and self._trust.allows_quietly(value.copy)
        try:
            self._check_fragile(value.copy)
            if self._codecs.runs_code(record.codec_name) and not (is_known or is_own):
                return self._trust.refusal(value.copy)
        except MandalaError as error:
            return error
        return self._attempt(record, FetchedBlob(value.sealed), record.location)

    def _attempt_inline(self, record: ValueRecord) -> Outcome:
        """Decode a value that its record holds; damage is an outcome."""
        payload = memoryview(record.inline)
        try:
            check_payload(record, payload)
            return Loaded(self._decode(record, payload))
        except MandalaError as error:
            return error

    def _attempt(self, record: ValueRecord, blob: FetchedBlob | None, location: str) -> Outcome:
        """Decode one copy; damage is an outcome, so that another copy can be tried."""
        if blob is None:
            return CorruptionError(
                f"value {record.content_id.short} should be in {record.location}, which is not "
                "there; compute it again, or restore the object",
                content_id=record.content_id,
                name=record.location,
            )
        try:
            envelope = open_verified(
                blob.data,
                name=location,
                record=record,
                stored_digest=VERIFIED.digest(blob.identity),
                room=blob.room,
            )
            VERIFIED.add(blob.identity, envelope.stored_digest)
            return Loaded(self._decode(record, envelope.payload))
        except MandalaError as error:
            return error

    def _decode(self, record: ValueRecord, payload: memoryview) -> Any:
        """Decode what was verified."""
        return self._codecs.decode(
            record.codec_name, record.codec_version, record.codec_header, payload
        )


def _place(record: ValueRecord) -> Placement:
    """Return where a record says that its value is."""
    return Placement(record.location, record.offset, record.stored_size)


def _lost(outcomes: Mapping[ContentId, Outcome]) -> list[ContentId]:
    """Return the values that are on record and cannot be read."""
    return [id_ for id_, outcome in outcomes.items() if isinstance(outcome, CorruptionError)]
