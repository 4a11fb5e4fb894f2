"""Classes that a store names: how they are found, and how instances are made without their code.

Architecture invariant: nothing here imports a module, runs code of a class, or follows a name
through anything but the dictionaries of modules and classes. A store that names a class can choose
among those of modules that this process has imported, and no more.
"""

from __future__ import annotations

import abc
import collections
import dataclasses
import enum
import functools
import sys
import types
from collections.abc import Mapping, Sequence
from typing import Any, Final
from weakref import WeakKeyDictionary

from mandala_cas.codec.api import DeclinedError
from mandala_cas.codec.canonical_objects import is_copied_by_attributes
from mandala_cas.errors import UsageError

_HEAP_TYPE: Final = 1 << 9
# What these name is another thing in the next process.
_MAIN_NAMES: Final = frozenset({"__main__", "__mp_main__"})
_METACLASSES: Final = frozenset({type, abc.ABCMeta})
_ABSENT: Final = object()
_MODULE_DICT: Final[Any] = vars(types.ModuleType)["__dict__"]
_CLASS_DICT: Final[Any] = vars(type)["__dict__"]
# All named tuples share the code of their methods.
_FIELDS_AS_ARGUMENTS: Final = vars(collections.namedtuple("_Sample", ()))[  # noqa: PYI024  (of no fields)
    "__getnewargs__"
].__code__


@dataclasses.dataclass(frozen=True, slots=True)
class Layout:
    """Where the attributes of the instances of a dataclass are."""

    fields: tuple[str, ...]
    slots: Mapping[str, types.MemberDescriptorType]
    has_dict: bool
    kept_results: frozenset[str]


# Classes come and go in a notebook, so they are not kept for this.
_layouts: WeakKeyDictionary[type, Layout | None] = WeakKeyDictionary()


def find_class(module_name: str, qualname: str) -> type:
    """Return the class of that name, in a module that is imported already.

    Raises:
        UsageError: the module is not imported, or has no such class.
    """
    if module_name in _MAIN_NAMES:
        raise ValueError("a class of the main script has no name that lasts")
    module = sys.modules.get(module_name)
    if not isinstance(module, types.ModuleType):
        raise UsageError(
            f"cannot load an instance of {module_name}.{qualname}: this process has not imported "
            f"module {module_name!r}; import it, then load the value again",
            module=module_name,
            qualname=qualname,
        )
    found = _follow(module, qualname)
    if not isinstance(found, type):
        raise _changed(module_name, qualname, "there is no such class")
    return found


def name_of_class(kind: type) -> tuple[str, str]:
    """Return the module and the qualified name of a class.

    Raises:
        DeclinedError: they do not lead back to it, in this process or in the next.
    """
    module_name, qualname = kind.__module__, kind.__qualname__
    module = sys.modules.get(module_name)
    if (
        module_name in _MAIN_NAMES
        or not isinstance(module, types.ModuleType)
        or _follow(module, qualname) is not kind
    ):
        raise DeclinedError(f"class {module_name}.{qualname} cannot be found by its name")
    return module_name, qualname


def layout_of(kind: type) -> Layout | None:
    """Return where the attributes of instances are; None where copying them does not copy."""
    try:
        return _layouts[kind]
    except KeyError:
        layout = _layouts[kind] = _find_layout(kind) if _is_transparent(kind) else None
        return layout


def own_attributes(value: Any, layout: Layout) -> dict[str, Any]:
    """Return the attributes of an instance.

    Raises:
        DeclinedError: a field is missing, or has another place than the instance.
    """
    found = dict(object.__getattribute__(value, "__dict__")) if layout.has_dict else {}
    for name, slot in layout.slots.items():
        try:
            found[name] = slot.__get__(value, type(value))
        except AttributeError:
            continue
    for name in layout.kept_results:
        found.pop(name, None)
    if not all(type(name) is str for name in found):
        raise DeclinedError(f"an attribute of a {type(value).__qualname__} has no name")
    missing = [name for name in layout.fields if name not in found]
    if missing:
        raise DeclinedError(f"a {type(value).__qualname__} has no value for {missing[0]!r}")
    return found


def make_instance(kind: type, names: Sequence[str], parts: Sequence[Any]) -> Any:
    """Return an instance with these attributes, made without running code of its class.

    Raises:
        UsageError: the class is no dataclass with such attributes any more.
    """
    layout = layout_of(kind)
    if layout is None:
        raise _changed_class(kind, "it is no dataclass that is its attributes")
    made: Any = object.__new__(kind)
    for name, part in zip(names, parts, strict=True):
        slot = layout.slots.get(name)
        if slot is not None:
            slot.__set__(made, part)
        elif layout.has_dict:
            object.__getattribute__(made, "__dict__")[name] = part
        else:
            raise _changed_class(kind, f"it has no attribute {name!r}")
    for name in layout.fields:
        if name not in names and (name in layout.slots or _static(kind, name) is _ABSENT):
            raise _changed_class(kind, f"its field {name!r} is newer than the value")
    return made


