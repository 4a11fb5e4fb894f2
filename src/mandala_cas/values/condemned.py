"""What garbage collection is about to delete, as far as this process knows."""

from __future__ import annotations

from collections.abc import Callable, Container, Iterable, Sequence
from dataclasses import dataclass

from mandala_cas.log.announcements import AnnouncementReader


class CondemnedNames:
    """Names of objects that must not be relied on: somebody is about to delete them.

    Also one that was spared in the end: that costs a copy that was not needed, no more.
    """

    def __init__(
        self,
        announcements: AnnouncementReader | None = None,
        is_promised: Callable[[str], bool] = lambda _: False,
    ) -> None:
        """Know none yet; without ``announcements`` there never are any.

        ``is_promised`` tells of an object that another store holds what was in it.
        """
        self._announcements = announcements
        self.is_promised = is_promised
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

    @property
    def unpromised(self) -> Container[str]:
        """Those whose values nobody else holds.

        What was freed here because another store has it is announced as well: no new value may
        rely on such a name, but a call that names it has not lost anything.
        """
        return _Unpromised(self)


@dataclass(frozen=True, slots=True)
class _Unpromised:
    """Condemned names without those of which the values are promised."""

    condemned: CondemnedNames

    def __contains__(self, object_name: object) -> bool:
        """Tell whether an object is condemned, and nobody else holds its values."""
        return (
            isinstance(object_name, str)
            and object_name in self.condemned
            and not self.condemned.is_promised(object_name)
        )
