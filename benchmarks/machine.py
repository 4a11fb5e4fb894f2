"""What the figures were measured on, without saying whose machine it is."""

from __future__ import annotations

import os
import platform
import subprocess
from pathlib import Path

from benchmarks.processes import ROOT


def describe(scratch: Path) -> dict[str, str | int | float]:
    """Return cores, memory, system and the kind of file system below ``scratch``."""
    found: dict[str, str | int | float] = {
        "cores": os.cpu_count() or 0,
        "processor": _processor(),
        "system": f"{platform.system()} {platform.machine()}",
        "python": platform.python_version(),
        "file system": _file_system(scratch),
        "commit": _commit(),
    }
    memory = _memory_gib()
    if memory is not None:
        found["memory, GiB"] = memory
    return found


def without_places(text: str, scratch: Path) -> str:
    """Return a text of others without the folders that it names."""
    for place, name in (
        (scratch, "<scratch>"),
        (ROOT, "<checkout>"),
        (Path.home(), "<home>"),
    ):
        text = text.replace(str(place), name)
    return text


def _lines(path: str) -> list[str]:
    """Return the lines of a file of the kernel's, or none where there is no such file."""
    file = Path(path)
    return file.read_text(encoding="utf-8").splitlines() if file.exists() else []


def _processor() -> str:
    """Return the processor's name, or its kind where the name is not told."""
    for line in _lines("/proc/cpuinfo"):
        if line.startswith("model name"):
            return line.partition(":")[2].strip()
    return platform.processor() or platform.machine()


def _memory_gib() -> float | None:
    """Return the size of the memory."""
    for line in _lines("/proc/meminfo"):
        if line.startswith("MemTotal"):
            return round(int(line.split()[1]) / (1 << 20), 1)
    return None


def _file_system(folder: Path) -> str:
    """Return the kind of the file system that ``folder`` lies on."""
    folder = folder.resolve()
    best, kind = -1, "unknown"
    for line in _lines("/proc/mounts"):
        _, mounted, its_kind, *_ = line.split()
        if folder.is_relative_to(mounted) and len(mounted) > best:
            best, kind = len(mounted), its_kind
    return kind


def _commit() -> str:
    """Return the checkout's commit, and whether there is more than that in it."""
    if not (ROOT / ".git").exists():
        return "unknown"
    try:
        return subprocess.run(
            ["git", "describe", "--always", "--dirty", "--abbrev=12"],
            cwd=ROOT,
            capture_output=True,
            text=True,
            check=True,
        ).stdout.strip()
    except (OSError, subprocess.CalledProcessError):
        return "unknown"
