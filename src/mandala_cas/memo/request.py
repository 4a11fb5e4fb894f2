"""One call as it was asked for: an op, its arguments, and the ids that these give it."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from mandala_cas.memo.context import Session
from mandala_cas.memo.definition import Definition
from mandala_cas.model.entries import Slot
from mandala_cas.model.ids import (
    CallContentId,
    CallId,
    ContentId,
    HistoryId,
    call_content_id,
    call_history_id,
)

Input = tuple[str, HistoryId, ContentId]


class Request:
    """One call as it was asked for; whether it is on record is another question.

    ``arguments`` are all of them by name, with what stands for a default replaced by it; ``inputs``
    are those that make up the call. ``positional_count`` is how many were given by position.
    """

    __slots__ = (
        "_content_id",
        "arguments",
        "call_id",
        "definition",
        "inputs",
        "positional_count",
        "session",
    )

    def __init__(
        self,
        definition: Definition,
        session: Session,
        inputs: Sequence[Input],
        arguments: Sequence[tuple[str, Any]],
        positional_count: int,
    ) -> None:
        """Take the id that the call has by its history; that by its content can wait."""
        self.definition = definition
        self.session = session
        self.inputs = inputs
        self.arguments = arguments
        self.positional_count = positional_count
        self.call_id: CallId = call_history_id(
            definition.name, definition.version, [(i[0], i[1]) for i in inputs]
        )
        self._content_id: CallContentId | None = None

    @property
    def content_id(self) -> CallContentId:
        """The id that the call has by the contents of its inputs."""
        if self._content_id is None:
            self._content_id = call_content_id(
                self.definition.name, self.definition.version, [(i[0], i[2]) for i in self.inputs]
            )
        return self._content_id

    def slots(self) -> tuple[Slot, ...]:
        """Return the inputs as a record has them."""
        return tuple(Slot(*i) for i in self.inputs)
