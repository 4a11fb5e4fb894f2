"""The kept index: all that a view holds, in one file of this user's, so that opening reads nothing.

It is made from a set of log objects, and used while each of them is still in the store, or covered
there; the view decides that. What came later is a tail, which is read from the log. A file that is
damaged, foreign or outdated is not used: what it held is in the log.
"""

from __future__ import annotations

import os
import secrets
from collections.abc import Iterable, Sequence
from contextlib import suppress
from functools import cached_property
from pathlib import Path
from typing import Final

from mandala_cas.errors import CorruptionError
from mandala_cas.index.kept_file import encode_kept, is_private, open_kept
from mandala_cas.index.kept_part import KeptPart
from mandala_cas.index.kept_schema import (
    BY_CALL,
    BY_CONTENT,
    BY_VALUE,
    KEPT_SCHEMA,
    NAMES,
    SEGMENTS,
)
from mandala_cas.index.prefixes import PrefixIndex
from mandala_cas.log.part import LogPart
from mandala_cas.log.rows import CALLS, VALUES
from mandala_cas.log.tables import Table
from mandala_cas.model.ids import SegmentId
from mandala_cas.objectstore.api import Buffer
from mandala_cas.objectstore.buffers import flat
from mandala_cas.objectstore.platforms import running_platform

FILE_NAME: Final = "index"

# Reading so little again costs less than writing it would.
_ROW_COUNT_MIN: Final = 4096
# Each part of a tail is an object that an opening fetches.
_PART_COUNT_MAX: Final = 256
_TAIL_SHARE: Final = 8
_TEMPORARY: Final = ".new-"
_ABANDONED_S: Final = 24 * 3600


class KeptIndex:
    """A ``LogBase`` that lies in a file; lookups search it where it lies."""

    def __init__(self, tables: dict[str, Table]) -> None:
        """Give the rows of ``tables``, which are those of ``KEPT_SCHEMA``; see ``open``."""
        self._names = tables[NAMES].bytes("name")
        self.segment_count = tables[SEGMENTS].row_count
        self.part = KeptPart(tables)
        self.by_call = PrefixIndex(tables[BY_CALL], tables[CALLS].fixed("call_id"))
        self.by_content = PrefixIndex(tables[BY_CONTENT], tables[CALLS].fixed("content_id"))
        self.by_value = PrefixIndex(tables[BY_VALUE], tables[VALUES].fixed("content_id"))

    @classmethod
    def open(cls, directory: Path) -> KeptIndex | None:
        """Return the index kept in ``directory``; None where there is none that can be used.

        Costs the same for any number of calls. What another user owns, or could have written, is
        not used: its values would be taken for those of the signers that it names.
        """
        try:
            if not is_private(directory.stat()):
                return None
        except OSError:
            return None
        tables = open_kept(directory / FILE_NAME, KEPT_SCHEMA)
        if tables is None:
            return None
        return cls(tables)

    @cached_property
    def names(self) -> frozenset[str]:
        """The log objects that it was made from."""
        return frozenset(str(name, "utf-8", "replace") for name in self._names.rows())

    @property
    def segment_ids(self) -> frozenset[SegmentId]:
        """The segments whose rows it has."""
        return self.part.segment_ids

    @property
    def parts(self) -> Sequence[LogPart]:
        """Its rows, as one part."""
        return (self.part,)

    @property
    def row_count(self) -> int:
        """How many calls and values it has."""
        return self.part.call_count + self.part.value_count


def should_rewrite(base: KeptIndex | None, parts: Iterable[LogPart]) -> bool:
    """Tell whether an index kept of ``parts`` now would make the next opening cheaper.

    ``parts`` are those of the view, that of ``base`` among them or not. One that is rewritten for
    each new call would cost more than it saves, so the tail may grow to an eighth of the base.
    """
    tail = [part for part in parts if not isinstance(part, KeptPart)]
    row_count = sum(part.calls.row_count + part.values.row_count for part in tail)
    kept_count = 0 if base is None else base.row_count
    kept_parts = 0 if base is None else base.segment_count
    return row_count > max(_ROW_COUNT_MIN, kept_count // _TAIL_SHARE) or (
        len(tail) > max(_PART_COUNT_MAX, kept_parts // _TAIL_SHARE)
    )


def write_kept_index(directory: Path, parts: Iterable[LogPart], names: Iterable[str]) -> bool:
    """Keep ``parts``, which were made from the log objects ``names``; tell whether that worked.

    Several processes may write at once: each file is whole, and the last one stays. One that is
    mapped by another process goes on to be read there. Failing is no error: the next opening
    reads the log, as this one did.
    """
    from mandala_cas.index.kept_making import kept_tables  # noqa: PLC0415 (only who writes)

    try:
        directory.mkdir(parents=True, exist_ok=True, mode=0o700)
        if not is_private(directory.stat()):
            return False
        _write(directory, encode_kept(kept_tables(parts, names)))
    except OSError:
        return False
    except CorruptionError:
        # What is read from the log was checked when it was read, so it is the old index that is
        # damaged; it would be asked again and again.
        with suppress(OSError):
            (directory / FILE_NAME).unlink()
        return False
    return True


def _write(directory: Path, content: Iterable[Buffer]) -> None:
    """Put a file under its name, whole or not at all."""
    temporary = directory / f"{FILE_NAME}{_TEMPORARY}{secrets.token_hex(8)}"
    try:
        with open(temporary, "xb", opener=_private) as file:
            file.writelines(flat(piece) for piece in content)
            file.flush()
            # Before the rename: a machine that stops between the two would have a file of the
            # right size under the name, and zeros in it.
            running_platform().sync_file(file.fileno())
        written = temporary.stat().st_mtime
        # Windows refuses where another process has the old file mapped; it will write the next.
        temporary.replace(directory / FILE_NAME)
    finally:
        with suppress(OSError):
            temporary.unlink()
    _sweep(directory, written - _ABANDONED_S)


def _sweep(directory: Path, before: float) -> None:
    """Remove what writers left that were ended half-way, some time ago by the disk's own clock."""
    for path in directory.glob(f"{FILE_NAME}{_TEMPORARY}*"):
        with suppress(OSError):
            if path.stat().st_mtime < before:
                path.unlink()


def _private(path: str, flags: int) -> int:
    """Open a new file that nobody else may read."""
    return os.open(path, flags, 0o600)
