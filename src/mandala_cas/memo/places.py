"""Where in a call a value stands, for errors to say."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Literal, NamedTuple

from mandala_cas.errors import UsageError


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

    def cannot(self, verb: str, error: UsageError, *, is_default: bool = False) -> UsageError:
        """Return the error that names the op, the argument or output, and the place in it.

        ``verb`` is what cannot be done to it; ``error`` says why, and gives the path in it.
        """
        path, found = error.details.get("path"), error.details.get("found")
        details = {**error.details, **self.details}
        if path is None:
            return UsageError(f"{self} cannot be {verb}: {error}", **details)
        part = f"the default {self.name}{path}" if is_default else f"{self.name}{path}"
        of_type = f" (of type {found})" if found else ""
        reason = error.details.get("reason", error)
        return UsageError(f"{self}: {part}{of_type} cannot be {verb}: {reason}", **details)
