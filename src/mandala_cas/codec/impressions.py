"""What a value was like, so that a change can be found later and named."""

from __future__ import annotations

from typing import Any, Final

from mandala_cas.codec.canonical import content_id
from mandala_cas.codec.digests import Digests
from mandala_cas.codec.hooks import Hasher
from mandala_cas.codec.paths import parts_of
from mandala_cas.errors import UsageError
from mandala_cas.model.ids import ContentId

# Only the places of so many parts are told apart, and so deep: each level hashes all below again.
PARTS_MAX: Final = 10_000
_DEPTH_MAX: Final = 6


class ValueImpression:
    """The id of a value, and those of its parts; not the value."""

    def __init__(self, value: Any, hasher: Hasher | None = None) -> None:
        """Hash the value and its parts.

        Raises:
            UsageError: it cannot be hashed.
        """
        self._hasher = hasher
        digests = Digests()
        self._content_id = content_id(value, digests, hasher=hasher)
        # What a hasher looks at is its own affair, so the parts say nothing.
        self._parts = {} if hasher is not None else _ids_of_parts(value, digests)

    def change_in(self, value: Any) -> str | None:
        """Return the path to what is different in ``value``; None if nothing is.

        Empty where no part can be named.
        """
        # A memory of its own: what it remembers of a buffer is wrong once that was changed.
        digests = Digests()
        try:
            if content_id(value, digests, hasher=self._hasher) == self._content_id:
                return None
        except UsageError as error:
            # It could be hashed before.
            path: str = error.details.get("path", "")
            return path
        if self._hasher is not None:
            return ""
        now = _ids_of_parts(value, digests)
        paths = [*self._parts, *(path for path in now if path not in self._parts)]
        return _innermost([path for path in paths if self._parts.get(path) != now.get(path)])


def _ids_of_parts(value: Any, digests: Digests) -> dict[str, ContentId | None]:
    """Return the ids of the parts of a value by their paths; None for one that has none."""
    found: dict[str, ContentId | None] = {}
    level: list[tuple[str, Any]] = [("", value)]
    for _ in range(_DEPTH_MAX):
        following: list[tuple[str, Any]] = []
        for path, whole in level:
            for step, part in parts_of(whole):
                if len(found) >= PARTS_MAX:
                    return found
                # Keys and elements of sets have no path of their own.
                if not step or step.endswith(".keys()") or path + step in found:
                    continue
                found[path + step] = _id_of(part, digests)
                following.append((path + step, part))
        level = following
    return found


def _id_of(part: Any, digests: Digests) -> ContentId | None:
    """Return the id of a part; one that cannot be hashed by itself has none."""
    try:
        return content_id(part, digests)
    except UsageError:
        return None


def _innermost(changed: list[str]) -> str:
    """Return the path of the first change, and of what changed in it."""
    path = ""
    for candidate in changed:
        if candidate.startswith(path):
            path = candidate
    return path
