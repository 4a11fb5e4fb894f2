"""What garbage collection is about to delete, as far as this process knows."""

from __future__ import annotations

from collections.abc import Container, Iterable, Sequence

from mandala_cas.log.announcements import AnnouncementReader
from mandala_cas.values.freed import PromisedAmong, nothing_promised


class CondemnedNames:
    """Names of objects that must not be relied on: somebody is about to delete them.

    Also one that was spared in the end: that costs a copy that was not needed, no more.
    """

    def __init__(
        self,
        announcements: AnnouncementReader | None = None,
        promised_among: PromisedAmong = nothing_promised,
    ) -> None:
        """Know none yet; without ``announcements`` there never are any.

        ``promised_among`` picks, of objects and the content ids of values in them, those that
        another store holds. What was freed here for that reason is announced as well: no new value
        may rely on such a name, but a call that relies on such a value has not lost anything.
        """
        self._announcements = announcements
        self.promised_among = promised_among
        self._known: Sequence[Container[str]] = ()

    def update(self, names: Iterable[str]) -> None:
        """Read the announcements of these names, as far as they are new.

        Raises:
            StoreUnavailableError: the store does not answer; what was known stays known.
        """
        wanted = list(names)
        if self._announcements is not None and (wanted or self._known):
            self._known = tuple(self._announcements.read(wanted))

    def __contains__(self, object_name: object) -> bool:
        """Tell whether an object of that name is condemned."""
        return any(object_name in condemned for condemned in self._known)
