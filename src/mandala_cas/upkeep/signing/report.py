"""What signing vouched for, or would: the report of a dry run, and of a real one."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from mandala_cas.model.ids import KeyId
from mandala_cas.upkeep.printing import Report, as_count, as_lines, as_size, as_table


@dataclass(frozen=True, slots=True)
class SignedValues:
    """Pickles of one writer that one op gave; ``size`` is that of their payload, in bytes.

    ``writer`` is None where nobody signed, ``op_name`` where no call on record gave the values.
    """

    op_name: str | None
    writer: KeyId | None
    name: str | None
    value_count: int
    size: int

    def to_dict(self) -> dict[str, Any]:
        """Return the same as plain data."""
        return {
            "op": self.op_name,
            "key_id": None if self.writer is None else str(self.writer),
            "name": self.name,
            "value_count": self.value_count,
            "size": self.size,
        }


@dataclass(frozen=True, slots=True, repr=False)
class SignReport(Report):
    """What a signing did, or would do where ``carried_out`` is false.

    ``trusted_count`` pickles need nothing: the user or somebody trusted wrote them. ``left`` says
    of values, by content id, why they could not be signed.
    """

    carried_out: bool
    signed: tuple[SignedValues, ...]
    trusted_count: int
    left: Mapping[str, str] = field(default_factory=dict)

    @property
    def value_count(self) -> int:
        """How many values are vouched for."""
        return sum(item.value_count for item in self.signed)

    @property
    def size(self) -> int:
        """The bytes of their payload."""
        return sum(item.size for item in self.signed)

    def to_dict(self) -> dict[str, Any]:
        """Return the report as plain data."""
        return {
            "carried_out": self.carried_out,
            "value_count": self.value_count,
            "size": self.size,
            "signed": [item.to_dict() for item in self.signed],
            "trusted_count": self.trusted_count,
            "left": dict(self.left),
        }

    def __str__(self) -> str:
        """Return tables for a terminal."""
        verb = "signed" if self.carried_out else "would sign"
        lines = [f"{verb} {as_count(self.value_count, 'pickle')}, {as_size(self.size)}"]
        if self.signed:
            rows = [
                (
                    (item.op_name or "(no call)")[:30],
                    "nobody" if item.writer is None else item.name or item.writer.short,
                    item.value_count,
                    as_size(item.size),
                )
                for item in self.signed
            ]
            lines += ["", as_table(("of op", "written by", "values", "size"), rows)]
        if self.trusted_count:
            lines += ["", f"{as_count(self.trusted_count, 'pickle')} more of writers you trust"]
        if self.left:
            lines += ["", as_lines([(f"left {cid[:12]}", why) for cid, why in self.left.items()])]
        if self.signed and not self.carried_out:
            lines += [
                "",
                "loading them will run code that was in them; if that is what you want,",
                "storage.sign(dry_run=False) signs them",
            ]
        return "\n".join(lines)
