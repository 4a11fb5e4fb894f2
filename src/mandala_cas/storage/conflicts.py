"""Conflicts as people see them: one call, several records that do not agree."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, overload

from mandala_cas.index.rivals import find_rivals
from mandala_cas.model.calls import Call, CallLoader, CallMetadata
from mandala_cas.model.refs import Ref
from mandala_cas.storage.assembly import Assembly
from mandala_cas.storage.metadata import find_metadata
from mandala_cas.upkeep.printing import Report, as_count, as_table

_SHORT = 12
_NAME_MAX = 24
_WHO_MAX = 60


@dataclass(frozen=True, slots=True)
class ConflictingRecord:
    """One of the records of a call: what it gave, who says so, and since when."""

    call: Call
    metadata: CallMetadata

    @property
    def outputs(self) -> Mapping[str, Ref]:
        """What the call gave, by this record."""
        return self.call.outputs

    @property
    def started(self) -> datetime:
        """When the call began, by the clock of who made it."""
        return self.call.started

    @property
    def who(self) -> str:
        """Who made the record: the name of the key as the user knows it, user and host."""
        data = self.metadata
        place = "@".join(part for part in (data.user, data.host) if part)
        if data.process_id is not None and place:
            place += f" (process {data.process_id})"
        key = data.key_name or (f"key {data.key_id[:_SHORT]}" if data.key_id else "")
        who = ", ".join(part for part in (key, place) if part) or "unknown"
        # Whoever writes to a store chooses these words, and a terminal would obey some.
        return "".join(char if char.isprintable() else "?" for char in who)[:_WHO_MAX]

    def to_dict(self) -> dict[str, Any]:
        """Return everything as plain strings, numbers and dictionaries."""
        data = self.metadata
        return {
            "cid": self.call.cid,
            "outputs": {name: ref.cid for name, ref in self.outputs.items()},
            "started": self.started.isoformat(),
            "duration_s": self.call.duration.total_seconds(),
            "written": None if data.written is None else data.written.isoformat(),
            "host": data.host,
            "user": data.user,
            "process_id": data.process_id,
            "git_commit": data.git_commit,
            "key_id": data.key_id,
            "key_name": data.key_name,
        }


@dataclass(frozen=True, slots=True, repr=False)
class Conflict(Report):
    """One call with records that gave different things; all of them are kept.

    The first of ``records`` is the one that answers in a storage that is opened now: that which
    started first. ``is_inherited`` tells that the inputs differ already, so that the cause is a
    conflict of a call before.
    """

    op: str
    version: str
    hid: str
    records: tuple[ConflictingRecord, ...]

    @property
    def winner(self) -> ConflictingRecord:
        """The record that answers."""
        return self.records[0]

    @property
    def is_inherited(self) -> bool:
        """Whether the inputs were not the same."""
        return len({record.call.cid for record in self.records}) > 1

    def to_dict(self) -> dict[str, Any]:
        """Return everything as plain strings, numbers, lists and dictionaries."""
        return {
            "op": self.op,
            "version": self.version,
            "hid": self.hid,
            "is_inherited": self.is_inherited,
            "records": [record.to_dict() for record in self.records],
        }

    def __str__(self) -> str:
        """Return a table for a terminal."""
        return _table([self])


@dataclass(frozen=True, slots=True, repr=False)
class Conflicts(Report, Sequence[Conflict]):
    """All conflicts of a store, in the order in which their calls were first made."""

    conflicts: tuple[Conflict, ...]

    @overload
    def __getitem__(self, index: int) -> Conflict: ...

    @overload
    def __getitem__(self, index: slice) -> Sequence[Conflict]: ...

    def __getitem__(self, index: int | slice) -> Conflict | Sequence[Conflict]:
        """Return one of them, or some."""
        return self.conflicts[index]

    def __len__(self) -> int:
        """Return how many there are."""
        return len(self.conflicts)

    def __iter__(self) -> Iterator[Conflict]:
        """Yield them in order."""
        return iter(self.conflicts)

    def to_dict(self) -> dict[str, Any]:
        """Return everything as plain strings, numbers, lists and dictionaries."""
        return {"conflicts": [conflict.to_dict() for conflict in self.conflicts]}

    def __str__(self) -> str:
        """Return a table for a terminal."""
        if not self.conflicts:
            return "No conflicts: wherever a call has several records, they gave the same."
        calls = as_count(len(self.conflicts), "call has", "calls have")
        return (
            f"{calls} records that gave different things; the first of each answers.\n\n"
            + _table(self.conflicts)
        )


def find_conflicts(parts: Assembly, loader: CallLoader) -> Conflicts:
    """Return the calls whose live records have different outputs."""
    rivals = find_rivals(parts.log.parts())
    places = {rival.dot[:2] for group in rivals for rival in group}
    metadata = find_metadata(parts, places) if places else {}
    return Conflicts(
        tuple(
            Conflict(
                op=group[0].record.op_name,
                version=group[0].record.op_version,
                hid=group[0].record.call_id.hex(),
                records=tuple(
                    ConflictingRecord(Call(rival.record, loader), metadata[rival.dot[:2]])
                    for rival in group
                ),
            )
            for group in rivals
        )
    )


def _table(conflicts: Sequence[Conflict]) -> str:
    """Return a line for each record."""
    rows = []
    for conflict in conflicts:
        op = f"{conflict.op} {conflict.version}".strip()
        for position, record in enumerate(conflict.records):
            outputs = ", ".join(
                f"{name}={ref.cid[:_SHORT]}" for name, ref in record.outputs.items()
            )
            is_first = position == 0
            role = "answers" if is_first else "inherited" if conflict.is_inherited else ""
            rows.append(
                (
                    op[:_NAME_MAX] if is_first else "",
                    conflict.hid[:_SHORT] if is_first else "",
                    role,
                    f"{record.started:%Y-%m-%d %H:%M:%S}",
                    record.who,
                    outputs,
                )
            )
    return as_table(("op", "call", "", "started (UTC)", "who", "content ids of outputs"), rows)
