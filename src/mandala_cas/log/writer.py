"""One writing session: takes entries, seals them into segments, publishes those in order.

Architecture invariant: segment ``n`` of a writer is put after segment ``n - 1`` is known to be
there, and what failed to be put is put again with the same bytes and the same name.
"""

from __future__ import annotations

import os
import threading
from collections import deque
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

from mandala_cas._version import __version__
from mandala_cas.envelope.packing import pack
from mandala_cas.envelope.seal import HEADER_MAX
from mandala_cas.envelope.signatures import Signer
from mandala_cas.errors import UsageError
from mandala_cas.log.checks import SEQ_MAX, entry_size
from mandala_cas.log.forks import ForkAware
from mandala_cas.log.segment import (
    NO_PREVIOUS,
    SealedSegment,
    Segment,
    decode_segment,
    encode_segment,
    segment_header,
)
from mandala_cas.model.entries import CallRecord, Entry
from mandala_cas.model.ids import Dot, WriterId
from mandala_cas.objectstore.api import ObjectStore

# A batch that grows beyond is sealed, long before a reader's limit on segments.
BATCH_SIZE_MAX: Final = 64 << 20

SESSION_SIZE_MAX: Final = HEADER_MAX // 2

_LIBRARY: Final = f"mandala-cas {__version__}"


@dataclass(frozen=True, slots=True)
class _Waiting:
    """A sealed segment that is not known to be in the store."""

    sealed: SealedSegment
    segment: Segment


class LogWriter(ForkAware):
    """Appends entries to a log. May be used by several threads at once.

    An entry is on record when the ``publish`` that follows its ``append`` has returned. Values
    that it speaks of must be in the store before that: a segment is a promise that they can be
    read. A forked child is another writer, with nothing to publish: what was open at the fork is
    its parent's.
    """

    def __init__(
        self,
        objects: ObjectStore,
        *,
        signer: Signer | None,
        session: Callable[[], Mapping[str, Any]],
        clock_us: Callable[[], int],
        draw: Callable[[int], bytes] = os.urandom,
    ) -> None:
        """Write to ``objects``; nothing is written yet.

        ``session`` describes this process to people, in what msgpack can hold; it is asked for
        each segment, since a process may import more before the next. ``clock_us`` gives
        microseconds since 1970, ``draw`` that many random bytes.
        """
        self._objects = objects
        self._signer = signer
        self._session = session
        self._clock_us = clock_us
        self._draw = draw
        self.renew()
        super().__init__()

    def renew(self) -> None:
        """Become another writer, with nothing to publish."""
        self._lock = threading.Lock()
        # Held while objects are put: `append` must not wait for a slow store.
        self._publishing = threading.Lock()
        self._outbox: deque[_Waiting] = deque()
        self._published: list[Segment] = []
        self._begin_session()

    @property
    def open_entries(self) -> Sequence[Entry]:
        """The entries that are in no sealed segment yet."""
        with self._lock:
            return tuple(self._entries)

    @property
    def unpublished(self) -> bool:
        """Whether ``publish`` has anything to do."""
        with self._lock:
            return bool(self._entries or self._outbox)

    def append(self, entry: Entry) -> Dot | None:
        """Take an entry into the open batch. Return the name of its record if it is a call.

        Raises:
            UsageError: the format has no place for the entry; it was not taken.
        """
        size = entry_size(entry)
        with self._lock:
            if self._entries and self._size + size > BATCH_SIZE_MAX:
                self._seal()
            dot = None
            if isinstance(entry, CallRecord):
                dot = Dot(self._writer, self._seq, self._call_count)
                self._call_count += 1
            self._entries.append(entry)
            self._size += size
            return dot

    def publish(self) -> list[Segment]:
        """Put every entry appended before on record; return the segments that are so now.

        On an error what is not on record stays, and the next ``publish`` tries again with the
        same objects: so one that did arrive, or arrives late, is there once. Segments that were
        put before the error are returned by the ``publish`` that succeeds.

        Raises:
            StoreUnavailableError: try again later; nothing is lost.
            UsageError: the store refuses.
        """
        with self._publishing:
            with self._lock:
                if self._entries:
                    self._seal()
                todo = len(self._outbox)
            for _ in range(todo):
                waiting = self._outbox[0]
                # One at a time, oldest first: were the second there without the first, a reader
                # would see a hole in this writer's chain.
                self._objects.put(waiting.sealed.name, waiting.sealed.sealed.parts)
                with self._lock:
                    self._outbox.popleft()
                    self._published.append(waiting.segment)
            with self._lock:
                published, self._published = self._published, []
            return published

    def _begin_session(self) -> None:
        """Draw a writer id, and start its chain."""
        self._writer = WriterId(self._draw(WriterId.SIZE))
        self._seq = 0
        self._previous = NO_PREVIOUS
        self._begin_batch()

    def _begin_batch(self) -> None:
        """Open an empty batch."""
        self._entries: list[Entry] = []
        self._call_count = 0
        self._size = 0

    def _seal(self) -> None:
        """Move the open batch to the outbox, as a segment; if that fails, nothing has changed."""
        header = segment_header(
            self._entries,
            writer=self._writer,
            seq=self._seq,
            previous=self._previous,
            created_us=self._clock_us(),
            library=_LIBRARY,
            session=self._description(),
        )
        sealed = encode_segment(self._entries, header, self._signer)
        # Read back before it is put: what nobody could read must not become the truth.
        segment = decode_segment(sealed.name, sealed.sealed.to_bytes())
        self._outbox.append(_Waiting(sealed, segment))
        if self._seq == SEQ_MAX:
            self._begin_session()
            return
        self._seq += 1
        self._previous = sealed.digest
        self._begin_batch()

    def _description(self) -> Mapping[str, Any]:
        """Return what describes this process; one that no header holds is left out.

        The calls of the batch have been made, so nothing that is only for people may keep them
        from being written.
        """
        session = self._session()
        try:
            fits = len(pack(session)) <= SESSION_SIZE_MAX
        except UsageError:
            fits = False
        return session if fits else {"omitted": f"not msgpack of at most {SESSION_SIZE_MAX} bytes"}
