"""Where results came from and what became of them, as methods of a storage."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable
from typing import TYPE_CHECKING

from mandala_cas.errors import NotFoundError
from mandala_cas.index.unused import unused_refs, unused_values
from mandala_cas.model.calls import Call, CallMetadata
from mandala_cas.model.ids import CallId, HistoryId
from mandala_cas.model.refs import Ref
from mandala_cas.storage.asking import call_id_of, history_id_of, records_of, several
from mandala_cas.storage.base import StorageFace
from mandala_cas.storage.call_table import OpsOnRecord, find_ops, make_calls_df
from mandala_cas.storage.conflicts import Conflicts, find_conflicts
from mandala_cas.storage.metadata import metadata_of_call
from mandala_cas.storage.ref_search import find_creator, is_known

if TYPE_CHECKING:
    import pandas as pd

    from mandala_cas.index.schema import IndexTables


class StoreProvenance(StorageFace):
    """The part of a storage that answers for its calls.

    What is not committed yet counts; of a call with several records one answers, that which
    ``conflicts`` shows first.
    """

    def get_call(self, hid_or_call: Call | str, lazy: bool = True) -> Call:  # noqa: FBT001, FBT002 (mandala's signature)
        """Return a call on record.

        Args:
            hid_or_call: its hid, or a call that may be another storage's.
            lazy: leave the values of its refs where they are; False loads them, in one batch.

        Raises:
            NotFoundError: it is not on record here.
        """
        self._check_open()
        return self.mget_call([hid_or_call], lazy)[0]

    def mget_call(self, hids: Iterable[Call | str], lazy: bool = True) -> list[Call]:  # noqa: FBT001, FBT002 (mandala's signature)
        """Return calls on record, in the order given, their values in one batch if at all.

        Raises:
            NotFoundError: one is not on record here; the details have all that are not.
        """
        self._check_open()
        call_ids = [call_id_of(item) for item in several(hids, "calls")]
        records = records_of(self._parts.lookup, call_ids)
        if lazy:
            return [Call(self._names.in_record(record), self) for record in records]
        refs = {
            slot.content_id: self.make_ref(slot.history_id, slot.content_id)
            for record in records
            for slot in (*record.inputs, *record.outputs)
        }
        values = self._parts.book.load(list(refs.values()))
        loaded = dict(zip(refs, values, strict=True))
        return [Call(self._names.in_record(record), self, loaded) for record in records]

    def exists_call(self, hid_or_call: Call | str) -> bool:
        """Tell whether a call is on record. Reads nothing."""
        self._check_open()
        return self._parts.lookup.find(call_id_of(hid_or_call)) is not None

    def get_ref_creator(self, ref_or_hid: Ref | str) -> Call | None:
        """Return the call on record that gave a ref.

        None for a constant, and for a ref whose call was dropped and that other calls or tags
        have still.

        Raises:
            NotFoundError: nothing on record has such a ref.
        """
        self._check_open()
        history_id = history_id_of(ref_or_hid)
        record = find_creator(self._parts, history_id)
        if record is not None:
            return Call(self._names.in_record(record), self)
        content_id = ref_or_hid.content_id if isinstance(ref_or_hid, Ref) else None
        if not is_known(self._parts, history_id, content_id):
            raise _unknown_refs([history_id])
        return None

    def get_creators(self, refs: Ref | str | Iterable[Ref | str]) -> list[Call]:
        """Return the calls that gave refs, each once, in the order in which they began.

        Calls that began at the same time are in the order of their hids. Constants have no call.

        Args:
            refs: refs or their hids, one or several.

        Raises:
            NotFoundError: nothing on record has such a ref.
        """
        from mandala_cas.index.neighbours import creators_of  # noqa: PLC0415 (heavy)

        return self._calls_beside(refs, creators_of)

    def get_consumers(self, refs: Ref | str | Iterable[Ref | str]) -> list[Call]:
        """Return the calls that refs were passed to; see ``get_creators``."""
        from mandala_cas.index.neighbours import consumers_of  # noqa: PLC0415 (heavy)

        return self._calls_beside(refs, consumers_of)

    @property
    def ops(self) -> OpsOnRecord:
        """The ops that have calls on record, by name, with their versions and counts."""
        self._check_open()
        return find_ops(self._parts)

    def calls_df(self) -> pd.DataFrame:
        """Return a pandas dataframe with a row for each call on record, in order of start time.

        Columns are op, version, hid, cid, started, duration, module, reused_from, parent, and what
        the writer said of itself: written (null if not committed), host, user, python, platform,
        git_commit, library, git_dirty, process_id, key_id, key_name. No value is loaded.
        """
        self._check_open()
        return make_calls_df(self._parts)

    def conflicts(self) -> Conflicts:
        """Return the calls that have several records with different outputs, and who made them.

        All records are kept; the first of each is the one that answers in a storage opened now.
        """
        self._check_open()
        return find_conflicts(self._parts, self)

    def get_orphans(self) -> set[str]:
        """Return the hids of refs on record that no call has as an input or output.

        Those of dropped calls, as far as the log still has them, and those that only a tag keeps.
        """
        self._check_open()
        return {history_id.hex() for history_id in unused_refs(self._parts.log.parts())}

    def get_unreferenced_cids(self) -> set[str]:
        """Return the content ids of values on record that no call uses and no tag keeps.

        ``gc`` deletes their bytes, if it has not done so.
        """
        self._check_open()
        return {content_id.hex() for content_id in unused_values(self._parts.log.parts())}

    def load_call_metadata(self, call: Call) -> CallMetadata:
        """Return where the record of a call comes from (what calls ask for themselves)."""
        self._check_open()
        return metadata_of_call(self._parts, call)

    def _calls_beside(
        self,
        refs: Ref | str | Iterable[Ref | str],
        find: Callable[[IndexTables, Collection[HistoryId]], list[CallId]],
    ) -> list[Call]:
        """Return the calls that ``find`` gives for refs that are on record."""
        from mandala_cas.index.neighbours import unknown_refs  # noqa: PLC0415 (heavy)

        self._check_open()
        given = {
            history_id_of(item): item.content_id if isinstance(item, Ref) else None
            for item in several(refs, "refs")
        }
        tables = self.tables()
        unknown = [
            history_id
            for history_id in unknown_refs(tables, list(given))
            if not is_known(self._parts, history_id, given[history_id])
        ]
        if unknown:
            raise _unknown_refs(unknown)
        records = records_of(self._parts.lookup, find(tables, list(given)))
        return [Call(self._names.in_record(record), self) for record in records]


def _unknown_refs(history_ids: list[HistoryId]) -> NotFoundError:
    """Return the error for refs that nothing on record has."""
    which = (
        f"no ref {history_ids[0]}"
        if len(history_ids) == 1
        else f"{len(history_ids)} refs are not in this store, the first with hid {history_ids[0]}; "
        "none was looked at"
    )
    in_store = " in this store" if len(history_ids) == 1 else ""
    return NotFoundError(
        f"{which}{in_store}; was its call dropped, or is it another store's?",
        hids=[str(history_id) for history_id in history_ids],
    )
