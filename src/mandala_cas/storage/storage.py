"""`Storage`: a store in a user's hands."""

from __future__ import annotations

import logging
import time
import warnings
from collections.abc import Iterable, Mapping, Sequence
from functools import partial
from types import TracebackType
from typing import TYPE_CHECKING, Any, Final, Self

from mandala_cas.blobs.store import BlobStore
from mandala_cas.codec.registry import default_registry
from mandala_cas.errors import MandalaError, MandalaWarning, NotFoundError, UsageError
from mandala_cas.index.lookup import CallLookup, ValueCopy
from mandala_cas.log.announcements import Announcements
from mandala_cas.log.journal import Journal
from mandala_cas.log.orphans import Place
from mandala_cas.log.segment import Segment
from mandala_cas.log.view import LogView
from mandala_cas.log.writer import LogWriter
from mandala_cas.memo import context
from mandala_cas.memo.op import Op
from mandala_cas.model.calls import Call
from mandala_cas.model.entries import Tombstone
from mandala_cas.model.ids import CallId, ContentId, HistoryId
from mandala_cas.model.refs import MISSING, AtomRef, Ref
from mandala_cas.storage.book import StoredCalls
from mandala_cas.storage.keyring import KeyFile, default_key_path
from mandala_cas.storage.notices import notify
from mandala_cas.storage.opening import Location, local_directory, open_store
from mandala_cas.storage.session import SessionDescription
from mandala_cas.storage.unwrapping import unwrap_all
from mandala_cas.values.adoption import adopt_orphans
from mandala_cas.values.load import ValueLoader, ValueSource
from mandala_cas.values.recorder import Recorder
from mandala_cas.values.save import ValueEncoder
from mandala_cas.values.spool import Spool
from mandala_cas.values.trust import PicklePolicy, Trust

if TYPE_CHECKING:
    from mandala_cas.frame.computation_frame import ComputationFrame
    from mandala_cas.index.schema import IndexTables
    from mandala_cas.index.tables import TableCache

_LOGGER: Final = logging.getLogger("mandala_cas")

# How old a view may be when a block is entered: a listing costs microseconds in a directory and
# tens of milliseconds on a bucket.
_STALENESS_LOCAL_S: Final = 0.5
_STALENESS_REMOTE_S: Final = 10.0


