"""Which part of the payload one verification reads: the same every time, by a hash of the name."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from blake3 import blake3

from mandala_cas.errors import UsageError

_RANGE: Final = 1 << 64


@dataclass(frozen=True, slots=True)
class Sample:
    """Part ``number`` of ``total``, or the given fraction; ``total`` parts are all there is.

    So whoever verifies one part of seven each day has verified all in a week.
    """

    number: int = 1
    total: int = 1
    fraction: float = 1.0

    def has(self, name: str) -> bool:
        """Tell whether an object is in the sample."""
        place = int.from_bytes(blake3(name.encode()).digest(8), "big")
        return place % self.total == self.number - 1 and place < self.fraction * _RANGE

    def __str__(self) -> str:
        """Return how the sample was asked for; empty where it is everything."""
        if self.total > 1:
            return f"part {self.number} of {self.total}"
        return f"{self.fraction:.3g} parts of 1" if self.fraction < 1 else ""


def sample_of(asked: float | tuple[int, int] | None) -> Sample:
    """Return the sample for a fraction, for (number, total), or for everything.

    Raises:
        UsageError: it is none of these.
    """
    match asked:
        case None:
            return Sample()
        case (int(number), int(total)) if 1 <= number <= total:
            return Sample(number, total)
        case int() | float() if 0 < asked <= 1:
            return Sample(fraction=float(asked))
    raise UsageError(
        f"a sample is a fraction above 0 and up to 1, or (n, t) for part n of t, got {asked!r}"
    )
