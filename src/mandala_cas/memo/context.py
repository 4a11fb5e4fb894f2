"""Which book the calls of this thread or task go to.

Each thread and each task has its own answer. Threads start outside every storage.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from contextvars import ContextVar
from dataclasses import dataclass
from typing import Any, Final

from mandala_cas.errors import UsageError
from mandala_cas.memo.book import CallBook
from mandala_cas.model.ids import CallId


@dataclass(frozen=True, slots=True, eq=False)
class Session:
    """One entry into a book, in one thread or task.

    ``previous`` is what leaving restores. ``parent`` is the call in whose body calls are being
    made. ``in_body`` tells whether they are made by the body itself, which gets plain values; a
    ``with storage:`` inside a body gives refs, as it does outside one.
    """

    book: CallBook
    previous: Session | None = None
    parent: CallId | None = None
    in_body: bool = False


_CURRENT: Final[ContextVar[Session | None]] = ContextVar("mandala_cas_session", default=None)


def current() -> Session | None:
    """Return the innermost entry of this thread or task; None outside every storage."""
    return _CURRENT.get()


def entered(book: CallBook) -> Session | None:
    """Return the innermost of the entries into ``book``, at any depth; None if there is none."""
    session = _CURRENT.get()
    while session is not None and session.book is not book:
        session = session.previous
    return session


def innermost(book: CallBook) -> Session:
    """Return the innermost entry, which must be into ``book``.

    Raises:
        UsageError: it is not.
    """
    session = _CURRENT.get()
    if session is None or session.in_body or session.book is not book:
        raise UsageError(
            "a storage is left that is not the innermost one entered; leave storages in reverse "
            "order, in the thread or task that entered them"
        )
    return session


def enter(book: CallBook) -> Session:
    """Send the calls that follow to ``book``; return what ``leave`` takes. Entries nest."""
    previous = _CURRENT.get()
    parent = previous.parent if previous is not None and previous.book is book else None
    session = Session(book, previous, parent)
    _CURRENT.set(session)
    return session


def leave(session: Session) -> None:
    """Restore what was there before ``enter`` gave ``session``.

    Raises:
        UsageError: it is not the innermost entry of this thread or task; nothing changes.
    """
    if innermost(session.book) is not session:
        raise UsageError("a storage is left twice; leave each entry once, the innermost first")
    _CURRENT.set(session.previous)


def run_in_body(
    session: Session,
    call_id: CallId,
    function: Callable[..., Any],
    args: Sequence[Any],
    kwargs: Mapping[str, Any],
) -> Any:
    """Call ``function`` as the body of a call: the calls it makes have that call as parent."""
    token = _CURRENT.set(Session(session.book, session, call_id, in_body=True))
    try:
        return function(*args, **kwargs)
    finally:
        _CURRENT.reset(token)
