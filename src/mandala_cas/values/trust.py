"""Whose pickles are decoded: decoding one runs code that its writer chose."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Literal

from mandala_cas.errors import CorruptionError, UntrustedError
from mandala_cas.index.copies import ValueCopy
from mandala_cas.model.ids import KeyId

PicklePolicy = Literal["trusted", "allow", "refuse"]


@dataclass(frozen=True, slots=True)
class Trust:
    """Decides for each copy of a value whether decoding it may run code.

    ``own_key`` gives the id of this user's key; it is asked only when a copy is somebody's.
    ``unsigned_is_own`` holds for stores in memory, which nobody else can write to.
    """

    policy: PicklePolicy
    own_key: Callable[[], KeyId | None]
    unsigned_is_own: bool = False

    def allows(self, copy: ValueCopy) -> bool:
        """Tell whether this copy may run code; a forged signature raises CorruptionError."""
        if self.policy != "trusted":
            return self.policy == "allow"
        if copy.segment is None:
            return True
        if copy.signature is None:
            return self.unsigned_is_own
        return copy.signature.verified_key() == self.own_key()

    def allows_quietly(self, copy: ValueCopy) -> bool:
        """Tell the same of a copy that nobody reads now; a forged one is simply not allowed."""
        try:
            return self.allows(copy)
        except CorruptionError:
            return False

    def refusal(self, copy: ValueCopy) -> UntrustedError:
        """Return the error for a copy that is not allowed: what, by whom, when, and what to do."""
        if copy.signature is None:
            writer = "an unknown writer (it is not signed)"
        else:
            writer = f"key {copy.signature.verified_key().short}"
        when = datetime.fromtimestamp(copy.created_us / 1e6, tz=UTC)
        reason = (
            "this storage was opened with pickle='refuse'"
            if self.policy == "refuse"
            else "decoding it would run code of that writer's choosing"
        )
        return UntrustedError(
            f"value {copy.record.content_id.short} is a pickle written by {writer} on "
            f"{when:%Y-%m-%d %H:%M} UTC, and {reason}; if you trust whoever can write to this "
            "store, open it with Storage(..., pickle='allow'); otherwise compute the value again",
            content_id=copy.record.content_id,
            segment=copy.segment,
        )
