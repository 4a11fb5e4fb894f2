"""Refs: handles for values, which know what the value is and how it came about."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, Final, NamedTuple, Protocol, overload

from mandala_cas.errors import UsageError
from mandala_cas.model.ids import ContentId, HistoryId

# Three digits tell the refs of a notebook apart; `hid` has them all.
_PRINTED_HEX_LENGTH: Final = 3


class _Missing:
    """Marks a ref whose value is not in memory; None is a value."""

    def __repr__(self) -> str:
        """Return a name that explains itself in a debugger."""
        return "<not in memory>"


MISSING: Final = _Missing()


class RefLoader(Protocol):
    """Gives the value of a ref: what a storage is to its refs."""

    def load_ref_value(self, ref: Ref) -> Any:
        """Return the value; the ref stays as it is."""
        ...

    def load_elements(self, ref: Ref) -> Elements:
        """Return refs to the elements of a collection; no value of an element is loaded."""
        ...

    def make_ref(self, history_id: HistoryId, content_id: ContentId, value: Any = MISSING) -> Ref:
        """Return a ref to what is stored under these ids: that of a collection, or any other."""
        ...


class Ref:
    """A handle for a value. Two refs are equal when their histories are.

    The value is attached when it was computed in this process, and loaded on demand otherwise. A
    ref that was pickled and unpickled has its ids and nothing else: it can be passed to ops, and a
    storage can unwrap it.
    """

    __slots__ = ("_loader", "_value", "content_id", "history_id")

    def __init__(
        self,
        history_id: HistoryId,
        content_id: ContentId,
        value: Any = MISSING,
        loader: RefLoader | None = None,
    ) -> None:
        """Make a handle; ops and storages do this, users rarely do."""
        self.history_id = history_id
        self.content_id = content_id
        self._value = value
        self._loader = loader

    @property
    def hid(self) -> str:
        """The history id, in hexadecimal: names the call and output this came from."""
        return self.history_id.hex()

    @property
    def cid(self) -> str:
        """The content id, in hexadecimal: names the value."""
        return self.content_id.hex()

    @property
    def in_memory(self) -> bool:
        """Whether the value is attached."""
        return self._value is not MISSING

    @property
    def value(self) -> Any:
        """The attached value; ask ``in_memory`` first, or use ``storage.unwrap``."""
        if self._value is MISSING:
            raise UsageError(
                f"the value of {self!r} is not in memory; storage.unwrap(ref) loads it", ref=self
            )
        return self._value

    def get(self) -> Any:
        """Return the value: the attached one, else what the storage of this ref has.

        The ref stays as it is; ``storage.attach`` keeps values in refs, and loads many at once.

        Raises:
            UsageError: the value is not in memory, and the ref belongs to no storage.
            NotFoundError: that storage has no such value.
        """
        if self._value is not MISSING:
            return self._value
        if self._loader is None:
            raise UsageError(
                f"the value of {self!r} is not in memory, and the ref belongs to no storage, as "
                "one that was unpickled; storage.unwrap(ref) of the storage that has it loads it",
                ref=self,
            )
        return self._loader.load_ref_value(self)

    def attach(self, value: Any) -> None:
        """Keep ``value`` in this ref, which it must be the value of; storages do this."""
        self._value = value

    @property
    def loader(self) -> RefLoader | None:
        """The storage that this ref came from, if it came from one."""
        return self._loader

    def detached(self) -> Ref:
        """Return the same ref without its value."""
        return type(self)(self.history_id, self.content_id, loader=self._loader)

    def __eq__(self, other: object) -> bool:
        """Compare histories."""
        return self.history_id == other.history_id if isinstance(other, Ref) else NotImplemented

    def __hash__(self) -> int:
        """Hash the history."""
        return hash(self.history_id)

    def __repr__(self) -> str:
        """Show the value if it is here, and the first digits of the history id."""
        short = self.history_id.hex()[:_PRINTED_HEX_LENGTH]
        if self._value is MISSING:
            return f"{type(self).__name__}(hid={short}..., in_memory=False)"
        return f"{type(self).__name__}({self._value!r}, hid={short}...)"

    def __reduce__(self) -> tuple[Any, ...]:
        """Pickle the ids only: values live in a store, and a loader holds a store open."""
        return type(self), (self.history_id, self.content_id)


class AtomRef(Ref):
    """A ref whose value is one thing to mandala-cas, whatever it is inside."""

    __slots__ = ()


class LazyRefs(Sequence[Ref]):
    """Refs that are made when they are asked for: a collection may have very many."""

    __slots__ = ("_count", "_made", "_make")

    def __init__(self, count: int, make: Callable[[int], Ref]) -> None:
        """Have ``make`` give the ref of a position; it is asked once for each."""
        self._count = count
        self._make = make
        self._made: dict[int, Ref] = {}

    def __len__(self) -> int:
        """Return how many there are."""
        return self._count

    @overload
    def __getitem__(self, place: int, /) -> Ref: ...
    @overload
    def __getitem__(self, place: slice, /) -> Sequence[Ref]: ...
    def __getitem__(self, place: int | slice, /) -> Ref | Sequence[Ref]:
        """Return the ref at a position, or those of several."""
        if isinstance(place, slice):
            return [self[position] for position in range(self._count)[place]]
        position = range(self._count)[place]
        found = self._made.get(position)
        if found is None:
            # Two threads may make it twice, and either is as good as the other.
            found = self._made.setdefault(position, self._make(position))
        return found


class Elements(NamedTuple):
    """The elements of a collection as refs, in its order; ``keys`` are those of a dict."""

    refs: Sequence[Ref]
    keys: Sequence[str] = ()
