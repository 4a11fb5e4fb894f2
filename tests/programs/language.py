"""Random programs of ops: what is called with what, in which storage and mode.

A program is data, and the same data is run twice: by the library, and by an oracle in plain Python.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Literal

Outcome = Literal[
    "int",
    "none",
    "pair",
    "var",
    "list",
    "dict",
    "set",
    "tuple",
    "nested",
    "yields",
    "bytes",
    "raise",
    "outer",
]
Kind = Literal["positional", "either", "args", "keyword", "kwargs"]
Marker = Literal["plain", "list", "dict", "ignored", "waived", "new"]
Mode = Literal["run", "noop", "storage noop", "recompute", "closed"]

# Of what an element of a collection is, and a plain argument.
CONSTANTS: tuple[Any, ...] = (0, 1, True, 2.5, "a", None, (1, 2), b"b", -0.0)


@dataclass(frozen=True)
class Parameter:
    """One parameter of a function; ``default`` is an index of ``CONSTANTS``, None for none.

    What is given for one that is "ignored" is no input because the op says so, and what is given
    for one that is "waived" because the caller wraps it in ``Ignore``.
    """

    name: str
    kind: Kind
    marker: Marker = "plain"
    default: int | None = None

    def text(self) -> str:
        """Return how it is written in a signature."""
        stars = {"args": "*", "kwargs": "**"}.get(self.kind, "")
        hint = {"list": ": MList[Any]", "dict": ": MDict[str, Any]"}.get(self.marker, "")
        if self.default is None:
            return f"{stars}{self.name}{hint}"
        value = f"CONSTANTS[{self.default}]"
        wrapper = {"new": "NewArgDefault", "waived": "Ignore"}.get(self.marker)
        value = value if wrapper is None else f"{wrapper}({value})"
        return f"{stars}{self.name}{hint} = {value}"


@dataclass(frozen=True)
class Function:
    """One op: its signature, and what comes of its body. ``inner`` is the op that it calls."""

    name: str
    parameters: tuple[Parameter, ...]
    outcome: Outcome
    inner: str | None = None

    def signature(self) -> str:
        """Return the parameters as they are written."""
        parts: list[str] = []
        kinds = [parameter.kind for parameter in self.parameters]
        for position, parameter in enumerate(self.parameters):
            if parameter.kind == "keyword" and "args" not in kinds and "*" not in parts:
                parts.append("*")
            parts.append(parameter.text())
            if parameter.kind == "positional" and "positional" not in kinds[position + 1 :]:
                parts.append("/")
        return ", ".join(parts)

    def source(self) -> str:
        """Return the text of the function."""
        hints = {
            "list": " -> MList[int]",
            "dict": " -> MDict[str, int]",
            "set": " -> MSet[int]",
            "tuple": " -> MTuple[int, ...]",
            "nested": " -> MList[MList[int]]",
            "yields": " -> Iterator[int]",
        }
        hint = hints.get(self.outcome, "")
        gives = "yield from" if self.outcome == "yields" else "return"
        return f"def {self.name}({self.signature()}){hint}:\n    {gives} body(locals())\n"


@dataclass(frozen=True)
class Constant:
    """One of ``CONSTANTS``, by index."""

    index: int


@dataclass(frozen=True)
class Earlier:
    """What an earlier step gave: the output at ``output``, and of a collection one item of it.

    All three are taken modulo what there is; where there is nothing, it is zero.
    """

    step: int
    output: int = 0
    item: int | None = None


@dataclass(frozen=True)
class Gathered:
    """A list of elements, or a dict of them."""

    elements: tuple[Constant | Earlier, ...]
    keyed: bool = False


Expression = Constant | Earlier | Gathered


@dataclass(frozen=True)
class Step:
    """One call: of a function by its position, with arguments by position and by name."""

    function: int
    args: tuple[Expression, ...]
    kwargs: tuple[tuple[str, Expression], ...]


@dataclass(frozen=True)
class Block:
    """Steps and blocks inside one ``with``; ``store`` says of which of two storages."""

    store: int
    mode: Mode
    items: tuple[Step | Block, ...]


@dataclass(frozen=True)
class Program:
    """Functions, and what is done with them."""

    functions: tuple[Function, ...]
    blocks: tuple[Block, ...]
