"""What each command does: opens the store, asks it, and prints the answer."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from typing import Any, Final, Literal

from mandala_cas.cli.exit_codes import DAMAGED, OK
from mandala_cas.errors import UsageError
from mandala_cas.storage.storage import Storage

_DAY_S: Final = 86_400.0

# The arguments of a command, by name.
Options = Mapping[str, Any]


def run(command: str, options: Options) -> int:
    """Run a command, and return its exit code."""
    return _COMMANDS[command](options)


def _demo(options: Options) -> int:
    """Run the demo."""
    from mandala_cas.cli.demo import run_demo  # noqa: PLC0415 (no other command needs it)

    run_demo(options["folder"])
    return OK


def _stats(options: Options) -> int:
    """Print counts and sizes."""
    with _opened(options, "r") as storage:
        _print(storage.stats(), options)
    return OK


def _health(options: Options) -> int:
    """Print what needs attention."""
    with _opened(options, "r") as storage:
        _print(storage.health(), options)
    return OK


def _fsck(options: Options) -> int:
    """Verify, and tell by the exit code whether every promise holds."""
    if options["sample"] is not None and options["level"] != "data":
        raise UsageError("--sample is about --level data; give both, or leave --sample out")
    with _opened(options, "r") as storage:
        report = storage.fsck(options["level"], sample=_sample(options["sample"]))
        _print(report, options)
    return OK if report.ok else DAMAGED


def _repair(options: Options) -> int:
    """Mend what can be mended."""
    with _opened(options, "rw") as storage:
        _print(storage.repair(), options)
    return OK


def _gc(options: Options) -> int:
    """Show or delete what nothing uses."""
    grace = {} if options["grace"] is None else {"grace": options["grace"] * _DAY_S}
    with _opened(options, "rw" if options["delete"] else "r") as storage:
        _print(storage.gc(dry_run=not options["delete"], **grace), options)
    return OK


def _compact(options: Options) -> int:
    """Compact."""
    with _opened(options, "rw") as storage:
        _print(storage.compact(full=options["full"]), options)
    return OK


def _evict(options: Options) -> int:
    """Free local values that another store holds."""
    with _opened(options, "rw") as storage:
        _print(storage.evict(options["remote"], verify=options["verify"]), options)
    return OK


def _tags(options: Options) -> int:
    """List the tags."""
    with _opened(options, "r") as storage:
        tags = {name: [thing.hid for thing in things] for name, things in storage.tags().items()}
    if options["json"]:
        print(json.dumps(tags, indent=2))
    else:
        for name, hids in tags.items():
            print(f"{name}: {', '.join(hids)}")
    return OK


def _tag(options: Options) -> int:
    """Put a tag on calls or refs."""
    with _opened(options, "rw") as storage:
        storage.tag(options["name"], options["hids"])
    return OK


def _untag(options: Options) -> int:
    """Take a tag off."""
    with _opened(options, "rw") as storage:
        storage.untag(options["name"], options["hids"] or None)
    return OK


def _opened(options: Options, mode: Literal["rw", "r"]) -> _Opened:
    """Return the store that a command is about; a mistyped name makes no new store."""
    return _Opened(options["store"], _storage_options(options["option"]), mode)


class _Opened:
    """A storage for the length of a command; it is closed, and commits, at the end."""

    def __init__(self, store: str, storage_options: Mapping[str, Any], mode: str) -> None:
        """Open nothing yet."""
        self._store = store
        self._options = storage_options or None
        self._mode = mode
        self._storage: Storage | None = None

    def __enter__(self) -> Storage:
        """Open the store, which must be there."""
        storage = Storage(self._store, mode="r", storage_options=self._options)
        if self._mode == "rw":
            storage.close()
            storage = Storage(self._store, storage_options=self._options)
        self._storage = storage
        return storage

    def __exit__(self, *_: object) -> None:
        """Close it."""
        if self._storage is not None:
            self._storage.close()


def _storage_options(words: list[str]) -> dict[str, Any]:
    """Return storage options from ``NAME=VALUE``; a value that is JSON is what it says."""
    options: dict[str, Any] = {}
    for word in words:
        name, equals, value = word.partition("=")
        if not name or not equals:
            raise UsageError(f"--option takes NAME=VALUE, got {word!r}")
        try:
            options[name] = json.loads(value)
        except ValueError:
            options[name] = value
    return options


def _sample(text: str | None) -> float | tuple[int, int] | None:
    """Return the part that ``10%`` or ``2/7`` names."""
    if text is None:
        return None
    number, percent, rest = text.partition("%")
    first, slash, second = text.partition("/")
    try:
        if percent and not rest:
            return float(number) / 100
        if slash:
            return int(first), int(second)
    except ValueError:
        pass
    raise UsageError(f"--sample is a part such as 10% or 2/7, got {text!r}")


def _print(report: Any, options: Options) -> None:
    """Print a report, for people or for programs."""
    print(json.dumps(report.to_dict(), indent=2) if options["json"] else report)


_COMMANDS: Final[Mapping[str, Callable[[Options], int]]] = {
    "demo": _demo,
    "stats": _stats,
    "health": _health,
    "fsck": _fsck,
    "repair": _repair,
    "gc": _gc,
    "compact": _compact,
    "evict": _evict,
    "tags": _tags,
    "tag": _tag,
    "untag": _untag,
}
