"""Collections whose own payload is gone, made once more of what the log says of their elements."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence

from mandala_cas.blobs.value import sealing_value
from mandala_cas.codec.collections import NAME, CollectionCodec
from mandala_cas.codec.digests import Digests
from mandala_cas.codec.registry import CodecRegistry
from mandala_cas.errors import UsageError
from mandala_cas.model.collections import made_from, made_of
from mandala_cas.model.entries import Tier, ValueRecord
from mandala_cas.model.ids import ContentId
from mandala_cas.upkeep.publishing import Found
from mandala_cas.upkeep.verifying.live import LiveLog


def rebuild(live: LiveLog, gone: Mapping[ContentId, Sequence[ValueRecord]]) -> Iterator[Found]:
    """Yield the collections in ``gone`` that a live call made of its inputs, each once.

    Only with the very bytes that a record speaks of: what is found is checked as any payload is.
    """
    records = {
        content_id: [r for r in known if r.codec_name == NAME and r.tier is not Tier.INLINE]
        for content_id, known in gone.items()
    }
    wanted = {content_id for content_id, known in records.items() if known}
    registry = CodecRegistry()
    registry.register(CollectionCodec())
    for call in live.calls_making(wanted) if wanted else ():
        kind = made_of(call.op_name)
        assert kind is not None, "a call that makes a collection"
        try:
            collection = made_from(kind, call.inputs)
        except UsageError:
            continue
        content_id = collection.content_id
        if content_id not in wanted:
            continue
        encoded = registry.encode(collection, Digests())
        for record in records[content_id]:
            if record.payload_hash == encoded.payload_hash:
                parts = sealing_value(
                    encoded.payload_hash,
                    encoded.codec_name,
                    encoded.codec_version,
                    encoded.header,
                    encoded.payload,
                    payload_digest=encoded.payload_digest,
                    hint=encoded.compression,
                )
                yield Found(record, b"".join(parts))
                wanted.discard(content_id)
                break
