"""What the parts of a storage's public face have in common."""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from mandala_cas.storage.assembly import Assembly


class StorageFace(ABC):
    """A group of a storage's methods, which work on the same assembly."""

    _parts: Assembly

    @abstractmethod
    def commit(self) -> None:
        """Write everything computed so far to the store."""

    @abstractmethod
    def _check_open(self) -> None:
        """Refuse to work on a closed storage."""

    @abstractmethod
    def _check_writable(self, verb: str) -> None:
        """Refuse to change a store that is open for reading."""
