"""Which structural calls go with the calls that they belong to, and which stay.

A call that takes an element out of a collection goes with the call that gave the collection, one
that makes a collection with the last call that used it. Both stay while anybody needs them: they
are what keeps the elements of a collection in a store.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from functools import cached_property

import polars as pl

from mandala_cas.index.schema import IndexTables
from mandala_cas.model.collections import GET_ITEM_OPS, MAKE_OPS, STRUCTURAL_OPS
from mandala_cas.model.ids import CallId, HistoryId

_COLLECTIONS = [ops.made for ops in STRUCTURAL_OPS.values()]


class StructuralCalls:
    """The structural calls of some tables, and whom they belong to."""

    def __init__(self, tables: IndexTables) -> None:
        """Look at nothing yet."""
        self._tables = tables

    @property
    def any(self) -> bool:
        """Whether there are any."""
        return any(op in MAKE_OPS or op in GET_ITEM_OPS for op in self._tables.ops)

    def closed(
        self,
        call_ids: Sequence[CallId],
        tagged_refs: Collection[HistoryId],
        tagged_calls: Collection[CallId],
    ) -> list[CallId]:
        """Return the calls to drop, and the structural calls that go with them.

        What a tag is on stays whole, and so do the inputs and outputs of calls with a tag.
        """
        kept = self._kept_refs(tagged_refs, tagged_calls)
        dropped = self._codes(call_ids)
        while True:
            fresh = pl.concat([self._items_of(dropped, kept), self._makers_for(dropped, kept)])
            fresh = fresh.unique().join(dropped, on="call", how="anti")
            if not fresh.height:
                return self._call_ids(dropped)
            dropped = pl.concat([dropped, fresh])

    def still_needed(
        self, asked: Sequence[CallId], dropped: Sequence[CallId]
    ) -> list[tuple[CallId, list[CallId]]]:
        """Return the structural calls among ``asked`` that others need which are not dropped.

        With each, the calls that need it and are no structural calls themselves.
        """
        gone = self._codes(dropped)
        found: list[tuple[CallId, list[CallId]]] = []
        for call in self._codes(asked).join(self._structural, on="call", how="semi")["call"]:
            owners = self._owners(pl.DataFrame({"call": [call]}, schema={"call": pl.UInt32}))
            missing = owners.join(gone, on="call", how="anti")
            if not missing.height:
                continue
            seen = missing
            while (inner := missing.join(self._structural, on="call", how="semi")).height:
                above = self._owners(inner).join(seen, on="call", how="anti")
                missing = pl.concat([missing.join(inner, on="call", how="anti"), above]).unique()
                seen = pl.concat([seen, above]).unique()
            (call_id,) = self._call_ids(pl.DataFrame({"call": [call]}, schema=missing.schema))
            found.append((call_id, self._call_ids(missing)))
        return found

    @cached_property
    def _inputs(self) -> pl.DataFrame:
        """All inputs: call and ref."""
        return self._tables.slots.filter(~pl.col("is_output")).select("call", "ref")

    @cached_property
    def _outputs(self) -> pl.DataFrame:
        """All outputs: call and ref."""
        return self._tables.slots.filter("is_output").select("call", "ref")

    @cached_property
    def _getters(self) -> pl.DataFrame:
        """The calls that take an element: call, and the ref of the collection."""
        codes = [code for code, name in enumerate(self._tables.names) if name in _COLLECTIONS]
        slots = self._tables.slots.filter(~pl.col("is_output") & pl.col("name").is_in(codes))
        calls = self._calls_of(GET_ITEM_OPS)
        return slots.join(calls, on="call", how="semi").select("call", "ref")

    @cached_property
    def _makers(self) -> pl.DataFrame:
        """The calls that make a collection: call, and the ref of the collection."""
        return self._outputs.join(self._calls_of(MAKE_OPS), on="call", how="semi")

    @cached_property
    def _structural(self) -> pl.DataFrame:
        """All structural calls."""
        return self._calls_of(MAKE_OPS | GET_ITEM_OPS)

    @cached_property
    def _uses(self) -> pl.DataFrame:
        """The inputs of calls that do not merely take an element out of what they are given."""
        return self._inputs.join(self._getters.select("call"), on="call", how="anti")

    def _items_of(self, dropped: pl.DataFrame, kept: pl.DataFrame) -> pl.DataFrame:
        """Return the calls that take elements out of what these gave, if nobody needs them.

        So it is with what these took, where the call that gave it was dropped before.
        """
        gave = self._outputs.join(dropped, on="call", how="semi").select("ref")
        took = self._inputs.join(dropped, on="call", how="semi").select("ref")
        given = self._outputs.join(dropped, on="call", how="anti").select("ref")
        refs = pl.concat([gave, took.join(given, on="ref", how="anti")]).unique()
        return self._unneeded(self._getters.join(refs, on="ref", how="semi"), dropped, kept)

    def _makers_for(self, dropped: pl.DataFrame, kept: pl.DataFrame) -> pl.DataFrame:
        """Return the calls that made collections for these, if nobody else needs them."""
        took = self._inputs.join(dropped, on="call", how="semi").select("ref").unique()
        return self._unneeded(self._makers.join(took, on="ref", how="semi"), dropped, kept)

    def _unneeded(
        self, calls: pl.DataFrame, dropped: pl.DataFrame, kept: pl.DataFrame
    ) -> pl.DataFrame:
        """Return those of some calls whose collection no other call uses, and no tag keeps."""
        used = self._uses.join(dropped, on="call", how="anti").select("ref")
        free = calls.join(used, on="ref", how="anti").join(kept, on="ref", how="anti")
        return free.select("call")

    def _owners(self, calls: pl.DataFrame) -> pl.DataFrame:
        """Return the calls that some structural calls belong to."""
        got = self._getters.join(calls, on="call", how="semi").select("ref")
        made = self._makers.join(calls, on="call", how="semi").select("ref")
        gave = self._outputs.join(got, on="ref", how="semi").select("call")
        use = self._uses.join(pl.concat([got, made]), on="ref", how="semi").select("call")
        return pl.concat([gave, use]).unique()

    def _kept_refs(self, refs: Collection[HistoryId], calls: Collection[CallId]) -> pl.DataFrame:
        """Return the refs that tags keep, and those that tagged calls took and gave."""
        wanted = pl.DataFrame({"hid": [bytes(id_) for id_ in refs]}, schema={"hid": pl.Binary})
        tagged = self._tables.refs.join(wanted, on="hid", how="semi").select("ref")
        of_calls = self._tables.slots.join(self._codes(list(calls)), on="call", how="semi")
        return pl.concat([tagged, of_calls.select("ref")]).unique()

    def _calls_of(self, names: Collection[str]) -> pl.DataFrame:
        """Return the calls of ops with these names."""
        codes = [code for code, op in enumerate(self._tables.ops) if op in names]
        return self._tables.calls.filter(pl.col("op").is_in(codes)).select("call")

    def _codes(self, ids: Sequence[CallId]) -> pl.DataFrame:
        """Return the codes of the calls with these ids."""
        wanted = pl.DataFrame({"hid": [bytes(id_) for id_ in ids]}, schema={"hid": pl.Binary})
        return self._tables.calls.join(wanted, on="hid", how="semi").select("call")

    def _call_ids(self, codes: pl.DataFrame) -> list[CallId]:
        """Return the ids of calls, in the order of their codes."""
        hids = self._tables.calls.join(codes, on="call", how="semi").sort("call")["hid"]
        return [CallId(hid) for hid in hids]
