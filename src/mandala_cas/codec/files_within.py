"""Files within other values: where one stands, and whether it is still what it was."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any, Final

from mandala_cas.codec.canonical import content_id
from mandala_cas.codec.digests import Digests
from mandala_cas.codec.hooks import Hasher
from mandala_cas.codec.paths import parts_of
from mandala_cas.errors import UsageError
from mandala_cas.model.files import Dir, File
from mandala_cas.model.ids import ContentId

# So many parts are looked at for one: a search that outlasts the user's patience helps nobody.
_STEPS_MAX: Final = 100_000


def find_file(
    value: Any, is_it: Callable[[File | Dir], bool] = lambda _: True
) -> tuple[str, File | Dir] | None:
    """Return the first file in a value, behind what is written to get there; None if none is."""
    waiting: list[tuple[str, Any]] = [("", value)]
    # Kept as well, or a part that was made for the asking leaves its id to the next one.
    met: dict[int, Any] = {}
    while waiting and len(met) < _STEPS_MAX:
        path, part = waiting.pop()
        if isinstance(part, File | Dir):
            if is_it(part):
                return path, part
            continue
        if id(part) in met or isinstance(part, str | bytes | int | float | None):
            continue
        met[id(part)] = part
        below = [(path + step, further) for step, further in parts_of(part)]
        waiting += reversed(below)
    return None


def located(value: Any, error: UsageError) -> UsageError:
    """Return an error about a file as one that says where in ``value`` that file stands."""
    name = error.details.get("file")
    if not isinstance(name, str):
        return error
    path = Path(name)
    found = find_file(value, lambda file: file.path == path or file.path in path.parents)
    if found is None:
        return error
    reason = f"{name}: {error.details['reason']}; {error.details['advice']}"
    return _error(str(error), *found, {**error.details, "reason": reason})


def check_taken(
    value: Any,
    value_id: ContentId,
    digests: Digests,
    *,
    is_hashed: bool,
    hasher: Hasher | None = None,
) -> None:
    """Refuse a value with a file that changed between hashing and copying.

    With ``is_hashed``, ``value_id`` was taken with these ``digests``, which know what was hashed
    then. Else it is taken once more, with ``hasher``, of what was copied: the files are not read
    for it, but what else is in the value is hashed again.

    Raises:
        UsageError: one did change.
    """
    taken = digests.taken
    if is_hashed:
        # One that is not there was hidden by a hasher: it has no part in the id.
        changed = [f for f, held in taken.items() if digests.files.get(f, held) != held]
    else:
        digests.files.update(taken)
        if content_id(value, digests, hasher=hasher) == value_id:
            return
        changed = [_last_written(taken)]
    if not changed:
        return
    file = changed[0]
    found = find_file(value, lambda other: other == file) or ("", file)
    reason = (
        f"{file.path} changed after it was hashed; finish it before it is passed on, and never "
        "write to it again"
    )
    where = f"{found[0]} in it: " if found[0] else ""
    raise _error(f"cannot store this value: {where}{reason}", *found, {"reason": reason})


def _error(message: str, path: str, file: File | Dir, details: dict[str, Any]) -> UsageError:
    """Return an error about one file in a value."""
    kind = type(file)
    # For a file that is the value itself the message says it all.
    place = {"path": path, "found": f"{kind.__module__}.{kind.__qualname__}"} if path else {}
    return UsageError(message, **{**details, "file": str(file.path), **place})


def _last_written(files: Iterable[File | Dir]) -> File | Dir:
    """Return the file that somebody wrote to last, as far as its system says."""

    def written_ns(file: File | Dir) -> int:
        try:
            status = file.path.stat()
        except OSError:
            # What is gone by now was touched last of all.
            return 1 << 63
        return max(status.st_mtime_ns, status.st_ctime_ns)

    return max(files, key=written_ns)
