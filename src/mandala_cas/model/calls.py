"""Calls: what an op was given, and what it gave."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from types import MappingProxyType
from typing import Any, Final, Protocol

from mandala_cas.errors import UsageError
from mandala_cas.model.entries import CallRecord, Slot
from mandala_cas.model.ids import CallContentId, CallId, ContentId
from mandala_cas.model.refs import MISSING, AtomRef, Ref, RefLoader

_PRINTED_HEX_LENGTH: Final = 3


@dataclass(frozen=True, slots=True)
class OpIdentity:
    """What the store knows an op by."""

    name: str
    version: str


@dataclass(frozen=True, slots=True)
class CallMetadata:
    """Where a record of a call comes from, as far as its writer said.

    ``written`` is when it was committed; None while it waits for that. ``key_id`` is the key that
    signed it, None where nobody did or the signature does not hold; ``key_name`` is how this user
    calls that key. All else is what the writing process said of itself, and None where it did not.
    """

    host: str | None = None
    user: str | None = None
    process_id: int | None = None
    python: str | None = None
    platform: str | None = None
    git_commit: str | None = None
    git_dirty: bool | None = None
    packages: Mapping[str, str] = field(default_factory=dict)
    library: str | None = None
    written: datetime | None = None
    key_id: str | None = None
    key_name: str | None = None


class CallLoader(RefLoader, Protocol):
    """Gives what a call does not carry: what a storage is to its calls."""

    def load_call_metadata(self, call: Call) -> CallMetadata:
        """Return where the record of a call comes from."""
        ...


class Call:
    """One recorded application of an op. Two calls are equal when their histories are."""

    __slots__ = ("_loader", "_values", "record")

    def __init__(
        self,
        record: CallRecord,
        loader: CallLoader | None = None,
        values: Mapping[ContentId, Any] | None = None,
    ) -> None:
        """Wrap a record; ``loader`` and ``values``, as far as given, are handed to the refs."""
        self.record = record
        self._loader = loader
        self._values: Mapping[ContentId, Any] = {} if values is None else values

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

    @property
    def module(self) -> str:
        """The module in which the op was defined."""
        return self.record.module

    @property
    def parent(self) -> str | None:
        """The hid of the call in whose body this one was made, if it was made in one."""
        return None if self.record.parent is None else self.record.parent.hex()

    @property
    def reused_from(self) -> str | None:
        """The hid of the call of equal op and input contents that answered, if one did."""
        return None if self.record.reused_from is None else self.record.reused_from.hex()

    @property
    def metadata(self) -> CallMetadata:
        """Who made the call, where, with what; looked up when asked for, at times in the store.

        Raises:
            UsageError: this call belongs to no storage.
            NotFoundError: it is not on record any more.
        """
        if self._loader is None:
            raise UsageError(
                f"{self!r} belongs to no storage, so nothing is known of who made it; get it with "
                "storage.get_call(hid)",
                hid=self.hid,
            )
        return self._loader.load_call_metadata(self)

    def _refs(self, slots: tuple[Slot, ...]) -> Mapping[str, Ref]:
        """Return the refs in ``slots``, lazily loaded."""
        values, loader = self._values, self._loader
        make = AtomRef if loader is None else loader.make_ref
        return MappingProxyType(
            {
                s.name: make(s.history_id, s.content_id, values.get(s.content_id, MISSING))
                for s in slots
            }
        )

    def __eq__(self, other: object) -> bool:
        """Compare histories."""
        return self.call_id == other.call_id if isinstance(other, Call) else NotImplemented

    def __hash__(self) -> int:
        """Hash the history."""
        return hash(self.call_id)

    def __repr__(self) -> str:
        """Return the op's name and the first digits of the history id."""
        return f"Call({self.record.op_name}, hid={self.hid[:_PRINTED_HEX_LENGTH]}...)"
