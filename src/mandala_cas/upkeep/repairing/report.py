"""What repair did, in words for people and fields for programs."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import Any

from mandala_cas.upkeep.printing import Report, as_count, as_paragraph
from mandala_cas.upkeep.verifying.findings import NO_CALLS, AffectedCalls, FsckReport


class Act(StrEnum):
    """What was done; the words stay, for programs compare them."""

    PUT_ASIDE = "put aside"
    PLACED = "placed anew"
    LOST = "counted as lost"
    RECORDED = "recorded anew"
    NOTED = "put down as lost"
    LEFT = "left alone"


@dataclass(frozen=True, slots=True)
class Action:
    """One thing that was done, to one object or one group of values."""

    act: Act
    name: str
    message: str
    calls: AffectedCalls = NO_CALLS
    next_step: str = ""

    def __str__(self) -> str:
        """Return a few lines."""
        message = self.message.removeprefix(f"{self.name} ")
        lines = [f"{self.act}: {self.name}", as_paragraph(message, "    ")]
        if self.calls.count:
            lines.append(as_paragraph(str(self.calls), "    calls: ", " " * 11))
        if self.next_step:
            lines.append(as_paragraph(self.next_step, "    next:  ", " " * 11))
        return "\n".join(lines)

    def to_dict(self) -> dict[str, Any]:
        """Return the same as plain data."""
        return {
            "act": str(self.act),
            "name": self.name,
            "message": self.message,
            "call_count": self.calls.count,
            "calls": list(self.calls.first),
            "next_step": self.next_step,
        }


@dataclass(frozen=True, slots=True, repr=False)
class RepairReport(Report):
    """What was wrong, and what was done about it."""

    before: FsckReport
    actions: tuple[Action, ...]

    @property
    def ok(self) -> bool:
        """Whether nothing that was wrong was left as it was."""
        return all(action.act is not Act.LEFT for action in self.actions)

    def __str__(self) -> str:
        """Return a report for people."""
        if not self.actions:
            return "nothing to repair"
        left = sum(action.act is Act.LEFT for action in self.actions)
        lines = [str(action) for action in self.actions]
        if left:
            lines.append(f"{as_count(left, 'problem')} left as found")
        return "\n".join(lines)

    def to_dict(self) -> dict[str, Any]:
        """Return the same as plain data."""
        return {
            "ok": self.ok,
            "before": self.before.to_dict(),
            "actions": [action.to_dict() for action in self.actions],
        }
