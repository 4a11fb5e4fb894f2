"""What a storage holds beside the store: counted, and shown to people."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any

from mandala_cas.index.kept_part import KeptPart
from mandala_cas.model.entries import CallRecord, ValueRecord
from mandala_cas.storage.assembly import Assembly
from mandala_cas.upkeep.printing import Report, as_size, as_table

if TYPE_CHECKING:
    from mandala_cas.index.schema import IndexTables
    from mandala_cas.index.tables import TableCache


@dataclass(frozen=True, slots=True)
class CacheAmount:
    """How many things are held, and their bytes as far as they can be told."""

    count: int
    size: int | None = None


@dataclass(frozen=True, slots=True, repr=False)
class CacheInfo(Report):
    """What a storage holds in memory and on this machine.

    ``uncommitted`` are calls, with the bytes of values that wait with them: nobody else has them
    yet. The rest can be had again: ``records`` are calls that were made from the log's columns,
    ``tables`` the calls in the tables behind frames, ``log`` the calls of the log that was read,
    ``kept_index`` those that lie in this user's file instead, ``files`` the contents of files.
    Values are held by the refs that have them, and by nobody else.
    """

    uncommitted: CacheAmount
    records: CacheAmount
    tables: CacheAmount
    log: CacheAmount
    kept_index: CacheAmount
    files: CacheAmount

    def to_dict(self) -> dict[str, Any]:
        """Return everything as plain numbers, strings and dictionaries."""
        return asdict(self)

    def __str__(self) -> str:
        """Return a table for a terminal."""
        lines = (
            ("uncommitted calls", self.uncommitted, "no: commit() writes them"),
            ("records of calls", self.records, "clear_cache()"),
            ("tables behind frames", self.tables, "clear_cache()"),
            ("log, in memory", self.log, "no: it answers every call"),
            ("log, kept in a file", self.kept_index, "no: mapped, not read"),
            ("contents of files", self.files, "file_cache.trim()"),
        )
        rows = [
            (what, amount.count, "-" if amount.size is None else as_size(amount.size), freed_by)
            for what, amount, freed_by in lines
        ]
        return as_table(("held", "count", "size", "let go by"), rows)


def find_cache_info(parts: Assembly, tables: TableCache | None) -> CacheInfo:
    """Return what is held. Looks at files on this machine, and asks the store for nothing."""
    kept = sum(part.call_count for part in parts.view.parts.values() if isinstance(part, KeptPart))
    read = sum(
        part.calls.row_count for part in parts.view.parts.values() if not isinstance(part, KeptPart)
    )
    return CacheInfo(
        uncommitted=_uncommitted(parts),
        records=CacheAmount(parts.lookup.answer_count),
        tables=_tables(None if tables is None else tables.held),
        log=CacheAmount(read),
        kept_index=CacheAmount(kept),
        files=CacheAmount(*_files(parts)),
    )


def _uncommitted(parts: Assembly) -> CacheAmount:
    """Return the calls that are not committed, and the bytes of the values that wait with them."""
    with parts.recorder.lock:
        entries = [entry for entry, _ in parts.recorder.unpublished()]
        calls = [entry for entry in entries if isinstance(entry, CallRecord)]
        contents = {slot.content_id for call in calls for slot in (*call.inputs, *call.outputs)}
        held = [parts.recorder.held(content_id) for content_id in contents]
    inline = {e.content_id: len(e.inline) for e in entries if isinstance(e, ValueRecord)}
    size = sum(found[1].size for found in held if found is not None) + sum(inline.values())
    return CacheAmount(len(calls), size)


def _tables(held: IndexTables | None) -> CacheAmount:
    """Return the calls in the tables that are held, and the bytes of all columns, about."""
    if held is None:
        return CacheAmount(0, 0)
    size = sum(int(table.estimated_size()) for table in (held.calls, held.slots, held.refs))
    return CacheAmount(held.calls.height, size)


def _files(parts: Assembly) -> tuple[int, int]:
    """Return how many files and directories this machine has the contents of, and their bytes."""
    root = parts.files.path
    if not root.is_dir():
        return 0, 0
    return sum(1 for entry in root.iterdir() if entry.is_dir()), parts.files.size()
