"""Remember every call of your functions, on any object store, and query what was computed.

The names below are loaded when first used, so that importing the package costs next to nothing.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

from mandala_cas._version import __version__

if TYPE_CHECKING:
    from mandala_cas.imports import (
        AtomRef,
        Call,
        Codec,
        DictRef,
        Dir,
        File,
        Hash,
        Ignore,
        ListRef,
        MDict,
        MList,
        MSet,
        MTuple,
        NewArgDefault,
        Ref,
        SetRef,
        Storage,
        TupleRef,
        ValuePointer,
        noop,
        op,
        register_codec,
        register_hasher,
    )

__all__ = [
    "AtomRef",
    "Call",
    "Codec",
    "DictRef",
    "Dir",
    "File",
    "Hash",
    "Ignore",
    "ListRef",
    "MDict",
    "MList",
    "MSet",
    "MTuple",
    "NewArgDefault",
    "Ref",
    "SetRef",
    "Storage",
    "TupleRef",
    "ValuePointer",
    "__version__",
    "noop",
    "op",
    "register_codec",
    "register_hasher",
]


def __getattr__(name: str) -> Any:
    """Load a public name, or a module such as ``errors``, when it is first used."""
    if name in __all__:
        return getattr(import_module("mandala_cas.imports"), name)
    if name == "errors":
        return import_module("mandala_cas.errors")
    raise AttributeError(f"module 'mandala_cas' has no attribute {name!r}")


def __dir__() -> list[str]:
    """List what can be had, for completion in notebooks."""
    return sorted([*globals(), *__all__])
