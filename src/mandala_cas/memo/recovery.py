"""Values that are on record and cannot be used: the calls that gave them are run again.

Lost are those that cannot be read, withheld those that are pickles of somebody untrusted.

Only inside ``with storage:``, where running ops is what the user asked for. A value is given only
if it has the content id that was asked for; what else a call gives the second time is on record,
and is not this value.
"""

from __future__ import annotations

import warnings
from collections.abc import Sequence
from contextvars import ContextVar
from dataclasses import dataclass, field, replace
from typing import Any, Final

from mandala_cas.errors import (
    CorruptionError,
    MandalaError,
    MandalaWarning,
    NotFoundError,
    UntrustedError,
)
from mandala_cas.memo.body import run
from mandala_cas.memo.book import CallBook
from mandala_cas.memo.context import Session, entered
from mandala_cas.memo.definition import Definition
from mandala_cas.memo.registry import find_definition
from mandala_cas.memo.reports import (
    changed,
    explained,
    from_outside,
    going_in_circles,
    other_parameters,
    unknown_op,
)
from mandala_cas.memo.request import Request
from mandala_cas.model.entries import CallRecord
from mandala_cas.model.ids import CallId, ContentId
from mandala_cas.model.outcomes import Loaded
from mandala_cas.model.refs import AtomRef, Ref

# Bodies make calls, whose outputs may be lost as well; what is being run is not run once more.
_RUNNING: Final[ContextVar[frozenset[CallId]]] = ContextVar(
    "mandala_cas_recovering", default=frozenset()
)


def load(refs: Sequence[Ref], book: CallBook, *, mmap: bool = True) -> list[Any]:
    """Return the values of ``refs``; inside ``book``, those that are lost are computed again.

    So are those that are withheld. One that cannot be had is an error only when all others are
    safe.

    Raises:
        CorruptionError: a value is lost, and cannot be computed again, or not here.
        UntrustedError: a value is withheld, and cannot be computed again, or not here.
        MandalaError: what else is wrong with one of them.
    """
    outcomes = book.load_each(refs, mmap=mmap)
    session = entered(book)
    found_wrong = dict(zip(refs, outcomes, strict=True))
    lost: dict[Ref, MandalaError] = {
        ref: o for ref, o in found_wrong.items() if isinstance(o, CorruptionError)
    }
    withheld = {ref: o for ref, o in found_wrong.items() if isinstance(o, UntrustedError)}
    for ref, error in lost.items():
        if session is None and isinstance(error, CorruptionError):
            raise explained(ref, error, book.creators(ref), len(lost)) from error
    if session is not None:
        # Nobody trusted said where it is, and who did say so has dropped it.
        lost |= {
            ref: o
            for ref, o in found_wrong.items()
            if isinstance(o, NotFoundError) and book.creators(ref)
        }
    if (lost or withheld) and session is not None:
        recovery = _Recovery(session)
        failures: dict[Ref, MandalaError | None] = {ref: recovery.recover(ref) for ref in lost}
        failures |= {ref: recovery.make_own(ref, error) for ref, error in withheld.items()}
        outcomes = [
            failures.get(ref) or outcome for ref, outcome in zip(refs, outcomes, strict=True)
        ]
        again = list(dict.fromkeys(ref for ref, failure in failures.items() if failure is None))
        found = dict(zip(again, book.load_each(again, mmap=mmap), strict=True)) if again else {}
        outcomes = [found.get(ref, outcome) for ref, outcome in zip(refs, outcomes, strict=True)]
    values = []
    for outcome in outcomes:
        if isinstance(outcome, MandalaError):
            raise outcome
        values.append(outcome.value)
    return values


@dataclass(slots=True)
class _Step:
    """One call that is to be run again, for the sake of ``wanted``."""

    call: CallRecord
    definition: Definition
    wanted: Ref
    inputs: list[Ref]
    pending: list[Ref] = field(default_factory=list)
    looked: bool = False


