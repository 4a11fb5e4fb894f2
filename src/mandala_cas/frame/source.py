"""What a frame needs of a storage: the tables, and the things that codes stand for."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Protocol

from mandala_cas.index.schema import IndexTables
from mandala_cas.model.calls import Call
from mandala_cas.model.ids import CallId, ContentId, HistoryId
from mandala_cas.model.refs import MISSING, Ref


class FrameSource(Protocol):
    """Gives tables, values, refs and calls: what a storage is to its frames."""

    def tables(self) -> IndexTables:
        """Return all live calls; the same object for as long as nothing changed."""
        ...

    def load_values(self, content_ids: Sequence[ContentId]) -> list[Any]:
        """Return the values, in the order asked for; one batch."""
        ...

    def make_ref(self, history_id: HistoryId, content_id: ContentId, value: Any = MISSING) -> Ref:
        """Return a ref that belongs to this source."""
        ...

    def make_call(self, call_id: CallId) -> Call:
        """Return the call that is on record under this id."""
        ...
