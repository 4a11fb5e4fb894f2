"""Names of files that every system can hold, and that lead nowhere else.

A name in a store may have been written by anybody: joined to a folder, it must stay below it on
every system. What is refused on the way out is refused on the way in, so that whatever could be
stored can be had back everywhere.
"""

from __future__ import annotations

import unicodedata
from collections.abc import Iterable
from typing import Final

NAME_MAX: Final = 255
PATH_MAX: Final = 1024
DEPTH_MAX: Final = 32
# Where the cache keeps what belongs to a directory beside it.
OWN_PREFIX: Final = ".mandala-cas"
# Windows takes these for something else: separators, drives, streams, patterns.
_SPECIAL: Final = frozenset('<>:"/\\|?*')
_STAND_IN: Final = "_"
_DEVICES: Final = frozenset(
    ["con", "prn", "aux", "nul", "conin$", "conout$", "clock$"]
    + [f"{port}{n}" for port in ("com", "lpt") for n in "0123456789¹²³"]
)


class BadNameError(ValueError):
    """A name that some system could not hold; becomes an error of ours at the border."""


def check_name(name: str) -> None:
    """Refuse a name of one file or directory that is not safe everywhere.

    Raises:
        BadNameError: it says what is wrong.
    """
    problem = _problem(name)
    if problem is not None:
        raise BadNameError(f"the name {name!r} {problem}")


def safe_name(name: str) -> str:
    """Return a name as much like ``name`` as every system can hold."""
    made = "".join(_STAND_IN if _is_bad(letter) else letter for letter in name)
    # The end is kept: the suffix is what programs go by.
    while len(made.encode()) > NAME_MAX:
        made = made[1:]
    made = made.rstrip(". ") or _STAND_IN
    if _problem(made) is not None:
        made = f"{_STAND_IN}{made}"[:NAME_MAX]
    return made if _problem(made) is None else _STAND_IN


def check_paths(files: Iterable[str], directories: Iterable[str]) -> None:
    """Refuse names that cannot all be in one directory: relative ones, with forward slashes.

    ``directories`` are those without anything in them.

    Raises:
        BadNameError: a name is unsafe, or two get in each other's way on some system.
    """
    # By what a system that is blind to case and to the forms of letters sees.
    spellings: dict[str, str] = {}
    leaves: set[str] = set()
    parents: set[str] = set()
    for path in (*files, *directories):
        if len(path.encode("utf-8", "surrogatepass")) > PATH_MAX:
            raise BadNameError(f"the name {path[:64]!r}... is longer than {PATH_MAX} bytes")
        if path in leaves:
            raise BadNameError(f"{path!r} is there twice")
        leaves.add(path)
        _add_part(spellings, path)
        above, slash, _ = path.rpartition("/")
        while slash and above not in parents:
            parents.add(above)
            _add_part(spellings, above)
            above, slash, _ = above.rpartition("/")
    both = leaves & parents
    if both:
        raise BadNameError(f"{min(both)!r} has something below it, and should not")


def _add_part(spellings: dict[str, str], path: str) -> None:
    """Check the last name of a path, and that nothing has the path in another spelling."""
    if path.count("/") >= DEPTH_MAX:
        raise BadNameError(f"{path[:64]!r}... lies more than {DEPTH_MAX} directories deep")
    check_name(path.rpartition("/")[2])
    known = spellings.setdefault(_folded(path), path)
    if known != path:
        raise BadNameError(f"{known!r} and {path!r} are one name where case does not count")


def _problem(name: str) -> str | None:
    """Return what is wrong with a name, if anything is."""
    if name in {"", ".", ".."}:
        return "is not that of a file"
    if any(map(_is_bad, name)):
        return "has a character that not every system has in names"
    if len(name.encode()) > NAME_MAX:
        return f"has more than {NAME_MAX} bytes"
    if name[-1] in ". ":
        return "ends with a dot or a space, which Windows drops"
    if name.partition(".")[0].rstrip(" ").casefold() in _DEVICES:
        return "is that of a device on Windows"
    if _folded(name).startswith(OWN_PREFIX):
        return "begins as the names of mandala-cas do"
    return None


def _is_bad(letter: str) -> bool:
    """Tell whether some system refuses this character, or whether it has no bytes in UTF-8."""
    return letter in _SPECIAL or letter < " " or letter == "\x7f" or "\ud800" <= letter <= "\udfff"


def _folded(path: str) -> str:
    """Return a name as a system sees it that is blind to case and to the forms of letters."""
    return unicodedata.normalize("NFC", unicodedata.normalize("NFD", path).casefold())
