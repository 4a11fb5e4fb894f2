"""What verification found, in words for people and fields for programs."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any, Final

from mandala_cas.model.ids import ContentId
from mandala_cas.upkeep.printing import Report, as_count, as_paragraph, as_size, as_table
from mandala_cas.upkeep.verifying.pickled import NO_PICKLES, Pickles
from mandala_cas.upkeep.verifying.tracked import NO_TRACKED, Tracked


class ProblemKind(StrEnum):
    """What is wrong; the words stay, for programs compare them."""

    DAMAGED_LOG = "damaged log object"
    FORGED = "forged signature"
    UNSUPPORTED = "newer format"
    CHAIN_HOLE = "missing segment"
    DAMAGED_RUN = "damaged run"
    DAMAGED_PART = "damaged part of a run"
    LOST_ROWS = "run that lost rows"
    DAMAGED_ANNOUNCEMENT = "damaged announcement"
    BAD_PLACE = "impossible place"
    MISSING = "missing payload"
    DAMAGED = "damaged payload"


@dataclass(frozen=True, slots=True)
class AffectedCalls:
    """Calls that a problem concerns: how many, and the first few by op and hid."""

    count: int = 0
    first: tuple[str, ...] = ()

    def __str__(self) -> str:
        """Return them as a line."""
        more = f" and {self.count - len(self.first)} more" if self.count > len(self.first) else ""
        return f"{', '.join(self.first)}{more}" if self.first else str(self.count or "none")


NO_CALLS: Final = AffectedCalls()


@dataclass(frozen=True, slots=True)
class Problem:
    """One thing that is wrong with one object.

    ``is_lost`` tells that something cannot be read any more that a live call gave or a tag names;
    where it is not, another copy is there. ``content_ids`` are the values concerned.
    """

    kind: ProblemKind
    name: str
    message: str
    next_step: str
    calls: AffectedCalls = NO_CALLS
    is_lost: bool = False
    content_ids: frozenset[ContentId] = field(default=frozenset(), repr=False)

    def __str__(self) -> str:
        """Return a few lines."""
        lines = (
            f"{self.kind}: {self.name}",
            # The line above has the name already.
            as_paragraph(self.message.removeprefix(f"{self.name} "), "    "),
            as_paragraph(str(self.calls), "    calls: ", " " * 11),
            as_paragraph(self.next_step, "    next:  ", " " * 11),
        )
        return "\n".join(lines)

    def to_dict(self) -> dict[str, Any]:
        """Return the same as plain data."""
        return {
            "kind": str(self.kind),
            "name": self.name,
            "message": self.message,
            "next_step": self.next_step,
            "is_lost": self.is_lost,
            "value_count": len(self.content_ids),
            "call_count": self.calls.count,
            "calls": list(self.calls.first),
        }


@dataclass(frozen=True, slots=True)
class Tally:
    """How many objects of one kind there are, and their size in bytes."""

    count: int = 0
    size: int = 0


@dataclass(frozen=True, slots=True, repr=False)
class FsckReport(Report):
    """What ``verify`` found. ``checked`` says what was looked at, ``notices`` what is no problem.

    A notice is something to know: objects that nothing names, keys that are not known here, values
    that another store has promised. ``pickles`` says whose code would run, ``tracked`` which files
    beside the store are not what they were: no problem of the store's, so it is ok all the same.
    """

    level: str
    sample: str
    problems: tuple[Problem, ...]
    notices: tuple[str, ...]
    checked: Mapping[str, Tally]
    signatures: Mapping[str, int]
    pickles: Pickles = NO_PICKLES
    tracked: Tracked = NO_TRACKED

    @property
    def ok(self) -> bool:
        """Whether nothing is wrong."""
        return not self.problems

    def __str__(self) -> str:
        """Return a report for people."""
        rows = [
            (name, tally.count or "-", as_size(tally.size))
            for name, tally in self.checked.items()
            if tally.count or tally.size
        ]
        what = f"level {self.level}" + (f", {self.sample} of the payload" if self.sample else "")
        lines = [f"Verified ({what}):", "", as_table(["objects", "number", "size"], rows), ""]
        if self.signatures:
            lines += [
                "signatures: " + ", ".join(f"{n} {key}" for key, n in self.signatures.items()),
                "",
            ]
        if self.pickles.count:
            said = str(self.pickles).splitlines()
            lines += [*(as_paragraph(line, "", " " * 9) for line in said), ""]
        if self.tracked.count:
            said = str(self.tracked).splitlines()
            lines += [*(as_paragraph(line, "", " " * 9) for line in said), ""]
        lines += [as_paragraph(notice, "note: ", " " * 6) for notice in self.notices]
        lines += [str(problem) for problem in self.problems]
        if self.ok:
            return "\n".join([*lines, "no problems found"])
        # Only what looks as closely finds the same again.
        closely = self.level == "data"
        call = 'storage.repair("data")' if closely else "storage.repair()"
        command = "mandala-cas repair --level data" if closely else "mandala-cas repair"
        found = as_count(len(self.problems), "problem")
        lines += ["", as_paragraph(f"{found} found; {call} or `{command}` mends what can be")]
        return "\n".join(lines)

    def to_dict(self) -> dict[str, Any]:
        """Return the same as plain data."""
        return {
            "ok": self.ok,
            "level": self.level,
            "sample": self.sample,
            "problems": [problem.to_dict() for problem in self.problems],
            "notices": list(self.notices),
            "checked": {
                name: {"count": tally.count, "size": tally.size}
                for name, tally in self.checked.items()
            },
            "signatures": dict(self.signatures),
            "pickles": self.pickles.to_dict(),
            "tracked": self.tracked.to_dict(),
        }
