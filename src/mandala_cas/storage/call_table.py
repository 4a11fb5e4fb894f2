"""The calls on record as a dataframe of pandas, and the ops as a table."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import timedelta
from typing import TYPE_CHECKING, Any, Final

from mandala_cas.storage.assembly import Assembly
from mandala_cas.storage.metadata import find_metadata
from mandala_cas.upkeep.printing import Report, as_duration, as_table

if TYPE_CHECKING:
    import pandas as pd

_METADATA: Final = ("host", "user", "python", "platform", "git_commit", "library")
_KEYS: Final = ("key_id", "key_name")


@dataclass(frozen=True, slots=True)
class OpOnRecord:
    """An op as the store knows it: how many calls on record each of its versions has.

    ``computed`` is how long they ran in all; calls that an equal one answered took no time.
    """

    name: str
    versions: Mapping[str, int]
    computed: timedelta

    @property
    def call_count(self) -> int:
        """How many calls of all versions are on record."""
        return sum(self.versions.values())


@dataclass(frozen=True, slots=True, repr=False)
class OpsOnRecord(Report, Mapping[str, OpOnRecord]):
    """The ops that have calls on record, by name."""

    by_name: Mapping[str, OpOnRecord]

    def __getitem__(self, name: str) -> OpOnRecord:
        """Return an op by its name."""
        return self.by_name[name]

    def __iter__(self) -> Iterator[str]:
        """Yield the names, in alphabetical order."""
        return iter(self.by_name)

    def __len__(self) -> int:
        """Return how many there are."""
        return len(self.by_name)

    def to_dict(self) -> dict[str, Any]:
        """Return everything as plain numbers, strings and dictionaries."""
        return {
            name: {
                "call_count": op.call_count,
                "versions": dict(op.versions),
                "computed_s": op.computed.total_seconds(),
            }
            for name, op in self.by_name.items()
        }

    def __str__(self) -> str:
        """Return a table for a terminal."""
        rows = [
            (
                name,
                op.call_count,
                ", ".join(version or "-" for version in op.versions),
                as_duration(op.computed.total_seconds()),
            )
            for name, op in self.by_name.items()
        ]
        return as_table(("op", "calls", "versions", "compute"), rows)


def find_ops(parts: Assembly) -> OpsOnRecord:
    """Return the ops that have live calls."""
    from mandala_cas.index.call_columns import count_ops  # noqa: PLC0415 (heavy)

    versions: dict[str, dict[str, int]] = {}
    computed: dict[str, int] = {}
    for name, version, call_count, duration_us in count_ops(parts.log.parts()):
        versions.setdefault(name, {})[version] = call_count
        computed[name] = computed.get(name, 0) + duration_us
    return OpsOnRecord(
        {
            name: OpOnRecord(name, found, timedelta(microseconds=computed[name]))
            for name, found in versions.items()
        }
    )


def make_calls_df(parts: Assembly) -> pd.DataFrame:
    """Return a row for each live call, in the order in which they began."""
    import pandas as pd  # noqa: PLC0415 (heavy)

    from mandala_cas.index.call_columns import call_columns  # noqa: PLC0415 (heavy)

    calls = call_columns(parts.log.parts())
    places, numbers = calls.places()
    known = find_metadata(parts, places)
    writers = [known[place] for place in places]

    def text(values: Sequence[str | None]) -> Any:
        """Return a column of text, of the same type with every pandas; None is null."""
        return pd.array(values, dtype="string")

    def told(name: str) -> list[Any]:
        """Return what each writer said of one thing, for each call."""
        said = [getattr(writer, name) for writer in writers]
        return [said[number] for number in numbers.tolist()]

    columns: dict[str, Any] = {
        "op": text(calls.texts["op"]),
        "version": text(calls.texts["op_version"]),
        "hid": text(calls.ids["call_id"]),
        "cid": text(calls.ids["content_id"]),
        "started": pd.DatetimeIndex(calls.started()).tz_localize("UTC"),
        "duration": pd.TimedeltaIndex(calls.duration()),
        "module": text(calls.texts["module"]),
        "reused_from": text(calls.ids["reused_from"]),
        "parent": text(calls.ids["parent"]),
        "written": pd.to_datetime(pd.Series(told("written"), dtype="object"), utc=True).dt.as_unit(
            "us"
        ),
        **{name: text(told(name)) for name in _METADATA},
        "git_dirty": pd.array(told("git_dirty"), dtype="boolean"),
        "process_id": pd.array(told("process_id"), dtype="Int64"),
        **{name: text(told(name)) for name in _KEYS},
    }
    return pd.DataFrame(columns)
