"""Content ids: what a value is, whoever made it, wherever.

``docs/reference/hashing.md`` is normative.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, Final
from weakref import WeakKeyDictionary

from mandala_cas.codec.canonical_arrays import ARRAY_RULES, find_array_rule
from mandala_cas.codec.canonical_arrow import find_arrow_rule
from mandala_cas.codec.canonical_custom import custom, find_custom_rule
from mandala_cas.codec.canonical_files import FILE_RULES
from mandala_cas.codec.canonical_images import find_image_rule
from mandala_cas.codec.canonical_jax import find_jax_rule
from mandala_cas.codec.canonical_objects import find_object_rule
from mandala_cas.codec.canonical_polars import find_polars_rule
from mandala_cas.codec.canonical_pydantic import find_model_rule
from mandala_cas.codec.canonical_scalars import SCALAR_RULES
from mandala_cas.codec.canonical_sparse import find_sparse_rule
from mandala_cas.codec.canonical_tables import find_table_rule
from mandala_cas.codec.canonical_torch import find_torch_rule
from mandala_cas.codec.digests import Digests
from mandala_cas.codec.encoder import ATOMS, RULES, Encoder, RefusalError, Rule, derive
from mandala_cas.codec.hooks import Hasher, after_registering_a_hasher
from mandala_cas.errors import UsageError
from mandala_cas.model.ids import ContentId, id_of_size
from mandala_cas.model.refs import Ref

_SHOWN_PATH_MAX: Final = 120

RULES.update(SCALAR_RULES)
RULES.update(ARRAY_RULES)
RULES.update(FILE_RULES)

# By the top package of a class; none of them imports it, for who has a value of it has done so.
_FINDERS: Final[Mapping[str, Callable[[type], Rule | None]]] = {
    "numpy": find_array_rule,
    "pandas": find_table_rule,
    "pydantic": find_model_rule,
    "scipy": find_sparse_rule,
    "polars": find_polars_rule,
    "pyarrow": find_arrow_rule,
    "torch": find_torch_rule,
    "jax": find_jax_rule,
    "jaxlib": find_jax_rule,
    "PIL": find_image_rule,
}

# Classes come and go in a notebook, so they are not kept for this.
_found: WeakKeyDictionary[type, Rule] = WeakKeyDictionary()
after_registering_a_hasher(_found.clear)


def content_id(
    value: Any, digests: Digests | None = None, *, hasher: Hasher | None = None
) -> ContentId:
    """Return the id that ``value`` has by its content.

    Large buffers are looked up in ``digests``, or left there for the codec that saves the value.
    ``hasher`` takes the place of what the type of the value has, of its rule or its own hasher.

    Raises:
        UsageError: something in the value has no content; ``path`` says where it is.
    """
    atom = ATOMS.get(type(value))
    if atom is not None and hasher is None:
        return id_of_size(ContentId, derive(atom(value)))
    return id_of_size(ContentId, derive(canonical_encoding(value, digests, hasher=hasher)))


def canonical_encoding(
    value: Any, digests: Digests | None = None, *, hasher: Hasher | None = None
) -> bytes:
    """Return what the content id is taken of.

    Raises:
        UsageError: as ``content_id`` does.
    """
    atom = ATOMS.get(type(value))
    if atom is not None and hasher is None:
        return atom(value)
    encoder = Encoder(Digests() if digests is None else digests, find_rule)
    try:
        return encoder.top(value if hasher is None else custom(hasher, value))
    except RefusalError as refusal:
        raise _usage_error(refusal) from refusal
    except RecursionError:
        raise UsageError(
            "cannot hash this value: it is nested too deeply for the stack that is left; "
            "pass it in a flat form",
            path="",
            found=type(value).__name__,
        ) from None


def find_rule(value: Any) -> Rule:
    """Return how to encode a value that is neither an atom nor an exact container."""
    kind = type(value)
    rule = _found.get(kind)
    if rule is None:
        if issubclass(kind, Ref):
            return _refuse_ref
        rule = find_custom_rule(kind) or _library_rule(kind) or find_object_rule(kind)
        _found[kind] = rule
    return rule


def _library_rule(kind: type) -> Rule | None:
    """Return the rule of the library that a type, or one it derives from, is of."""
    for base in kind.__mro__:
        find = _FINDERS.get(base.__module__.partition(".")[0])
        rule = None if find is None else find(kind)
        if rule is not None:
            return rule
    return None


def _refuse_ref(encoder: Encoder, value: Any) -> bytes:
    """Refuse a ref inside a value: its history would be lost, and the op would not be told."""
    del encoder
    raise RefusalError(
        "it is a ref, and refs are taken only as arguments of their own",
        value,
        "pass it as an argument, or pass what storage.unwrap gives, or annotate the parameter with "
        "MList, MDict, MSet or MTuple, which take refs as elements",
    )


def _usage_error(refusal: RefusalError) -> UsageError:
    """Return the error that a user gets."""
    where = refusal.path or "this value"
    if len(where) > _SHOWN_PATH_MAX:
        where = f"{where[:_SHOWN_PATH_MAX]}..."
    kind = type(refusal.found)
    name = kind.__qualname__ if kind.__module__ == "builtins" else _full_name(kind)
    advice = refusal.advice or "leave it out, or pass what it was made from"
    return UsageError(
        f"cannot hash {where}, of type {name}: {refusal.reason}; {advice}",
        path=refusal.path,
        found=name,
        reason=f"{refusal.reason}; {advice}",
    )


def _full_name(kind: type) -> str:
    """Return a type's name with its module."""
    return f"{kind.__module__}.{kind.__qualname__}"
