"""``@op``: makes a function's calls remembered.

Callers see the function's own signature, results included: to a type checker a ref is its value.
That is what lets one pipeline be checked, run inside a storage and run outside every storage.
"""

from __future__ import annotations

import functools
import inspect
from collections.abc import Callable, Mapping, Sequence
from datetime import timedelta
from types import MethodType
from typing import Any, Concatenate, Generic, ParamSpec, TypeVar, cast, overload

from mandala_cas.errors import UsageError
from mandala_cas.memo import presence
from mandala_cas.memo.annotations import Annotations
from mandala_cas.memo.binding import Binder
from mandala_cas.memo.context import Entry, Session, current
from mandala_cas.memo.definition import (
    Definition,
    check_function,
    check_generator,
    check_texts,
    module_of,
    name_of,
)
from mandala_cas.memo.failures import check_not_reserved
from mandala_cas.memo.outputs import OutputCount, declared_outputs
from mandala_cas.memo.registry import register
from mandala_cas.memo.renames import check_renames
from mandala_cas.memo.run import answer, force, look_up, run_plainly
from mandala_cas.memo.settings import OnStale, names_in, op_settings
from mandala_cas.model.ids import SourceHash
from mandala_cas.versions.source import Source

P = ParamSpec("P")
Q = ParamSpec("Q")
R = TypeVar("R")
S = TypeVar("S")
# An op is handed the results of others, so its results vary with nothing it takes.
R_co = TypeVar("R_co", covariant=True)


class Op(Generic[P, R_co]):
    """A function whose calls are remembered inside a storage. Made by ``@op``.

    Outside every storage it is its plain function; refs among the arguments are unwrapped then.
    """

    __name__: str
    __wrapped__: Callable[P, R_co]

    def __init__(self, definition: Definition) -> None:
        """Wrap what ``@op`` was given."""
        functools.update_wrapper(self, definition.function)
        self._definition = definition
        register(definition)

    @property
    def name(self) -> str:
        """What the store knows this op by."""
        return self._definition.name

    @property
    def version(self) -> str:
        """The version that ``@op`` was given; empty where it was given none."""
        return self._definition.version

    @property
    def f(self) -> Callable[P, R_co]:
        """The plain function."""
        return self._definition.function

    @property
    def source_hash(self) -> SourceHash:
        """The hash of the function's own source, as it was when the op was made."""
        return self._definition.source.hash

    def __call__(self, *args: P.args, **kwargs: P.kwargs) -> R_co:
        """Return refs to the outputs inside a storage, and the function's result outside."""
        entry = current()
        definition = self._definition
        if isinstance(entry, Session):
            return cast("R_co", answer(definition, args, kwargs, entry))
        self._notice_thread(entry)
        return cast("R_co", run_plainly(definition, args, kwargs))

    def call(self, *args: P.args, **kwargs: P.kwargs) -> R_co:
        """Run the op, also where the call is on record; what it gives takes the place of that.

        Outside every storage it is the plain function.

        Raises:
            NewCallsNotAllowedError: the call is not on record, and new calls are not allowed.
        """
        entry = current()
        if isinstance(entry, Session):
            return cast("R_co", force(self._definition, args, kwargs, entry))
        return self(*args, **kwargs)

    def is_cached(self, *args: P.args, **kwargs: P.kwargs) -> bool:
        """Tell whether a call with these arguments is on record. Nothing runs.

        Raises:
            UsageError: this is outside every storage, where nothing is on record.
        """
        return self.lookup(*args, **kwargs) is not None

    def lookup(self, *args: P.args, **kwargs: P.kwargs) -> Any:
        """Return refs to the outputs on record of such a call, or None. Nothing runs.

        Nor is anything recorded, where a call of equal contents would answer.

        Raises:
            UsageError: this is outside every storage, where nothing is on record.
        """
        entry = current()
        if not isinstance(entry, Session):
            raise UsageError(
                f"{self.name}: what is on record can be asked inside a storage only; do it inside "
                "`with storage:`",
                op=self.name,
            )
        return look_up(self._definition, args, kwargs, entry)

    def _notice_thread(self, entry: Entry | None) -> None:
        """Warn where the call was surely meant to be remembered."""
        if presence.INSIDE and entry is None:
            presence.warn_if_uncaptured(self.name, stacklevel=3)

    @overload
    def __get__(self, instance: None, owner: type[Any], /) -> Op[P, R_co]: ...
    @overload
    def __get__(
        self: Op[Concatenate[S, Q], R_co], instance: S, owner: type[Any] | None = None, /
    ) -> Callable[Q, R_co]: ...
    def __get__(self, instance: Any, owner: type[Any] | None = None, /) -> Any:
        """Bind the instance as the first input, as a function would."""
        return self if instance is None else MethodType(self, instance)

    def __reduce__(self) -> str:
        """Pickle by name, as functions are."""
        return cast("str", getattr(self, "__qualname__", self.name))

    def __repr__(self) -> str:
        """Return the name, and the version if there is one."""
        return f"Op({self.name}, version={self.version!r})" if self.version else f"Op({self.name})"


