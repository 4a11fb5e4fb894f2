"""What ops and arguments on record are called now, by what the ops of this process say."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

from mandala_cas.memo.registry import OpRename, renames
from mandala_cas.model.entries import CallRecord, Slot

if TYPE_CHECKING:
    from mandala_cas.index.schema import IndexTables


class PresentNames:
    """The names of one storage, in its namespace; asking again is free until they change."""

    def __init__(self, namespace: str) -> None:
        """Rename nothing yet."""
        self._prefix = f"{namespace}/" if namespace else ""
        self._state = 0
        self._by_name: Mapping[str, OpRename] = {}
        self._stated: IndexTables | None = None
        self._given: IndexTables | None = None

    def full(self, op_name: str) -> str:
        """Return what an op of this process is called on record."""
        return self._prefix + op_name

    def find(self, name: str, known: tuple[str, ...]) -> str | None:
        """Return which of the ops ``known`` a person means; None where it is none of them."""
        rename = self._renames().get(self.full(name)) or self._renames().get(name)
        candidates = [self.full(name), name]
        if rename is not None:
            candidates.append(rename.name)
        return next((candidate for candidate in candidates if candidate in known), None)

    def in_tables(self, stated: IndexTables) -> IndexTables:
        """Return the tables with present names; the same object until something changes."""
        renames_now = self._renames()
        if not renames_now:
            return stated
        if self._given is None or stated is not self._stated:
            from mandala_cas.index.renaming import Rename, renamed  # noqa: PLC0415 (heavy)

            self._given = renamed(
                stated,
                {old: Rename(new.name, dict(new.arguments)) for old, new in renames_now.items()},
            )
            self._stated = stated
        return self._given

    def in_record(self, record: CallRecord) -> CallRecord:
        """Return a call with present names; its ids stay those that it has on record."""
        rename = self._renames().get(record.op_name)
        if rename is None:
            return record
        new_names = dict(rename.arguments)
        return CallRecord(
            call_id=record.call_id,
            content_id=record.content_id,
            op_name=rename.name,
            op_version=record.op_version,
            module=record.module,
            source_hash=record.source_hash,
            started_us=record.started_us,
            duration_us=record.duration_us,
            inputs=tuple(
                Slot(new_names.get(slot.name, slot.name), slot.history_id, slot.content_id)
                for slot in record.inputs
            ),
            outputs=record.outputs,
            reused_from=record.reused_from,
            parent=record.parent,
        )

    def _renames(self) -> Mapping[str, OpRename]:
        """Return what is renamed now, by the full name on record."""
        state, by_name = renames()
        if state != self._state:
            self._by_name = {
                self.full(old): OpRename(self.full(new.name), new.arguments)
                for old, new in by_name.items()
            }
            self._state, self._given = state, None
        return self._by_name
