"""What people name when they ask about calls and refs: objects, or their hids."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from mandala_cas.errors import NotFoundError, UsageError
from mandala_cas.index.lookup import CallLookup
from mandala_cas.model.calls import Call
from mandala_cas.model.entries import CallRecord
from mandala_cas.model.ids import CallId, HistoryId
from mandala_cas.model.refs import Ref


def call_id_of(hid_or_call: Call | str) -> CallId:
    """Return the id of a call that is given as such or by its hid.

    Raises:
        UsageError: it is neither.
    """
    match hid_or_call:
        case Call():
            return hid_or_call.call_id
        case str():
            return CallId.from_hex(hid_or_call)
        case _:
            raise UsageError(
                f"a call is named by its hid or a Call, got {type(hid_or_call).__name__}",
                found=hid_or_call,
            )


def history_id_of(ref_or_hid: Ref | str) -> HistoryId:
    """Return the history id of a ref that is given as such or by its hid.

    Raises:
        UsageError: it is neither.
    """
    match ref_or_hid:
        case Ref():
            return ref_or_hid.history_id
        case str():
            return HistoryId.from_hex(ref_or_hid)
        case _:
            raise UsageError(
                f"a ref is named by its hid or a Ref, got {type(ref_or_hid).__name__}",
                found=ref_or_hid,
            )


def several(things: Any, what: str) -> list[Any]:
    """Return one thing, or several, as several.

    Raises:
        UsageError: these are no things.
    """
    if isinstance(things, Ref | Call | str):
        return [things]
    if isinstance(things, Iterable):
        return list(things)
    raise UsageError(
        f"{what} are given as objects or hids, one or several, got {type(things).__name__}",
        found=things,
    )


def records_of(lookup: CallLookup, call_ids: list[CallId]) -> list[CallRecord]:
    """Return the records that answer for calls, in the order given.

    Raises:
        NotFoundError: one is not on record; all that are not are in its details.
    """
    found = [lookup.find(call_id) for call_id in call_ids]
    unknown = [id_ for id_, record in zip(call_ids, found, strict=True) if record is None]
    if unknown:
        which = (
            f"no call {unknown[0]} in this store"
            if len(call_ids) == 1
            else f"{len(unknown)} of {len(call_ids)} calls are not in this store, the first with "
            f"hid {unknown[0]}"
        )
        raise NotFoundError(
            f"{which}; was it dropped, or is it another store's?",
            hids=[str(call_id) for call_id in unknown],
        )
    return [record for record in found if record is not None]
