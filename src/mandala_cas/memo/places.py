"""Where in a call a value stands, for errors to say."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Literal, NamedTuple


class Place(NamedTuple):
    """One argument or output of an op."""

    op_name: str
    role: Literal["argument", "output"]
    name: str

    def __str__(self) -> str:
        """Return how messages begin."""
        return f"{self.op_name}: {self.role} '{self.name}'"

    @property
    def details(self) -> Mapping[str, str]:
        """What an error carries as attributes."""
        return {"op": self.op_name, self.role: self.name}
