"""Stores that tests compact, and compactors that do it."""

from __future__ import annotations

from collections.abc import Callable, Container, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from itertools import count
from typing import Any

from tests.unit.log.entry_strategies import call_record, inline_record
from tests.unit.log.sample_runs import State, nonce, state_of

from mandala_cas.envelope.signatures import Signer
from mandala_cas.errors import MandalaError
from mandala_cas.log.rows import build_tables
from mandala_cas.log.segment import (
    NO_PREVIOUS,
    SealedSegment,
    Segment,
    decode_segment,
    seal_tables,
    segment_header,
)
from mandala_cas.log.tables import Table
from mandala_cas.log.view import LogView
from mandala_cas.model.entries import Entry
from mandala_cas.model.ids import ContentId, KeyId, WriterId
from mandala_cas.objectstore.api import ObjectStore
from mandala_cas.objectstore.layout import RUNS, SEGMENTS
from mandala_cas.upkeep.compacting.compact import CompactReport, compact


class Clock:
    """A store's own clock, that stands still until it is moved."""

    def __init__(self) -> None:
        """Start at some time."""
        self.now = 1_000_000.0

    def __call__(self) -> float:
        """Return the time."""
        return self.now


def batch_of(number: int) -> list[Entry]:
    """Return a call and the place of its value."""
    content = ContentId(bytes([number]) * 32)
    return [call_record(number), replace(inline_record(b"%d" % number), content_id=content)]


def sealed_of(
    entries: Sequence[Entry],
    writer: int,
    *,
    signer: Signer | None = None,
    other: Sequence[Table] = (),
) -> SealedSegment:
    """Return a segment, the first of its writer."""
    header = segment_header(
        entries,
        writer=WriterId(writer.to_bytes(8, "big")),
        seq=0,
        previous=NO_PREVIOUS,
        created_us=1_700_000_000_000_000,
        library="test",
        session={},
    )
    return seal_tables([*build_tables(entries).values(), *other], header, signer)


def put_segment(
    store: ObjectStore,
    entries: Sequence[Entry],
    writer: int,
    *,
    signer: Signer | None = None,
    other: Sequence[Table] = (),
) -> Segment:
    """Put a segment, the first of its writer."""
    sealed = sealed_of(entries, writer, signer=signer, other=other)
    store.put(sealed.name, sealed.sealed.parts)
    return decode_segment(sealed.name, sealed.sealed.to_bytes())


def put_calls(
    store: ObjectStore, numbers: Iterable[int], *, signer: Signer | None = None
) -> list[Segment]:
    """Put a segment of one call for each number, each of its own writer."""
    return [put_segment(store, batch_of(number), number, signer=signer) for number in numbers]


def everybody(_key: KeyId | None) -> bool:
    """Trust whoever it is."""
    return True


def compacted(store: ObjectStore, view: LogView | None = None, **options: Any) -> CompactReport:
    """Compact a store as a process that never saw it would, unless it has a view."""
    chosen = {
        "signer": None,
        "trusts": everybody,
        "clock_us": lambda: 1_700_000_000_000_000,
        "draw": nonce,
        **options,
    }
    return compact(store, view or LogView(store), **chosen)


def seen(store: ObjectStore) -> State:
    """Return what a process sees that opens the store now; nothing may be damaged."""
    view = LogView(store)
    view.refresh()
    assert dict(view.damaged) == {}
    return state_of(view.parts.values())


def names(store: ObjectStore, prefix: str) -> list[str]:
    """Return the names below a prefix."""
    return sorted(info.name for info in store.list(prefix))


def log_names(store: ObjectStore) -> tuple[int, int]:
    """Return how many segments and runs there are."""
    return len(names(store, SEGMENTS)), len(names(store, RUNS))


@dataclass
class FakeAnnouncements:
    """Reads announcements that tests made up: what each name condemns."""

    condemned: Mapping[str, Container[str]]
    damaged: Mapping[str, MandalaError] = field(default_factory=dict)
    asked: list[str] = field(default_factory=list)

    def read(self, asked: Iterable[str]) -> Sequence[Container[str]]:
        """Return what is condemned."""
        wanted = list(asked)
        self.asked += wanted
        return [self.condemned[name] for name in wanted if name in self.condemned]


def numbered_draw(start: int = 1) -> Callable[[int], bytes]:
    """Return a source of bytes that are always the same, and never repeat."""
    numbers = count(start)
    return lambda size: next(numbers).to_bytes(size, "big")
