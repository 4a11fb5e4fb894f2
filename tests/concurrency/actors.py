"""Processes at work on one store, of the real code, with clocks and ids that repeat.

A ``Process`` is what ``Storage`` is made of, joined by hand: a schedule can only be replayed where
nothing is drawn or measured. What it was told is safe goes into a ``Ledger``, which outlives it.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from copy import copy
from dataclasses import dataclass, field
from functools import cache
from itertools import count
from typing import Any, Final, Literal

from blake3 import blake3

from mandala_cas.blobs.store import BlobStore
from mandala_cas.codec.registry import default_registry
from mandala_cas.errors import CorruptionError
from mandala_cas.imports import op
from mandala_cas.index.lookup import CallLookup
from mandala_cas.index.tags import tags_in_effect
from mandala_cas.log.announcements import Announcements
from mandala_cas.log.view import LogView
from mandala_cas.log.writer import LogWriter
from mandala_cas.memo import context
from mandala_cas.memo.op import Op
from mandala_cas.model.entries import TagRecord, TagTarget, Tombstone, Untag
from mandala_cas.model.ids import CallId, ContentId, Dot, HistoryId
from mandala_cas.model.outcomes import Loaded
from mandala_cas.model.refs import MISSING, AtomRef, Elements, Ref
from mandala_cas.objectstore.api import ObjectStore
from mandala_cas.objectstore.layout import RUN_PARTS
from mandala_cas.objectstore.memory import MemoryObjectStore
from mandala_cas.storage.book import StoredCalls
from mandala_cas.storage.sources import Sources
from mandala_cas.storage.whole_log import WholeLog
from mandala_cas.testing.scheduler import Actor
from mandala_cas.upkeep.collecting.collect import collect
from mandala_cas.upkeep.compacting.compact import compact
from mandala_cas.values.batches import Clocks
from mandala_cas.values.condemned import CondemnedNames
from mandala_cas.values.creators import Creators
from mandala_cas.values.load import ValueLoader, ValueSource
from mandala_cas.values.recorder import Recorder, RecorderRules
from mandala_cas.values.save import ValueEncoder
from mandala_cas.values.stored import StoredValues
from mandala_cas.values.trust import Trust
from mandala_cas.values.unreadable import UnreadablePlaces

_START_US: Final = 1_700_000_000_000_000
# With the tiers that `small_tiers` sets: in the segment, in a pack, an object of its own.
_PACKED_SIZE: Final = 2_100
_LOOSE_SIZE: Final = 3_000
PACKED_MAX: Final = 2_500


@op
def inline(x: int) -> int:
    """Return a value that lies in the segment."""
    return x + 1000


@op
def packed(x: int) -> bytes:
    """Return a value that lies in a pack."""
    return _noise(x, _PACKED_SIZE)


@op
def packed_too(x: int) -> bytes:
    """Return the very value that another op returns."""
    return _noise(x, _PACKED_SIZE)


@op
def loose(x: int) -> bytes:
    """Return a value that is an object of its own."""
    return _noise(x, _LOOSE_SIZE)


@op
def loose_too(x: int) -> bytes:
    """Return the very value that another op returns."""
    return _noise(x, _LOOSE_SIZE)


@op
def follow(before: bytes) -> int:
    """Return a small value made of a large one."""
    return sum(before)


@op
def again(before: bytes) -> bytes:
    """Return what it is given: an output whose bytes are another call's."""
    return before


def _noise(seed: int, size: int) -> bytes:
    """Return bytes that do not shrink, always the same."""
    return blake3(seed.to_bytes(8, "big")).digest(size)


def numbers(name: str) -> Callable[[int], bytes]:
    """Return a source of bytes that repeats in every run, and differs from those of others."""
    numbered = count()
    return lambda size: blake3(f"{name} {next(numbered)}".encode()).digest(size)


def ticking() -> Callable[[], int]:
    """Return a clock that goes on a millisecond with every look."""
    ticks = count(_START_US, 1000)
    return lambda: next(ticks)


@dataclass(frozen=True, slots=True)
class Wanted:
    """A call, as tests speak of it: an op of this module, and a number or another such call."""

    function: Op[Any, Any]
    argument: int | Wanted

    @property
    def value(self) -> Any:
        """What the call must give."""
        argument = self.argument
        return self.function.f(argument if isinstance(argument, int) else argument.value)

    def __str__(self) -> str:
        """Return it as it would be written."""
        return f"{self.function.name}({self.argument})"


@cache
def ids_of(wanted: Wanted) -> tuple[CallId, ContentId]:
    """Return the id of a call and of what it gives: the same in every store."""
    scratch = Process(MemoryObjectStore(), "scratch")
    ref = scratch.make(wanted)
    (record,) = (
        record
        for record in scratch.book.creators(ref)
        if any(slot.history_id == ref.history_id for slot in record.outputs)
    )
    return record.call_id, ref.content_id


