"""Binding: from a call's arguments to named inputs, and back.

Compiled once per op. ``inspect.Signature.bind`` does the same work at ten times the cost, and
decides what a wrong call is told.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable, Mapping, Sequence
from types import FunctionType
from typing import Any, Final, NoReturn

from mandala_cas.errors import UsageError
from mandala_cas.memo.special import NewArgument
from mandala_cas.model.refs import Ref

_ABSENT: Final = inspect.Parameter.empty

Arguments = list[tuple[str, Any]]


class Binder:
    """Names the arguments of one function's calls.

    Inputs come in the order of the parameters. The excess of ``*args`` are ``args_0``,
    ``args_1`` and so on; the excess of ``**kwargs`` keep their names.
    """

    __slots__ = (
        "_function",
        "_keyword_only",
        "_keywords",
        "_op_name",
        "_positional",
        "_signature",
        "_steps",
        "_unnamed",
        "_var_keyword",
        "has_special_defaults",
        "new_arguments",
    )

    def __init__(self, function: Callable[..., Any], op_name: str) -> None:
        """Read the signature.

        Raises:
            UsageError: there is no signature, or two inputs could get one name.
        """
        try:
            self._signature = inspect.signature(function)
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

        self._function = function
        self._op_name = op_name
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
            isinstance(p.default, NewArgument | Ref) for p in self._signature.parameters.values()
        )
        for name in (*self._positional, *self._keywords):
            self._check_not_taken(name)

    def bind(self, args: Sequence[Any], kwargs: Mapping[str, Any]) -> Arguments:
        """Return the inputs by name, defaults included.

        Raises:
            TypeError: what Python says to such a call.
            UsageError: an excess keyword has the name of another input.
        """
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
        """Return what to call the function with: the inverse of ``bind``.

        ``positional_count`` is how many arguments ``bind`` was given by position.
        """
        cut = max(len(self._positional), positional_count)
        return [value for _, value in arguments[:cut]], dict(arguments[cut:])

    def rebind(self, inputs: Mapping[str, Any]) -> tuple[Arguments, int] | None:
        """Return what ``bind`` gave for a call on record, and what ``unbind`` needs besides.

        ``inputs`` are those on record, by name; new arguments that they lack are at their
        defaults. None where they are not the inputs of this signature.
        """
        rest = dict(inputs)
        rest.update({n: new.value for n, new in self.new_arguments.items() if n not in rest})
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
        return [*bound, *rest.items()], len(positional)

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

    def _refuse(self, args: Sequence[Any], kwargs: Mapping[str, Any]) -> NoReturn:
        """Raise what Python raises for this call."""
        function = self._function
        if isinstance(function, FunctionType) and not (
            hasattr(function, "__wrapped__") or hasattr(function, "__signature__")
        ):
            # Python checks arguments before the body starts, by the very signature read above.
            function(*args, **kwargs)
        # A wrapper might take any arguments and do something before its inner function refuses.
        self._signature.bind(*args, **kwargs)
        raise AssertionError("inspect binds what this refuses")  # pragma: no cover (tested equal)