class _Recovery:
    """Runs calls again, inputs before outputs, each at most once."""

    def __init__(self, session: Session) -> None:
        """Run in ``session``."""
        self._session = session
        self._book = session.book
        self._done: set[CallId] = set()
        self._withheld: set[ContentId] = set()

    def recover(self, ref: Ref) -> CorruptionError | None:
        """Make the value of ``ref`` readable; return why not where it cannot be.

        What an op raises passes unchanged.
        """
        try:
            self._recover(ref)
        except CorruptionError as error:
            return error
        return None

    def make_own(self, ref: Ref, error: UntrustedError) -> UntrustedError | None:
        """Have the value of ``ref`` from this user's own code; return why not where it cannot be.

        What somebody else recorded stays as it is: it is as good as before to who trusts them.
        """
        op_name = error.details.get("op")
        if op_name is not None:
            key_id = error.details.get("key_id")
            writer = "nobody signed" if key_id is None else f"key {key_id} wrote"
            warnings.warn(
                f"{op_name} runs again: what {writer} is not decoded here; storage.trusted() lists "
                "the keys that are trusted",
                MandalaWarning,
                stacklevel=2,
            )
        self._withheld.add(ref.content_id)
        try:
            self._recover(ref)
        except CorruptionError as reason:
            error.add_note(f"nor can it be computed again here: {reason}")
            return error
        return None

    def _recover(self, ref: Ref) -> None:
        """Run the call that gave ``ref``, after those that gave its inputs.

        A stack of our own, for chains are longer than Python's. It ends: every call on it is
        another one, and each is run once.
        """
        steps = [self._step(ref, ())]
        while steps:
            step = steps[-1]
            if step.call.call_id in self._done:
                steps.pop()
                continue
            if step.pending:
                steps.append(self._step(step.pending.pop(), steps))
                continue
            outcomes = self._book.load_each(step.inputs)
            lost = [
                (input_, outcome)
                for input_, outcome in zip(step.inputs, outcomes, strict=True)
                if isinstance(outcome, MandalaError)
            ]
            if lost and step.looked:
                raise lost[0][1]
            if lost:
                step.looked = True
                step.pending = [input_ for input_, _ in lost]
                self._withheld.update(
                    i.content_id for i, o in lost if isinstance(o, UntrustedError)
                )
                continue
            values = [outcome.value for outcome in outcomes if isinstance(outcome, Loaded)]
            self._run(step, values)
            steps.pop()

    def _step(self, ref: Ref, above: Sequence[_Step]) -> _Step:
        """Return how to get ``ref``, which the last of ``above`` needs."""
        creators = self._book.creators(ref)
        if not creators:
            needing = above[-1].call if above else None
            if needing is not None:
                # The next time it is called with the value itself, it runs.
                lost = {above[-1].wanted.content_id} - self._withheld
                if lost:
                    self._book.mark_lost(needing.call_id, lost)
            raise from_outside(ref, needing)
        known = [
            (call, definition)
            for call in creators
            if (definition := find_definition(call.op_name, call.op_version)) is not None
        ]
        if not known:
            raise unknown_op(ref, creators[0])
        call, definition = known[0]
        busy = _RUNNING.get().union(step.call.call_id for step in above)
        if call.call_id in busy:
            raise going_in_circles(ref, call)
        inputs = [
            AtomRef(slot.history_id, slot.content_id, loader=self._book.loader)
            for slot in call.inputs
        ]
        return _Step(call, definition, ref, list(inputs))

    def _run(self, step: _Step, values: Sequence[Any]) -> None:
        """Run one call again, and put it on record."""
        call, definition = step.call, step.definition
        names = (slot.name for slot in call.inputs)
        bound = definition.binder.rebind(dict(zip(names, values, strict=True)))
        if bound is None:
            raise other_parameters(step.wanted, call)
        arguments, positional_count = bound
        inputs = [(slot.name, slot.history_id, slot.content_id) for slot in call.inputs]
        request = Request(definition, self._session, inputs, arguments, positional_count)
        token = _RUNNING.set(_RUNNING.get() | {call.call_id})
        try:
            made = run(request)
        except Exception as error:
            error.add_note(f"raised while {call.op_name} ran again, because its values are lost")
            raise
        finally:
            _RUNNING.reset(token)
        record = replace(made.record, parent=call.parent)
        # What is merely withheld here hides nothing: its record is somebody else's, and good.
        self._book.record_again(record, made.prepared, {step.wanted.content_id} - self._withheld)
        self._done.add(call.call_id)
        if all(slot.content_id != step.wanted.content_id for slot in record.outputs):
            raise changed(step.wanted, call, record, definition)
