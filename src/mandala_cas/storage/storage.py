"""`Storage`: a store in a user's hands."""

from __future__ import annotations

import logging
import os
import warnings
from collections.abc import Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Any, Final

from mandala_cas.errors import MandalaWarning, NotFoundError, UsageError
from mandala_cas.memo.op import Op
from mandala_cas.memo.settings import OnStale
from mandala_cas.model.calls import Call
from mandala_cas.model.ids import CallId, ContentId, HistoryId
from mandala_cas.model.refs import MISSING, Elements, Ref
from mandala_cas.objectstore.opening import Engine
from mandala_cas.storage.assembly import assemble
from mandala_cas.storage.caching import StoreCaching
from mandala_cas.storage.contexts import StoreContexts
from mandala_cas.storage.dropping import drop_calls
from mandala_cas.storage.keyring import KeySource
from mandala_cas.storage.notices import notify
from mandala_cas.storage.opening import Location, Mode
from mandala_cas.storage.present_names import PresentNames
from mandala_cas.storage.provenance import StoreProvenance
from mandala_cas.storage.refs import StoreRefs
from mandala_cas.storage.settings import Settings
from mandala_cas.storage.tags import StoreTags
from mandala_cas.storage.trusting import StoreTrust
from mandala_cas.storage.unwrapping import unwrap_all
from mandala_cas.storage.upkeep import StoreUpkeep
from mandala_cas.upkeep.printing import as_count
from mandala_cas.values.file_cache import SIZE_MAX, FileCache
from mandala_cas.values.trust import PicklePolicy

if TYPE_CHECKING:
    from mandala_cas.frame.computation_frame import ComputationFrame
    from mandala_cas.index.schema import IndexTables
    from mandala_cas.index.tables import TableCache

_LOGGER: Final = logging.getLogger("mandala_cas")


