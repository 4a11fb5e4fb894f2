"""The hash of a function's own source, blind to everything that does not change what it does.

The function is parsed and its tree walked. These do not count: comments, docstrings and other
statements that do nothing (``pass``, a constant by itself), formatting, line endings, type hints,
the function's own name (an op's name is part of a call's id already) and the decorators down to
``@op``, itself included. Decorators below ``@op`` count: they change the function that runs.

The walk skips fields that are empty and fields that say what is known otherwise (``ctx``,
``kind``), so that a newer Python, which adds such fields, gives the same hash.

Functions without source (typed into a plain interpreter, made by ``exec``) and lambdas, whose
source lines are a statement around them, are hashed by instructions. Those hashes hold for one
minor version of Python only.
"""

from __future__ import annotations

import ast
import dis
import functools
import inspect
import textwrap
import threading
import tokenize
import warnings
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from types import CodeType
from typing import Any, Final

from blake3 import blake3

from mandala_cas.model.ids import SourceHash
from mandala_cas.versions.texts import TEXT_SIZE_MAX

_SOURCE: Final = blake3(derive_key_context="mandala-cas v1 source hash")
_DECORATOR_NAME: Final = "op"
_UNCOUNTED_FIELDS: Final = frozenset(
    {"annotation", "ctx", "kind", "returns", "simple", "type_comment", "type_params"}
)
# One says that a number is large, the other that a line holds nothing to do.
_UNCOUNTED_INSTRUCTIONS: Final = frozenset({"EXTENDED_ARG", "NOP"})
# *args, **kwargs, generator, coroutine, asynchronous generator. Others say how it was compiled.
_COUNTED_CODE_FLAGS: Final = 0x04 | 0x08 | 0x20 | 0x80 | 0x200
# More wrappers than anybody writes; ends the search in an object that has every attribute.
_WRAPPERS_MAX: Final = 100
# `catch_warnings` replaces the filters of the whole process: two threads inside it could leave
# the wrong ones behind.
_PARSING: Final = threading.Lock()

_FunctionNode = ast.FunctionDef | ast.AsyncFunctionDef


class Source:
    """The source of a function as it was when this was made; hashed at first need, once.

    The lines are kept and not read again: a file that is edited while the program runs must not
    pass for the code that ran.
    """

    __slots__ = ("_function", "_hash", "_lines")

    def __init__(self, function: Callable[..., Any]) -> None:
        """Take the lines of ``function``, or of what it is wrapped around."""
        self._function = _innermost(function)
        self._lines = _lines_from(self._function)
        self._hash: SourceHash | None = None

    @property
    def hash(self) -> SourceHash:
        """The hash; never fails."""
        if self._hash is None:
            self._hash = self._computed()
        return self._hash

    @property
    def text(self) -> str | None:
        """The lines of the function; None where they are not known or too many."""
        if self._lines is None:
            return None
        try:
            text = textwrap.dedent("".join(inspect.getblock(self._lines)))
            size = len(text.encode())
        except (SyntaxError, tokenize.TokenError, IndexError, UnicodeEncodeError):
            return None
        return text if 0 < size <= TEXT_SIZE_MAX else None

    def hash_with(self, names: Mapping[str, str]) -> SourceHash | None:
        """Return the hash that the function had if variables in it were called otherwise.

        None where that cannot be told.
        """
        node = self._node()
        if node is None:
            return None
        for part in ast.walk(node):
            if isinstance(part, ast.arg):
                part.arg = names.get(part.arg, part.arg)
            elif isinstance(part, ast.Name):
                part.id = names.get(part.id, part.id)
        return self._hashed(_tree_tokens(node))

    def _computed(self) -> SourceHash:
        """Return the hash of the tree, or of the instructions where there is no tree."""
        node = self._node()
        return self._hashed(
            _function_tokens(self._function) if node is None else _tree_tokens(node)
        )

    def _node(self) -> _FunctionNode | None:
        """Return a fresh tree of the function, if there is one."""
        code = getattr(self._function, "__code__", None)
        if not isinstance(code, CodeType) or self._lines is None:
            return None
        return _parsed(self._lines, code.co_name)

    @staticmethod
    def _hashed(tokens: Iterable[bytes]) -> SourceHash:
        """Return the hash of tokens."""
        hasher = _SOURCE.copy()
        for token in tokens:
            hasher.update(_framed(token))
        return SourceHash(hasher.digest(16))


