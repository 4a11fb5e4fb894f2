"""Tags: which records they become, and which things are under a name."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from typing import Any, Final

from mandala_cas.errors import NotFoundError, UsageError
from mandala_cas.index.tags import Tagged
from mandala_cas.log.part import LogPart
from mandala_cas.model.calls import Call
from mandala_cas.model.entries import TagRecord, TagTarget, Untag
from mandala_cas.model.ids import CallId, ContentId, HistoryId
from mandala_cas.model.refs import Ref, RefLoader
from mandala_cas.values.creators import rows_of

_NO_CONTENT: Final = ContentId(bytes(ContentId.SIZE))

# Gives the ref of a history id, or the call, or None where there is none.
Find = Callable[[bytes], Ref | Call | None]


def tag_records(name: str, things: object, created_us: int, find: Find) -> list[TagRecord]:
    """Return what puts ``name`` on refs and calls, given as such or by their hids.

    Raises:
        UsageError: something can have no tag.
        NotFoundError: a hid is none of this store's.
    """
    records = {}
    for thing in _items(things):
        found = _resolved(thing, find)
        if isinstance(found, Call):
            record = TagRecord(name, TagTarget.CALL, found.call_id, _NO_CONTENT, created_us)
        else:
            record = TagRecord(name, TagTarget.REF, found.history_id, found.content_id, created_us)
        records[record.target, record.history_id] = record
    if not records:
        raise UsageError(f"tag {name!r} was put on nothing; give refs or calls, or their hids")
    return list(records.values())


def check_tagged(wanted: Iterable[TagRecord], tagged: Iterable[Tagged]) -> None:
    """Check that the tags which were just committed are in effect.

    Raises:
        NotFoundError: one is not; of the others, that stays so.
    """
    found = {(item.record.target, item.record.history_id) for item in tagged}
    missing = [item for item in wanted if (item.target, item.history_id) not in found]
    if missing:
        raise NotFoundError(
            f"tag {missing[0].name!r} is not on {len(missing)} of the things it was put on, the "
            f"first with hid {missing[0].history_id.hex()}: others dropped and collected it at the "
            "same time, or took the tag off; make its call again, then tag what it gives",
            hids=[item.history_id.hex() for item in missing],
        )


def untags_of(name: str, things: object | None, tagged: Sequence[Tagged]) -> list[Untag]:
    """Return what takes ``name`` off ``things``, or off everything if they are None.

    Raises:
        NotFoundError: nothing, or one of the things, has that tag.
    """
    if not tagged:
        raise NotFoundError(f"there is no tag {name!r} in this store; see storage.tags()")
    taken = tagged
    if things is not None:
        wanted = {_hid_of(thing) for thing in _items(things)}
        taken = [item for item in tagged if item.record.history_id in wanted]
        missing = wanted - {item.record.history_id for item in taken}
        if missing:
            raise NotFoundError(
                f"tag {name!r} is not on {min(missing).hex()}; see storage.tags()",
                hids=[hid.hex() for hid in sorted(missing)],
            )
    return [Untag(item.dot.writer, item.dot.seq, item.dot.row, item.dot.row) for item in taken]


def things_tagged(
    tagged: Iterable[Tagged], find_call: Callable[[CallId], Call | None], loader: RefLoader
) -> list[Ref | Call]:
    """Return what a tag is on, each thing once, the first tagged first.

    A call that was dropped is left out: there is nothing to show of it.
    """
    found: dict[bytes, Ref | Call] = {}
    for item in tagged:
        record = item.record
        if record.target is TagTarget.REF:
            ref = loader.make_ref(HistoryId(record.history_id), record.content_id)
            found.setdefault(record.history_id, ref)
        elif (call := find_call(CallId(record.history_id))) is not None:
            found.setdefault(record.history_id, call)
    return list(found.values())


def ref_on_record(parts: Iterable[LogPart], hid: bytes, loader: RefLoader) -> Ref | None:
    """Return the ref of this history id that a call on record gave or took, if there is one."""
    for part in parts:
        for row in rows_of(part.slots.fixed("history_id"), {hid}):
            content_id = ContentId(part.slots.fixed("content_id")[row])
            return loader.make_ref(HistoryId(hid), content_id)
    return None


def _items(things: object) -> Iterable[Any]:
    """Return one thing, or several, as several."""
    if isinstance(things, Ref | Call | str):
        return [things]
    if isinstance(things, Iterable):
        return things
    raise UsageError(
        f"a tag is put on refs and calls, or on their hids, not on {type(things).__name__}",
        found=things,
    )


def _resolved(thing: object, find: Find) -> Ref | Call:
    """Return the ref or call that somebody means."""
    if isinstance(thing, Ref | Call):
        return thing
    found = find(_hid_of(thing))
    if found is None:
        raise NotFoundError(
            f"no call and no ref of this store has hid {thing}; nothing was tagged", hid=thing
        )
    return found


def _hid_of(thing: object) -> bytes:
    """Return the history id of a ref or a call, or the one that is written out."""
    match thing:
        case Ref():
            return thing.history_id
        case Call():
            return thing.call_id
        case str():
            return HistoryId.from_hex(thing)
        case _:
            raise UsageError(
                f"a tag is put on refs and calls, or on their hids, not on {type(thing).__name__}",
                found=thing,
            )
