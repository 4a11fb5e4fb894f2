"""What users import is a list that somebody wrote down, not what happens to be there."""

from __future__ import annotations

import mandala_cas
import mandala_cas.errors
import mandala_cas.imports

NOTEBOOK = [
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
    "noop",
    "op",
    "register_codec",
    "register_hasher",
]
PACKAGE = sorted([*NOTEBOOK, "__version__"])
ERRORS = [
    "ConflictError",
    "CorruptionError",
    "MandalaError",
    "MandalaWarning",
    "NewCallsNotAllowedError",
    "NotFoundError",
    "StaleWarning",
    "StoreUnavailableError",
    "UncapturedThreadWarning",
    "UnsupportedFormatError",
    "UntrustedError",
    "UsageError",
]


def test_the_package_gives_what_it_promises() -> None:
    """A name that appears here has to be kept; one that vanishes breaks somebody's program."""
    names = sorted(mandala_cas.__all__)

    assert names == PACKAGE
    assert all(hasattr(mandala_cas, name) for name in names)


def test_a_notebook_gets_what_it_promises() -> None:
    """`import *` must bring no name that a user did not ask for."""
    namespace: dict[str, object] = {}

    exec("from mandala_cas.imports import *", namespace)  # noqa: S102 (a star import needs a scope)

    assert sorted(namespace.keys() - {"__builtins__"}) == NOTEBOOK
    assert sorted(mandala_cas.imports.__all__) == NOTEBOOK


def test_the_errors_are_those_of_the_reference() -> None:
    """A new error needs a new thing for the caller to do."""
    names = sorted(
        name
        for name, thing in vars(mandala_cas.errors).items()
        if isinstance(thing, type) and issubclass(thing, Exception)
    )

    assert names == ERRORS