def source_hash(function: Callable[..., Any]) -> SourceHash:
    """Return the hash of the function's own source as it is now. Never fails."""
    return Source(function).hash


def _innermost(function: object) -> object:
    """Return what wrappers were put around.

    The arguments that a partial fixes are inputs of its calls, and no part of its source.
    """
    for _ in range(_WRAPPERS_MAX):
        if isinstance(function, functools.partial):
            function = function.func
        elif callable(inner := getattr(function, "__wrapped__", None)):
            function = inner
        else:
            break
    if not hasattr(function, "__code__"):
        function = getattr(function, "__func__", None) or _call_method(function)
    return function


def _call_method(instance: object) -> object:
    """Return the ``__call__`` that a class of the user's defines, else ``instance``."""
    method = getattr(type(instance), "__call__", instance)  # noqa: B004 (wanted: the function)
    return method if hasattr(method, "__code__") else instance


def _lines_from(function: object) -> Sequence[str] | None:
    """Return the file's lines from the function's first one on, if they can be had."""
    try:
        lines, first = inspect.findsource(function)  # type: ignore[arg-type]  # any object: refused with TypeError
    except (OSError, TypeError, IndexError):
        return None
    return lines[first:]


def _parsed(lines: Sequence[str], name: str) -> _FunctionNode | None:
    """Return the tree of the function that ``lines`` begin with, unless it is another."""
    try:
        text = "".join(inspect.getblock(lines))
        # Not dedented: that would change the strings in it that span lines.
        indented = text[:1].isspace()
        with _PARSING, warnings.catch_warnings():
            # The compiler has warned of these lines already.
            warnings.simplefilter("ignore")
            module = ast.parse(f"if 1:\n{text}" if indented else text)
    except (SyntaxError, ValueError, tokenize.TokenError, RecursionError, MemoryError):
        return None
    statement = module.body[0] if module.body else None
    if indented and isinstance(statement, ast.If):
        statement = statement.body[0]
    if isinstance(statement, _FunctionNode) and statement.name == name:
        return statement
    return None


def _tree_tokens(root: _FunctionNode) -> Iterator[bytes]:
    """Yield what counts in the tree, without recursion: a long sum is a deep tree."""
    root.name = ""
    root.decorator_list = _below_op(root.decorator_list)
    # Each part comes with whether it stands in a class body, where `x: int` declares a field.
    stack: list[tuple[object, bool]] = [(root, False)]
    while stack:
        part, in_class = stack.pop()
        match part:
            case bytes():
                yield part
            case ast.AnnAssign(target=target, value=ast.expr() as value) if not in_class:
                stack.append((ast.Assign(targets=[target], value=value), in_class))
            case ast.AST():
                inside = _in_class_body(part, in_class)
                stack += [(field, inside) for field in reversed(_fields(part, inside))]
            case list():
                stack += [(item, in_class) for item in reversed((b"[", *part, b"]"))]
            case _:
                yield _constant(part)


def _below_op(decorators: list[ast.expr]) -> list[ast.expr]:
    """Return the decorators that were applied before ``@op`` was."""
    for position in reversed(range(len(decorators))):
        decorator = decorators[position]
        called = decorator.func if isinstance(decorator, ast.Call) else decorator
        match called:
            case ast.Name(id=name) | ast.Attribute(attr=name) if name == _DECORATOR_NAME:
                return decorators[position + 1 :]
    return decorators


