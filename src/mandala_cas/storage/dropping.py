"""Which records a drop names, and what people are told of it."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import TYPE_CHECKING, Any

from mandala_cas.errors import NotFoundError, UsageError
from mandala_cas.index.lookup import CallLookup
from mandala_cas.model.calls import Call
from mandala_cas.model.ids import CallId
from mandala_cas.values.recorder import Recorder

if TYPE_CHECKING:
    from mandala_cas.index.schema import IndexTables


def drop_calls(
    lookup: CallLookup,
    recorder: Recorder,
    tables: Callable[[], IndexTables],
    calls_or_hids: Call | str | Iterable[Any],
    *,
    with_dependents: bool,
    with_equals: bool,
) -> str:
    """Put tombstones for calls into the batch; return what to tell people.

    Raises:
        NotFoundError: a hid names no call of this store; nothing was dropped.
        UsageError: something in ``calls_or_hids`` is neither a call nor a hid.
    """
    from mandala_cas.index.dependents import dependents_of, equals_of  # noqa: PLC0415 (heavy)
    from mandala_cas.log.graves import merge_dots  # noqa: PLC0415 (only drops need it)

    wanted = call_ids_of(calls_or_hids)
    records = {call_id: lookup.find(call_id) for call_id in wanted}
    unknown = [call_id for call_id, record in records.items() if record is None]
    if unknown:
        raise NotFoundError(
            f"{len(unknown)} of {len(wanted)} calls are not in this store, the first with hid "
            f"{unknown[0]}; nothing was dropped",
            hids=[str(call_id) for call_id in unknown],
        )
    contents = [record.content_id for record in records.values() if record is not None]
    if with_equals:
        wanted = list(dict.fromkeys([*wanted, *equals_of(tables(), contents)]))
    if with_dependents:
        wanted = dependents_of(tables(), wanted)
    recorder.drop(merge_dots(dot for call_id in wanted for dot in lookup.dots(call_id)))
    remaining = sum(map(lookup.count_equal, set(contents)))
    return f"Dropped {len(wanted)} {'call' if len(wanted) == 1 else 'calls'}" + (
        f"; {remaining} of equal content remain and would answer again "
        "(content=True drops those too)"
        if remaining
        else ""
    )


def call_ids_of(calls_or_hids: Call | str | Iterable[Any]) -> list[CallId]:
    """Return the ids of calls, each once, in order; nulls are passed over.

    Raises:
        UsageError: something is neither a call nor a hid.
    """
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
