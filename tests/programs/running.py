"""Runs a program with the library, beside the oracle, and compares after every block."""

from __future__ import annotations

import inspect
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from typing import Any

import pytest
from tests.programs.language import (
    CONSTANTS,
    Block,
    Constant,
    Earlier,
    Expression,
    Function,
    Gathered,
    Program,
    Step,
)
from tests.programs.oracle import (
    Entry,
    FailedError,
    Oracle,
    RefusedError,
    canonical,
    key_of,
    number,
    outcome,
    outputs_of,
    run_name,
)

from mandala_cas.errors import NewCallsNotAllowedError
from mandala_cas.imports import (
    DictRef,
    Ignore,
    ListRef,
    MDict,
    MList,
    MSet,
    MTuple,
    NewArgDefault,
    Ref,
    SetRef,
    Storage,
    TupleRef,
    noop,
    op,
)


class Ops:
    """The functions of a program as ops, which count how often their bodies run."""

    def __init__(self, functions: Sequence[Function]) -> None:
        """Define them."""
        self.runs: Counter[str] = Counter()
        self._functions = functions
        self.all = [self._op(function) for function in functions]

    def signature(self, position: int) -> inspect.Signature:
        """Return the signature of one, with plain defaults."""
        return inspect.signature(self._defined(self._functions[position], plain=True))

    def _op(self, function: Function) -> Callable[..., Any]:
        """Make an op."""
        ignored = tuple(p.name for p in function.parameters if p.marker == "ignored")
        nout: Any = {"var": "var", "pair": 2}.get(function.outcome, 1)
        return op(ignore_args=ignored, nout=nout)(self._defined(function))

    def _defined(self, function: Function, *, plain: bool = False) -> Callable[..., Any]:
        """Make a function from its text."""

        def body(bound: dict[str, Any]) -> Any:
            self.runs[run_name(function, bound)] += 1
            chosen = number(function, bound)
            if function.inner is not None:
                inner = [f.name for f in self._functions].index(function.inner)
                given = self.all[inner](CONSTANTS[chosen % len(CONSTANTS)])
                assert type(given) is int, "in a body, calls give plain values"
            return outcome(function, chosen)

        names: dict[str, Any] = {
            "Any": Any,
            "CONSTANTS": CONSTANTS,
            "Iterator": Iterator,
            "MDict": MDict,
            "MList": MList,
            "MSet": MSet,
            "MTuple": MTuple,
            "NewArgDefault": (lambda value: value) if plain else NewArgDefault,
            "Ignore": (lambda value: value) if plain else Ignore,
            "body": body,
        }
        exec(function.source(), names)  # noqa: S102 (a text of our own)
        made: Callable[..., Any] = names[function.name]
        made.__module__ = __name__
        return made


@dataclass
class Argument:
    """An argument as a plain value, as what is passed, and as a text that identifies it."""

    plain: Any
    passed: Any
    text: str


