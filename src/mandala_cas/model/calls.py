"""Calls: what an op was given, and what it gave."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from types import MappingProxyType
from typing import Final

from mandala_cas.model.entries import CallRecord, Slot
from mandala_cas.model.ids import CallContentId, CallId
from mandala_cas.model.refs import AtomRef, Ref, RefLoader

_PRINTED_HEX_LENGTH: Final = 3


@dataclass(frozen=True, slots=True)
class OpIdentity:
    """What the store knows an op by."""

    name: str
    version: str


class Call:
    """One recorded application of an op. Two calls are equal when their histories are."""

    __slots__ = ("_loader", "record")

    def __init__(self, record: CallRecord, loader: RefLoader | None = None) -> None:
        """Wrap a record; ``loader`` is handed to the refs."""
        self.record = record
        self._loader = loader

    @property
    def call_id(self) -> CallId:
        """The history id."""
        return self.record.call_id

    @property
    def content_id(self) -> CallContentId:
        """The content id."""
        return self.record.content_id

    @property
    def hid(self) -> str:
        """The history id, in hexadecimal."""
        return self.record.call_id.hex()

    @property
    def cid(self) -> str:
        """The content id, in hexadecimal."""
        return self.record.content_id.hex()

    @property
    def op(self) -> OpIdentity:
        """The op, by name and version."""
        return OpIdentity(self.record.op_name, self.record.op_version)

    @property
    def inputs(self) -> Mapping[str, Ref]:
        """The inputs by name, as refs, in the order of the op's parameters."""
        return self._refs(self.record.inputs)

    @property
    def outputs(self) -> Mapping[str, Ref]:
        """The outputs by name, as refs, in the order of return."""
        return self._refs(self.record.outputs)

    @property
    def started(self) -> datetime:
        """When the call began (UTC)."""
        return datetime.fromtimestamp(self.record.started_us / 1e6, tz=UTC)

    @property
    def duration(self) -> timedelta:
        """How long the op ran; zero where an equal call answered."""
        return timedelta(microseconds=self.record.duration_us)

    def _refs(self, slots: tuple[Slot, ...]) -> Mapping[str, Ref]:
        """Return the refs in ``slots``, lazily loaded."""
        make = AtomRef if self._loader is None else self._loader.make_ref
        return MappingProxyType({s.name: make(s.history_id, s.content_id) for s in slots})

    def __eq__(self, other: object) -> bool:
        """Compare histories."""
        return self.call_id == other.call_id if isinstance(other, Call) else NotImplemented

    def __hash__(self) -> int:
        """Hash the history."""
        return hash(self.call_id)

    def __repr__(self) -> str:
        """Return the op's name and the first digits of the history id."""
        return f"Call({self.record.op_name}, hid={self.hid[:_PRINTED_HEX_LENGTH]}...)"
