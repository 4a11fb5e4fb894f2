"""Which mapped files were verified: each once in a process, for as long as it stays as it was."""

from __future__ import annotations

from typing import Final

from mandala_cas.objectstore.api import FileIdentity

_REMEMBERED_MAX: Final = 65_536


class VerifiedFiles:
    """The digests of mapped files that were gone through. May be used by several threads.

    Objects never change, so a file that is what it was, by its identity, has the bytes that it
    had. Whoever may write to the store could change them under a map at any time, which no hash
    that was taken before would show.
    """

    def __init__(self) -> None:
        """Know no file."""
        self._digests: dict[FileIdentity, bytes] = {}

    def digest(self, identity: FileIdentity | None) -> bytes | None:
        """Return the digest of the stored payload in a file; None where it is to be taken."""
        return None if identity is None else self._digests.get(identity)

    def add(self, identity: FileIdentity | None, stored_digest: bytes) -> None:
        """Remember a file whose every byte was compared with its record; None is no file."""
        if identity is None:
            return
        if len(self._digests) >= _REMEMBERED_MAX:
            # Whatever is forgotten is hashed once more.
            self._digests.clear()
        self._digests[identity] = stored_digest


VERIFIED: Final = VerifiedFiles()
"""Those of this process."""
