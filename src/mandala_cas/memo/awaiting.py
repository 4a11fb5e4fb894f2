"""One call of an ``async def`` op: what ``run`` does, in the task that awaits it.

Concurrent calls with one id compute once in a process: the first one *leads*, the others wait for
it, in whatever thread or event loop they are. If the first is cancelled, one of the waiting leads.
"""

from __future__ import annotations

import asyncio
import os
import threading
from collections.abc import Mapping, Sequence
from concurrent.futures import Future
from dataclasses import dataclass
from typing import Any, Final

from mandala_cas.errors import UsageError
from mandala_cas.memo.afresh import check_forced, made_in_block, take_place
from mandala_cas.memo.apart import IS_APART
from mandala_cas.memo.asking import ask
from mandala_cas.memo.body import MadeCall, put_on_record, run_awaited
from mandala_cas.memo.book import CallBook
from mandala_cas.memo.context import Fresh, Session
from mandala_cas.memo.definition import Definition
from mandala_cas.memo.finding import find_record
from mandala_cas.memo.giving import give_made, give_recorded
from mandala_cas.memo.refusing import check_new_call
from mandala_cas.memo.request import Request
from mandala_cas.model.entries import CallRecord
from mandala_cas.model.ids import CallContentId, CallId


@dataclass(frozen=True, slots=True, eq=False)
class Landing:
    """How a call ended that others waited for: on record, in an error, or in neither."""

    record: CallRecord | None = None
    error: Exception | None = None


Flight = Future[Landing]
# What makes two calls one: where they are recorded, their ids, and the block if it makes all anew.
_Key = tuple[CallBook, CallId, CallContentId, Fresh | None]


class Flights:
    """The calls of ``async def`` ops that are running now, in all threads of this process."""

    def __init__(self) -> None:
        """Begin with none."""
        self._lock = threading.Lock()
        self._flying: dict[_Key, Flight] = {}

    def join(self, key: _Key) -> tuple[Flight, bool]:
        """Return the flight of a call, and whether the caller is the first and has to lead it."""
        with self._lock:
            flight = self._flying.get(key)
            if flight is not None:
                return flight, False
            flight = Future()
            # As it runs, nobody who stops waiting can cancel it for the others.
            flight.set_running_or_notify_cancel()
            self._flying[key] = flight
            return flight, True

    def land(self, key: _Key, landing: Landing) -> None:
        """Tell those who wait how it ended; whoever comes from now on begins anew."""
        with self._lock:
            flight = self._flying.pop(key, None)
        if flight is not None:
            flight.set_result(landing)

    def renew(self) -> None:
        """Know of none: in a forked child, those of the parent will never land."""
        self._lock = threading.Lock()
        self._flying = {}


FLIGHTS: Final = Flights()
# Windows has no fork, and no hook for it.
if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=FLIGHTS.renew)


async def answer_awaited(
    definition: Definition, args: Sequence[Any], kwargs: Mapping[str, Any], session: Session
) -> Any:
    """Return what a call gives inside a storage: refs, or plain values inside a body."""
    request = ask(definition, args, kwargs, session)
    record = find_record(request) if session.fresh is None else made_in_block(request)
    if record is not None:
        return give_recorded(request, record)
    if session.fresh is None:
        check_new_call(request)
    else:
        check_forced(request)
    if IS_APART.get():
        # What it would wait for may be in the event loop that waits for this.
        return give_made(request, await _made(request))
    key = (session.book, request.call_id, request.content_id, session.fresh)
    while True:
        flight, is_first = FLIGHTS.join(key)
        if is_first:
            return await _lead(request, key)
        _check_not_waiting_for_itself(request)
        landing = await asyncio.wrap_future(flight)
        if landing.error is not None:
            raise landing.error
        if landing.record is not None:
            # Not what the first one was given: two callers would hold one object.
            return give_recorded(request, landing.record)


async def force_awaited(
    definition: Definition, args: Sequence[Any], kwargs: Mapping[str, Any], session: Session
) -> Any:
    """Run the op whatever is on record, put its outcome in the place of that, and give it."""
    request = ask(definition, args, kwargs, session)
    check_forced(request)
    made = await run_awaited(request)
    take_place(request, made)
    return give_made(request, made)


async def _lead(request: Request, key: _Key) -> Any:
    """Make a call that others may wait for."""
    landing = Landing()
    try:
        record = _found_meanwhile(request)
        if record is not None:
            landing = Landing(record)
            return give_recorded(request, record)
        made = await _made(request)
        landing = Landing(made.record)
        return give_made(request, made)
    except Exception as error:
        landing = Landing(error=error)
        raise
    finally:
        # On record by now, so whoever comes after this finds it there.
        FLIGHTS.land(key, landing)


async def _made(request: Request) -> MadeCall:
    """Run the op and put the call on record."""
    made = await run_awaited(request)
    if request.session.fresh is None:
        put_on_record(request, made)
    else:
        take_place(request, made)
    return made


def _found_meanwhile(request: Request) -> CallRecord | None:
    """Return the record that another thread made since this one looked."""
    if request.session.fresh is not None:
        return made_in_block(request)
    record = request.session.book.find(request.call_id)
    # That one is on record still, and may not answer.
    return None if record == request.replaces else record


def _check_not_waiting_for_itself(request: Request) -> None:
    """Refuse a call made within its own body: it would wait for its own end.

    Raises:
        UsageError: it is one.
    """
    entry: object = request.session
    while isinstance(entry, Session):
        if entry.book is request.session.book and entry.parent == request.call_id:
            raise UsageError(
                f"{request.definition.name}: its body awaits the same call again, with equal "
                "arguments, and would wait for itself; give the inner call other arguments",
                op=request.definition.name,
                hid=request.call_id.hex(),
            )
        entry = entry.previous
