"""Tiers: where a value goes by its size."""

from __future__ import annotations

import pytest

from mandala_cas.blobs.tiers import INLINE_MAX, PACK_VALUE_MAX, tier_of
from mandala_cas.model.entries import Tier


@pytest.mark.parametrize(
    ("raw_size", "tier"),
    [
        (0, Tier.INLINE),
        (INLINE_MAX, Tier.INLINE),
        (INLINE_MAX + 1, Tier.PACK),
        (PACK_VALUE_MAX, Tier.PACK),
        (PACK_VALUE_MAX + 1, Tier.LOOSE),
    ],
)
def test_limits_belong_to_the_smaller_tier(raw_size: int, tier: Tier) -> None:
    """Both sides of each border."""
    assert tier_of(raw_size) is tier
