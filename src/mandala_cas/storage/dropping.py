"""Which records a drop names, and what people are told of it."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from typing import TYPE_CHECKING, Any, Final

from mandala_cas.errors import NotFoundError, UsageError
from mandala_cas.index.lookup import CallLookup
from mandala_cas.model.calls import Call
from mandala_cas.model.collections import is_structural
from mandala_cas.model.entries import TagRecord, TagTarget
from mandala_cas.model.ids import CallId, HistoryId
from mandala_cas.upkeep.printing import as_count
from mandala_cas.values.recorder import Recorder

if TYPE_CHECKING:
    from mandala_cas.index.schema import IndexTables

_NAMED_MAX: Final = 3


def drop_calls(
    lookup: CallLookup,
    recorder: Recorder,
    tables: Callable[[], IndexTables],
    calls_or_hids: Call | str | Iterable[Any],
    *,
    with_dependents: bool,
    with_equals: bool,
    tags: Callable[[], Iterable[TagRecord]],
) -> str:
    """Put tombstones for calls into the batch; return what to tell people.

    The structural calls that belong to them go as well, unless others need them; ``tags`` are
    those in effect.

    Raises:
        NotFoundError: a hid names no call of this store; nothing was dropped.
        UsageError: something in ``calls_or_hids`` is neither a call nor a hid, or is a structural
            call that other calls need.
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
    asked = wanted
    contents = [
        record.content_id
        for record in records.values()
        if record is not None and not is_structural(record.op_name)
    ]
    if with_equals:
        wanted = list(dict.fromkeys([*wanted, *equals_of(tables(), contents)]))
    if with_dependents:
        wanted = dependents_of(tables(), wanted)
    wanted = _with_structural(tables(), asked, wanted, list(tags()))
    found = map(lookup.find, wanted)
    tying = sum(record is not None and is_structural(record.op_name) for record in found)
    recorder.drop(merge_dots(dot for call_id in wanted for dot in lookup.dots(call_id)))
    remaining = sum(map(lookup.count_equal, set(contents)))
    tied = f", and {tying} that tied collections to their elements" if tying else ""
    return f"Dropped {as_count(len(wanted) - tying, 'call')}{tied}" + (
        f"; {remaining} of equal content remain and would answer again "
        "(content=True drops those too)"
        if remaining
        else ""
    )


def _with_structural(
    tables: IndexTables, asked: list[CallId], wanted: list[CallId], tags: Sequence[TagRecord]
) -> list[CallId]:
    """Return the calls to drop, and the structural calls that go with them.

    Raises:
        UsageError: a structural call was asked for that other calls need.
    """
    from mandala_cas.index.structural import StructuralCalls  # noqa: PLC0415 (heavy)

    structural = StructuralCalls(tables)
    if not structural.any:
        return wanted
    refs = {HistoryId(tag.history_id) for tag in tags if tag.target is TagTarget.REF}
    calls = {CallId(tag.history_id) for tag in tags if tag.target is TagTarget.CALL}
    closed = structural.closed(wanted, refs, calls)
    needed = structural.still_needed(asked, closed)
    if needed:
        call_id, owners = needed[0]
        names = ", ".join(owner.short for owner in owners[:_NAMED_MAX])
        raise UsageError(
            f"call {call_id.short} ties a collection to its elements, and belongs to "
            f"{len(owners)} {'call' if len(owners) == 1 else 'calls'} ({names}); nothing was "
            "dropped: drop those, it goes with them",
            hid=str(call_id),
            hids=[str(owner) for owner in owners],
        )
    return closed


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
