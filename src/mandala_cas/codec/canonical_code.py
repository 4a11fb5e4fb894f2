"""How functions and classes are encoded: by where they are, what they say and what they hold."""

from __future__ import annotations

import ast
import inspect
import linecache
import sys
import textwrap
import types
import weakref
from typing import Any, Final

from mandala_cas.codec.encoder import Attributes, Encoder, Record
from mandala_cas.codec.names import name_of

_IMMUTABLE: Final = 1 << 8
_HEAP_TYPE: Final = 1 << 9
_DESCRIPTORS: Final = (
    types.MethodDescriptorType,
    types.ClassMethodDescriptorType,
    types.WrapperDescriptorType,
    types.GetSetDescriptorType,
    types.MemberDescriptorType,
    types.BuiltinFunctionType,
)
_LAMBDA: Final = "<lambda>"
_NOWHERE: Final = "<string>"
# These write methods for others' classes, from what the source of the class says.
_WRITERS: Final = frozenset({"dataclasses", "reprlib"})

# Source by the id of a code object or class. Not by equality: equal code may have another source.
_sources: dict[int, tuple[weakref.ref[Any], str | None]] = {}


def encode_builtin(encoder: Encoder, value: Any) -> bytes:
    """Return the encoding of what has a name and no source."""
    return encoder.record("name", name_of(value))


def encode_function(encoder: Encoder, value: types.FunctionType) -> bytes:
    """Return the encoding of a Python function."""
    code = value.__code__
    source = source_of(code)
    return encoder.record(
        "function",
        name_of(value),
        _encodable_code(code) if source is None else source,
        value.__defaults__,
        value.__kwdefaults__,
        _closure_of(value),
    )


def encode_method(encoder: Encoder, value: types.MethodType) -> bytes:
    """Return the encoding of a bound method: the function and what it is bound to."""
    return encoder.record("method", value.__func__, value.__self__)


def encode_class(encoder: Encoder, value: type) -> bytes:
    """Return the encoding of a class: those of extensions by name, others by source."""
    # Classes of extensions cannot be changed, those of Python can.
    if not value.__flags__ & _HEAP_TYPE or value.__flags__ & _IMMUTABLE:
        return encode_builtin(encoder, value)
    source = source_of(value)
    if source is None and _is_of_extension(value):
        return encode_builtin(encoder, value)
    body = vars(value)
    closures = Attributes()
    for name, member in body.items():
        for function in _functions_in(member):
            if _is_generated(function):
                continue
            # A method that says `super()` holds its class, which is being encoded.
            closure = {k: v for k, v in _closure_of(function).items() if k != "__class__"}
            if closure:
                closures.setdefault(name, []).append(Attributes(closure))
    bases = tuple(base for base in value.__bases__ if base is not object)
    text = _members_of(body) if source is None else source
    return encoder.record("class", name_of(value), text, bases, closures)


def _is_of_extension(kind: type) -> bool:
    """Tell whether a class without source has none because it is not written in Python."""
    body = vars(kind)
    if not body.keys().isdisjoint({"__dict__", "__weakref__", "__slots__"}):
        return False
    plain = (member for name, member in body.items() if not _is_special(name))
    return all(isinstance(member, _DESCRIPTORS) for member in plain) and all(
        not base.__flags__ & _HEAP_TYPE or _is_of_extension(base) for base in kind.__bases__
    )


def _is_generated(function: types.FunctionType) -> bool:
    """Tell whether a method was written by a decorator, and not in the source of its class."""
    is_nowhere = function.__code__.co_filename == _NOWHERE
    return is_nowhere or function.__globals__.get("__name__") in _WRITERS


def _is_special(name: str) -> bool:
    """Tell whether a name is one of Python's own."""
    return name.startswith("__") and name.endswith("__")


def _functions_in(member: Any) -> list[types.FunctionType]:
    """Return the functions behind an attribute of a class."""
    parts = (
        (member.fget, member.fset, member.fdel)
        if isinstance(member, property)
        else (getattr(member, "__func__", member),)
    )
    return [part for part in parts if isinstance(part, types.FunctionType)]


