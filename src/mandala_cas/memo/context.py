"""Which book the calls of this thread or task go to, and what is asked of it.

Each thread and each task has its own answer. Threads start outside every storage.
"""

from __future__ import annotations

import contextlib
from collections.abc import Awaitable, Callable, Iterator, Mapping, Sequence
from contextvars import ContextVar
from dataclasses import dataclass, field, replace
from typing import Any, Final, Literal

from mandala_cas.errors import UsageError
from mandala_cas.memo import presence
from mandala_cas.memo.book import CallBook
from mandala_cas.model.entries import CallRecord
from mandala_cas.model.ids import CallContentId, CallId

ContextMode = Literal["run", "noop", "recompute"]


@dataclass(frozen=True, slots=True, eq=False)
class Fresh:
    """What an entry that recomputes has made so far: each call runs once in it."""

    by_history: dict[CallId, CallRecord] = field(default_factory=dict)
    by_content: dict[CallContentId, CallRecord] = field(default_factory=dict)

    def add(self, record: CallRecord) -> None:
        """Have this record answer from now on."""
        self.by_history[record.call_id] = record
        self.by_content[record.content_id] = record


@dataclass(slots=True, eq=False)
class Block:
    """One ``with`` block. ``is_left`` is set before what was made in it is committed."""

    is_left: bool = False


# Not frozen at run time: one is made for every call that runs, at a fifth of the price.
@dataclass(slots=True, eq=False)
class Session:
    """One entry into a book, in one thread or task.

    ``previous`` is what leaving restores. ``parent`` is the call in whose body calls are being
    made. ``in_body`` tells whether they are made by the body itself, which gets plain values; a
    ``with storage:`` inside a body gives refs, as it does outside one. ``fresh`` is there in an
    entry that recomputes. ``allows_new`` tells whether a call that is not on record may run.
    """

    book: CallBook
    previous: Entry | None = None
    parent: CallId | None = None
    in_body: bool = False
    fresh: Fresh | None = None
    allows_new: bool = True
    block: Block = field(default_factory=Block)

    @property
    def mode(self) -> ContextMode:
        """What is done with calls: looked up, or made anew."""
        return "run" if self.fresh is None else "recompute"

    def of_body(self, call_id: CallId) -> Session:
        """Return the session in which the body of a call runs."""
        return Session(self.book, self, call_id, True, self.fresh, self.allows_new, self.block)


@dataclass(frozen=True, slots=True, eq=False)
class Pause:
    """A stretch in which ops are plain functions; entered through ``book``, if through one."""

    book: CallBook | None
    previous: Entry | None

    @property
    def mode(self) -> ContextMode:
        """What is done with calls: nothing."""
        return "noop"


Entry = Session | Pause

_CURRENT: Final[ContextVar[Entry | None]] = ContextVar("mandala_cas_session", default=None)


def current() -> Entry | None:
    """Return the innermost entry of this thread or task; None outside every storage."""
    return _CURRENT.get()


def mode() -> ContextMode:
    """Return what is done here with the calls of ops; outside every storage, what would be."""
    entry = _CURRENT.get()
    return "run" if entry is None else entry.mode


def entered(book: CallBook) -> Session | None:
    """Return the innermost of the entries into ``book``, at any depth; None if there is none.

    Inside a pause there is none: nothing is to be looked up or recorded there.
    """
    entry = _CURRENT.get()
    while isinstance(entry, Session) and entry.book is not book:
        entry = entry.previous
    return entry if isinstance(entry, Session) else None


def innermost(book: CallBook | None) -> Entry:
    """Return the innermost entry, which must be into ``book``; None means a pause of its own.

    Raises:
        UsageError: it is not.
    """
    entry = _CURRENT.get()
    if entry is None or entry.book is not book or (isinstance(entry, Session) and entry.in_body):
        raise UsageError(
            "a storage is left that is not the innermost one entered; leave storages in reverse "
            "order, in the thread or task that entered them"
        )
    return entry


def enter(book: CallBook, mode: ContextMode = "run", *, allows_new: bool | None = None) -> Entry:
    """Send the calls that follow to ``book``; return what ``leave`` takes. Entries nest.

    New calls stay forbidden in a block within one that forbids them, unless it says otherwise.
    """
    if mode == "noop":
        return pause(book)
    previous = _CURRENT.get()
    parent, allowed = None, True
    if isinstance(previous, Session) and previous.book is book:
        parent, allowed = previous.parent, previous.allows_new
    fresh = Fresh() if mode == "recompute" else None
    if allows_new is not None:
        allowed = allows_new
    session = Session(book, previous, parent, fresh=fresh, allows_new=allowed)
    _move(session)
    return session


def pause(book: CallBook | None = None) -> Pause:
    """Have ops be plain functions from here on; return what ``leave`` takes."""
    entry = Pause(book, _CURRENT.get())
    _move(entry)
    return entry


def leave(entry: Entry) -> None:
    """Restore what was there before ``entry`` was given by ``enter`` or ``pause``.

    Raises:
        UsageError: it is not the innermost entry of this thread or task; nothing changes.
    """
    if innermost(entry.book) is not entry:
        raise UsageError("a storage is left twice; leave each entry once, the innermost first")
    _move(entry.previous)
    if isinstance(entry, Session):
        entry.block.is_left = True


@contextlib.contextmanager
def carried(entry: Entry) -> Iterator[None]:
    """Do what follows as in ``entry``, which may have been entered in another thread or task."""
    previous = _CURRENT.get()
    _move(replace(entry, previous=previous))
    try:
        yield
    finally:
        _move(previous)


def run_in_body(
    session: Session,
    call_id: CallId,
    function: Callable[..., Any],
    args: Sequence[Any],
    kwargs: Mapping[str, Any],
) -> Any:
    """Call ``function`` as the body of a call: the calls it makes have that call as parent."""
    token = _CURRENT.set(session.of_body(call_id))
    try:
        return function(*args, **kwargs)
    finally:
        _CURRENT.reset(token)


async def await_in_body(
    session: Session,
    call_id: CallId,
    function: Callable[..., Awaitable[Any]],
    args: Sequence[Any],
    kwargs: Mapping[str, Any],
) -> Any:
    """Await ``function`` as the body of a call, in the task that awaits this.

    Other tasks see nothing of it: each has its own context. Tasks that the body starts begin with
    a copy of this one, so their calls have the call as parent as well.
    """
    token = _CURRENT.set(session.of_body(call_id))
    try:
        return await function(*args, **kwargs)
    finally:
        # A task that nobody waits for any more is closed from outside, in another context, which
        # this one's token does not fit; there is nothing to restore there.
        with contextlib.suppress(ValueError):
            _CURRENT.reset(token)


def _move(entry: Entry | None) -> None:
    """Make ``entry`` the current one; count this thread as inside a storage while it is."""
    was_inside, is_inside = isinstance(_CURRENT.get(), Session), isinstance(entry, Session)
    if is_inside and not was_inside:
        presence.arrive()
    elif was_inside and not is_inside:
        presence.depart()
    _CURRENT.set(entry)


presence.forked_children_ask(lambda: isinstance(_CURRENT.get(), Session))
