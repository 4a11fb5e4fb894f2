"""What each command does: opens the store, asks it, and prints the answer."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Final

from mandala_cas.cli.exit_codes import DAMAGED, OK
from mandala_cas.errors import UsageError
from mandala_cas.model.calls import Call
from mandala_cas.model.refs import Ref
from mandala_cas.storage.opening import Mode, open_store
from mandala_cas.storage.storage import Storage
from mandala_cas.storage.upkeep import Level
from mandala_cas.upkeep.printing import as_size, as_table

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
        _print(storage.stats(listed=options["listed"]), options)
    return OK


def _health(options: Options) -> int:
    """Print what needs attention."""
    with _opened(options, "r") as storage:
        _print(storage.health(), options)
    return OK


def _fsck(options: Options) -> int:
    """Verify, and tell by the exit code whether every promise holds."""
    level, sample = _closeness(options)
    with _opened(options, "r") as storage:
        report = storage.fsck(level, sample=sample)
        _print(report, options)
    return OK if report.ok else DAMAGED


def _repair(options: Options) -> int:
    """Mend what can be mended, and tell by the exit code whether something was not."""
    level, sample = _closeness(options)
    with _opened(options, "rw") as storage:
        report = storage.repair(level, sample=sample)
        _print(report, options)
    return OK if report.ok else DAMAGED


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


def _files(options: Options) -> int:
    """Print what this machine has of a store's files; free what no process uses, if asked."""
    with _opened(options, "r") as storage:
        cache = storage.file_cache
        freed = cache.trim(0, kept_s=0) if options["clear"] else None
        _print(_Files(str(cache.path), cache.size(), freed), options)
    return OK


def _key(options: Options) -> int:
    """Run a command about keys."""
    from mandala_cas.cli import keys  # noqa: PLC0415 (no other command needs it)

    return keys.run(options["key_command"], options)


def _tags(options: Options) -> int:
    """List the tags."""
    with _opened(options, "r") as storage:
        _print(_Tags(storage.tags()), options)
    return OK


def _tag(options: Options) -> int:
    """Put a tag on calls or refs, and print what it is on now."""
    with _opened(options, "rw") as storage:
        storage.tag(options["name"], options["hids"])
        _print(_only(storage, options["name"]), options)
    return OK


def _untag(options: Options) -> int:
    """Take a tag off, and print what it is still on."""
    with _opened(options, "rw") as storage:
        storage.untag(options["name"], options["hids"] or None)
        _print(_only(storage, options["name"]), options)
    return OK


@dataclass(frozen=True, slots=True)
class _Files:
    """How much the cache of files takes, and what was freed of it; None where nothing was asked."""

    path: str
    size: int
    freed: int | None

    def __str__(self) -> str:
        """Return a line or two."""
        left = f"{as_size(self.size)} in {self.path}"
        if self.freed is None:
            return left
        why = ", which processes that run now were given" if self.size else ""
        return f"freed {as_size(self.freed)}\nleft {left}{why}"

    def to_dict(self) -> dict[str, Any]:
        """Return the same as plain data."""
        return {"path": self.path, "size": self.size, "freed": self.freed}


class _Tags:
    """What tags are on, for people and for programs."""

    def __init__(self, tags: Mapping[str, list[Ref | Call]]) -> None:
        """Show these."""
        self._tags = tags

    def __str__(self) -> str:
        """Return a table."""
        rows = [
            (name, thing.op.name if isinstance(thing, Call) else "a ref", thing.hid)
            for name, things in self._tags.items()
            for thing in things
        ]
        return as_table(("tag", "call of", "hid"), rows) if rows else "no such tag is in use"

    def to_dict(self) -> dict[str, list[str]]:
        """Return the hids, by tag."""
        return {name: [thing.hid for thing in things] for name, things in self._tags.items()}


def _only(storage: Storage, name: str) -> _Tags:
    """Return what one tag is on."""
    tags = storage.tags()
    return _Tags({name: tags[name]} if name in tags else {})


def _opened(options: Options, mode: Mode) -> _Opened:
    """Return the store that a command is about; a mistyped name makes no new store."""
    return _Opened(options["store"], _storage_options(options["option"]), mode)


class _Opened:
    """A storage for the length of a command; it is closed, and commits, at the end."""

    def __init__(self, store: str, storage_options: Mapping[str, Any], mode: Mode) -> None:
        """Open nothing yet."""
        self._store = store
        self._options = storage_options or None
        self._mode: Mode = mode
        self._storage: Storage | None = None

    def __enter__(self) -> Storage:
        """Open the store, which must be there."""
        if self._mode == "rw":
            # For writing, a store would be made where there is none.
            open_store(self._store, self._options, mode="r").objects.close()
        self._storage = Storage(self._store, mode=self._mode, storage_options=self._options)
        return self._storage

    def __exit__(self, *_: object) -> None:
        """Close it."""
        if self._storage is not None:
            self._storage.close()


def _closeness(options: Options) -> tuple[Level, float | tuple[int, int] | None]:
    """Return how closely to look, and at how much."""
    if options["sample"] is not None and options["level"] != "data":
        raise UsageError("--sample is about --level data; give both, or leave --sample out")
    return options["level"], _sample(options["sample"])


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
    "files": _files,
    "tags": _tags,
    "tag": _tag,
    "untag": _untag,
    "key": _key,
}
