"""How many values of a store are pickles, for people and for programs."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Final

UNSIGNED: Final = "unsigned"
NO_OP: Final = "no op"


@dataclass(frozen=True, slots=True)
class Pickles:
    """How many values in use are pickles, by the op that gave them and by who signed them.

    A signer is a key id; ``names`` are those that the user gave. A value that several signed
    counts once for each, and one of a forged signature for nobody.
    """

    count: int = 0
    by_op: Mapping[str, int] = field(default_factory=dict)
    by_signer: Mapping[str, int] = field(default_factory=dict)
    names: Mapping[str, str] = field(default_factory=dict)

    def __str__(self) -> str:
        """Return two lines."""
        ops = ", ".join(f"{count} of {op}" for op, count in self.by_op.items())
        signers = ", ".join(
            f"{count} {'unsigned' if key == UNSIGNED else 'by ' + self._called(key)}"
            for key, count in self.by_signer.items()
        )
        return f"pickles: {ops}\npickles: {signers}" if self.count else "pickles: none"

    def to_dict(self) -> dict[str, Any]:
        """Return the same as plain data."""
        return {
            "count": self.count,
            "by_op": dict(self.by_op),
            "by_signer": dict(self.by_signer),
            "names": dict(self.names),
        }

    def _called(self, key: str) -> str:
        """Return a key for people: whole, for they may want to trust it."""
        return f"{self.names[key]} ({key})" if key in self.names else key


NO_PICKLES: Final = Pickles()
