"""What others published: taken in, with how old the last look is and what a look costs."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import AbstractContextManager
from typing import Final

from mandala_cas.index.lookup import CallLookup
from mandala_cas.log.view import LogView
from mandala_cas.values.batches import Clocks
from mandala_cas.values.condemned import CondemnedNames

# A look pays where it costs less than a twentieth of what it may spare.
_WORTH_LOOKS: Final = 20


class Lookout:
    """Keeps lookup and condemned names up with the view. One thread at a time refreshes."""

    def __init__(
        self,
        view: LogView,
        lookup: CallLookup,
        condemned: CondemnedNames,
        *,
        lock: Callable[[], AbstractContextManager[object]],
        clocks: Clocks,
        stale_after_s: float,
    ) -> None:
        """``lock`` gives what guards the lookup; what the view has by now is in the lookup."""
        self._view = view
        self._lookup = lookup
        self._condemned = condemned
        self._lock = lock
        self.clocks = clocks
        self._stale_after_s = stale_after_s
        self._seen = set(view.parts)
        # Whoever made the view has just looked; what that cost is not known.
        self.looked_s, self._cost_s = clocks.boot_s(), 0.0

    @property
    def is_stale(self) -> bool:
        """Whether the last look is so long ago that others may well have published since."""
        return self.clocks.boot_s() - self.looked_s > self._stale_after_s

    def is_worth(self, spared_s: float) -> bool:
        """Tell whether a look may pay that might spare so many seconds."""
        return spared_s >= _WORTH_LOOKS * self._cost_s and self.is_stale

    def refresh(self) -> None:
        """Look, and take in what is new."""
        began = self.clocks.boot_s()
        self._view.refresh()
        self.looked_s = self.clocks.boot_s()
        self._cost_s = self.looked_s - began
        self.take_in()

    def take_in(self) -> None:
        """Take in what the view has seen, whoever refreshed it: upkeep does so as well."""
        with self._lock():
            self.add_seen()
        self._condemned.update(self._view.listing.announcements)

    def add_seen(self) -> None:
        """Make what the view has findable. The caller holds the lock."""
        parts = self._view.parts
        self._lookup.add_parts(part for name, part in parts.items() if name not in self._seen)
        self._seen.update(parts)
