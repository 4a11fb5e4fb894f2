"""What can go wrong at a call, a class for each; combine them with rules."""

from __future__ import annotations

import contextlib
import threading
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Final, cast

from mandala_cas.errors import MandalaError, StoreUnavailableError, UsageError
from mandala_cas.objectstore.api import ObjectInfo
from mandala_cas.testing.faults.plan import WRITES, FailingStore, SimulatedCrash, StoreCall

_HANG_MAX_S: Final = 60.0


def unavailable(call: StoreCall) -> MandalaError:
    """Return the error of a store that does not answer."""
    return StoreUnavailableError(
        f"cannot {call.operation} {call.name}: the store does not answer; nothing was lost, try "
        "again",
        name=call.name,
    )


@dataclass(frozen=True, slots=True)
class ErrorBefore:
    """The call fails, and has no effect."""

    error: Callable[[StoreCall], BaseException] = unavailable

    def strike(self, store: FailingStore, call: StoreCall, effect: Callable[[], object]) -> object:
        """Raise."""
        del store, effect
        raise self.error(call)


@dataclass(frozen=True, slots=True)
class ErrorAfter:
    """The call takes effect, but its answer is lost."""

    error: Callable[[StoreCall], BaseException] = unavailable

    def strike(self, store: FailingStore, call: StoreCall, effect: Callable[[], object]) -> object:
        """Do it, then raise."""
        del store
        effect()
        raise self.error(call)


@dataclass(frozen=True, slots=True)
class Delay:
    """The call fails, and takes effect all the same, once ``calls`` more calls were made.

    With ``error=None`` the caller is told that all went well: a store that is weaker than the
    contract.
    """

    calls: int
    error: Callable[[StoreCall], BaseException] | None = unavailable

    def strike(self, store: FailingStore, call: StoreCall, effect: Callable[[], object]) -> object:
        """Leave it for later."""
        if call.operation not in WRITES:
            raise AssertionError(f"only a write can take effect later, not a {call.operation}")
        store.postpone(self.calls, effect)
        if self.error is not None:
            raise self.error(call)
        return True


@dataclass(frozen=True, slots=True)
class Hang:
    """The call waits, before its effect, until the test sets ``released``.

    ``reached`` is set when a caller hangs, so that the test can wait for that instead of sleeping.
    """

    released: threading.Event = field(default_factory=threading.Event)
    reached: threading.Event = field(default_factory=threading.Event)

    def strike(self, store: FailingStore, call: StoreCall, effect: Callable[[], object]) -> object:
        """Wait, then do it."""
        self.reached.set()
        # A test that forgot to release must fail, not hang for ever.
        if not self.released.wait(_HANG_MAX_S):
            raise AssertionError(f"nobody released {call.operation} {call.name}")
        # The process may have "died" while it hung.
        store.check_alive()
        return effect()


@dataclass(frozen=True, slots=True)
class StaleList:
    """A listing shows how things were before the last ``writes`` writes."""

    writes: int = 1

    def strike(self, store: FailingStore, call: StoreCall, effect: Callable[[], object]) -> object:
        """Return the listing of before."""
        del effect
        return [info for info in store.as_of(self.writes) if info.name.startswith(call.name)]


@dataclass(frozen=True, slots=True)
class PartialList:
    """A listing ends after ``count`` objects, in the order of their names."""

    count: int

    def strike(self, store: FailingStore, call: StoreCall, effect: Callable[[], object]) -> object:
        """Return the beginning of the listing."""
        del store, call
        infos = cast("list[ObjectInfo]", effect())
        return sorted(infos, key=lambda info: info.name)[: self.count]


@dataclass(frozen=True, slots=True)
class TruncatedGet:
    """A read returns only its first ``size`` bytes."""

    size: int

    def strike(self, store: FailingStore, call: StoreCall, effect: Callable[[], object]) -> object:
        """Return the beginning."""
        del store, call
        return cast("bytes", effect())[: self.size]


@dataclass(frozen=True, slots=True)
class FlippedGet:
    """A read returns its bytes with one bit flipped, counted round and round."""

    bit: int = 0

    def strike(self, store: FailingStore, call: StoreCall, effect: Callable[[], object]) -> object:
        """Return almost what there is."""
        del store, call
        data = bytearray(cast("bytes", effect()))
        if data:
            byte, bit = divmod(self.bit % (len(data) * 8), 8)
            data[byte] ^= 1 << bit
        return bytes(data)


@dataclass(frozen=True, slots=True)
class Deny:
    """The call is refused, as by a bucket whose policy forbids it."""

    def strike(self, store: FailingStore, call: StoreCall, effect: Callable[[], object]) -> object:
        """Refuse."""
        del store, effect
        raise UsageError(
            f"may not {call.operation} {call.name}: access denied; check the credentials and "
            "their permissions",
            name=call.name,
        )


@dataclass(frozen=True, slots=True)
class OutOfSpace:
    """Nothing more fits; nothing of the object was written."""

    def strike(self, store: FailingStore, call: StoreCall, effect: Callable[[], object]) -> object:
        """Say so."""
        del store, effect
        raise StoreUnavailableError(
            f"cannot {call.operation} {call.name}: the disk is full; nothing of it was written, "
            "what was there is kept, so free some space and try again",
            name=call.name,
        )


@dataclass(frozen=True, slots=True)
class Crash:
    """The process dies, before the effect of the call or right after it."""

    after_effect: bool = False

    def strike(self, store: FailingStore, call: StoreCall, effect: Callable[[], object]) -> object:
        """Die; whoever asks anything after that dies as well."""
        if self.after_effect:
            # Nobody is left to be told that the call failed.
            with contextlib.suppress(MandalaError):
                effect()
        store.kill()
        raise SimulatedCrash(f"at {call.operation} {call.name}")