class Storage(
    StoreContexts, StoreTags, StoreTrust, StoreUpkeep, StoreRefs, StoreProvenance, StoreCaching
):
    """Remembers the calls of ops made inside ``with storage:``, and answers questions about them.

    ``Storage()`` lives in memory, ``Storage("results")`` in that folder, ``Storage("s3://...")``
    in a bucket. A place where nothing is becomes a store; any number of processes may use one
    store at the same time.
    """

    def __init__(  # noqa: PLR0913 (each is a choice of its own, given by name)
        self,
        path_or_url: Location | None = None,
        *,
        db_path: Location | None = None,
        mode: Mode = "rw",
        storage_options: Mapping[str, Any] | None = None,
        engine: Engine = "fsspec",
        pickle: PicklePolicy = "trusted",
        key: KeySource | None = None,
        flush_after: float = 1.0,
        cache_dir: str | os.PathLike[str] | None = None,
        file_cache_max: int | None = SIZE_MAX,
        check_mutation: bool = False,
        record_failures: bool = False,
        on_stale: OnStale = "warn",
        namespace: str | None = None,
    ) -> None:
        """Open the store, or make it.

        Args:
            path_or_url: a folder, a URL that fsspec knows, or None for memory.
            db_path: mandala's name for the same.
            mode: "rw", or "r" to write nothing: calls on record are answered, others run and are
                kept in memory only.
            storage_options: handed to the fsspec filesystem (endpoint, credentials).
            engine: what sends requests to a URL: "fsspec", or "obstore", which is faster and knows
                S3, Google and Azure only (``pip install 'mandala-cas[fast]'``), or "auto" for the
                latter where it can be had.
            pickle: whose pickles are decoded: those that you wrote, or somebody whom you trust
                ("trusted"), anybody's ("allow") or nobody's ("refuse"). Decoding a pickle runs
                code that its writer chose.
            key: what to sign with, so that several machines of one person are one writer: 64
                hexadecimal digits, or the path of a file that holds them. By default what the
                environment variable MANDALA_CAS_KEY gives, in the same form; else the key in the
                user's configuration directory, which is made at first need.
            flush_after: seconds of compute time that may wait to be committed.
            cache_dir: where this machine keeps what makes opening fast, the contents of files,
                and the journals of buckets; by default in the user's cache directory.
            file_cache_max: so many bytes of files may stay in that cache when nobody uses them;
                None for no limit. By default 20 GiB.
            check_mutation: hash inputs once more after an op has run, and raise an error that
                names the argument which it changed.
            record_failures: put calls that raise an exception on record, see `failures`; an op
                may say otherwise of itself.
            on_stale: what to do where other code gave what is on record: "warn" once and answer,
                "recompute", "keep" to answer silently, or "error".
            namespace: what stands before the names of ops on record, so that projects that share
                a store share no calls.

        Raises:
            UsageError: the place is a file, or holds something else than a store; or the key that
                was given is none.
            NotFoundError: there is no store, and ``mode`` is "r".
            UnsupportedFormatError: a newer mandala-cas made the store.
            StoreUnavailableError: the place cannot be reached now.
        """
        if path_or_url is not None and db_path is not None:
            raise UsageError("a storage has one place: give path_or_url or db_path, not both")
        settings = Settings(
            where=path_or_url if path_or_url is not None else db_path,
            storage_options=storage_options,
            mode=mode,
            engine=engine,
            pickle=pickle,
            key=key,
            flush_after_s=flush_after,
            cache_directory=cache_dir,
            file_cache_max=file_cache_max,
            check_mutation=check_mutation,
            record_failures=record_failures,
            on_stale=on_stale,
            namespace=namespace,
        )
        self._settings = settings
        self._parts = assemble(settings, self)
        self._parts.recorder.after_flush = self._compact_in_passing
        self._tables: TableCache | None = None
        self._names = PresentNames(namespace or "")
        self._reported: set[str] = set()
        self._closed = False
        if self._parts.read_only is not None and mode == "rw":
            warnings.warn(
                f"{self.url} is open for reading only: {self._parts.read_only}",
                MandalaWarning,
                stacklevel=2,
            )
        if self._parts.view.base_refused:
            warnings.warn(
                f"{self.url} has lost log objects that were there when it was last opened; run "
                "`mandala-cas fsck` on it, and restore what is missing if it was not meant to go",
                MandalaWarning,
                stacklevel=2,
            )
        self._report_damage()
        self._adopt()
        self._parts.keep_index()

    # Using it

    def commit(self) -> None:
        """Write everything computed so far to the store; when this returns, it is there.

        Raises:
            StoreUnavailableError: the store did not take it; it is kept, and can be tried again.
        """
        self._check_open()
        self._parts.recorder.flush()

    def refresh(self) -> None:
        """Take in what other processes have published since the last look."""
        self._check_open()
        self._parts.recorder.refresh()
        self._report_damage()

    def _report_damage(self) -> None:
        """Warn of each damaged log object once, unless nothing of it is missing."""
        view = self._parts.view
        for name, error in view.damaged.items():
            if name not in self._reported and name not in view.unmissed:
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
            self._parts.keep_index()
            self._closed = True
            self._parts.recorder.close()
            self._parts.objects.close()

    # Values

    def unwrap(self, obj: Any, *, mmap: bool = True) -> Any:
        """Return ``obj`` with every ref in it replaced by its value.

        Looks into lists, tuples, dicts and sets, to any depth; values are loaded in one batch.

        Args:
            obj: a ref, or what holds refs.
            mmap: map large arrays that this store keeps uncompressed on a disk of this host,
                instead of reading them. A map is private: it may be changed, and nothing of that
                reaches the store. False reads them into memory.
        """
        self._check_open()
        return unwrap_all(obj, self._parts.book, self._parts.has_value, mmap=mmap)

    def load_ref_value(self, ref: Ref) -> Any:
        """Return the value of one ref (what refs call to load themselves)."""
        self._check_open()
        return self._parts.book.load([ref])[0]

    def load_elements(self, ref: Ref) -> Elements:
        """Return refs to the elements of a collection (what its refs call to be iterated)."""
        return self._parts.book.elements(ref)

    @property
    def file_cache(self) -> FileCache:
        """Where the contents of `File` and `Dir` values lie here: path, size, trim, clear."""
        return self._parts.files

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
            return ComputationFrame.from_op(self, self._names.full(source.name))
        if isinstance(source, str):
            op_name = self._names.find(source, self.tables().ops)
            if op_name is not None:
                return ComputationFrame.from_op(self, op_name)
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

        Calls that tie collections to their elements go with the calls that they belong to, and
        cannot be dropped by themselves.

        Raises:
            NotFoundError: a hid names no call of this store.
            UsageError: something in ``calls_or_hids`` is neither a call nor a hid, or ties a
                collection to its elements which calls that stay need.
        """
        self._check_writable("drop calls")
        self.commit()
        report = drop_calls(
            self._parts.lookup,
            self._parts.recorder,
            self.tables,
            calls_or_hids,
            with_dependents=delete_dependents,
            with_equals=content,
            tags=self._tags_in_effect,
        )
        self.commit()
        notify(report)

    # What frames ask for

    def tables(self) -> IndexTables:
        """Return the live calls as tables, the uncommitted ones included, under present names."""
        if self._tables is None:
            from mandala_cas.index.tables import TableCache  # noqa: PLC0415 (heavy)

            self._tables = TableCache(self._parts.log.parts)
        return self._names.in_tables(self._tables.tables())

    def load_values(self, content_ids: Sequence[ContentId]) -> list[Any]:
        """Return values by content id, in one batch."""
        return self._parts.book.load_values(content_ids)

    def make_ref(self, history_id: HistoryId, content_id: ContentId, value: Any = MISSING) -> Ref:
        """Return a ref of this storage."""
        return self._parts.book.collections.make_ref(history_id, content_id, value)

    def make_call(self, call_id: CallId) -> Call:
        """Return a call on record."""
        record = self._parts.lookup.find(call_id)
        if record is None:
            raise NotFoundError(f"no call {call_id} in this store; was it dropped?", hid=call_id)
        return Call(self._names.in_record(record), self)

    def __repr__(self) -> str:
        """Return where the store is."""
        return f"Storage({self._parts.objects.url})"

    @property
    def url(self) -> str:
        """Where the store is; "memory" for one that dies with the process."""
        return self._parts.objects.url

    def _adopt(self) -> None:
        """Commit what dead processes of this user did not come to, and say so."""
        adoption = self._parts.adopt()
        if adoption is None:
            return
        if adoption.calls:
            calls = as_count(adoption.calls, "call")
            notify(f"Committed {calls} that processes had made which died before they could")
        for path, reason in adoption.left.items():
            _LOGGER.info("left the journal %s as it is: %s", path, reason)
        if adoption.error is not None:
            warnings.warn(
                f"calls of processes that died are not committed yet, and kept: {adoption.error}",
                MandalaWarning,
                stacklevel=3,
            )

    def _check_writable(self, verb: str) -> None:
        """Refuse to change a store that is open for reading."""
        self._check_open()
        if self._parts.read_only is not None:
            raise UsageError(f"cannot {verb} in {self.url}: {self._parts.read_only}")

    def _check_open(self) -> None:
        """Refuse to work after `close`."""
        if self._closed:
            raise UsageError(f"{self!r} is closed; open the store again with Storage(...)")
