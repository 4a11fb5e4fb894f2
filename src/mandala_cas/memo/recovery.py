"""Values that are on record and cannot be used: the calls that gave them are run again.

Lost are those that cannot be read, withheld those that are pickles of somebody untrusted.

Only inside ``with storage:``, where running ops is what the user asked for. A value is given only
if it has the content id that was asked for; what else a call gives the second time is on record,
and is not this value.
"""

from __future__ import annotations

import warnings
from collections.abc import Mapping, Sequence
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
from mandala_cas.memo.constructing import prepare_collection
from mandala_cas.memo.context import Session, entered
from mandala_cas.memo.definition import Definition
from mandala_cas.memo.registry import find_renamed
from mandala_cas.memo.reports import (
    changed,
    explained,
    from_outside,
    going_in_circles,
    ignored_arguments,
    not_saved,
    other_parameters,
    unknown_op,
)
from mandala_cas.memo.request import Request
from mandala_cas.model.collection_refs import CollectionRef
from mandala_cas.model.collections import STRUCTURAL_OPS, made_from, made_of, taken_apart_by
from mandala_cas.model.entries import CallRecord
from mandala_cas.model.ids import CallId, ContentId, constant_history_id
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
    lost = {ref: o for ref, o in found_wrong.items() if isinstance(o, CorruptionError)}
    if session is None and lost:
        ref, error = next(iter(lost.items()))
        raise explained(ref, error, book.creators(ref), len(lost)) from error
    wrong = {ref: o for ref, o in found_wrong.items() if isinstance(o, MandalaError)}
    if session is not None and any(map(_may_be_made, wrong.values())):
        recovery = _Recovery(session)
        failures = {ref: recovery.mend(ref, o) for ref, o in wrong.items()}
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


def _may_be_made(error: MandalaError) -> bool:
    """Tell whether running a call may give what this is the error of."""
    return isinstance(error, CorruptionError | UntrustedError | NotFoundError)


@dataclass(slots=True)
class _Step:
    """One call that is to be run again, for the sake of ``wanted``.

    ``definition`` is None where the call only makes a collection of its inputs. ``looked`` are the
    values that were pending before.
    """

    call: CallRecord
    definition: Definition | None
    wanted: Ref
    inputs: list[Ref]
    pending: list[Ref] = field(default_factory=list)
    looked: set[ContentId] = field(default_factory=set)


