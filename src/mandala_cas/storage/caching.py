"""What a storage holds, and how it was opened, as methods of it."""

from __future__ import annotations

import os
from contextlib import suppress
from typing import Any

from mandala_cas.errors import CorruptionError, NotFoundError
from mandala_cas.log.run_part import RunPart
from mandala_cas.memo import context
from mandala_cas.storage.base import StorageFace
from mandala_cas.storage.cache_report import CacheInfo, find_cache_info
from mandala_cas.storage.unwrapping import attach_all


class StoreCaching(StorageFace):
    """The part of a storage that knows what is in memory, and can let go of it."""

    def cache_info(self) -> CacheInfo:
        """Return what is held in memory and on this machine; it prints as a table."""
        self._check_open()
        return find_cache_info(self._parts, self._tables)

    def clear_cache(self) -> None:
        """Commit, then let go of what can be had again: the tables, and records of calls.

        Values are the refs' own, and go with them; ``file_cache`` has the contents of files.
        """
        self._check_open()
        self.commit()
        with self._parts.recorder.lock:
            self._parts.lookup.forget_answers()
        self._tables = None

    def preload(self, refs: Any = None) -> None:
        """Load the values of all refs in a container at once, so that each is there when used.

        Without refs, do what ``preload_calls`` does.

        Args:
            refs: a ref, or lists, tuples, dicts and sets that hold refs.
        """
        self._check_open()
        if refs is None:
            self.preload_calls()
        else:
            attach_all(refs, self._parts.book, self._parts.has_value)

    def preload_calls(self) -> None:
        """Take in what others published, make the tables, and read the small values of runs.

        So the first question afterwards is as quick as the next.
        """
        self._check_open()
        self._parts.recorder.refresh()
        self.tables()
        for part in self._parts.view.parts.values():
            if isinstance(part, RunPart):
                # Whoever asks for one of them learns what is wrong, and may have it elsewhere.
                with suppress(CorruptionError, NotFoundError):
                    part.payloads.column()

    def in_context(self) -> bool:
        """Tell whether op calls in this thread or task go to this storage now."""
        self._check_open()
        session = context.current()
        return session is not None and session.book is self._parts.book

    def dump_config(self) -> dict[str, Any]:
        """Return how this storage was opened, as arguments of ``Storage``.

        Without what may be secret: ``storage_options`` and ``key`` are to be given again. A path is
        what was given; an object store, and a file system, are the objects themselves.
        """
        self._check_open()
        settings = self._settings
        where = settings.where
        return {
            "path_or_url": os.fspath(where) if isinstance(where, str | os.PathLike) else where,
            "mode": settings.mode,
            "engine": settings.engine,
            "pickle": settings.pickle,
            "flush_after": settings.flush_after_s,
            "cache_dir": (
                None if settings.cache_directory is None else os.fspath(settings.cache_directory)
            ),
            "file_cache_max": settings.file_cache_max,
            "check_mutation": settings.check_mutation,
        }
