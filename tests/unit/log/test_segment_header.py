"""The header of a segment: what it says of the tables must be so."""

from __future__ import annotations

import pytest
from tests.unit.log.entry_strategies import header_of
from tests.unit.log.sealed_segments import BATCH, PAYLOAD, resealed

from mandala_cas.errors import CorruptionError, UnsupportedFormatError
from mandala_cas.log.segment import decode_segment


@pytest.mark.parametrize(
    "change",
    [
        {"writer": b"short"},
        {"writer": "writer-1"},
        {"seq": -1},
        {"seq": 1 << 24},
        {"seq": "0"},
        {"previous": b"p" * 32},
        {"previous": bytes(31)},
        {"created_us": 1 << 63},
        {"created_us": None},
        {"call_count": 3},
        {"call_count": None},
        {"tombstone_count": 0},
        {"min_reader": "1"},
        {"library": 1},
        {"session": []},
    ],
)
def test_a_header_that_nobody_wrote_is_corrupt(change: dict[str, object]) -> None:
    """Every field has its type, and says of the tables what they are."""
    name, data = resealed(PAYLOAD)

    assert decode_segment(name, data).header.call_count == 2
    with pytest.raises(CorruptionError):
        decode_segment(*resealed(PAYLOAD, lambda fields: fields.update(change)))


def test_a_field_that_is_missing_is_corrupt() -> None:
    """Each of them, one after the other."""
    for field in header_of(BATCH).__slots__:
        with pytest.raises(CorruptionError):
            decode_segment(*resealed(PAYLOAD, lambda fields, field=field: fields.pop(field)))  # type: ignore[misc] # mypy cannot infer a lambda with a default


def test_a_newer_segment_asks_for_an_upgrade() -> None:
    """Skipping it would lose results in silence."""
    newer = resealed(b"of another shape", lambda fields: fields.update(min_reader=2, seq="x"))

    with pytest.raises(UnsupportedFormatError, match="upgrade it"):
        decode_segment(*newer)