class Storage:
    """Remembers the calls of ops made inside ``with storage:``, and answers questions about them.

    ``Storage()`` lives in memory, ``Storage("results")`` in that folder, ``Storage("s3://...")``
    in a bucket. A place where nothing is becomes a store; any number of processes may use one
    store at the same time.
    """

    def __init__(
        self,
        path_or_url: Location | None = None,
        *,
        db_path: Location | None = None,
        storage_options: Mapping[str, Any] | None = None,
        pickle: PicklePolicy = "trusted",
        flush_after: float = 1.0,
    ) -> None:
        """Open the store, or make it.

        Args:
            path_or_url: a folder, a URL that fsspec knows, or None for memory.
            db_path: mandala's name for the same.
            storage_options: handed to the fsspec filesystem (endpoint, credentials).
            pickle: whose pickles are decoded: those you wrote ("trusted"), anybody's ("allow") or
                nobody's ("refuse"). Decoding a pickle runs code that its writer chose.
            flush_after: seconds of compute time that may wait in memory to be committed.

        Raises:
            UsageError: the place is a file, or holds something else than a store.
            UnsupportedFormatError: a newer mandala-cas made the store.
            StoreUnavailableError: the place cannot be reached now.
        """
        if path_or_url is not None and db_path is not None:
            raise UsageError("a storage has one place: give path_or_url or db_path, not both")
        if pickle not in {"trusted", "allow", "refuse"}:
            raise UsageError(f"pickle is 'trusted', 'allow' or 'refuse', got {pickle!r}")
        where = path_or_url if path_or_url is not None else db_path
        self._objects, config = open_store(where, storage_options)
        persistent = self._objects.capabilities.persistent
        key = KeyFile(default_key_path()) if persistent else None
        blobs = BlobStore(self._objects)
        codecs = default_registry()
        self._view = LogView(self._objects)
        self._lookup = CallLookup()
        self._writer = LogWriter(
            self._objects, signer=key, session=SessionDescription(), clock_us=_now_us
        )
        directory = local_directory(self._objects, config) if key else None
        journal_key = f"mandala-cas v1 journal of store {config.uuid}"
        journal = (
            Journal(directory, partial(key.derive, journal_key)) if key and directory else None
        )
        self._recorder = Recorder(
            blobs=blobs,
            writer=self._writer,
            view=self._view,
            lookup=self._lookup,
            flush_after_us=_microseconds(flush_after),
            announcements=Announcements(self._objects),
            is_readable=self._is_decodable,
            journal=journal,
        )
        spool = Spool(journal, lambda: self._writer.position.writer) if journal else None
        self._trust = Trust(pickle, key.key_id if key else _no_key, unsigned_is_own=not persistent)
        source = ValueSource(self._recorder.held, self._lookup.copies)
        self._values = ValueLoader(blobs, codecs, source, self._trust)
        self._book = StoredCalls(
            lookup=self._lookup,
            recorder=self._recorder,
            encoder=ValueEncoder(
                blobs,
                codecs,
                self._is_readable,
                spool=spool,
                is_condemned=self._recorder.condemned.__contains__,
            ),
            values=self._values,
            loader=self,
            clock_us=_now_us,
        )
        self._codecs = codecs
        self._tables: TableCache | None = None
        self._refreshed_at = float("-inf")
        self._reported: set[str] = set()
        self._closed = False
        self.refresh()
        if directory is not None and key is not None and key.key_id() is not None:
            self._adopt(Place(directory, key.derive(journal_key)))

    # Using it

    def __enter__(self) -> Self:
        """Make op calls read and write this storage, in this thread or task, until the exit."""
        self._check_open()
        staleness = _STALENESS_LOCAL_S if self._is_near else _STALENESS_REMOTE_S
        if _monotonic() - self._refreshed_at > staleness:
            self.refresh()
        context.enter(self._book)
        return self

    def __exit__(
        self,
        exception_type: type[BaseException] | None,
        exception: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        """Commit what was computed, also when the block failed, and restore the outer storage."""
        context.leave(context.innermost(self._book))
        try:
            self.commit()
        except MandalaError as error:
            if exception is None:
                raise
            # The block's own error is what the user must see first; the batch is kept.
            exception.add_note(f"besides, the calls before it could not be committed: {error}")

    def commit(self) -> None:
        """Write everything computed so far to the store; when this returns, it is there.

        Raises:
            StoreUnavailableError: the store did not take it; it is kept, and can be tried again.
        """
        self._check_open()
        self._recorder.flush()

    def refresh(self) -> None:
        """Take in what other processes have published since the last look."""
        self._check_open()
        self._recorder.refresh()
        self._refreshed_at = _monotonic()
        for name, error in self._view.damaged.items():
            if name not in self._reported:
                self._reported.add(name)
                warnings.warn(
                    f"skipped a damaged log object, its calls count as not made: {error}",
                    MandalaWarning,
                    stacklevel=3,
                )

    def close(self) -> None:
        """Commit, and let go of connections. A closed storage cannot be used again."""
        if not self._closed:
            self.commit()
            self._closed = True
            self._recorder.close()
            self._objects.close()

    # Values

    def unwrap(self, obj: Any) -> Any:
        """Return ``obj`` with every ref in it replaced by its value.

        Looks into lists, tuples, dicts and sets, to any depth; values are loaded in one batch.
        """
        self._check_open()
        return unwrap_all(obj, self._book, self._has_value)

    def load_ref_value(self, ref: Ref) -> Any:
        """Return the value of one ref (what refs call to load themselves)."""
        return self._values.load_many([ref.content_id])[0]

    # Calls

    def cf(self, source: Any) -> ComputationFrame:
        """Return a computation frame: calls seen through a graph of variables and ops.

        Args:
            source: an op or the name of one on record (all its calls), a ref or refs or their
                hids (one variable), calls, or a dict of names to refs.

        Raises:
            NotFoundError: a name, a ref or a call is not on record here.
        """
        from mandala_cas.frame.computation_frame import ComputationFrame  # noqa: PLC0415 (heavy)
        from mandala_cas.frame.construct import frame_of  # noqa: PLC0415 (heavy)

        self._check_open()
        if isinstance(source, Op):
            return ComputationFrame.from_op(self, source.name)
        if isinstance(source, str) and source in self.tables().ops:
            return ComputationFrame.from_op(self, source)
        return frame_of(self, source)

    def drop_calls(
        self,
        calls_or_hids: Call | str | Iterable[Call | str | float | None],
        delete_dependents: bool = False,  # noqa: FBT001, FBT002 (mandala's signature)
        *,
        content: bool = False,
    ) -> None:
        """Forget calls: they count as never made, here and, after a sync, everywhere.

        A record that this process has not seen, or one made later, is not touched. Nulls, as a
        dataframe has them where a path is absent, are passed over.

        Args:
            calls_or_hids: a call, a hid, or several, such as a column of a dataframe.
            delete_dependents: drop every call that used what they led to as well.
            content: drop every other call of equal op and input contents as well; without it
                such a call would answer the next time.

        Raises:
            NotFoundError: a hid names no call of this store.
            UsageError: something in ``calls_or_hids`` is neither a call nor a hid.
        """
        from mandala_cas.index.dependents import dependents_of, equals_of  # noqa: PLC0415 (heavy)

        self.commit()
        wanted = _call_ids(calls_or_hids)
        records = {call_id: self._lookup.find(call_id) for call_id in wanted}
        unknown = [call_id for call_id, record in records.items() if record is None]
        if unknown:
            raise NotFoundError(
                f"{len(unknown)} of {len(wanted)} calls are not in this store, the first with hid "
                f"{unknown[0]}; nothing was dropped",
                hids=[str(call_id) for call_id in unknown],
            )
        contents = [record.content_id for record in records.values() if record is not None]
        if content:
            wanted = list(dict.fromkeys([*wanted, *equals_of(self.tables(), contents)]))
        if delete_dependents:
            wanted = dependents_of(self.tables(), wanted)
        dots = sorted(dot for call_id in wanted for dot in self._lookup.dots(call_id))
        self._recorder.drop([Tombstone(d.writer, d.seq, d.row, d.row) for d in dots])
        self.commit()
        remaining = sum(map(self._lookup.count_equal, set(contents)))
        notify(
            f"Dropped {len(wanted)} {'call' if len(wanted) == 1 else 'calls'}"
            + (
                f"; {remaining} of equal content remain and would answer again "
                "(content=True drops those too)"
                if remaining
                else ""
            )
        )

    # What frames ask for

    def tables(self) -> IndexTables:
        """Return the live calls as tables, the uncommitted ones included."""
        if self._tables is None:
            from mandala_cas.index.tables import TableCache  # noqa: PLC0415 (heavy)

            self._tables = TableCache(self._segments)
        return self._tables.tables()

    def load_values(self, content_ids: Sequence[ContentId]) -> list[Any]:
        """Return values by content id, in one batch."""
        return self._values.load_many(content_ids)

    def make_ref(self, history_id: HistoryId, content_id: ContentId, value: Any = MISSING) -> Ref:
        """Return a ref of this storage."""
        return AtomRef(history_id, content_id, value, self)

    def make_call(self, call_id: CallId) -> Call:
        """Return a call on record."""
        record = self._lookup.find(call_id)
        if record is None:
            raise NotFoundError(f"no call {call_id} in this store; was it dropped?", hid=call_id)
        return Call(record, self)

    def __repr__(self) -> str:
        """Return where the store is."""
        return f"Storage({self._objects.url})"

    @property
    def url(self) -> str:
        """Where the store is; "memory" for one that dies with the process."""
        return self._objects.url

    @property
    def _is_near(self) -> bool:
        """Whether a listing costs next to nothing."""
        return "://" not in self._objects.url

    def _segments(self) -> list[Segment]:
        """Return the visible segments, and the batch as one more."""
        from mandala_cas.index.unpublished import open_segments  # noqa: PLC0415 (heavy)

        with self._recorder.lock:
            published = list(self._view.segments.values())
            pending = open_segments(self._recorder.unpublished())
        # Ctrl-C right after a publish can leave in the batch what is in the store already.
        known = {(segment.header.writer, segment.header.seq) for segment in published}
        return [
            *published,
            *(part for part in pending if (part.header.writer, part.header.seq) not in known),
        ]

    def _has_value(self, content_id: ContentId) -> bool:
        """Tell whether the value is in the batch or on record here."""
        return self._recorder.is_held(content_id) or self._lookup.has_value(content_id)

    def _is_readable(self, content_id: ContentId) -> bool:
        """Tell whether the store has a copy of a value that this user may decode.

        A pickle of somebody untrusted does not count: the user's own bytes are stored beside it.
        """
        if self._recorder.is_held(content_id) or self._lookup.has_open_value(content_id):
            return True
        condemned = self._recorder.condemned
        return any(
            copy.record.location not in condemned and self._is_decodable(copy)
            for copy in self._lookup.copies(content_id)
        )

    def _is_decodable(self, copy: ValueCopy) -> bool:
        """Tell whether this user may decode a copy of a value."""
        runs_code = self._codecs.runs_code(copy.record.codec_name)
        return not runs_code or self._trust.allows_quietly(copy)

    def _adopt(self, place: Place) -> None:
        """Commit what dead processes of this user did not come to."""
        segments = self._view.segments
        published = {(item.header.writer, item.header.seq) for item in segments.values()}
        adoption = adopt_orphans(
            place,
            recorder=self._recorder,
            is_published=published.__contains__,
            has_value=self._lookup.has_value,
        )
        if adoption.calls:
            notify(f"Found {adoption.calls} calls of processes that died, and committed them")
        for path, reason in adoption.left.items():
            _LOGGER.info("left the journal %s as it is: %s", path, reason)
        if adoption.error is not None:
            warnings.warn(
                f"calls of processes that died are not committed yet, and kept: {adoption.error}",
                MandalaWarning,
                stacklevel=4,
            )

    def _check_open(self) -> None:
        """Refuse to work after `close`."""
        if self._closed:
            raise UsageError(f"{self!r} is closed; open the store again with Storage(...)")


def _microseconds(flush_after: object) -> float:
    """Return the bound on waiting compute; anything but a time would decide silently."""
    if not isinstance(flush_after, int | float) or not flush_after >= 0:
        raise UsageError(f"flush_after is a number of seconds from 0 on, got {flush_after!r}")
    return flush_after * 1e6


def _now_us() -> int:
    """Return the time, in microseconds since 1970."""
    return time.time_ns() // 1000


def _monotonic() -> float:
    """Return seconds that only grow."""
    return time.monotonic()


def _no_key() -> None:
    """Return that there is no key."""


def _call_ids(calls_or_hids: Call | str | Iterable[Any]) -> list[CallId]:
    """Return the ids of calls, each once, in order."""
    items = [calls_or_hids] if isinstance(calls_or_hids, (Call, str)) else calls_or_hids
    found: dict[CallId, None] = {}
    for item in items:
        match item:
            case Call():
                found[item.call_id] = None
            case str():
                found[CallId.from_hex(item)] = None
            case None:
                continue
            case float() if item != item:  # noqa: PLR0124 (NaN, pandas' other null)
                continue
            case _:
                raise UsageError(
                    f"calls to drop are Call objects or hids, got {type(item).__name__}; a column "
                    "of calls in a dataframe of a frame is what to pass",
                    found=item,
                )
    return list(found)
