"""Values that are saved without a call: a crash at any moment saves all of one, or nothing."""

from __future__ import annotations

from collections.abc import Sequence

import pytest

from mandala_cas.imports import Storage
from mandala_cas.objectstore.api import ObjectStore
from mandala_cas.testing import CrashPoint, crash_at_every_call

SIZES = {"inline": 10, "pack": 5_000, "loose": (1 << 20) + 1}


@pytest.mark.parametrize("tier", SIZES)
def test_what_was_saved_is_there_after_a_crash_and_nothing_is_half_there(tier: str) -> None:
    """Payload is put before the segment with the tag, and saving returns after both."""
    value = b"x" * SIZES[tier]

    def scenario(objects: ObjectStore, acknowledged: list[str]) -> None:
        """Save one value."""
        acknowledged.append(Storage(objects).save_ref(value).hid)

    def check(left: ObjectStore, acknowledged: Sequence[str], _: CrashPoint) -> None:
        """Compare what is there with what was promised, and go on with it."""
        storage = Storage(left)
        saved = storage.tags().get("saved", [])
        assert {ref.hid for ref in saved} >= set(acknowledged)
        assert storage.unwrap(saved) == [value] * len(saved)
        assert storage.fsck("data").ok
        again = storage.save_ref(value)
        assert Storage(left).load_ref(again.hid).value == value

    assert crash_at_every_call(scenario, check) > 3