@dataclass
class Ledger:
    """What processes were told while they ran, and what they set out to do.

    ``acknowledged`` are the records that a commit promised, ``forgone`` the calls that a commit
    said it could not keep. What is in ``dropped`` and ``untagged`` may be in effect or not.
    ``wanted`` are all calls that anybody made.
    """

    acknowledged: dict[Dot, Wanted] = field(default_factory=dict)
    forgone: list[Wanted] = field(default_factory=list)
    dropped: set[Dot] = field(default_factory=set)
    tagged: dict[str, Wanted] = field(default_factory=dict)
    untagged: set[str] = field(default_factory=set)
    wanted: dict[Wanted, None] = field(default_factory=dict)

    def copy(self) -> Ledger:
        """Return a ledger that goes on from here."""
        return Ledger(**{name: copy(entries) for name, entries in vars(self).items()})


class Process:
    """One process that has the store open."""

    def __init__(self, objects: ObjectStore, name: str, ledger: Ledger | None = None) -> None:
        """Read the log; ``name`` makes its ids differ from those of others."""
        self._ledger = Ledger() if ledger is None else ledger
        self._made: dict[Wanted, None] = {}
        self._clock_us = clock_us = ticking()
        draw = numbers(name)
        blobs, codecs, unreadable = BlobStore(objects), default_registry(), UnreadablePlaces(draw)
        self.view, self._lookup = LogView(objects), CallLookup()
        self._lookup.add_parts(self.view.refresh())
        self._writer = LogWriter(objects, signer=None, session=dict, clock_us=clock_us, draw=draw)
        self.recorder = Recorder(
            blobs=blobs,
            writer=self._writer,
            view=self.view,
            lookup=self._lookup,
            rules=RecorderRules(flush_after_us=float("inf")),
            condemned=CondemnedNames(Announcements(objects)),
            clocks=Clocks(clock_us, lambda: 0.0),
            draw=draw,
        )
        condemned = self.recorder.condemned
        condemned.update(self.view.listing.announcements)
        self._log = WholeLog(self.view, self.recorder)
        stored = StoredValues(
            blobs,
            self._lookup,
            is_held=self.recorder.is_held,
            may_rely=lambda copy: copy.record.location not in condemned,
            hides_records=self._log.hides_records,
            unreadable=unreadable,
        )
        encoder = ValueEncoder(
            blobs,
            codecs,
            stored,
            nonce_for=unreadable.nonce_for,
            is_condemned=condemned.__contains__,
            draw=draw,
        )
        source = ValueSource(self.recorder.held, self._lookup.copies, self.recorder.refresh)
        trust = Trust("allow", lambda: None, unsigned_is_own=True)
        self.book = StoredCalls(
            lookup=self._lookup,
            recorder=self.recorder,
            encoder=encoder,
            values=ValueLoader(blobs, codecs, source, trust, unreadable),
            creators=Creators(self._log.parts, self._lookup.dots),
            loader=self,
            clock_us=clock_us,
            sources=Sources(objects, self.view),
        )

    def load_ref_value(self, ref: Ref) -> Any:
        """Return the value of a ref, as refs ask for it."""
        return self.book.load([ref])[0]

    def load_elements(self, ref: Ref) -> Elements:
        """Return refs to the elements of a collection, as its ref asks for them."""
        return self.book.elements(ref)

    def make_ref(self, history_id: HistoryId, content_id: ContentId, value: Any = MISSING) -> Ref:
        """Return a ref of this storage."""
        return self.book.collections.make_ref(history_id, content_id, value)

    def make(self, wanted: Wanted) -> Ref:
        """Make a call, and the one before it, or find them on record."""
        before = wanted.argument
        argument = before if isinstance(before, int) else self.make(before)
        self._ledger.wanted[wanted] = None
        session = context.enter(self.book)
        try:
            ref: Ref = wanted.function(argument)
        finally:
            context.leave(session)
        self._made[wanted] = None
        return ref

    def load(self, wanted: Wanted) -> Any:
        """Make a call, and return what it gave; what is lost is computed again."""
        ref = self.make(wanted)
        session = context.enter(self.book)
        try:
            (value,) = self.book.load([ref])
        finally:
            context.leave(session)
        return value

    def commit(self) -> None:
        """Put what was made on record, and note what was promised."""
        before = {wanted: self._own(wanted) for wanted in self._made}
        self.recorder.flush()
        # No call to the store from here on: nobody comes between the promise and the note of it.
        for wanted, dots in before.items():
            own = self._own(wanted)
            self._ledger.acknowledged.update(dict.fromkeys(own, wanted))
            if dots and not own and self._ledger.dropped.isdisjoint(dots):
                self._ledger.forgone.append(wanted)
        self._made.clear()

    def refresh(self) -> None:
        """See what others did."""
        self.recorder.refresh()

    def drop(self, wanted: Wanted) -> None:
        """Forget a call, as far as this process sees it."""
        self.commit()
        dots = self._lookup.dots(ids_of(wanted)[0])
        # Before it is said: whoever hears of it must find it here.
        self._ledger.dropped.update(dots)
        self.recorder.drop([Tombstone(d.writer, d.seq, d.row, d.row) for d in dots])
        self.commit()

    def tag(self, wanted: Wanted) -> None:
        """Keep what a call gave under a name, its own."""
        ref, name = self.make(wanted), str(wanted)
        tag = TagRecord(name, TagTarget.REF, ref.history_id, ref.content_id, self._clock_us())
        self.recorder.tag([tag])
        self.commit()
        # No call to the store from here on. Where the value was gone, the tag is on nothing.
        if name in tags_in_effect(self._log.parts()):
            self._ledger.tagged[name] = wanted

    def untag(self, wanted: Wanted) -> None:
        """Take the name off, as far as this process sees it."""
        self.commit()
        tagged = tags_in_effect(self._log.parts()).get(str(wanted), [])
        self._ledger.untagged.update({str(wanted)} if tagged else ())
        dots = [item.dot for item in tagged]
        self.recorder.untag([Untag(d.writer, d.seq, d.row, d.row) for d in dots])
        self.commit()

    def dots(self) -> Iterable[Dot]:
        """Yield the records in the view, hidden ones among them as long as they have rows."""
        for part in self.view.parts.values():
            for row in range(part.calls.row_count):
                yield part.dot(row)

    def check_values(self, ledger: Ledger) -> None:
        """Read what every call gave that this process sees, unless nobody promised it."""
        for part in list(self.view.parts.values()):
            for row in range(part.calls.row_count):
                dot, record = part.dot(row), part.call_record(row)
                if dot not in self._lookup.dots(record.call_id):
                    continue
                outcomes = self.book.load_each(
                    [AtomRef(slot.history_id, slot.content_id) for slot in record.outputs]
                )
                if not all(isinstance(outcome, Loaded) for outcome in outcomes):
                    assert dot not in ledger.acknowledged or dot in ledger.dropped, (
                        f"{record.op_name} was promised, and cannot be read: {outcomes}"
                    )

    def _own(self, wanted: Wanted) -> list[Dot]:
        """Return this process's live records of a call, committed or not."""
        writer = self._writer.position.writer
        return [dot for dot in self._lookup.dots(ids_of(wanted)[0]) if dot.writer == writer]


