"""The names under which classes and functions enter an encoding."""

from __future__ import annotations

import sys
from collections.abc import Callable
from typing import Any


def name_of(thing: type | Callable[..., Any]) -> str:
    """Return ``module:qualname`` of a class or function."""
    module = getattr(thing, "__module__", None) or "builtins"
    name = getattr(thing, "__qualname__", None) or getattr(thing, "__name__", "")
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
