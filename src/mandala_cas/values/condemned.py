"""What garbage collection is about to delete, as far as this process knows."""

from __future__ import annotations

from collections.abc import Container, Iterable, Sequence

from mandala_cas.log.announcements import AnnouncementReader


class CondemnedNames:
    """Names of objects that must not be relied on: somebody is about to delete them.

    Also one that was spared in the end: that costs a copy that was not needed, no more.
    """

    def __init__(self, announcements: AnnouncementReader | None) -> None:
        """Know none yet; without ``announcements`` there never are any."""
        self._announcements = announcements
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
