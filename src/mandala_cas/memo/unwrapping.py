"""The values behind refs: of this book, of another storage's, or of none."""

from __future__ import annotations

import contextlib
from collections.abc import Sequence
from typing import Any

from mandala_cas.errors import CorruptionError, NotFoundError, UsageError
from mandala_cas.memo.book import CallBook
from mandala_cas.model.ids import ContentId, HistoryId, constant_history_id
from mandala_cas.model.refs import MISSING, Ref


class HeldValues:
    """The values of those refs among some that a book holds; those it made come in one batch.

    Two refs of one history may be of two contents, where two machines computed the same and got
    something else: each has its own value.
    """

    def __init__(self, refs: Sequence[Ref], book: CallBook) -> None:
        """Load what there is.

        Raises:
            NotFoundError: ``book`` made one of them and lacks its value all the same.
        """
        loader = book.loader
        values: dict[tuple[HistoryId, ContentId], Any] = {}
        others: dict[tuple[HistoryId, ContentId], Ref] = {}
        for ref in refs:
            key = ref.history_id, ref.content_id
            if ref.loader is loader and ref.in_memory:
                values[key] = ref.value
            else:
                others.setdefault(key, ref)
        missing = {k: r for k, r in others.items() if r.loader is loader and k not in values}
        if missing:
            values |= zip(missing, book.load(list(missing.values())), strict=True)
        for key, ref in others.items():
            # It was pickled, and may come from this book or any other: asked for by itself, so
            # that its absence does not hide the others.
            if ref.loader is None and not ref.in_memory and key not in values:
                with contextlib.suppress(NotFoundError):
                    values[key] = book.load([ref])[0]
        self._values = values

    def find(self, ref: Ref) -> Any:
        """Return the value of a ref, ``MISSING`` if it is not among them; None is a value."""
        return self._values.get((ref.history_id, ref.content_id), MISSING)


def unwrap(ref: Ref, what: str, book: CallBook | None, **details: str) -> Any:
    """Return the value of a ref, from wherever it can be had.

    ``what`` says in the error which ref it was; the error carries ``details``.

    Raises:
        UsageError: it is not in memory, and neither the storage it came from nor ``book`` has it.
        CorruptionError: the storage it came from cannot read it any more, and ``book`` has no
            other.
    """
    if ref.in_memory:
        return ref.value
    sources = "neither in memory"
    cause: NotFoundError | UsageError | None = None
    lost: CorruptionError | None = None
    if ref.loader is not None:
        try:
            return ref.loader.load_ref_value(ref)
        except (NotFoundError, UsageError) as error:
            # It has no such value, or was closed since. The book may have it all the same.
            cause = error
            sources += f" nor in {ref.loader!r}"
        except CorruptionError as error:
            lost = error
    if book is not None and book.loader is not ref.loader:
        try:
            return book.load([ref])[0]
        except NotFoundError as error:
            cause = error
            sources += f" nor in {book.loader!r}"
    if lost is not None:
        raise lost
    if ref.loader is None and book is None:
        sources += " nor of a storage that could be asked"
    advice = "load it with storage.unwrap(ref) of the storage that has it"
    if ref.history_id == constant_history_id(ref.content_id):
        advice += (
            "; it was passed in from outside, and an op with save_inputs=False saves no value that "
            "it is given"
        )
    raise UsageError(
        f"{what}: the value of {ref!r} is {sources}; {advice}",
        ref=ref,
        **details,
    ) from cause
