"""Binding: from a call's arguments to named inputs, and back.

Compiled once per op. ``inspect.Signature.bind`` does the same work at ten times the cost, and
decides what a wrong call is told.
"""

from __future__ import annotations

import functools
import inspect
from collections.abc import Callable, Collection, Mapping, Sequence
from types import FunctionType, MethodType
from typing import Any, Final, NoReturn

from mandala_cas.errors import UsageError
from mandala_cas.memo.outputs import Outputs
from mandala_cas.memo.special import Ignored, NewArgument
from mandala_cas.model.refs import Ref

_ABSENT: Final = inspect.Parameter.empty
_NO_OUTPUTS: Final = Outputs(())

Arguments = list[tuple[str, Any]]


class Binder:
    """Names the arguments of one function's calls.

    Inputs come in the order of the parameters. The excess of ``*args`` are ``args_0``,
    ``args_1`` and so on; the excess of ``**kwargs`` keep their names. What a partial, a bound
    method or a callable object brings along are arguments like those that a caller gives;
    ``function`` takes them as such.
    """

    __slots__ = (
        "_keyword_only",
        "_keywords",
        "_op_name",
        "_outputs",
        "_positional",
        "_prefix",
        "_signature",
        "_steps",
        "_unnamed",
        "_var_keyword",
        "function",
        "has_special_defaults",
        "ignored",
        "new_arguments",
    )

    def __init__(
        self,
        function: Callable[..., Any],
        op_name: str,
        outputs: Outputs = _NO_OUTPUTS,
        ignored: Collection[str] = (),
    ) -> None:
        """Read the signature; the arguments named in ``ignored`` are no inputs.

        Raises:
            UsageError: there is no signature, two inputs could get one name or an input that of
                an output, or there is no argument of a name in ``ignored``.
        """
        self._prefix, whole = _with_what_it_brings(function)
        try:
            self._signature = inspect.signature(whole)
        except (ValueError, TypeError) as error:
            raise UsageError(
                f"{op_name}: its signature cannot be read, so its arguments have no names; "
                "wrap it in a function of your own",
                op=op_name,
            ) from error
        kinds: dict[Any, list[inspect.Parameter]] = {}
        for parameter in self._signature.parameters.values():
            kinds.setdefault(parameter.kind, []).append(parameter)
        only = kinds.get(inspect.Parameter.POSITIONAL_ONLY, [])
        either = kinds.get(inspect.Parameter.POSITIONAL_OR_KEYWORD, [])
        keyword_only = kinds.get(inspect.Parameter.KEYWORD_ONLY, [])
        unnamed = kinds.get(inspect.Parameter.VAR_POSITIONAL, [])

        self.function = whole
        self._op_name = op_name
        self._outputs = outputs
        self._positional = tuple(p.name for p in (*only, *either))
        # By position of the parameter: its name, whether a keyword can give it, its default.
        self._steps = (
            *((p.name, False, p.default) for p in only),
            *((p.name, True, p.default) for p in either),
        )
        self._keyword_only = tuple((p.name, True, p.default) for p in keyword_only)
        self._keywords = frozenset(p.name for p in (*either, *keyword_only))
        self._unnamed = f"{unnamed[0].name}_" if unnamed else None
        self._var_keyword = inspect.Parameter.VAR_KEYWORD in kinds
        self.new_arguments: Mapping[str, NewArgument] = {
            p.name: p.default
            for p in self._signature.parameters.values()
            if isinstance(p.default, NewArgument)
        }
        # Without these, and without refs, a plain call needs no binding.
        self.has_special_defaults = any(
            isinstance(p.default, NewArgument | Ignored | Ref)
            for p in self._signature.parameters.values()
        )
        for name in (*self._positional, *self._keywords):
            self._check_not_taken(name)
        self._check_outputs(outputs)
        self.ignored: Collection[str] = frozenset(ignored)
        self.check_known(self.ignored, "ignore_args")

    @property
    def parameters(self) -> tuple[str, ...]:
        """The names of all parameters but those that take the excess."""
        return (*self._positional, *(name for name, _, _ in self._keyword_only))

    def check_known(self, names: Collection[str], setting: str) -> None:
        """Refuse names of arguments that no call can have.

        Raises:
            UsageError: naming the first, and the arguments that there are.
        """
        known = self.parameters
        for name in sorted(names):
            if name not in known and not self._var_keyword:
                raise UsageError(
                    f"{self._op_name}: {setting} names {name!r}, and the op takes "
                    f"{', '.join(known) or 'no argument by name'}; name one of its parameters",
                    op=self._op_name,
                    argument=name,
                )

    def bind(self, args: Sequence[Any], kwargs: Mapping[str, Any]) -> Arguments:
        """Return the inputs by name, defaults included.

        Raises:
            TypeError: what Python says to such a call.
            UsageError: an excess keyword has the name of another input.
        """
        if self._prefix:
            args = (*self._prefix, *args)
        bound = list(zip(self._positional, args))  # noqa: B905 (the shorter one ends it)
        count = len(args)
        keywords_used = 0
        steps = self._keyword_only
        if count < len(self._positional):
            steps = self._steps[count:] + steps
        elif count > len(self._positional):
            if self._unnamed is None:
                self._refuse(args, kwargs)
            excess = args[len(self._positional) :]
            bound += [(f"{self._unnamed}{i}", value) for i, value in enumerate(excess)]
        for name, by_keyword, default in steps:
            value = kwargs.get(name, _ABSENT) if by_keyword else _ABSENT
            if value is not _ABSENT:
                keywords_used += 1
            elif default is not _ABSENT:
                value = default
            else:
                self._refuse(args, kwargs)
            bound.append((name, value))
        if keywords_used != len(kwargs):
            bound += self._excess_keywords(args, kwargs)
        return bound

    def unbind(
        self, arguments: Sequence[tuple[str, Any]], positional_count: int
    ) -> tuple[list[Any], dict[str, Any]]:
        """Return what to call ``function`` with: the inverse of ``bind``.

        ``positional_count`` is how many arguments ``bind`` was given by position.
        """
        cut = max(len(self._positional), positional_count + len(self._prefix))
        return [value for _, value in arguments[:cut]], dict(arguments[cut:])

    def rebind(self, inputs: Mapping[str, Any]) -> tuple[Arguments, int] | None:
        """Return what ``bind`` gave for a call on record, and what ``unbind`` needs besides.

        ``inputs`` are those on record, by name; new and ignored arguments that they lack are at
        their defaults. None where they are not the inputs of this signature.
        """
        rest = dict(inputs)
        rest.update({n: new.value for n, new in self.new_arguments.items() if n not in rest})
        rest.update({n: v for n, v in self._ignored_defaults().items() if n not in rest})
        positional = list(self._positional)
        while self._unnamed is not None:
            name = f"{self._unnamed}{len(positional) - len(self._positional)}"
            if name not in rest:
                break
            positional.append(name)
        named = [*positional, *(name for name, _, _ in self._keyword_only)]
        if any(name not in rest for name in named):
            return None
        bound = [(name, rest.pop(name)) for name in named]
        if rest and not self._var_keyword:
            return None
        return [*bound, *rest.items()], len(positional) - len(self._prefix)

    def needs_ignored(self, inputs: Collection[str]) -> list[str]:
        """Return the ignored arguments that a call on record needs and nobody knows any more."""
        return [
            p.name
            for p in self._signature.parameters.values()
            if p.name in self.ignored and p.default is _ABSENT and p.name not in inputs
        ]

    def _ignored_defaults(self) -> dict[str, Any]:
        """Return the defaults of arguments that are no inputs when they are at them."""
        found = {}
        for parameter in self._signature.parameters.values():
            default = parameter.default
            if isinstance(default, Ignored):
                found[parameter.name] = default.value
            elif parameter.name in self.ignored and default is not _ABSENT:
                found[parameter.name] = default
        return found

    def _excess_keywords(self, args: Sequence[Any], kwargs: Mapping[str, Any]) -> Arguments:
        """Return the keywords that no parameter takes."""
        given_twice = self._keywords.intersection(self._positional[: len(args)], kwargs)
        if given_twice or not self._var_keyword:
            self._refuse(args, kwargs)
        excess = [(name, value) for name, value in kwargs.items() if name not in self._keywords]
        for name, _ in excess:
            # Legal in Python where `name` is positional-only, but one name is one input.
            if name in self._positional:
                raise UsageError(
                    f"{self._op_name}: keyword '{name}' has the name of a positional-only "
                    "parameter, and inputs need names of their own; rename one of them",
                    op=self._op_name,
                    argument=name,
                )
            self._check_not_taken(name)
        return excess

    def _check_not_taken(self, name: str) -> None:
        """Refuse a name that an excess positional argument may have."""
        prefix = self._unnamed
        if prefix and name.startswith(prefix) and name.removeprefix(prefix).isdecimal():
            raise UsageError(
                f"{self._op_name}: argument '{name}' has the name that '*{prefix[:-1]}' gives to "
                "one of its own; rename one of them",
                op=self._op_name,
                argument=name,
            )
        if self._outputs.may_have(name):
            advice = (
                "name the outputs with output_names, or rename the argument"
                if self._outputs.names is None
                else "rename one of them"
            )
            raise UsageError(
                f"{self._op_name}: argument '{name}' has the name of output '{name}', and in a "
                f"computation frame both would be the variable '{name}'; {advice}",
                op=self._op_name,
                argument=name,
                output=name,
            )

    def _check_outputs(self, outputs: Outputs) -> None:
        """Refuse an output whose name an excess positional argument may have."""
        prefix = self._unnamed
        if prefix is None:
            return
        # An output that is not named may have any number, and so may an argument.
        clash = f"{prefix}0" if outputs.names is None and outputs.may_have(f"{prefix}0") else None
        for name in outputs.names or ():
            if name.startswith(prefix) and name.removeprefix(prefix).isdecimal():
                clash = name
        if clash is not None:
            raise UsageError(
                f"{self._op_name}: output '{clash}' has the name that '*{prefix[:-1]}' gives to an "
                f"argument, and in a computation frame both would be the variable '{clash}'; "
                "rename one of them",
                op=self._op_name,
                output=clash,
            )

    def _refuse(self, args: Sequence[Any], kwargs: Mapping[str, Any]) -> NoReturn:
        """Raise what Python raises for this call."""
        function = self.function
        if isinstance(function, FunctionType) and not (
            hasattr(function, "__wrapped__") or hasattr(function, "__signature__")
        ):
            # Python checks arguments before the body starts, by the very signature read above.
            function(*args, **kwargs)
        # A wrapper might take any arguments and do something before its inner function refuses.
        self._signature.bind(*args, **kwargs)
        raise AssertionError("inspect binds what this refuses")  # pragma: no cover (tested equal)


def _with_what_it_brings(
    function: Callable[..., Any],
) -> tuple[tuple[Any, ...], Callable[..., Any]]:
    """Return the arguments that ``function`` has by itself, and what it hands them to.

    They decide the result as much as those of the caller do. What a partial fixes by keyword is a
    default of its signature already.
    """
    if isinstance(function, functools.partial):
        if not function.args:
            return (), function
        return function.args, functools.partial(function.func, **function.keywords)
    if isinstance(function, MethodType):
        return (function.__self__,), function.__func__
    call = getattr(type(function), "__call__", None)  # noqa: B004 (wanted: the function)
    # A class says how to make an object; a wrapper's own attributes are what it wraps.
    if isinstance(function, type) or hasattr(function, "__wrapped__"):
        return (), function
    return ((function,), call) if isinstance(call, FunctionType) else ((), function)
