"""What is tracked where it lies, and whether it is still there: for people and for programs."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Final

from mandala_cas.upkeep.printing import as_count

_NAMED_MAX: Final = 3


@dataclass(frozen=True, slots=True)
class Tracked:
    """How many values in use have files or directories that a store keeps no bytes of.

    ``missing`` are the paths where nothing is on this machine, or nothing of that kind;
    ``changed`` those where something else is than was recorded. Neither is damage of the store:
    the files may be on another machine.
    """

    count: int = 0
    missing: tuple[str, ...] = ()
    changed: tuple[str, ...] = ()

    def __str__(self) -> str:
        """Return a line for what there is, and one for each way in which it is not as it was."""
        values = as_count(self.count, "value has", "values have")
        lines = [f"tracked: {values} files that are not in the store"]
        for what, paths in (("not on this machine", self.missing), ("changed", self.changed)):
            if paths:
                # As Python writes them: anybody may have chosen what goes to a terminal here.
                shown = ", ".join(map(repr, paths[:_NAMED_MAX]))
                more = f" and {len(paths) - _NAMED_MAX} more" if len(paths) > _NAMED_MAX else ""
                lines.append(f"tracked, {what}: {shown}{more}")
        if len(lines) > 1:
            lines.append(
                "tracked: put back what they were, or ask for the values inside `with storage:`, "
                "where the calls that gave them run again"
            )
        return "\n".join(lines)

    def to_dict(self) -> dict[str, Any]:
        """Return the same as plain data."""
        return {
            "count": self.count,
            "missing": list(self.missing),
            "changed": list(self.changed),
        }


NO_TRACKED: Final = Tracked()