Verb = Literal["make", "drop", "tag", "untag"]
Step = tuple[Verb, Wanted] | Literal["commit", "refresh"]


def writing(name: str, ledger: Ledger, *steps: Step) -> Actor:
    """Return an actor that opens the store, takes the steps, and commits."""

    def act(store: ObjectStore) -> None:
        process = Process(store, name, ledger)
        for step in steps:
            if isinstance(step, str):
                getattr(process, step)()
            else:
                verb, wanted = step
                try:
                    getattr(process, verb)(wanted)
                except CorruptionError:
                    # Who holds the ref of a call that others drop may come too late.
                    assert ledger.dropped, f"{name} cannot {verb} {wanted}, and nobody drops"
        process.commit()

    return act


def collecting(name: str, times: int = 1) -> Actor:
    """Return an actor that collects with no grace."""

    def act(store: ObjectStore) -> None:
        for number in range(times):
            collect(
                store,
                LogView(store),
                gc_features=(),
                signer=None,
                grace_s=0,
                clock_us=ticking(),
                draw=numbers(f"{name} {number}"),
            )

    return act


def compacting(name: str, times: int = 1) -> Actor:
    """Return an actor that merges everything, and deletes at once what it merged."""

    def act(store: ObjectStore) -> None:
        for number in range(times):
            compact(
                store,
                LogView(store),
                signer=None,
                trusts=lambda key_id: key_id is None,
                clock_us=ticking(),
                draw=numbers(f"{name} {number}"),
                full=True,
                delay_s=0.0,
                announcements=Announcements(store),
            )

    return act


def reading(name: str, ledger: Ledger, times: int = 2) -> Actor:
    """Return an actor that looks again and again, and reads every value that it sees."""

    def act(store: ObjectStore) -> None:
        process: Process | None = None
        seen: set[Dot] = set()
        for _ in range(times):
            promised = set(ledger.acknowledged)
            if process is None:
                process = Process(store, name)
            else:
                process.refresh()
            # A run whose parts were collected while it was put has its rows in segments.
            damaged = dict(process.view.damaged)
            assert all(name.startswith(RUN_PARTS) for name in damaged), damaged
            dots = set(process.dots())
            assert seen <= dots, "a view only grows"
            missing = promised - dots - ledger.dropped
            assert not missing, f"{missing} were acknowledged before the reader looked"
            seen = dots
            process.check_values(ledger)

    return act
