"""Processes that die inside of one: a store that outlives them, and locks that they let go of."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from mandala_cas.imports import Storage
from mandala_cas.log import journal as journal_module
from mandala_cas.log import orphans as orphans_module
from mandala_cas.log.forks import _fork_aware
from mandala_cas.log.orphans import Orphan
from mandala_cas.objectstore import locks
from mandala_cas.objectstore.api import Capabilities
from mandala_cas.objectstore.locks import HeldLock
from mandala_cas.objectstore.memory import MemoryObjectStore
from mandala_cas.values import exits


class Disk(MemoryObjectStore):
    """A store in memory that claims to outlive the process, as a bucket does."""

    @property
    def capabilities(self) -> Capabilities:
        """What a bucket promises."""
        return Capabilities(
            strong_list=True, atomic_create=True, persistent=True, flat_list=True, mtime=True
        )


class Deaths:
    """Keeps the kernel's part: the locks of a process are free once it is dead."""

    def __init__(self) -> None:
        """Nobody lives yet."""
        self._held: list[HeldLock] = []

    def try_lock(self, path: Path, **options: Any) -> HeldLock | None:
        """Lock as the kernel does, and remember it."""
        held = locks.try_lock(path, **options)
        if held is not None:
            self._held.append(held)
        return held

    def strike(self) -> None:
        """End every process: nothing of theirs is written, removed or locked from here on."""
        for held in self._held:
            held.release()
        self._held.clear()
        # Neither may the interpreter commit at its exit what died in a test.
        exits._living.clear()
        for thing in list(_fork_aware):
            if isinstance(thing, Orphan):
                thing._lock = None


@contextmanager
def mortal(monkeypatch: pytest.MonkeyPatch, cache: Path) -> Iterator[Deaths]:
    """Let processes die; what they keep on this machine is below ``cache``."""
    deaths = Deaths()
    with monkeypatch.context() as patch:
        patch.setenv("XDG_CACHE_HOME", str(cache))
        patch.setattr(journal_module, "try_lock", deaths.try_lock)
        patch.setattr(orphans_module, "try_lock", deaths.try_lock)
        yield deaths
        deaths.strike()


def files_below(cache: Path, folder: str) -> list[Path]:
    """Return the files in ``local/journal`` or ``local/spool`` of every store."""
    return sorted(path for path in cache.rglob(f"{folder}/*") if path.is_file())


def records_of(storage: Storage) -> list[bytes]:
    """Return the call ids of all live records, those of equal calls once for each."""
    tables = storage.tables()
    return [bytes(hid) for hid in tables.calls["hid"]]
