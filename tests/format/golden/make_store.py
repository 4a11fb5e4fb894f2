"""Writes a small whole store, as the code of that day does. Run by hand, once for each format.

``python tests/format/golden/make_store.py FOLDER``. What a released version wrote stays readable
for ever, so its store is never written again. ``store-1-first`` was made by the first code that
had stores, which knew neither runs nor tags, and hid no call for being lost; ``store-1`` by the
first that keeps stores up.
"""

from __future__ import annotations

import os
import sys
import tempfile
from pathlib import Path
from typing import Any

from mandala_cas.imports import Storage, op
from mandala_cas.storage import session

KEY = bytes(range(32)).hex()
LARGE = 200_000


@op(name="golden small")
def small(x: int) -> int:
    """Return a value that lies in the log."""
    return x * x


@op(name="golden medium")
def medium(x: int) -> bytes:
    """Return a value that lies in a pack."""
    return bytes([x]) * 5_000


@op(name="golden large")
def large(x: int) -> bytes:
    """Return a value that is an object of its own, and shrinks to almost nothing."""
    return bytes([x]) * (8 * LARGE)


@op(name="golden follow")
def follow(data: bytes, times: int) -> int:
    """Return what is made of the value of another call."""
    return len(data) * times


def fill(storage: Any, first: int) -> None:
    """Record a batch of calls of every size."""
    with storage:
        for x in range(first, first + 3):
            small(x)
        for make in (medium, large):
            follow(make(first), 2)


def drop(storage: Any, function: Any, x: int) -> None:
    """Forget one call."""
    table = storage.cf(function).df()
    storage.drop_calls(list(table[table["x"] == x][function.name]))


def keep_up(place: Path) -> None:
    """Do what the first code could not: tags, a run, announcements, a fresh name."""
    storage: Any = Storage(place)
    with storage:
        best, doomed = medium(1), small(2)
    storage.tag("best", best)
    storage.tag("gone", doomed)
    storage.untag("gone")
    with storage:
        large(40)
    drop(storage, large, 40)
    other: Any = Storage(place)
    storage.gc(dry_run=False, grace=0)
    # The other one still believes in the old place, and puts the value anew when it has looked.
    with other:
        large(40)
    storage.refresh()
    storage.compact(full=True, delay=0)
    storage.compact(full=True, delay=0)
    fill(storage, 20)
    drop(storage, small, 21)
    fill(storage, 10)
    drop(storage, medium, 10)
    storage.gc(dry_run=False, grace=0)
    storage.close()
    other.close()


def main() -> None:
    """Write the store to a folder that does not exist."""
    place = Path(sys.argv[1])
    with tempfile.TemporaryDirectory() as config:
        os.environ["XDG_CONFIG_HOME"] = os.environ["XDG_CACHE_HOME"] = config
        key = Path(config, "mandala-cas", "key")
        key.parent.mkdir()
        key.write_text(KEY, "ascii")
        key.chmod(0o600)
        # Nothing of the machine where it was made.
        session._fixed_facts = lambda: {"host": "golden", "pid": os.getpid()}
        session._packages = dict
        storage: Any = Storage(place)
        fill(storage, 0)
        fill(storage, 1)
        drop(storage, small, 3)
        storage.close()
        if hasattr(Storage, "compact"):
            keep_up(place)


if __name__ == "__main__":
    main()
