"""A virtual environment for each tool, made when it is first needed."""

from __future__ import annotations

import hashlib
import os
import subprocess
import sys
import venv
from pathlib import Path
from typing import Final

from benchmarks.processes import ROOT
from benchmarks.tools.catalogue import OURS

ENVIRONMENTS: Final = ROOT / "benchmarks" / ".envs"
REQUIREMENTS: Final = ROOT / "benchmarks" / "peers"


class EnvironmentNotMadeError(Exception):
    """A tool's environment could not be made; the message is the installer's."""


def python_of(tool: str) -> Path:
    """Return the Python that has the tool, after making it if need be.

    An environment is kept until its requirements or the Python change.

    Raises:
        EnvironmentNotMadeError: something did not install.
    """
    folder = ENVIRONMENTS / tool
    python = folder / ("Scripts/python.exe" if os.name == "nt" else "bin/python")
    stamp = folder / "stamp"
    wanted = _fingerprint(tool)
    if stamp.exists() and stamp.read_text(encoding="ascii") == wanted:
        return python

    ENVIRONMENTS.mkdir(parents=True, exist_ok=True)
    # What lies here is nobody's code to commit or to lint.
    (ENVIRONMENTS / ".gitignore").write_text("*\n", encoding="ascii")
    venv.create(folder, clear=True, with_pip=True)
    command = [str(python), "-m", "pip", "install", "--quiet", "-r"]
    made = subprocess.run(
        [*command, str(REQUIREMENTS / f"{tool}.txt")],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
    )
    if made.returncode != 0:
        raise EnvironmentNotMadeError(made.stderr.strip() or made.stdout.strip())
    # Last: an environment that was interrupted half way has no stamp, and is made anew.
    stamp.write_text(wanted, encoding="ascii")
    return python


def _fingerprint(tool: str) -> str:
    """Return a digest of all that decides what the environment contains."""
    parts = [sys.version.encode(), (REQUIREMENTS / f"{tool}.txt").read_bytes()]
    if tool == OURS:
        # The checkout is installed in place: its code is always the newest,
        # but what it depends on is installed once.
        parts.append((ROOT / "pyproject.toml").read_bytes())
    return hashlib.blake2b(b"\0".join(parts), digest_size=16).hexdigest()
