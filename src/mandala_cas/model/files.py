"""Files and directories as values: what an op is given in place of a path.

Nothing here touches a disk. A value is where its contents lie; what they are is for ``codec`` to
find out.
"""

from __future__ import annotations

import os
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final, final

from mandala_cas.errors import UsageError

_FORBIDDEN: Final = "cannot derive from {}: a store would bring back the base class"


@final
@dataclass(frozen=True, slots=True, repr=False)
class File:
    """A file whose contents are the value: two of equal contents have one content id.

    Neither its name nor whether it is executable counts; a file that was stored comes back under
    the name first stored, in a local cache where it is read-only. With ``copy=False`` the contents
    stay where they are: a store keeps path and hash, and a file that has changed since, or is gone,
    counts as lost. Such a value is another one than a file that is copied.

    A ``File`` can be opened, and passed to whatever takes an ``os.PathLike``.
    """

    path: Path
    copy: bool = field(default=True, kw_only=True)

    def __init__(self, path: str | os.PathLike[str], *, copy: bool = True) -> None:
        """Name a file; whether it is there is found out when it is used."""
        object.__setattr__(self, "path", _absolute(path))
        object.__setattr__(self, "copy", bool(copy))

    def __init_subclass__(cls) -> None:
        """Refuse."""
        raise UsageError(_FORBIDDEN.format("File"))

    def __fspath__(self) -> str:
        """Return the path."""
        return str(self.path)

    def __str__(self) -> str:
        """Return the path, as that of a ``Path`` does."""
        return str(self.path)

    def __repr__(self) -> str:
        """Return what makes it."""
        return f"File({str(self.path)!r}{'' if self.copy else ', copy=False'})"


@final
@dataclass(frozen=True, slots=True, repr=False)
class Dir:
    """A directory whose contents are the value: names, executable bits and bytes of all files.

    Directories without files count as well, and the name of the directory itself does not. It
    comes back as files in a local cache, which are read-only. With ``copy=False`` the files stay
    where they are, as that one file does: a store keeps the path, and names, sizes and hashes of
    what is in there, and a directory in which anything is new, gone or changed counts as lost.
    """

    path: Path
    copy: bool = field(default=True, kw_only=True)

    def __init__(self, path: str | os.PathLike[str], *, copy: bool = True) -> None:
        """Name a directory; whether it is there is found out when it is used."""
        object.__setattr__(self, "path", _absolute(path))
        object.__setattr__(self, "copy", bool(copy))

    def __init_subclass__(cls) -> None:
        """Refuse."""
        raise UsageError(_FORBIDDEN.format("Dir"))

    def __fspath__(self) -> str:
        """Return the path."""
        return str(self.path)

    def __str__(self) -> str:
        """Return the path, as that of a ``Path`` does."""
        return str(self.path)

    def __repr__(self) -> str:
        """Return what makes it."""
        return f"Dir({str(self.path)!r}{'' if self.copy else ', copy=False'})"

    def __truediv__(self, name: str | os.PathLike[str]) -> Path:
        """Return the path of something in the directory."""
        return self.path / name


def _absolute(path: object) -> Path:
    """Return a path that means the same after the process has changed directory.

    Raises:
        UsageError: it is none.
    """
    try:
        given = os.fspath(path)  # type: ignore[call-overload]  # (checked right here)
    except TypeError:
        given = None
    if not isinstance(given, str) or not given or "\0" in given:
        raise UsageError(f"a File or Dir takes a path, got {path!r}")
    return Path(given).absolute()