class Runner:
    """One run of a program, in two storages."""

    def __init__(
        self,
        program: Program,
        storages: Sequence[Storage],
        records: tuple[set[str], set[str]] | None = None,
    ) -> None:
        """Begin; ``records`` are the keys of what the storages have on record."""
        self.program = program
        self.storages = storages
        self.ops = Ops(program.functions)
        self.oracle = Oracle({f.name: f for f in program.functions})
        if records is not None:
            self.oracle.records = records
        self.plain: list[tuple[Any, ...] | None] = []
        self.given: list[tuple[Any, ...] | None] = []
        # What can be asked for again: by step, the storage that has it on record.
        self.recorded: dict[int, int] = {}
        self.steps: list[Step] = []

    def run(self) -> None:
        """Run everything, and compare."""
        for block in self.program.blocks:
            self._block(block, Entry(None))
            self.compare()

    def compare(self) -> None:
        """Compare results and runs with the oracle's."""
        assert self.ops.runs == self.oracle.runs
        self.compare_values()

    def compare_values(self) -> None:
        """Compare results with the oracle's."""
        for given, plain in zip(self.given, self.plain, strict=True):
            if given is not None and plain is not None:
                found = [self.storages[0].unwrap(value) for value in given]
                assert [canonical(value) for value in found] == [canonical(v) for v in plain]

    def retrace(self, ops: Ops, storages: Sequence[Storage]) -> None:
        """Call all that is on record once more, with other ops in other storages."""
        given: list[tuple[Any, ...] | None] = []
        for number_, step in enumerate(self.steps):
            store = self.recorded.get(number_)
            if store is None:
                given.append(self.plain[number_])
                continue
            args = [self._argument(argument, given) for argument in step.args]
            kwargs = {name: self._argument(a, given) for name, a in step.kwargs}
            with storages[store]:
                result = self._called(ops, step, args, kwargs)
            given.append(outputs_of(self.program.functions[step.function], result))
        assert not ops.runs
        self.given = given

    def _block(self, block: Block, outer: Entry) -> None:
        """Run one block."""
        storage = self.storages[block.store]
        entry = Entry(block.store, block.mode)
        with ExitStack() as stack:
            match block.mode:
                case "run":
                    stack.enter_context(storage)
                case "noop":
                    entry = Entry(outer.store, "noop")
                    stack.enter_context(noop())
                case "storage noop":
                    stack.enter_context(storage(mode="noop"))
                case "recompute":
                    stack.enter_context(storage(mode="recompute"))
                case "closed":
                    stack.enter_context(storage.allow_new_calls(False))
                    stack.enter_context(storage)
                    self.oracle.closed[block.store] += 1
            for item in block.items:
                if isinstance(item, Block):
                    self._block(item, entry)
                else:
                    self._step(item, entry)
            if block.mode == "closed":
                self.oracle.closed[block.store] -= 1

    def _step(self, step: Step, entry: Entry) -> None:
        """Make one call, here and in the oracle."""
        function = self.program.functions[step.function]
        args = [self._argument(argument, self.given) for argument in step.args]
        kwargs = {name: self._argument(a, self.given) for name, a in step.kwargs}
        key, bound = self._key(step, args, kwargs)
        try:
            expected: Any = outputs_of(function, self.oracle.call(function, key, bound, entry))
            raised: type[Exception] | None = None
        except (RefusedError, FailedError) as error:
            expected, raised = None, type(error)
        self.steps.append(step)
        if raised is not None:
            refused = NewCallsNotAllowedError if raised is RefusedError else FailedError
            with pytest.raises(refused):
                self._called(self.ops, step, args, kwargs)
            self.plain.append(None)
            self.given.append(None)
            return
        result = self._called(self.ops, step, args, kwargs)
        given = outputs_of(function, result)
        records = entry.store is not None and entry.mode not in {"noop", "storage noop"}
        assert all(isinstance(value, Ref) == records for value in given)
        if records and entry.store is not None:
            self.recorded[len(self.plain)] = entry.store
        self.plain.append(expected)
        self.given.append(given)

    def _called(
        self, ops: Ops, step: Step, args: Sequence[Argument], kwargs: dict[str, Argument]
    ) -> Any:
        """Call an op."""
        function = self.program.functions[step.function]
        waived = {p.name for p in function.parameters if p.marker == "waived"}
        names = [p.name for p in function.parameters if p.kind in {"positional", "either"}]
        passed = [
            Ignore(a.passed) if i < len(names) and names[i] in waived else a.passed
            for i, a in enumerate(args)
        ]
        named = {n: Ignore(a.passed) if n in waived else a.passed for n, a in kwargs.items()}
        result = ops.all[step.function](*passed, **named)
        return list(result) if inspect.isgenerator(result) else result

    def _key(
        self, step: Step, args: Sequence[Argument], kwargs: dict[str, Argument]
    ) -> tuple[str, dict[str, Any]]:
        """Return what a call is on record under, and its arguments as plain values."""
        function = self.program.functions[step.function]
        bound = self.ops.signature(step.function).bind(*args, **kwargs)
        bound.apply_defaults()
        plain: dict[str, Any] = {}
        texts: dict[str, str] = {}
        for name, value in bound.arguments.items():
            match value:
                case Argument():
                    plain[name], texts[name] = value.plain, value.text
                case tuple() if any(
                    p.name == name and p.kind == "args" for p in function.parameters
                ):
                    plain[name] = tuple(item.plain for item in value)
                    texts[name] = f"({', '.join(item.text for item in value)},)"
                case dict():
                    plain[name] = {key: item.plain for key, item in value.items()}
                    texts[name] = str(sorted((key, item.text) for key, item in value.items()))
                case _:
                    plain[name], texts[name] = value, canonical(value)
        return key_of(function, texts), plain

    def _argument(
        self, expression: Expression, given: Sequence[tuple[Any, ...] | None]
    ) -> Argument:
        """Return an argument; ``given`` is what the steps before gave."""
        match expression:
            case Constant(index):
                value = CONSTANTS[index]
                return Argument(value, value, canonical(value))
            case Gathered(elements, keyed):
                found = [self._argument(element, given) for element in elements]
                if keyed:
                    named = dict(zip("abcdef", found, strict=False))
                    return Argument(
                        {name: item.plain for name, item in named.items()},
                        {name: item.passed for name, item in named.items()},
                        f"M{{{', '.join(f'{n}: {a.text}' for n, a in named.items())}}}",
                    )
                return Argument(
                    [item.plain for item in found],
                    [item.passed for item in found],
                    f"M[{', '.join(item.text for item in found)}]",
                )
            case Earlier():
                return self._earlier(expression, given)

    def _earlier(self, expression: Earlier, given: Sequence[tuple[Any, ...] | None]) -> Argument:
        """Return what an earlier step gave, or an item of it."""
        outputs, passed = self.plain[expression.step], given[expression.step]
        if not outputs or not passed:
            return Argument(0, 0, canonical(0))
        position = expression.output % len(outputs)
        plain, real = outputs[position], passed[position]
        if expression.item is not None and isinstance(plain, (list, tuple, dict)) and plain:
            keys: list[Any] = list(plain) if isinstance(plain, dict) else list(range(len(plain)))
            at = keys[expression.item % len(keys)]
            plain = plain[at]
            real = real[at]
        return Argument(plain, real, _text(plain, real))


def _text(plain: Any, real: Any) -> str:
    """Return what identifies a value; a collection of refs is another value than a plain one."""
    match real:
        case ListRef():
            return f"M[{', '.join(map(_text, plain, real))}]"
        case TupleRef():
            return f"M({', '.join(map(_text, plain, real))},)"
        case DictRef():
            items = (f"{key}: {_text(plain[key], real[key])}" for key in sorted(plain))
            return f"M{{{', '.join(items)}}}"
        case SetRef():
            return f"M{canonical(plain)}"
        case _:
            return canonical(plain)
