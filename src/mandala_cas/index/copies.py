"""The places of a value: each once, whoever named it how often."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from mandala_cas.envelope.signatures import Signature
from mandala_cas.errors import CorruptionError
from mandala_cas.model.entries import ValueRecord
from mandala_cas.model.ids import KeyId


@dataclass(frozen=True, slots=True)
class ValueCopy:
    """One place where a value is, on the word of one log object.

    ``segment`` is that object's name, None for what this process wrote and has not published;
    ``signature`` is that object's, ``created_us`` when the segment was written that placed it.
    ``writer_key`` is the key of who signed that segment, on the word of the run that covers it;
    None where the object is the segment. Zero bytes stand for nobody.
    """

    record: ValueRecord
    segment: str | None
    signature: Signature | None
    created_us: int
    writer_key: KeyId | None = None

    def is_forged(self) -> bool:
        """Tell whether there is a signature, and it is not of that object by that key."""
        if self.signature is None:
            return False
        try:
            self.signature.verified_key()
        except CorruptionError:
            return True
        return False


def each_place_once(copies: Iterable[ValueCopy]) -> list[ValueCopy]:
    """Return the first copy of each place, in order.

    Every segment that uses a value names its place again, so thousands may name one. A place that
    two signers name counts twice: what one of them says may be trusted and what the other says
    not. So does a place under two payload hashes, of which one at most is right.
    """
    found: dict[tuple[object, ...], ValueCopy] = {}
    for copy in copies:
        record, signature = copy.record, copy.signature
        signer = None if signature is None else signature.public_key
        own = copy.segment is None
        at = (record.location, record.offset, record.payload_hash)
        place = (*at, own, signer, copy.writer_key)
        found.setdefault(place, copy)
    return list(found.values())