def _in_class_body(node: ast.AST, in_class: bool) -> bool:  # noqa: FBT001 (passed down a walk)
    """Tell whether the parts of ``node`` stand in a class body."""
    match node:
        case ast.ClassDef():
            return True
        case ast.FunctionDef() | ast.AsyncFunctionDef() | ast.Lambda():
            return False
        case _:
            return in_class


def _fields(node: ast.AST, in_class: bool) -> list[object]:  # noqa: FBT001 (passed down a walk)
    """Return a node's type and its fields that count, each behind its name.

    Bytes are tokens; everything else is looked into.
    """
    parts: list[object] = [b"(" + type(node).__name__.encode()]
    if isinstance(node, ast.Constant):
        return [*parts, _constant(node.value), b")"]
    for name in sorted(set(node._fields) - _UNCOUNTED_FIELDS):
        value = getattr(node, name, None)
        if isinstance(value, list):
            value = [item for item in value if not _does_nothing(item, node, in_class=in_class)]
        if value is not None and value != []:
            parts += (b"." + name.encode(), value)
    return [*parts, b")"]


def _does_nothing(item: object, parent: ast.AST, *, in_class: bool) -> bool:
    """Tell whether an item has no effect: docstrings, ``pass``, a hint without a value."""
    match item:
        case ast.Pass() | ast.Expr(value=ast.Constant()):
            return True
        case ast.AnnAssign(value=None):
            return not in_class
        case ast.Constant(value=""):
            # Some releases of Python 3.12 put an empty text at the end of a format.
            return isinstance(parent, ast.JoinedStr)
        case _:
            return False


def _function_tokens(function: object) -> Iterable[bytes]:
    """Yield the instructions of ``function``, or its name where it is not written in Python."""
    code = getattr(function, "__code__", None)
    if not isinstance(code, CodeType):
        kind = type(function)
        name = getattr(function, "__qualname__", None) or kind.__qualname__
        module = getattr(function, "__module__", None) or kind.__module__
        return (b"named", str(module).encode(), str(name).encode())
    defaults = getattr(function, "__defaults__", None) or ()
    keyword_defaults = getattr(function, "__kwdefaults__", None) or {}
    fixed = _constant((*defaults, *sorted(keyword_defaults.items())))
    return (b"instructions", *_code_tokens(code), fixed)


def _code_tokens(code: CodeType) -> Iterator[bytes]:
    """Yield the instructions with what they refer to, not with the numbers of it.

    A docstring takes a number among the constants, and nothing refers to it.
    """
    counts = (code.co_argcount, code.co_posonlyargcount, code.co_kwonlyargcount)
    parameters = code.co_varnames[: code.co_argcount + code.co_kwonlyargcount]
    yield _constant((*counts, code.co_flags & _COUNTED_CODE_FLAGS, parameters))
    for instruction in dis.get_instructions(code):
        if instruction.opname not in _UNCOUNTED_INSTRUCTIONS:
            yield instruction.opname.encode()
            yield _constant(instruction.argval)


def _constant(value: object) -> bytes:
    """Return the type and the value of a constant; of any other object, the type only."""
    match value:
        case None | bool() | float() | complex():
            content = repr(value).encode()
        case int():
            # Not in decimal: Python refuses to print very long integers so.
            content = format(value, "x").encode()
        case str():
            content = value.encode("utf-8", "surrogatepass")
        case bytes():
            content = value
        case tuple():
            content = b"".join(_framed(_constant(item)) for item in value)
        case frozenset():
            content = b"".join(_framed(item) for item in sorted(map(_constant, value)))
        case CodeType():
            content = b"".join(map(_framed, _code_tokens(value)))
        case _:
            content = b""
    return type(value).__qualname__.encode() + b":" + content


def _framed(token: bytes) -> bytes:
    """Return ``token`` behind its length, so that no two sequences of tokens look alike."""
    return len(token).to_bytes(4, "little") + token