class _Recovery:
    """Runs calls again, inputs before outputs, each at most once."""

    def __init__(self, session: Session) -> None:
        """Run in ``session``."""
        self._session = session
        self._book = session.book
        self._done: set[CallId] = set()
        self._withheld: set[ContentId] = set()

    def mend(self, ref: Ref, error: MandalaError) -> MandalaError | None:
        """Make ``ref`` usable, of which this is wrong; return what is still wrong, if anything is.

        Of a collection, elements are what is wrong, and each is had by itself.
        """
        for part, wrong in self._parts(ref, error):
            failure: MandalaError | None = wrong
            if isinstance(wrong, UntrustedError):
                failure = self.make_own(part, wrong)
            elif isinstance(wrong, CorruptionError):
                failure = self.recover(part)
            elif isinstance(wrong, NotFoundError) and self._book.creators(part):
                # Nobody trusted said where it is, and who did say so has dropped it.
                failure = self.recover(part)
            if failure is not None:
                return failure
        return None

    def _parts(self, ref: Ref, error: MandalaError) -> list[tuple[Ref, MandalaError]]:
        """Return what exactly is wrong: the value itself, or elements of it."""
        parts: Mapping[ContentId, MandalaError] | None = error.details.get("parts")
        if parts is None:
            return [(ref, error)]
        loader = self._book.loader
        return [
            (AtomRef(constant_history_id(id_), id_, loader=loader), wrong)
            for id_, wrong in parts.items()
        ]

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
            if step.definition is None:
                self._make(step)
                steps.pop()
                continue
            outcomes = self._book.load_each(step.inputs)
            lost = [
                wrong
                for input_, outcome in zip(step.inputs, outcomes, strict=True)
                if isinstance(outcome, MandalaError)
                for wrong in self._parts(input_, outcome)
            ]
            # What lies in a collection shows when what is stored of that is back.
            new = [part for part, _ in lost if part.content_id not in step.looked]
            if lost and not new:
                raise lost[0][1]
            if lost:
                step.looked.update(part.content_id for part in new)
                step.pending = new
                self._withheld.update(
                    part.content_id for part, o in lost if isinstance(o, UntrustedError)
                )
                continue
            values = [outcome.value for outcome in outcomes if isinstance(outcome, Loaded)]
            self._run(step, step.definition, values)
            steps.pop()

    def _step(self, ref: Ref, above: Sequence[_Step]) -> _Step:
        """Return how to get ``ref``, which the last of ``above`` needs."""
        creators = self._owners(self._book.creators(ref))
        if not creators:
            needing = above[-1].call if above else None
            if needing is not None and above[-1].wanted.content_id not in self._withheld:
                # The next time it is called with the value itself, it runs.
                outputs = {slot.content_id for slot in needing.outputs}
                wanted = {above[-1].wanted.content_id}
                self._book.mark_lost(needing.call_id, wanted & outputs or outputs)
            if needing is not None and self._saves_no_inputs(needing):
                raise not_saved(ref, needing)
            raise from_outside(ref, needing)
        made = next((call for call in creators if made_of(call.op_name) is not None), None)
        if made is not None:
            return _Step(made, None, ref, [])
        known = [
            (call, definition)
            for call in creators
            if (definition := self._definition_of(call)) is not None
        ]
        if not known:
            raise unknown_op(ref, creators[0])
        call, definition = known[0]
        busy = _RUNNING.get().union(step.call.call_id for step in above)
        if call.call_id in busy:
            raise going_in_circles(ref, call)
        make_ref = self._book.loader.make_ref
        inputs = [make_ref(slot.history_id, slot.content_id) for slot in call.inputs]
        return _Step(call, definition, ref, inputs)

    def _owners(self, creators: Sequence[CallRecord]) -> list[CallRecord]:
        """Return the calls that gave a value, with those of collections for those of elements.

        A call that takes an element out of a collection gives nothing by itself: what gave the
        collection does.
        """
        found: dict[CallId, CallRecord] = {}
        seen: set[CallId] = set()
        waiting = list(creators)
        while waiting:
            call = waiting.pop(0)
            if call.call_id in seen:
                continue
            seen.add(call.call_id)
            kind = taken_apart_by(call.op_name)
            if kind is None:
                found[call.call_id] = call
                continue
            name = STRUCTURAL_OPS[kind].made
            for slot in call.inputs:
                if slot.name == name:
                    above = self._book.creators(AtomRef(slot.history_id, slot.content_id))
                    # One that was made of elements gives none of them.
                    waiting += [c for c in above if made_of(c.op_name) is None]
        return list(found.values())

    def _definition_of(self, call: CallRecord) -> Definition | None:
        """Return the op of this process that a call is one of, under whichever name."""
        prefix = f"{self._book.namespace}/" if self._book.namespace else ""
        if not call.op_name.startswith(prefix):
            return None
        return find_renamed(call.op_name.removeprefix(prefix), call.op_version)

    def _saves_no_inputs(self, call: CallRecord) -> bool:
        """Tell whether the op of a call keeps nothing of the plain values that it is given."""
        definition = self._definition_of(call)
        return definition is not None and not definition.settings.save_inputs

    def _make(self, step: _Step) -> None:
        """Store once more what a collection is made of: its elements are on record."""
        call = step.call
        kind = made_of(call.op_name)
        assert kind is not None, "a step without an op makes a collection"
        collection = made_from(kind, call.inputs)
        if collection.content_id != step.wanted.content_id:
            raise going_in_circles(step.wanted, call)
        prepared = prepare_collection(collection, collection.content_id, self._book)
        self._book.record_again(call, [prepared], {collection.content_id} - self._withheld)
        self._done.add(call.call_id)

    def _run(self, step: _Step, definition: Definition, values: Sequence[Any]) -> None:
        """Run one call again, and put it on record."""
        call = step.call
        new_names = definition.settings.renamed_args
        names = (new_names.get(slot.name, slot.name) for slot in call.inputs)
        # A collection goes in as its ref: what is stored of it is not what a list is stored as.
        values = [
            type(ref)(ref.history_id, ref.content_id, value, self._book.loader)
            if isinstance(ref, CollectionRef)
            else value
            for ref, value in zip(step.inputs, values, strict=True)
        ]
        bound = definition.binder.rebind(dict(zip(names, values, strict=True)))
        if bound is None:
            unknown = definition.binder.needs_ignored([slot.name for slot in call.inputs])
            if unknown:
                raise ignored_arguments(step.wanted, call, unknown)
            raise other_parameters(step.wanted, call)
        arguments, positional_count = bound
        inputs = [(slot.name, slot.history_id, slot.content_id) for slot in call.inputs]
        # Under the names that it has on record: it is that call which is made again.
        request = Request(
            definition,
            self._session,
            inputs,
            arguments,
            positional_count,
            op_name=call.op_name,
        )
        request.replaces = call
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
        lost = {step.wanted.content_id} - self._withheld
        self._book.record_again(record, made.prepared, lost, made.structural)
        self._done.add(call.call_id)
        given = (slot for one in (record, *made.structural) for slot in one.outputs)
        if all(slot.content_id != step.wanted.content_id for slot in given):
            raise changed(step.wanted, call, record, definition)
