"""Whether an op left its inputs as they were.

A call that is answered from the record changes nothing, so a program that relies on the change
goes wrong on the second run.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from mandala_cas.errors import UsageError
from mandala_cas.memo.book import CallBook, Impression
from mandala_cas.memo.definition import Definition
from mandala_cas.memo.notes import NO_NOTE
from mandala_cas.memo.places import Place


class Inspection:
    """Remembers what the inputs of one call are like before its body runs, and looks again."""

    def __init__(
        self, definition: Definition, values: Sequence[tuple[str, Any]], book: CallBook
    ) -> None:
        """Look at all inputs, those that came as refs and defaults included."""
        notes = definition.notes()
        self._op_name = definition.name
        self._watched: list[tuple[str, Any, Impression]] = []
        for name, value in values:
            note = NO_NOTE if notes is None else notes.of_argument(name)
            try:
                impression = book.impression(value, note.hasher)
            except UsageError:
                # The value of a ref whose id was given by a hasher where it was made: it has no
                # content that could be compared.
                continue
            self._watched.append((name, value, impression))

    def finish(self) -> None:
        """Compare, when the body has run.

        Raises:
            UsageError: naming the argument that the body changed, and where.
        """
        for name, value, impression in self._watched:
            path = impression.change_in(value)
            if path is None:
                continue
            place = Place(self._op_name, "argument", name)
            raise UsageError(
                f"{place}: {name}{path} was changed by the op, and a call that is answered from "
                "the record would not change it; the call is not on record; change a copy, and "
                "return it",
                **place.details,
                path=path,
            )
