"""What the parts of a storage's public face have in common."""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import TYPE_CHECKING, Any

from mandala_cas.model.refs import MISSING

if TYPE_CHECKING:
    from mandala_cas.index.schema import IndexTables
    from mandala_cas.index.tables import TableCache
    from mandala_cas.model.calls import Call, CallMetadata
    from mandala_cas.model.ids import ContentId, HistoryId
    from mandala_cas.model.refs import Elements, Ref
    from mandala_cas.storage.assembly import Assembly
    from mandala_cas.storage.present_names import PresentNames
    from mandala_cas.storage.settings import Settings


class StorageFace(ABC):
    """A group of a storage's methods, which work on the same assembly.

    A face is a loader of refs and calls, as the whole storage is.
    """

    _parts: Assembly
    _settings: Settings
    _tables: TableCache | None
    _names: PresentNames

    @abstractmethod
    def commit(self) -> None:
        """Write everything computed so far to the store."""

    @abstractmethod
    def refresh(self) -> None:
        """Take in what other processes have published since the last look."""

    @abstractmethod
    def tables(self) -> IndexTables:
        """Return the live calls as tables, the uncommitted ones included."""

    @abstractmethod
    def load_ref_value(self, ref: Ref) -> Any:
        """Return the value of one ref."""

    @abstractmethod
    def load_elements(self, ref: Ref) -> Elements:
        """Return refs to the elements of a collection."""

    @abstractmethod
    def make_ref(self, history_id: HistoryId, content_id: ContentId, value: Any = MISSING) -> Ref:
        """Return a ref of this storage."""

    @abstractmethod
    def load_call_metadata(self, call: Call) -> CallMetadata:
        """Return where the record of a call comes from."""

    @abstractmethod
    def _check_open(self) -> None:
        """Refuse to work on a closed storage."""

    @abstractmethod
    def _check_writable(self, verb: str) -> None:
        """Refuse to change a store that is open for reading."""