def is_namedtuple(kind: type) -> bool:
    """Tell whether instances are a tuple of the fields of their class, and nothing more."""
    if not issubclass(kind, tuple) or type(kind) not in _METACLASSES:
        return False
    names = _static(kind, "_fields")
    arguments = _static(kind, "__getnewargs__")
    return (
        type(names) is tuple
        and all(type(name) is str for name in names)
        and getattr(arguments, "__code__", None) is _FIELDS_AS_ARGUMENTS
        and kind.__reduce_ex__ is object.__reduce_ex__
        and kind.__reduce__ is object.__reduce__
        and getattr(kind, "__getstate__", None) is object.__getstate__
        and _static(kind, "__setstate__") is _ABSENT
        and _static(kind, "__del__") is _ABSENT
        and all(base in {tuple, object} or base.__flags__ & _HEAP_TYPE for base in kind.__mro__)
    )


def make_namedtuple(kind: type, names: Sequence[str], parts: Sequence[Any]) -> Any:
    """Return a namedtuple, made without running code of its class.

    Raises:
        UsageError: the class has other fields.
    """
    if not is_namedtuple(kind) or _static(kind, "_fields") != tuple(names):
        raise _changed_class(kind, f"it is no named tuple of the fields {', '.join(names)}")
    if len(parts) != len(names):
        raise ValueError("a named tuple has as many elements as fields")
    return tuple.__new__(kind, parts)


def find_member(kind: Any, name: str, value: Any) -> Any:
    """Return the member of an enumeration of that name, and of that value if it is not None.

    Raises:
        UsageError: there is none.
    """
    members = _static(kind, "_member_map_") if issubclass(kind, enum.Enum) else _ABSENT
    member: Any = members.get(name, _ABSENT) if type(members) is dict else _ABSENT
    if member is _ABSENT:
        raise _changed_class(kind, f"it has no member {name!r}")
    if value is not None and not _is_same(member._value_, value):
        raise _changed_class(kind, f"its member {name!r} has another value")
    return member


def find_flag(kind: Any, value: int) -> Any:
    """Return the member or the combination of members of a ``Flag`` that has this value.

    Raises:
        UsageError: there is none.
    """
    if not issubclass(kind, enum.Flag) or type(value) is not int:
        raise _changed_class(kind, f"it has no combination of members that is {value!r}")
    found = kind._value2member_map_.get(value)
    if found is None and kind._member_type_ in {object, int}:
        # That of the standard library, whatever the class has in its place.
        try:
            found = enum.Flag._missing_.__func__(kind, value)  # type: ignore[attr-defined]  # (a class method)
        except ValueError:
            found = None
    if type(found) is not kind or found._value_ != value:
        raise _changed_class(kind, f"it has no combination of members that is {value!r}")
    return found


def _is_same(one: Any, other: Any) -> bool:
    """Tell whether two plain values are the same."""
    return type(one) is type(other) and bool(one == other)


def _follow(module: types.ModuleType, qualname: str) -> Any:
    """Return what a name leads to, without running code of modules or classes on the way."""
    # Some modules load others when they are asked for an attribute, so they are not asked.
    found: Any = _MODULE_DICT.__get__(module).get(qualname.partition(".")[0])
    for part in qualname.split(".")[1:]:
        found = _CLASS_DICT.__get__(found).get(part) if _is_class(found) else None
    return found


def _is_class(thing: Any) -> bool:
    """Tell whether something is a class, by its type alone."""
    return issubclass(type(thing), type)


def _static(kind: type, name: str) -> Any:
    """Return an attribute of a class as it lies there, or ``_ABSENT``."""
    for base in kind.__mro__:
        if name in base.__dict__:
            return base.__dict__[name]
    return _ABSENT


def _is_transparent(kind: type) -> bool:
    """Tell whether an instance of a dataclass can be copied by copying its attributes."""
    return (
        type(kind) in _METACLASSES
        and dataclasses.is_dataclass(kind)
        and is_copied_by_attributes(kind)
        and kind.__new__ is object.__new__
        and _static(kind, "__del__") is _ABSENT
        and _is_of_dataclasses(_static(kind, "__setstate__"))
        and all(
            isinstance(base.__dict__.get("__dict__", _CLASS_DICT), types.GetSetDescriptorType)
            for base in kind.__mro__
        )
    )


def _is_of_dataclasses(setter: Any) -> bool:
    """Tell whether ``__setstate__`` is absent, or what frozen dataclasses with slots are given."""
    return setter is _ABSENT or getattr(setter, "__module__", "") == "dataclasses"


def _find_layout(kind: Any) -> Layout:
    """Return where the attributes of the instances of a dataclass are."""
    slots: dict[str, types.MemberDescriptorType] = {}
    for base in kind.__mro__:
        for name, part in base.__dict__.items():
            if isinstance(part, types.MemberDescriptorType):
                slots.setdefault(name, part)
    names = {name for base in kind.__mro__ for name in base.__dict__}
    return Layout(
        fields=tuple(field.name for field in dataclasses.fields(kind)),
        slots=slots,
        has_dict=kind.__dictoffset__ != 0,
        kept_results=frozenset(
            name for name in names if isinstance(_static(kind, name), functools.cached_property)
        ),
    )


def _changed_class(kind: type, why: str) -> UsageError:
    """Return the error for a class that is not what it was when the value was written."""
    return _changed(kind.__module__, kind.__qualname__, why)


def _changed(module_name: str, qualname: str, why: str) -> UsageError:
    """Return the error for a name that does not lead to what it led to."""
    return UsageError(
        f"cannot load an instance of {module_name}.{qualname}: {why}; define the class as it was "
        "when the value was computed, or compute the value again",
        module=module_name,
        qualname=qualname,
    )
