"""What an engine must be able to do for ``RemoteObjectStore``: requests below one root."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Final, NamedTuple, Protocol

from mandala_cas.objectstore.api import Capabilities, ObjectInfo, Parts

# Above this, an object is sent in pieces instead of being joined in memory first.
STREAMED_MIN: Final = 16 * 1024 * 1024
# As small as S3 takes: several are under way at the same time, and engines copy each up to thrice.
PIECE_SIZE: Final = 5 * 1024 * 1024


class Asked(NamedTuple):
    """Part of an object; a size of None is up to its end, and no size is 0."""

    name: str
    offset: int = 0
    size: int | None = None


class ObjectTree(Protocol):
    """The objects below a root, as an engine reaches them from this process.

    Everything raises what the engine raises, and names are checked by the caller. An answer to
    one of several questions is what was asked for, or the exception that asking raised.
    """

    @property
    def url(self) -> str:
        """Where the root is; may hold what nobody should read."""
        ...

    @property
    def capabilities(self) -> Capabilities:
        """What a store on this tree promises."""
        ...

    def read_each(self, asked: Sequence[Asked]) -> list[Any]:
        """Return bytes for each, or what reading them raised."""
        ...

    def write(self, name: str, parts: Parts) -> None:
        """Store an object in the way that shows no half of it, a very large one in pieces."""
        ...

    def write_each(self, objects: Mapping[str, bytes]) -> list[Any]:
        """Store objects, at once where possible; return None for each, or what it raised."""
        ...

    def create(self, name: str, data: bytes) -> bool:
        """Store an object unless it is there; tell whether this call did."""
        ...

    def remove_each(self, names: Sequence[str]) -> list[Any]:
        """Remove objects; return None for each, or what it raised, also where it was not there."""
        ...

    def size(self, name: str) -> int:
        """Return the size of an object, as it is now."""
        ...

    def listing(self, prefix: str) -> list[ObjectInfo]:
        """Return what is below ``prefix`` now."""
        ...

    def close(self) -> None:
        """Close what is this tree's own; a later question opens it again."""
        ...
