"""A growing set of codes, cheap to ask and to add to, however many or few it holds."""

from __future__ import annotations

import numpy as np

from mandala_cas.frame.arrays import Codes, Mask, distinct

# Below this share of all codes a sorted array is smaller than a bit map of one byte a code.
_SPARSE_SHARE = 32


class Members:
    """Codes below ``limit``: a sorted array while they are few, a map of flags after that."""

    __slots__ = ("_codes", "_flags", "_limit", "count")

    def __init__(self, codes: Codes, limit: int) -> None:
        """Start with ``codes``, which are sorted and distinct."""
        self._codes = codes
        self._flags: Mask | None = None
        self._limit = limit
        self.count = len(codes)

    def has(self, codes: Codes) -> Mask:
        """Tell of each code whether it is held."""
        if self._flags is not None:
            return self._flags[codes]
        if not self.count:
            return np.zeros(len(codes), dtype=bool)
        if len(codes) * _SPARSE_SHARE > self._limit:
            return self._as_flags()[codes]
        places = np.searchsorted(self._codes, codes)
        found: Mask = self._codes[np.minimum(places, self.count - 1)] == codes
        return found

    def add(self, codes: Codes) -> Codes:
        """Hold ``codes`` too; return those that are new, distinct and sorted."""
        new = distinct(codes[~self.has(codes)])
        if not len(new):
            return new
        self.count += len(new)
        if self._flags is None and self.count * _SPARSE_SHARE > self._limit:
            self._flags = self._as_flags()
        if self._flags is None:
            self._codes = np.insert(self._codes, np.searchsorted(self._codes, new), new)
        else:
            self._flags[new] = True
        return new

    def codes(self) -> Codes:
        """Return all that is held, sorted."""
        if self._flags is None:
            return self._codes
        return np.flatnonzero(self._flags).astype(np.uint32)

    def _as_flags(self) -> Mask:
        """Return a map with a flag for every code there is."""
        flags = np.zeros(self._limit, dtype=bool)
        flags[self._codes] = True
        return flags