@overload
def op(
    function: Callable[P, R],
    /,
    *,
    output_names: Sequence[str] | None = None,
    nout: OutputCount = "auto",
    name: str | None = None,
    version: str = "",
    ignore_args: Sequence[str] = (),
    ttl: float | timedelta | None = None,
    save_inputs: bool = True,
    check_mutation: bool | None = None,
    on_stale: OnStale | None = None,
    previous_names: Sequence[str] = (),
    renamed_args: Mapping[str, str] | None = None,
    record_failures: bool | None = None,
) -> Op[P, R]: ...
@overload
def op(
    *,
    output_names: Sequence[str] | None = None,
    nout: OutputCount = "auto",
    name: str | None = None,
    version: str = "",
    ignore_args: Sequence[str] = (),
    ttl: float | timedelta | None = None,
    save_inputs: bool = True,
    check_mutation: bool | None = None,
    on_stale: OnStale | None = None,
    previous_names: Sequence[str] = (),
    renamed_args: Mapping[str, str] | None = None,
    record_failures: bool | None = None,
) -> Callable[[Callable[P, R]], Op[P, R]]: ...
def op(  # noqa: PLR0913 (each is a choice of its own, given by name)
    function: Callable[..., Any] | None = None,
    /,
    *,
    output_names: Sequence[str] | None = None,
    nout: OutputCount = "auto",
    name: str | None = None,
    version: str = "",
    ignore_args: Sequence[str] = (),
    ttl: float | timedelta | None = None,
    save_inputs: bool = True,
    check_mutation: bool | None = None,
    on_stale: OnStale | None = None,
    previous_names: Sequence[str] = (),
    renamed_args: Mapping[str, str] | None = None,
    record_failures: bool | None = None,
) -> Any:
    """Make a function's calls remembered inside ``with storage:`` blocks.

    Args:
        function: what to remember the calls of.
        output_names: a name for each output; ``output_0`` and so on by default.
        nout: how many outputs. "auto": as many as the tuple returned has, else one. 1 keeps a
            tuple whole. "var": any number, always returned and given as a tuple.
        name: what to record the calls under; the qualified name by default.
        version: a part of every call's id: calls of different versions do not answer each other.
        ignore_args: arguments that the body gets and that are no inputs: calls that differ in
            them alone are one.
        ttl: how old a record may be that answers, in seconds or as a ``timedelta``; when it is
            older the op runs, and its record takes the place of the old one.
        save_inputs: False keeps the ids only of inputs that are given as plain values.
        check_mutation: hold the op to leaving its inputs as they are; by default as the storage
            says.
        on_stale: what to do when other code gave what is on record: "warn", "recompute", "keep"
            or "error"; by default as the storage says.
        previous_names: names that the op had before; what is on record under them answers.
        renamed_args: the present names of arguments, by those that records may have.
        record_failures: put calls that raise an exception on record, for ``storage.failures()``;
            by default as ``Storage(record_failures=...)`` says.

    Raises:
        UsageError: the function cannot be an op as it is, or what was given contradicts itself.
    """

    def decorate(function: Callable[..., Any]) -> Op[..., Any]:
        """Make the op."""
        op_name = _name(function, name)
        check_texts(op_name, version)
        check_not_reserved(op_name)
        settings = op_settings(
            op_name,
            ttl=ttl,
            save_inputs=save_inputs,
            check_mutation=check_mutation,
            on_stale=on_stale,
            previous_names=previous_names,
            renamed_args=renamed_args,
            record_failures=record_failures,
            is_named=name is not None,
        )
        outputs = declared_outputs(op_name, output_names, nout)
        is_generator = inspect.isgeneratorfunction(function)
        if is_generator:
            check_generator(op_name, outputs)
        ignored = names_in(ignore_args, "ignore_args", op_name)
        binder = Binder(function, op_name, outputs, ignored)
        module = module_of(function)
        check_renames(op_name, module, settings, binder)
        definition = Definition(
            name=op_name,
            version=version,
            module=module,
            function=function,
            binder=binder,
            outputs=outputs,
            source=Source(function),
            annotations=Annotations(function, op_name),
            is_async=inspect.iscoroutinefunction(function),
            is_generator=is_generator,
            settings=settings,
        )
        if not definition.is_async:
            return Op(definition)
        # Brings asyncio, which takes longer to import than all of this.
        from mandala_cas.memo.async_op import AsyncOp  # noqa: PLC0415

        return AsyncOp(definition)

    return decorate if function is None else decorate(function)


def _name(function: Callable[..., Any], name: str | None) -> str:
    """Return the name of an op, if ``function`` can be one."""
    if isinstance(function, Op):
        raise UsageError(
            f"{function.name} is an op already; op(function.f, name=...) makes another"
        )
    check_function(function)
    return name_of(function) if name is None else name
