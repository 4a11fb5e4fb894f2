"""One call as it was asked for: an op, its arguments, and the ids that these give it."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from mandala_cas.memo.context import Session
from mandala_cas.memo.definition import Definition
from mandala_cas.model.entries import CallRecord, Slot
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
    ``op_name`` is what the op is called on record. ``replaces`` is the record of this call that may
    not answer, if there is one.
    """

    __slots__ = (
        "_content_id",
        "arguments",
        "call_id",
        "definition",
        "inputs",
        "op_name",
        "positional_count",
        "replaces",
        "session",
    )

    def __init__(
        self,
        definition: Definition,
        session: Session,
        inputs: Sequence[Input],
        arguments: Sequence[tuple[str, Any]],
        positional_count: int,
        *,
        op_name: str | None = None,
    ) -> None:
        """Take the id that the call has by its history; that by its content can wait.

        ``op_name`` is by default the op's name, in the namespace of the session's book.
        """
        self.definition = definition
        namespace = session.book.namespace
        if op_name is None:
            op_name = f"{namespace}/{definition.name}" if namespace else definition.name
        self.op_name = op_name
        self.replaces: CallRecord | None = None
        self.session = session
        self.inputs = inputs
        self.arguments = arguments
        self.positional_count = positional_count
        self.call_id: CallId = call_history_id(
            op_name, definition.version, [(i[0], i[1]) for i in inputs]
        )
        self._content_id: CallContentId | None = None

    @property
    def content_id(self) -> CallContentId:
        """The id that the call has by the contents of its inputs."""
        if self._content_id is None:
            self._content_id = call_content_id(
                self.op_name, self.definition.version, [(i[0], i[2]) for i in self.inputs]
            )
        return self._content_id

    def under(self, op_name: str, inputs: Sequence[Input]) -> Request:
        """Return the same call as it would be under other names."""
        return Request(
            self.definition,
            self.session,
            inputs,
            self.arguments,
            self.positional_count,
            op_name=op_name,
        )

    def slots(self) -> tuple[Slot, ...]:
        """Return the inputs as a record has them."""
        return tuple(map(Slot._make, self.inputs))
