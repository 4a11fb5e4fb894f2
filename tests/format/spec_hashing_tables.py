"""The part of the second implementation that knows tables."""

from __future__ import annotations

from typing import Any

from tests.format import spec_hashing as spec
from tests.format.spec_tables import Rec, described


def encode(value: Any) -> bytes | None:
    """Return the encoding of a table, or of what is in one; None for anything else."""
    part = value if isinstance(value, Rec) else described(value)
    if isinstance(part, Rec):
        return spec.record(part.name, *part.fields)
    return None if part is None else spec.encoding(part)
