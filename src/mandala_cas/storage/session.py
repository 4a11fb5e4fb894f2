"""Who is writing, and with what: recorded once a segment, so that results can be placed later."""

from __future__ import annotations

import contextlib
import getpass
import os
import platform
import socket
import subprocess
import sys
from typing import Any, Final

from mandala_cas.storage.sources import FIELD, Sources

_GIT_SECONDS: Final = 2.0


class SessionDescription:
    """What is known of this process; asked anew for each segment, for imports go on.

    What cannot be found out is left out; nothing here may fail a flush.
    """

    def __init__(self, sources: Sources) -> None:
        """Find out nothing yet: a process that only reads describes itself to nobody.

        ``sources`` has those of the ops whose calls are recorded.
        """
        self._sources = sources
        self._fixed: dict[str, Any] | None = None

    def __call__(self) -> dict[str, Any]:
        """Return host, user, Python, git commit, and versions of the modules imported so far.

        With the sources of ops that no segment of this process has yet.
        """
        if self._fixed is None or self._fixed["pid"] != os.getpid():
            self._fixed = _fixed_facts()
            self._sources.begin_anew()
        described = {**self._fixed, "packages": _packages()}
        sources = self._sources.take()
        return {**described, FIELD: sources} if sources else described


def _fixed_facts() -> dict[str, Any]:
    """Return what does not change while the process runs."""
    facts: dict[str, Any] = {
        "host": socket.gethostname(),
        "pid": os.getpid(),
        "python": platform.python_version(),
        "platform": sys.platform,
    }
    # A container may run as a number that no account has.
    with contextlib.suppress(KeyError, OSError):
        facts["user"] = getpass.getuser()
    commit = _git("rev-parse", "HEAD")
    if commit:
        facts["git_commit"] = commit
        status = _git("status", "--porcelain", "--untracked-files=no")
        if status is not None:
            facts["git_dirty"] = bool(status)
    return facts


def _packages() -> dict[str, str]:
    """Return the versions that imported top-level modules state of themselves."""
    found = {}
    for name, module in list(sys.modules.items()):
        if "." in name or name.startswith("_"):
            continue
        version = vars(module).get("__version__") if hasattr(module, "__dict__") else None
        if isinstance(version, str):
            found[name] = version
    return dict(sorted(found.items()))


def _git(*arguments: str) -> str | None:
    """Return what git prints, or None where there is no git, no repository or no answer."""
    try:
        done = subprocess.run(  # noqa: S603 (fixed words, no shell)
            ["git", *arguments],  # noqa: S607 (whichever git the user has)
            capture_output=True,
            text=True,
            timeout=_GIT_SECONDS,
            check=False,
        )
    except (OSError, subprocess.SubprocessError, UnicodeDecodeError):
        return None
    return done.stdout.strip() if done.returncode == 0 else None
