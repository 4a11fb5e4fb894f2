"""What the outputs of an op are called, and how many there are."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Literal

from mandala_cas.errors import UsageError

OutputCount = int | Literal["auto"]


def declared_outputs(
    op_name: str, output_names: Sequence[object] | None, nout: object
) -> tuple[str, ...] | None:
    """Return the names that ``@op`` was given; None where each result tells how many it has.

    Raises:
        UsageError: they are no names, or not as many as ``nout`` says.
    """
    count = None if nout == "auto" else nout
    if count is not None and (type(count) is not int or count < 1):
        raise UsageError(f"{op_name}: nout is 'auto' or a number from 1 on, got {nout!r}")
    if output_names is None:
        return None if count is None else tuple(_default_name(i) for i in range(count))
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
    return names


def name_outputs(
    op_name: str, declared: tuple[str, ...] | None, result: Any
) -> list[tuple[str, Any]]:
    """Return the outputs that ``result`` consists of, by name.

    Undeclared, a tuple of two or more is as many outputs and anything else is one; a namedtuple is
    one, since its fields would be lost. Declared as one, a tuple stays whole.

    Raises:
        UsageError: the result is not what was declared.
    """
    if declared is None:
        if type(result) is tuple and len(result) > 1:
            return [(_default_name(i), value) for i, value in enumerate(result)]
        return [(_default_name(0), result)]
    if len(declared) == 1:
        return [(declared[0], result)]
    found = f"a tuple of {len(result)}" if isinstance(result, tuple) else type(result).__name__
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
