"""The sources of ops in the log: beside what describes the process that recorded their calls.

Each process writes the source of an op once, in a segment no later than the first that has a call
of it. They are searched when somebody meets a difference, which is seldom.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import Any, Final

from mandala_cas.envelope.packing import unpack
from mandala_cas.errors import MandalaError
from mandala_cas.log.reading import fetch_segments
from mandala_cas.log.view import LogView
from mandala_cas.model.ids import SegmentId, SourceHash
from mandala_cas.objectstore.api import ObjectStore
from mandala_cas.objectstore.layout import parse_segment_name
from mandala_cas.versions.texts import SourceText, read_source_text

FIELD: Final = "sources"

# What describes a process has to fit into the header of a segment, with all else that is there.
_SIZE_MAX: Final = 192 << 10


class Sources:
    """What this process wrote or is to write, and what others wrote. Safe from several threads."""

    def __init__(self, objects: ObjectStore, view: LogView) -> None:
        """Know nothing yet."""
        self._objects = objects
        self._view = view
        self._own: dict[SourceHash, SourceText | None] = {}
        self._written: set[SourceHash] = set()
        self._others: dict[SourceHash, SourceText] = {}
        self._searched: set[str] = set()
        self._lock = threading.Lock()

    def keep(self, source_hash: SourceHash, text_of: Callable[[], SourceText | None]) -> None:
        """Have a source written with the next segment, unless this process did before."""
        # Asked at every call that runs: without a lock, for the worst is to ask the text twice.
        if source_hash not in self._own:
            self._own[source_hash] = text_of()

    def take(self) -> dict[str, Any]:
        """Return what goes into the description of this process in the segment sealed now."""
        taken: dict[str, Any] = {}
        size = 0
        for source_hash, source in list(self._own.items()):
            if source is None or source_hash in self._written:
                continue
            size += len(source.text.encode("utf-8", "replace"))
            # The rest goes into the next; one alone always fits.
            if taken and size > _SIZE_MAX:
                break
            taken[source_hash.hex()] = source.to_fields()
            self._written.add(source_hash)
        return taken

    def begin_anew(self) -> None:
        """Write everything once more: a forked child is another writer."""
        self._written = set()

    def find(self, source_hash: SourceHash) -> SourceText | None:
        """Return the source that has this hash, on the word of whoever wrote it."""
        own = self._own.get(source_hash)
        if own is not None:
            return own
        with self._lock:
            if source_hash not in self._others:
                for session in self._unsearched():
                    self._others.update(_sources_in(session))
            return self._others.get(source_hash)

    def _unsearched(self) -> Iterator[Mapping[str, Any]]:
        """Yield what processes say of themselves, as far as nobody looked at it yet."""
        view = self._view
        covered: set[SegmentId] = set()
        for name, run in view.runs.items():
            covered |= run.covers
            if name not in self._searched:
                self._searched.add(name)
                for packed in run.covered.sessions:
                    session, _ = unpack(packed, name=name, what="session")
                    if isinstance(session, dict):
                        yield session
        segments = view.segments
        elsewhere = []
        for name in (*segments, *view.listing.segments):
            parsed = parse_segment_name(name)
            if name in self._searched or parsed is None or parsed.segment_id in covered:
                continue
            self._searched.add(name)
            if name in segments:
                yield segments[name].header.session
            else:
                # Its rows were kept by an earlier process, which keeps nothing that is for people.
                elsewhere.append(name)
        try:
            for segment in fetch_segments(self._objects, view.listing, elsewhere):
                yield segment.header.session
        except MandalaError:
            # Only people miss it, and the next difference is no reason to ask again.
            return


def _sources_in(session: Mapping[str, Any]) -> Iterable[tuple[SourceHash, SourceText]]:
    """Yield the sources in what somebody wrote of a process."""
    fields = session.get(FIELD)
    if not isinstance(fields, Mapping):
        return
    for key, value in fields.items():
        source = read_source_text(value)
        try:
            source_hash = SourceHash.from_hex(key)
        except (MandalaError, TypeError, ValueError, AttributeError):
            continue
        if source is not None:
            yield source_hash, source
