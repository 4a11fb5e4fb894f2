"""Which strings can name an object: the one gate before any store is touched.

The alphabet is small on purpose. What it leaves out means something else somewhere: ``..`` and a
leading ``/`` climb out of a directory, backslash and ``:`` do so on Windows, ``*`` and ``[`` are
patterns to fsspec, ``?`` and ``#`` end the path of a URL, and a file system may fold or normalise
letters beyond ASCII, so that a name as listed would not be the name as stored.
"""

from __future__ import annotations

import re
from typing import Final

from mandala_cas.errors import UsageError
from mandala_cas.objectstore.layout import LOCAL

PART_SIZE_MAX: Final = 200

_PART: Final = rf"[0-9A-Za-z_~=-](?:[0-9A-Za-z._~=-]{{0,{PART_SIZE_MAX - 2}}}[0-9A-Za-z_~=-])?"
_NAME: Final = re.compile(rf"(?!{LOCAL[:-1]}(?:/|\Z)){_PART}(?:/{_PART})*")


def is_name(text: str) -> bool:
    """Tell whether ``text`` can name an object; what cannot was not put by us, nor is it listed.

    Names below ``local/`` are none: that is the machine's own corner, never synced.
    """
    return _NAME.fullmatch(text) is not None


def check_name(name: str) -> str:
    """Return ``name`` if it can name an object.

    Raises:
        UsageError: it cannot; nothing was touched.
    """
    if not is_name(name):
        raise UsageError(
            f"{name!r} cannot name an object: use ASCII letters, digits and '_~=-.' in parts of at "
            f"most {PART_SIZE_MAX} that neither start nor end with a dot, joined by single "
            f"slashes, outside {LOCAL!r}",
            name=name,
        )
    return name


def check_prefix(prefix: str) -> str:
    """Return ``prefix`` if objects can be listed below it.

    Raises:
        UsageError: it neither is empty nor is a name followed by a slash.
    """
    if prefix and not (prefix.endswith("/") and is_name(prefix[:-1])):
        raise UsageError(
            f"cannot list below {prefix!r}: a prefix is empty, or a name with a slash at its end",
            prefix=prefix,
        )
    return prefix


def check_range(name: str, offset: int, size: int) -> None:
    """Check that a range of the object ``name`` can be asked for.

    Raises:
        UsageError: the name cannot be one, or a number is negative.
    """
    check_name(name)
    if offset < 0 or size < 0:
        raise UsageError(
            f"asked for {size} bytes of {name} from {offset} on; neither may be negative",
            name=name,
        )
