"""Where records of calls come from, as people ask for it: the log's word, made readable."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from datetime import UTC, datetime
from typing import Any, Final, TypeVar

from mandala_cas._version import __version__
from mandala_cas.errors import NotFoundError
from mandala_cas.index.segment_origins import Place, SegmentOrigin, find_origins
from mandala_cas.model.calls import Call, CallMetadata
from mandala_cas.model.ids import Dot
from mandala_cas.storage.assembly import Assembly
from mandala_cas.values.creators import rows_of

_T = TypeVar("_T")

# What any system numbers its processes with; a store may hold any number.
_PROCESS_ID_MAX: Final = (1 << 32) - 1


def find_metadata(parts: Assembly, places: Collection[Place]) -> dict[Place, CallMetadata]:
    """Return what is known of the writers of some segments, the open batch among them.

    One that cannot be told of has an answer too, in which nothing is known.
    """
    with parts.recorder.lock:
        unpublished = {dot[:2] for _, dot in parts.recorder.unpublished() if dot is not None}
    names = parts.key_names()
    own = parts.key.key_id() if unpublished and parts.key is not None else None
    # What this process is about to write says the same of it as what it wrote.
    mine = parts.session() if unpublished.intersection(places) else {}
    found = {
        place: _metadata(SegmentOrigin(0, f"mandala-cas {__version__}", mine, own), names)
        for place in unpublished.intersection(places)
    }
    origins = find_origins(
        parts.view, parts.objects, set(places) - unpublished, trusts=parts.trusts
    )
    found.update({place: _metadata(origin, names) for place, origin in origins.items()})
    return {place: found.get(place, CallMetadata()) for place in places}


def metadata_of_call(parts: Assembly, call: Call) -> CallMetadata:
    """Return where the record of a call comes from; another record of the same call is not it.

    Raises:
        NotFoundError: the record does not count any more.
    """
    dot = _dot_of(parts, call)
    if dot is None:
        raise NotFoundError(
            f"{call!r} with hid {call.hid} is not on record any more, so nothing is known of who "
            "made it; was it dropped?",
            hid=call.hid,
        )
    place: Place = dot[:2]
    return find_metadata(parts, {place})[place]


def _dot_of(parts: Assembly, call: Call) -> Dot | None:
    """Return what names the record that ``call`` shows."""
    live = set(parts.lookup.dots(call.call_id))
    if len(live) == 1 and parts.lookup.find(call.call_id) == call.record:
        return live.pop()
    # Of records that are the same in all, as a journal that was adopted twice leaves them, any.
    same = [
        dot
        for part in parts.log.parts()
        for row in rows_of(part.calls.fixed("call_id"), {call.call_id})
        if (dot := part.dot(row)) in live and part.call_record(row) == call.record
    ]
    return min(same, default=None)


def _metadata(origin: SegmentOrigin, names: Mapping[str, str]) -> CallMetadata:
    """Return what a segment says, as far as it is of the type that it should be."""
    session = origin.session
    key_id = None if origin.key_id is None else str(origin.key_id)
    packages = _typed(session, "packages", dict) or {}
    process_id = _typed(session, "pid", int)
    if process_id is not None and not 0 <= process_id <= _PROCESS_ID_MAX:
        process_id = None
    return CallMetadata(
        host=_typed(session, "host", str),
        user=_typed(session, "user", str),
        process_id=process_id,
        python=_typed(session, "python", str),
        platform=_typed(session, "platform", str),
        git_commit=_typed(session, "git_commit", str),
        git_dirty=_typed(session, "git_dirty", bool),
        packages={str(name): str(version) for name, version in packages.items()},
        library=origin.library or None,
        written=(
            datetime.fromtimestamp(origin.created_us / 1e6, tz=UTC) if origin.created_us else None
        ),
        key_id=key_id,
        key_name=None if key_id is None else names.get(key_id),
    )


def _typed(session: Mapping[str, Any], name: str, type_: type[_T]) -> _T | None:
    """Return a field of what a writer said, unless it is something else than it should be."""
    value = session.get(name)
    # Exactly: True is a number to Python, and no process to anybody.
    return value if type(value) is type_ else None
