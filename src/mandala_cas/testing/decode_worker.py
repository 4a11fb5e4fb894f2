"""A process that decodes what it is sent, under limits, until nobody sends anything more.

``DecodeProcess`` starts it.
"""

from __future__ import annotations

import importlib
import signal
import sys
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any, Final

from mandala_cas.codec.registry import CodecRegistry, default_registry
from mandala_cas.errors import MandalaError
from mandala_cas.testing.pipes import receive, send
from mandala_cas.values.file_cache import FileCache

CPU_MAX_S: Final = 20
# Only a decoder that waits for something gets there.
WAIT_MAX_S: Final = 120
_PAGE: Final = 4096
_TEXT_MAX: Final = 300


def own_registry(folder: Path) -> CodecRegistry:
    """Return the codecs of mandala-cas, with a cache of files in ``folder``."""
    return default_registry(FileCache(folder / "cache"))


def main() -> None:
    """Answer requests; the arguments are who makes the registry, and a folder for it."""
    module, _, name = sys.argv[1].partition(":")
    make: Callable[[Path], CodecRegistry] = getattr(importlib.import_module(module), name)
    registry = make(Path(sys.argv[2]))
    _leave_no_core()
    while (request := receive(sys.stdin.buffer)) is not None:
        send(sys.stdout.buffer, answer(registry, request))


def answer(registry: CodecRegistry, request: Mapping[str, Any]) -> dict[str, Any]:
    """Decode what a request holds, and say what came of it."""
    payload = memoryview(bytearray(request["payload"]))
    fate, name, text = "value", "", ""
    before = _begin_to_watch()
    with _limits(request["memory_max"]):
        try:
            value = registry.decode(
                request["codec_name"], request["codec_version"], request["header"], payload
            )
            name = type(value).__name__
        except MandalaError as error:
            fate, name, text = "refused", type(error).__name__, str(error)
        except BaseException as error:  # noqa: BLE001 (whatever escapes is what is looked for)
            fate, name, text = "escaped", type(error).__name__, str(error)
    growth = _peak() - before
    text = text.encode(errors="replace")[:_TEXT_MAX].decode(errors="replace")
    return {"fate": fate, "name": name, "text": text, "growth": growth}


@contextmanager
def _limits(memory_max: int | None) -> Iterator[None]:
    """Limit time, and what memory may be taken beyond what is taken now."""
    if sys.platform == "win32":
        yield
        return
    # What takes longer dies of the signal, also within a loop that never looks at Python.
    signal.setitimer(signal.ITIMER_PROF, CPU_MAX_S)
    signal.setitimer(signal.ITIMER_REAL, WAIT_MAX_S)
    try:
        with _address_space(memory_max):
            yield
    finally:
        signal.setitimer(signal.ITIMER_PROF, 0)
        signal.setitimer(signal.ITIMER_REAL, 0)


@contextmanager
def _address_space(memory_max: int | None) -> Iterator[None]:
    """Refuse memory beyond a limit, also such as is asked for and never used."""
    if sys.platform != "linux" or memory_max is None:
        yield
        return
    import resource  # noqa: PLC0415 (not on Windows)

    size = int(Path("/proc/self/statm").read_text(encoding="ascii").split()[0]) * _PAGE
    _, hard = resource.getrlimit(resource.RLIMIT_AS)
    resource.setrlimit(resource.RLIMIT_AS, (size + memory_max, hard))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_AS, (hard, hard))


def _leave_no_core() -> None:
    """Leave no image of memory behind when this process crashes."""
    if sys.platform == "win32":
        return
    import resource  # noqa: PLC0415 (not on Windows)

    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))


def _begin_to_watch() -> int:
    """Forget the peak of memory so far, where the system can, and return what is in use."""
    with suppress(OSError):
        Path("/proc/self/clear_refs").write_text("5", encoding="ascii")
    return _peak()


def _peak() -> int:
    """Return the peak of memory that was in use since it was forgotten; 0 where nobody knows."""
    try:
        lines = Path("/proc/self/status").read_text(encoding="ascii").splitlines()
    except OSError:
        return 0
    return next((int(line.split()[1]) * 1024 for line in lines if line.startswith("VmHWM")), 0)


if __name__ == "__main__":
    main()
