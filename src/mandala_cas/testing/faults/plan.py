"""When something goes wrong: calls, the rules that match them, and what a fault may ask for."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Final, Literal, NamedTuple, Protocol

from mandala_cas.objectstore.api import ObjectInfo

Operation = Literal["put", "create", "get", "get_range", "get_into", "list", "delete"]
READS: Final[frozenset[Operation]] = frozenset({"get", "get_range", "get_into"})
WRITES: Final[frozenset[Operation]] = frozenset({"put", "create", "delete"})


class SimulatedCrash(BaseException):
    """Stands for the process dying: no ``except Exception`` may catch it and carry on."""


class StoreCall(NamedTuple):
    """One thing asked of the store; of a batch, each object is one."""

    operation: Operation
    name: str


class FailingStore(Protocol):
    """What a fault may do to the store that it strikes."""

    def kill(self) -> None:
        """Make every later call raise ``SimulatedCrash``."""
        ...

    def check_alive(self) -> None:
        """Raise ``SimulatedCrash`` once killed."""
        ...

    def postpone(self, calls: int, effect: Callable[[], object]) -> None:
        """Have ``effect`` happen once ``calls`` more calls have seen nothing of it."""
        ...

    def as_of(self, writes: int) -> Sequence[ObjectInfo]:
        """Return what there was before the last ``writes`` writes."""
        ...


class Fault(Protocol):
    """What goes wrong at a call."""

    def strike(self, store: FailingStore, call: StoreCall, effect: Callable[[], object]) -> object:
        """Return what the caller gets, or raise; ``effect`` is what should have happened."""
        ...


@dataclass(slots=True)
class Rule:
    """When a fault strikes: at ``times`` matching calls, after the first ``skip`` of them.

    ``operation`` is one, several or, if None, all; ``times`` of None is for ever. A batch call is
    matched object by object, ``get_many`` as "get" and ``get_ranges`` as "get_range".
    """

    fault: Fault
    operation: Operation | frozenset[Operation] | None = None
    prefix: str = ""
    skip: int = 0
    times: int | None = 1
    seen: int = field(default=0, init=False)

    def strikes(self, call: StoreCall) -> bool:
        """Count ``call`` if it matches, and tell whether it is to fail."""
        wanted = {self.operation} if isinstance(self.operation, str) else self.operation
        if (wanted is not None and call.operation not in wanted) or not call.name.startswith(
            self.prefix
        ):
            return False
        number = self.seen - self.skip
        self.seen += 1
        return number >= 0 and (self.times is None or number < self.times)
