"""Where a value goes by its size: into the segment, into a pack, or into an object of its own."""

from __future__ import annotations

from typing import Final

from mandala_cas.model.entries import Tier

# Up to here a request costs more than the bytes: a table of results is read without one.
INLINE_MAX: Final = 2048
PACK_VALUE_MAX: Final = 1 << 20
PACK_TARGET: Final = 16 << 20


def tier_of(raw_size: int) -> Tier:
    """Return the tier of a value whose uncompressed payload has ``raw_size`` bytes."""
    if raw_size <= INLINE_MAX:
        return Tier.INLINE
    return Tier.PACK if raw_size <= PACK_VALUE_MAX else Tier.LOOSE