def _members_of(body: Any) -> Attributes:
    """Return what the body of a class without source defines."""
    members = Attributes()
    for name, member in body.items():
        functions = _functions_in(member)
        if functions:
            members[name] = functions
        elif not _is_special(name) and not isinstance(member, _DESCRIPTORS):
            members[name] = member
    return members


def _closure_of(function: types.FunctionType) -> Attributes:
    """Return the free variables of a function that have a value."""
    closure = Attributes()
    cells = function.__closure__ or ()
    for name, cell in zip(function.__code__.co_freevars, cells, strict=True):
        try:
            closure[name] = cell.cell_contents
        except ValueError:
            # It has no value yet: a function defined further down refers to it.
            continue
    return closure


def remember_source(thing: types.CodeType | type, source: str) -> None:
    """Have code that was loaded from a store be what it was, whatever files there are here."""
    key = id(thing)
    _sources[key] = (weakref.ref(thing, lambda _: _sources.pop(key, None)), source)


def source_of(thing: types.CodeType | type) -> str | None:
    """Return the normalised source, or None where there is none."""
    known = _sources.get(id(thing))
    if known is not None and known[0]() is thing:
        return known[1]
    if isinstance(thing, types.CodeType) and thing.co_name == _LAMBDA:
        source = _source_of_lambda(thing)
    else:
        source = _source_text(thing)
    key = id(thing)
    _sources[key] = (weakref.ref(thing, lambda _: _sources.pop(key, None)), source)
    return source


def _source_text(thing: types.CodeType | type) -> str | None:
    """Return what stands in the file, without what layout adds."""
    if isinstance(thing, types.CodeType) and thing.co_filename == _NOWHERE:
        # Python 3.13 would give lines of the script of `python -c`, whatever was compiled.
        return None
    try:
        text = inspect.getsource(thing)
    except (OSError, TypeError, SyntaxError, IndexError):
        return None
    return textwrap.dedent("\n".join(text.splitlines())).rstrip()


def _source_of_lambda(code: types.CodeType) -> str | None:
    """Return the text of one lambda: several may stand in a line."""
    places = {place for place in code.co_positions() if None not in place}
    text = "" if code.co_filename == _NOWHERE else "".join(linecache.getlines(code.co_filename))
    try:
        tree = ast.parse(text)
    except (SyntaxError, ValueError):
        return None
    possible = [
        node
        for node in ast.walk(tree)
        if isinstance(node, ast.Lambda)
        and node.lineno == code.co_firstlineno
        and _holds(node.body, places)
    ]
    # Python 3.12 does not say for every expression which instructions are its own.
    certain = [node for node in possible if _place_of(node.body) in places]
    found = certain or possible
    return ast.get_source_segment(text, found[0]) if len(found) == 1 else None


def _holds(body: ast.expr, places: set[Any]) -> bool:
    """Tell whether an expression holds all these places of instructions.

    Positions are the only thing that tells ``(lambda: 1, lambda: 2)`` apart.
    """
    first, last = (body.lineno, body.col_offset), (body.end_lineno, body.end_col_offset)
    return all(
        first <= (line, start) and (end_line, end) <= last
        for line, end_line, start, end in places
        if (line, start) != (end_line, end)
    )


def _place_of(body: ast.expr) -> Any:
    """Return where an expression stands, as instructions say it."""
    return body.lineno, body.end_lineno, body.col_offset, body.end_col_offset


def _encodable_code(code: types.CodeType) -> Record:
    """Return code without source, as its parts."""
    constants = tuple(
        _encodable_code(part) if isinstance(part, types.CodeType) else part
        for part in code.co_consts
    )
    version = f"{sys.version_info.major}.{sys.version_info.minor}"
    return Record(
        "code",
        version,
        code.co_code,
        constants,
        code.co_names,
        code.co_varnames,
        code.co_freevars,
    )
