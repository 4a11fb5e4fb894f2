"""Decoding of values: locate, fetch, verify, trust, decode, in this order."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

from mandala_cas.blobs.packs import Placement
from mandala_cas.blobs.store import BlobStore
from mandala_cas.blobs.value import open_value
from mandala_cas.codec.digests import Digests, payload_hash
from mandala_cas.codec.registry import CodecRegistry
from mandala_cas.envelope.seal import Sealed
from mandala_cas.errors import CorruptionError, MandalaError, NotFoundError
from mandala_cas.index.copies import ValueCopy
from mandala_cas.model.entries import Tier, ValueRecord
from mandala_cas.model.ids import ContentId
from mandala_cas.objectstore.layout import check_payload_name
from mandala_cas.values.trust import Trust


@dataclass(frozen=True, slots=True)
class ValueSource:
    """Where values are found: ``held`` in the open batch, or ``copies`` on record."""

    held: Callable[[ContentId], tuple[ValueRecord, Sealed] | None]
    copies: Callable[[ContentId], Sequence[ValueCopy]]


class ValueLoader:
    """Gives values by content id, in batches. Each is decoded anew: callers may change it."""

    def __init__(
        self, blobs: BlobStore, codecs: CodecRegistry, source: ValueSource, trust: Trust
    ) -> None:
        """Read payload from ``blobs``, as the records of ``source`` say."""
        self._blobs = blobs
        self._codecs = codecs
        self._source = source
        self._trust = trust

    def load_many(self, content_ids: Sequence[ContentId]) -> list[Any]:
        """Return the values, in order; an id that repeats gives the same object.

        A copy that is missing or damaged gives way to the next one on record.

        Raises:
            NotFoundError: no record says where a value is.
            CorruptionError: every copy of a value is missing or damaged.
            UntrustedError: a value is a pickle of somebody whom this user does not trust.
        """
        found: dict[ContentId, Any] = {}
        waiting: dict[ContentId, list[ValueCopy]] = {}
        failures: dict[ContentId, list[MandalaError]] = defaultdict(list)
        for content_id in dict.fromkeys(content_ids):
            held = self._source.held(content_id)
            if held is not None:
                record, sealed = held
                found[content_id] = self._decode_envelope(record, sealed.to_bytes(), "this batch")
            else:
                waiting[content_id] = self._candidates(content_id, failures)
        while waiting:
            tried = {content_id: copies.pop(0) for content_id, copies in waiting.items()}
            for content_id, outcome in self._try_copies(tried).items():
                if isinstance(outcome, MandalaError):
                    failures[content_id].append(outcome)
                    if not waiting[content_id]:
                        raise failures[content_id][-1]
                else:
                    found[content_id] = outcome.value
                    del waiting[content_id]
        return [found[content_id] for content_id in content_ids]

    def _candidates(
        self, content_id: ContentId, failures: dict[ContentId, list[MandalaError]]
    ) -> list[ValueCopy]:
        """Return the copies that may be decoded; says why where there is none."""
        copies = self._source.copies(content_id)
        if not copies:
            raise NotFoundError(
                f"value {content_id.short} is not in this store; was its ref made with another "
                "storage, or its call dropped?",
                content_id=content_id,
            )
        allowed = []
        for copy in copies:
            try:
                if not self._codecs.runs_code(copy.record.codec_name) or self._trust.allows(copy):
                    allowed.append(copy)
                else:
                    failures[content_id].append(self._trust.refusal(copy))
            except CorruptionError as error:
                failures[content_id].append(error)
        if not allowed:
            raise failures[content_id][-1]
        return allowed

    def _try_copies(
        self, tried: dict[ContentId, ValueCopy]
    ) -> dict[ContentId, _Decoded | MandalaError]:
        """Fetch all these copies at once; give each one's value, or what is wrong with it."""
        outcomes: dict[ContentId, _Decoded | MandalaError] = {}
        remote: list[tuple[ContentId, ValueRecord]] = []
        for content_id, copy in tried.items():
            if copy.record.tier is Tier.INLINE:
                outcomes[content_id] = self._attempt(copy.record, copy.record.inline, None)
                continue
            try:
                check_payload_name(copy.record.location)
            except CorruptionError as error:
                outcomes[content_id] = error
            else:
                remote.append((content_id, copy.record))
        places = [Placement(r.location, r.offset, r.stored_size) for _, r in remote]
        for (content_id, record), data in zip(remote, self._blobs.get_many(places), strict=True):
            if data is None:
                outcomes[content_id] = CorruptionError(
                    f"value {content_id.short} should be in {record.location}, which is not there; "
                    "compute it again, or restore the object",
                    content_id=content_id,
                    name=record.location,
                )
            else:
                outcomes[content_id] = self._attempt(record, data, record.location)
        return outcomes

    def _attempt(
        self, record: ValueRecord, data: bytes, location: str | None
    ) -> _Decoded | CorruptionError:
        """Decode one copy; damage is an outcome, so that another copy can be tried."""
        try:
            if location is None:
                return _Decoded(self._decode(record, memoryview(data)))
            return _Decoded(self._decode_envelope(record, data, location))
        except CorruptionError as error:
            return error

    def _decode_envelope(self, record: ValueRecord, data: bytes, location: str) -> Any:
        """Return the value in an envelope."""
        return self._decode(record, open_value(data, name=location, record=record))

    def _decode(self, record: ValueRecord, payload: memoryview) -> Any:
        """Check the payload against the hash that its record names, then decode it."""
        found = payload_hash(
            record.codec_name, record.codec_version, record.codec_header, (payload,), Digests()
        )
        if found != record.payload_hash:
            raise CorruptionError(
                f"the bytes of value {record.content_id.short} do not match the hash on record; "
                "do not rely on this store",
                content_id=record.content_id,
            )
        return self._codecs.decode(
            record.codec_name, record.codec_version, record.codec_header, payload
        )


@dataclass(frozen=True, slots=True)
class _Decoded:
    """A value, told apart from an error that is one."""

    value: Any
