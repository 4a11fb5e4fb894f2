"""Refs and the values behind them, as methods of a storage."""

from __future__ import annotations

from typing import Any, TypeVar

from mandala_cas.errors import NotFoundError, UsageError
from mandala_cas.model.calls import Call
from mandala_cas.model.ids import HistoryId
from mandala_cas.model.refs import Ref
from mandala_cas.storage.base import StorageFace
from mandala_cas.storage.ref_search import find_content
from mandala_cas.storage.saving import save_call, save_ref
from mandala_cas.storage.unwrapping import attach_all

_T = TypeVar("_T")


class StoreRefs(StorageFace):
    """The part of a storage that hands out refs, fills them, and keeps what has no call."""

    def attach(self, obj: _T, *, mmap: bool = True) -> _T:
        """Load the values of all refs in ``obj`` in one batch, keep them in the refs; return it.

        Looks into lists, tuples, dicts and sets. From then on the refs' ``value`` and ``get()``,
        ``unwrap`` and ops that get them ask the store for nothing.

        Args:
            obj: a ref, or what holds refs.
            mmap: as for ``unwrap``.

        Raises:
            UsageError: a ref has no value here nor where it came from.
        """
        self._check_open()
        attach_all(obj, self._parts.book, self._parts.has_value, mmap=mmap)
        return obj

    def load_ref(self, hid: str, lazy: bool = False) -> Ref:  # noqa: FBT001, FBT002 (mandala's signature)
        """Return the ref of a history id on record, with its value.

        Where records of a call do not agree, it is what the one gave that answers.

        Args:
            hid: the history id, as ``ref.hid`` gives it.
            lazy: leave the value where it is; it is loaded when somebody asks for it.

        Raises:
            NotFoundError: no call and no tag on record has such a ref.
        """
        self._check_open()
        if not isinstance(hid, str):
            raise UsageError(f"a history id is a str, got {type(hid).__name__}", found=hid)
        history_id = HistoryId.from_hex(hid)
        content_id = find_content(self._parts, history_id)
        if content_id is None:
            raise NotFoundError(
                f"no ref {hid} in this store; was its call dropped, or is it another store's?",
                hid=hid,
            )
        ref = self.make_ref(history_id, content_id)
        return ref if lazy else self.attach(ref)

    def save_ref(self, value_or_ref: Any, *, tag: str = "saved") -> Ref:
        """Keep a value that no call has, and commit; return its ref.

        It stays until ``untag(tag, ref)``: what neither a call nor a tag has is garbage. A value
        becomes a constant, as one passed to an op does; a ref, of this storage or another, keeps
        its ids.

        Args:
            value_or_ref: any value that an op could be given, or a ref.
            tag: the name under which it is kept.

        Raises:
            UsageError: the value cannot be stored, or the ref has none anywhere.
        """
        self._check_writable("save a ref")
        return save_ref(self._parts, value_or_ref, tag, self)

    def save_call(self, call: Call) -> None:
        """Put a call of another storage on record here, with its values, and commit.

        One that is on record is left as it is. What made it is known there: here it counts as
        written by you.

        Raises:
            UsageError: this is no call, or a value of it can be had nowhere.
        """
        self._check_writable("save a call")
        if not isinstance(call, Call):
            raise UsageError(f"a Call is saved, got {type(call).__name__}", found=call)
        save_call(self._parts, call)
        self.commit()
