"""Values that a name stands for: what can be neither hashed nor stored, but has an identity."""

from __future__ import annotations

from typing import Any, Final, TypeVar, cast, final

from mandala_cas.errors import UsageError

T = TypeVar("T")

_NOTHING: Final = object()


@final
class Pointer:
    """An object under an id that says what it is; equal to any other of this id.

    A store keeps the id alone.
    """

    __slots__ = ("_obj", "id")

    def __init__(self, id: str, obj: Any = _NOTHING) -> None:  # noqa: A002 (mandala's name)
        """Name ``obj``; without it, this is what comes back from a store."""
        if type(id) is not str or not id:
            raise UsageError(
                f"the id of a ValuePointer is a text that is not empty, got {id!r:.80}"
            )
        self.id = id
        self._obj = obj

    @property
    def has_obj(self) -> bool:
        """Whether the object is at hand."""
        return self._obj is not _NOTHING

    @property
    def obj(self) -> Any:
        """The object.

        Raises:
            UsageError: a store gave the pointer, and a store has only the id.
        """
        if not self.has_obj:
            raise UsageError(
                f"{self!r} was stored, and of a ValuePointer a store keeps the id alone; make one "
                f"with the object again: ValuePointer({self.id!r}, obj)",
                id=self.id,
            )
        return self._obj

    def __mandala_hash__(self) -> str:
        """Return what decides the content id."""
        return self.id

    def __eq__(self, other: object) -> bool:
        """Compare ids."""
        return self.id == other.id if isinstance(other, Pointer) else NotImplemented

    def __hash__(self) -> int:
        """Hash the id."""
        return hash(("ValuePointer", self.id))

    def __reduce__(self) -> tuple[type[Pointer], tuple[str]]:
        """Pickle the id: the object may be what no pickle can hold."""
        return Pointer, (self.id,)

    def __repr__(self) -> str:
        """Return how it is made."""
        return f"ValuePointer({self.id!r})"


def ValuePointer(id: str, obj: T) -> T:  # noqa: N802, A002 (the names that users of mandala know)
    """Give an op ``obj`` under an id that stands for it in the store.

    The body gets ``obj``; the call is one with this id, and neither is ``obj`` hashed nor stored.
    Who gives two different objects one id gets the results of the first. To type checkers this is
    ``obj`` itself.
    """
    return cast("T", Pointer(id, obj))
