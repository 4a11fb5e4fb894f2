"""What a program must do, told by sets and counters: results, runs, and what is on record."""

from __future__ import annotations

import hashlib
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from tests.programs.language import CONSTANTS, Function, Mode


class RefusedError(Exception):
    """A call that may not be made."""


class FailedError(Exception):
    """What the body of an op raises."""


def canonical(value: Any) -> str:
    """Return a text by which values differ just where their content ids do."""
    match value:
        case list():
            return f"[{', '.join(map(canonical, value))}]"
        case tuple():
            return f"({', '.join(map(canonical, value))},)"
        case set():
            return f"{{{', '.join(sorted(map(canonical, value)))}}}"
        case dict():
            items = (f"{key!r}: {canonical(value[key])}" for key in sorted(value))
            return f"{{{', '.join(items)}}}"
        case _:
            return repr(value)


def counted(function: Function, bound: Mapping[str, Any]) -> dict[str, Any]:
    """Return the arguments that what comes of a body may depend on."""
    unused = {p.name for p in function.parameters if p.marker in {"ignored", "waived"}}
    return {name: value for name, value in bound.items() if name not in unused}


def run_name(function: Function, bound: Mapping[str, Any]) -> str:
    """Return what one run of a body is counted under."""
    return f"{function.name}{canonical(dict(counted(function, bound)))}"


def number(function: Function, bound: Mapping[str, Any]) -> int:
    """Return a number that arguments give."""
    text = run_name(function, bound).encode()
    return int.from_bytes(hashlib.blake2b(text, digest_size=4).digest(), "big")


def outcome(function: Function, chosen: int) -> Any:  # noqa: C901 (a case to each kind)
    """Return what a body gives, or raise what it raises, for the number of its arguments."""
    match function.outcome:
        case "int" | "outer":
            return chosen % 3
        case "none":
            return None
        case "pair":
            return chosen % 2, chosen % 3
        case "var":
            return tuple(range(chosen % 3))
        case "list" | "yields":
            return [(chosen + i) % 3 for i in range(chosen % 4)]
        case "dict":
            return dict.fromkeys("abc"[: chosen % 4], chosen % 5)
        case "set":
            return {(chosen + i) % 5 for i in range(chosen % 4)}
        case "tuple":
            return tuple((chosen + i) % 3 for i in range(chosen % 4))
        case "nested":
            return [[i, chosen % 3] for i in range(chosen % 3)]
        case "bytes":
            return bytes([chosen % 256]) * 3000
        case "raise":
            if chosen % 3 == 0:
                raise FailedError(function.name)
            return chosen % 3


def outputs_of(function: Function, result: Any) -> tuple[Any, ...]:
    """Return the outputs that a result consists of."""
    return result if function.outcome in {"pair", "var"} else (result,)


@dataclass
class Entry:
    """One entry into a storage, or none (``store`` is None); ``renewed`` is what it made anew."""

    store: int | None
    mode: Mode = "run"
    renewed: set[str] = field(default_factory=set)


@dataclass
class Oracle:
    """The calls on record in each of the storages, and how often each body must have run."""

    functions: Mapping[str, Function]
    records: tuple[set[str], set[str]] = field(default_factory=lambda: (set(), set()))
    closed: Counter[int] = field(default_factory=Counter)
    runs: Counter[str] = field(default_factory=Counter)

    def call(self, function: Function, key: str, bound: Mapping[str, Any], entry: Entry) -> Any:
        """Return what a call gives; ``key`` is what it is on record under.

        Raises:
            RefusedError: it is not on record, and no new ones are allowed.
            FailedError: its body raises.
        """
        if entry.store is None or entry.mode in {"noop", "storage noop"}:
            return self._run(function, bound, Entry(None))
        known = entry.renewed if entry.mode == "recompute" else self.records[entry.store]
        if key not in known:
            if self.closed[entry.store] and key not in self.records[entry.store]:
                raise RefusedError(function.name)
            result = self._run(function, bound, entry)
            self.records[entry.store].add(key)
            entry.renewed.add(key)
            return result
        return outcome(function, number(function, bound))

    def _run(self, function: Function, bound: Mapping[str, Any], entry: Entry) -> Any:
        """Run a body: count it, and the call that it makes."""
        self.runs[run_name(function, bound)] += 1
        chosen = number(function, bound)
        if function.inner is not None:
            inner = self.functions[function.inner]
            argument = CONSTANTS[chosen % len(CONSTANTS)]
            self.call(inner, *inner_call(inner, argument), entry)
        return outcome(function, chosen)


def inner_call(inner: Function, argument: Any) -> tuple[str, dict[str, Any]]:
    """Return the key and the arguments of the call that a body makes."""
    bound: dict[str, Any] = {}
    for position, parameter in enumerate(inner.parameters):
        match parameter.kind:
            case "args":
                bound[parameter.name] = ()
            case "kwargs":
                bound[parameter.name] = {}
            case _ if position == 0:
                bound[parameter.name] = argument
            case _:
                assert parameter.default is not None, "the maker of programs sees to it"
                bound[parameter.name] = CONSTANTS[parameter.default]
    return key_of(inner, {name: canonical(value) for name, value in bound.items()}), bound


def key_of(function: Function, texts: Mapping[str, str]) -> str:
    """Return what a call is on record under: the op, and what its inputs are.

    ``texts`` are by parameter. A new argument at its default is no input.
    """
    inputs = dict(texts)
    for parameter in function.parameters:
        if parameter.marker in {"ignored", "waived"}:
            del inputs[parameter.name]
        elif parameter.marker == "new" and parameter.default is not None:
            default = canonical(CONSTANTS[parameter.default])
            if inputs[parameter.name] == default:
                del inputs[parameter.name]
    return f"{function.name}{sorted(inputs.items())}"
