"""One call of an op: answered from the record where it can be, run where it must be."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

from mandala_cas.memo.afresh import made_in_block, run_afresh
from mandala_cas.memo.asking import ask
from mandala_cas.memo.body import run_and_record
from mandala_cas.memo.collection_types import PLAIN_TYPES
from mandala_cas.memo.constructing import unwrap_within
from mandala_cas.memo.context import Session
from mandala_cas.memo.definition import Definition
from mandala_cas.memo.finding import find_record, peek_record
from mandala_cas.memo.giving import give_made, give_recorded
from mandala_cas.memo.places import Place
from mandala_cas.memo.refusing import check_new_call
from mandala_cas.memo.special import Ignored, given
from mandala_cas.memo.unwrapping import unwrap
from mandala_cas.model.pointers import Pointer
from mandala_cas.model.refs import Ref


def answer(
    definition: Definition, args: Sequence[Any], kwargs: Mapping[str, Any], session: Session
) -> Any:
    """Return what a call gives inside a storage: refs, or plain values inside a body.

    On record under its history: lazy refs, nothing loaded. On record under its content: the same,
    and a record of its own. Else the op runs.
    """
    request = ask(definition, args, kwargs, session)
    if session.fresh is not None:
        record = made_in_block(request)
        if record is None:
            return give_made(request, run_afresh(request))
        return give_recorded(request, record)
    record = find_record(request)
    if record is not None:
        return give_recorded(request, record)
    check_new_call(request)
    # Two threads or machines may get here with one call. Both record it under the same id, and
    # either record answers from then on, so there is nothing to lock.
    return give_made(request, run_and_record(request))


def force(
    definition: Definition, args: Sequence[Any], kwargs: Mapping[str, Any], session: Session
) -> Any:
    """Run the op whatever is on record, put its outcome in the place of that, and give it."""
    request = ask(definition, args, kwargs, session)
    return give_made(request, run_afresh(request))


def look_up(
    definition: Definition, args: Sequence[Any], kwargs: Mapping[str, Any], session: Session
) -> Any:
    """Return refs to the outputs on record of such a call, None if there is none; run nothing.

    Refs in a body as well: where None says that there is nothing, it must not be a value.
    """
    request = ask(definition, args, kwargs, replace(session, in_body=False))
    record = peek_record(request)
    return None if record is None else give_recorded(request, record)


def run_plainly(definition: Definition, args: Sequence[Any], kwargs: Mapping[str, Any]) -> Any:
    """Return what the plain function returns: a call outside every storage.

    Refs among the arguments are unwrapped, and new arguments get their defaults, so that code
    works the same with the ``with storage:`` line taken away.
    """
    binder = definition.binder
    everything = (*args, *kwargs.values())
    notes = None
    if any(type(argument) in PLAIN_TYPES for argument in everything):
        # Not read unless they show something: they may name what is defined further down.
        notes = definition.notes() if definition.annotations.mention_collections else None
    if (
        notes is None
        and not binder.has_special_defaults
        and not any(isinstance(argument, Ref | Ignored | Pointer) for argument in everything)
    ):
        return definition.function(*args, **kwargs)
    arguments = binder.bind(args, kwargs)
    values = []
    for name, argument in arguments:
        value = given(argument)
        place = Place(definition.name, "argument", name)
        if isinstance(value, Ref):
            value = given(unwrap(value, str(place), None, **place.details))
        elif notes is not None and (note := notes.of_argument(name)).shapes:
            value = unwrap_within(value, note, place)
        values.append((name, value))
    plain_args, plain_kwargs = binder.unbind(values, len(args))
    return definition.body(*plain_args, **plain_kwargs)
