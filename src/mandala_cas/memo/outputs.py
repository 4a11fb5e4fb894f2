"""What the outputs of an op are called, and how many there are."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Final, Literal

from mandala_cas.errors import UsageError

OutputCount = int | Literal["auto", "var"]

_GENERIC: Final = re.compile(r"output_\d+")


@dataclass(frozen=True, slots=True)
class Outputs:
    """What ``@op`` was told of the outputs.

    ``names`` is None where each result tells how many there are. Where it ``varies``, a result is
    a tuple of any length, and is given as one.
    """

    names: tuple[str, ...] | None = None
    varies: bool = False

    @property
    def count(self) -> int | None:
        """How many there are; None where each result tells."""
        return None if self.names is None else len(self.names)

    def may_have(self, name: str) -> bool:
        """Tell whether an output of this name is possible."""
        if self.names is None:
            return _GENERIC.fullmatch(name) is not None
        return name in self.names


def declared_outputs(op_name: str, output_names: Sequence[object] | None, nout: object) -> Outputs:
    """Return what ``@op`` was given.

    Raises:
        UsageError: they are no names, or not as many as ``nout`` says.
    """
    varies = nout == "var"
    count = None if nout in ("auto", "var") else nout
    if count is not None and (type(count) is not int or count < 1):
        raise UsageError(f"{op_name}: nout is 'auto', 'var' or a number from 1 on, got {nout!r}")
    if output_names is None:
        if count is None:
            return Outputs(varies=varies)
        return Outputs(tuple(_default_name(i) for i in range(count)))
    if varies:
        raise UsageError(
            f"{op_name}: with nout='var' there are as many outputs as each result has, and "
            "output_names has a name for each; leave one of the two out"
        )
    given = () if isinstance(output_names, str) else output_names
    names = tuple(name for name in given if isinstance(name, str) and name)
    if not names or len(names) != len(given):
        raise UsageError(
            f"{op_name}: output_names is a list with a name for each output, got {output_names!r}"
        )
    if len(set(names)) != len(names):
        raise UsageError(f"{op_name}: two outputs have one name in output_names={output_names!r}")
    if count not in {None, len(names)}:
        raise UsageError(
            f"{op_name}: nout={nout!r}, but output_names has {len(names)}; nout can be left out"
        )
    return Outputs(names)


def name_outputs(op_name: str, outputs: Outputs, result: Any) -> list[tuple[str, Any]]:
    """Return the outputs that ``result`` consists of, by name.

    Undeclared, a tuple of two or more is as many outputs and anything else is one; a namedtuple is
    one, since its fields would be lost. Declared as one, a tuple stays whole; declared as varying,
    it is taken apart whatever its length.

    Raises:
        UsageError: the result is not what was declared.
    """
    declared = outputs.names
    found = f"a tuple of {len(result)}" if isinstance(result, tuple) else type(result).__name__
    if outputs.varies:
        if not isinstance(result, tuple):
            raise UsageError(
                f"{op_name}: with nout='var' it returns a tuple, found {found}; return "
                "tuple(...), or leave nout out",
                op=op_name,
            )
        return [(_default_name(i), value) for i, value in enumerate(result)]
    if declared is None:
        if type(result) is tuple and len(result) > 1:
            return [(_default_name(i), value) for i, value in enumerate(result)]
        return [(_default_name(0), result)]
    if len(declared) == 1:
        return [(declared[0], result)]
    if not isinstance(result, tuple) or len(result) != len(declared):
        raise UsageError(
            f"{op_name}: expected a tuple of {len(declared)} outputs ({', '.join(declared)}), "
            f"found {found}; change what it returns, or nout and output_names of @op",
            op=op_name,
        )
    return list(zip(declared, result, strict=True))


def _default_name(position: int) -> str:
    """Return the name of an output that was given none."""
    return f"output_{position}"
