"""The names under which classes and functions enter an encoding."""

from __future__ import annotations

import sys
from collections.abc import Callable, Mapping
from typing import Any, Final

# Classes that stand in another module in another version of NumPy, under one name for all.
_MOVED: Final[Mapping[str, str]] = {
    **{name: f"numpy:{name}" for name in ("recarray", "record", "matrix", "memmap", "chararray")},
    **{
        name: f"numpy.ma:{name}"
        for name in ("MaskedArray", "MaskedConstant", "mvoid", "MaskedRecords")
    },
}


def name_of(thing: type | Callable[..., Any]) -> str:
    """Return ``module:qualname`` of a class or function."""
    module = getattr(thing, "__module__", None) or "builtins"
    name: Any = getattr(thing, "__qualname__", None) or getattr(thing, "__name__", "")
    if name in _MOVED and module.partition(".")[0] == "numpy" and isinstance(thing, type):
        return _MOVED[name]
    # A spawned process imports the main script under the second name.
    return f"{'__main__' if module == '__mp_main__' else module}:{name}"


def is_found_by_name(thing: Any) -> bool:
    """Tell whether following the name of ``thing`` leads back to it."""
    module, name = getattr(thing, "__module__", None), getattr(thing, "__qualname__", None)
    if not isinstance(name, str):
        return False
    found: Any = sys.modules.get(module or "builtins")
    for part in name.split("."):
        found = getattr(found, part, None)
    # A method is made anew at each look; equal is enough.
    return found is thing or (found is not None and callable(found) and bool(found == thing))
