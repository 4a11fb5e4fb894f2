"""Values whose decoding may run code: where they stand, and who wrote them."""

from __future__ import annotations

from collections.abc import Callable, Iterable

import numpy as np
import numpy.typing as npt

from mandala_cas.envelope.signatures import Signature
from mandala_cas.errors import CorruptionError
from mandala_cas.index.copies import ValueCopy
from mandala_cas.log.part import LogPart
from mandala_cas.model.ids import ContentId, KeyId, PayloadHash

RunsCode = Callable[[str], bool]
Trusts = Callable[[KeyId | None], bool]


def rows_running_code(part: LogPart, runs_code: RunsCode) -> npt.NDArray[np.intp]:
    """Return the rows of a part's values whose codec ``runs_code`` tells of."""
    codecs = part.values.text("codec_name")
    if not len(codecs):
        return np.empty(0, np.intp)
    flags = np.array([runs_code(word) for word in codecs.words], bool)
    return np.flatnonzero(flags[codecs.codes])


def copy_in(part: LogPart, row: int) -> ValueCopy:
    """Return the place of a value that stands in one row of a part, as a lookup would give it."""
    return ValueCopy(
        part.value_record(row),
        part.name,
        part.signature,
        part.value_created_us(row),
        part.value_key(row),
    )


def is_signed_by(signature: Signature | None, trusts: Trusts) -> bool:
    """Tell whether one of those whom ``trusts`` tells of signed a log object.

    It is asked with None about what is not signed; what is forged nobody signed.
    """
    try:
        return trusts(None if signature is None else signature.verified_key())
    except CorruptionError:
        return False


def is_vouched(copy: ValueCopy, trusts: Trusts) -> bool:
    """Tell whether this user, or somebody trusted, wrote what stands in a place."""
    if not is_signed_by(copy.signature, trusts):
        return False
    # In a store that is not signed, runs say so of every segment.
    return copy.signature is None or copy.writer_key is None or trusts(copy.writer_key)


def vouched_payloads(
    parts: Iterable[LogPart], runs_code: RunsCode, trusts: Trusts
) -> frozenset[tuple[ContentId, PayloadHash]]:
    """Return which payload which value has on the word of somebody trusted, if it runs code."""
    found = set()
    for part in parts:
        for row in rows_running_code(part, runs_code).tolist():
            values = part.values
            key = (
                ContentId(values.fixed("content_id")[row]),
                PayloadHash(values.fixed("payload_hash")[row]),
            )
            if key not in found and is_vouched(copy_in(part, row), trusts):
                found.add(key)
    return frozenset(found)


def writer_of(copy: ValueCopy) -> KeyId | None:
    """Return who signed the segment that placed a value; None if nobody did.

    Raises:
        CorruptionError: the signature is forged.
    """
    if copy.signature is None:
        return None
    signer = copy.signature.verified_key()
    writer = signer if copy.writer_key is None else copy.writer_key
    return writer if any(writer) else None
