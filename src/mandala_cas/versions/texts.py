"""The source of an op as people read it: kept to be shown beside another, never to be run."""

from __future__ import annotations

import difflib
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

TEXT_SIZE_MAX: Final = 64 << 10
_DIFF_LINES_MAX: Final = 100


@dataclass(frozen=True, slots=True)
class SourceText:
    """The text of a function, the op that it was, and the names of its parameters."""

    op_name: str
    text: str
    parameters: tuple[str, ...]

    def to_fields(self) -> dict[str, Any]:
        """Return this as a session has it."""
        return {"op": self.op_name, "text": self.text, "parameters": list(self.parameters)}


def read_source_text(fields: object) -> SourceText | None:
    """Return what ``to_fields`` gave; None for anything else, which somebody else wrote."""
    if not isinstance(fields, Mapping):
        return None
    op_name, text, parameters = (fields.get(key) for key in ("op", "text", "parameters"))
    if not isinstance(op_name, str) or not isinstance(text, str):
        return None
    if not isinstance(parameters, list) or not all(isinstance(name, str) for name in parameters):
        return None
    return SourceText(op_name, text[:TEXT_SIZE_MAX], tuple(parameters))


def difference(old: str, new: str) -> str:
    """Return what changed between two texts, as a unified diff for people to read."""
    lines = list(
        difflib.unified_diff(_printable(old), _printable(new), "on record", "now", lineterm="", n=3)
    )
    if len(lines) > _DIFF_LINES_MAX:
        left = len(lines) - _DIFF_LINES_MAX
        lines = [*lines[:_DIFF_LINES_MAX], f"... and {left} lines more"]
    return "\n".join(lines)


def _printable(text: str) -> list[str]:
    """Return the lines of a text that anybody may have written, fit for a terminal."""
    return [
        "".join(c if c.isprintable() or c == "\t" else "\N{REPLACEMENT CHARACTER}" for c in line)
        for line in text.splitlines()
    ]
