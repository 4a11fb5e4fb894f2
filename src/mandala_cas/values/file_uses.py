"""Which entries of a cache of files living processes have handed out: these stay where they are.

::

    lock            held while entries are announced, and while some are chosen to go
    <id>            locked as long as a process lives that was given files; it says nothing
    <id>.keys       the entries that were given to it, a line for each

An entry is announced before it is looked at, and chosen under the same lock: so whoever finds it
whole has it for good. The lock of a process is the kernel's, and shared with forked children: what
the parent was given stays as long as one of them lives. A crash leaves files that nobody has
locked; whoever looks next removes them.
"""

from __future__ import annotations

import re
import threading
import uuid
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Final

from mandala_cas.errors import UsageError
from mandala_cas.log.forks import ForkAware
from mandala_cas.objectstore.locks import HeldLock, locked, try_lock

_LOCK: Final = "lock"
_KEYS: Final = ".keys"
_KEY: Final = re.compile(r"[0-9a-f]{32}")
_PRIVATE: Final = 0o700


class FileUses(ForkAware):
    """What this process was given of one cache, and what other living ones were."""

    def __init__(self, folder: Path) -> None:
        """Announce in ``folder``, which is made when there is something to announce."""
        self._folder = folder
        self._held: HeldLock | None = None
        self._given: set[str] = set()
        self.renew()
        super().__init__()

    def renew(self) -> None:
        """In a forked child: go on in the parent's file, whose lock both hold."""
        self._lock = threading.Lock()

    @property
    def is_gone(self) -> bool:
        """Whether this process announced something, and somebody removed the folder since."""
        return self._held is not None and not self._folder.is_dir()

    def let_go(self) -> None:
        """Close what is open."""
        held, self._held = self._held, None
        if held is not None:
            held.release()

    def add(self, key: str) -> None:
        """Announce an entry that is about to be handed out.

        Where nothing can be locked nothing is announced, and nobody can choose what is to go. On a
        full disk the entry is one that was used just now, and that has to do: it is there to be
        read, and no reason to fail.
        """
        if key in self._given:
            return
        with self._lock, suppress(OSError, UsageError), self._exclusive():
            given = {*self._given, key}
            if self._held is None or not self._held.path.exists():
                # The first one, or somebody removed the whole folder: all have to be told again.
                self._held = self._begin()
                _append(self._held.path, given)
            else:
                _append(self._held.path, {key})
            self._given = given

    @contextmanager
    def in_use(self) -> Iterator[set[str]]:
        """Give the entries that a living process was given; none is added within this block.

        Raises:
            UsageError: nothing can be locked here, so nobody can say.
            StoreUnavailableError: the disk does not answer.
        """
        with self._exclusive():
            found: set[str] = set()
            for name in {path.name.removesuffix(_KEYS) for path in self._folder.iterdir()}:
                if name != _LOCK:
                    found |= self._of(name)
            yield found

    def _of(self, name: str) -> set[str]:
        """Return what the process with that file was given; nothing if it is dead."""
        path = self._folder / name
        keys = path.with_name(f"{name}{_KEYS}")
        dead = try_lock(path)
        if dead is None:
            with suppress(FileNotFoundError):
                return set(_KEY.findall(keys.read_text()))
            return set()
        # Names before the lock is free; and the one that is locked last, so that a crash in
        # between leaves what the next one removes.
        keys.unlink(missing_ok=True)
        with suppress(OSError):
            # Windows removes no file that is open.
            path.unlink()
        dead.release()
        return set()

    def _begin(self) -> HeldLock:
        """Return the lock of a new file for this process."""
        held = try_lock(self._folder / uuid.uuid4().hex)
        assert held is not None, "the name is random, so nobody else has it"
        return held

    @contextmanager
    def _exclusive(self) -> Iterator[None]:
        """Hold the lock of the folder."""
        self._folder.mkdir(parents=True, exist_ok=True, mode=_PRIVATE)
        with locked(self._folder / _LOCK):
            yield


def _append(path: Path, keys: set[str]) -> None:
    """Add keys to the file of a process, in one write: a forked child writes to it as well."""
    with path.with_name(f"{path.name}{_KEYS}").open("ab", buffering=0) as file:
        file.write("".join(f"{key}\n" for key in sorted(keys)).encode())


_uses: dict[Path, FileUses] = {}


def uses_of(folder: Path) -> FileUses:
    """Return the uses of this process in ``folder``: one object, which lives as long as it does."""
    for gone in [path for path, uses in list(_uses.items()) if uses.is_gone]:
        # Nothing of it is left. Each holds a file open, and a process may not have many.
        dropped = _uses.pop(gone, None)
        if dropped is not None:
            dropped.let_go()
    found = _uses.get(folder)
    # Of two threads that get here at once both get the one that was put there first.
    return _uses.setdefault(folder, FileUses(folder)) if found is None else found
