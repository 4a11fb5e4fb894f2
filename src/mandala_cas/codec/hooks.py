"""What users register for types of their own, for the whole process.

Registries ask for it at each value, so a storage that was opened before sees it as well.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, Final, TypeVar, overload
from weakref import WeakKeyDictionary

from mandala_cas.codec.api import ValueCodec
from mandala_cas.codec.encoder import ATOMS, RULES
from mandala_cas.codec.names import name_of
from mandala_cas.codec.packages import NEEDED
from mandala_cas.errors import UsageError
from mandala_cas.model.refs import Ref

T = TypeVar("T")
Hasher = Callable[[Any], Any]

NAME_MAX: Final = 64

_CODECS: Final[dict[str, ValueCodec]] = {}
# Classes come and go in a notebook, so they are not kept for this.
_HASHERS: Final[WeakKeyDictionary[type, Hasher]] = WeakKeyDictionary()
_AFTER_HASHER: Final[list[Callable[[], None]]] = []


def register_codec(codec: ValueCodec) -> None:
    """Have every storage of this process ask ``codec`` first, before all registered earlier.

    A process that reads what it wrote must register it as well. A codec of the same name and class
    takes the place of the former, so that a cell of a notebook can run again.

    Raises:
        UsageError: it is no codec, or another one has its name.
    """
    _check(codec)
    name = codec.name
    former = _CODECS.get(name)
    if name in NEEDED or (former is not None and name_of(type(former)) != name_of(type(codec))):
        owner = "mandala-cas" if former is None else f"class {name_of(type(former))}"
        raise UsageError(
            f"a codec named {name!r} is there already, of {owner}; a name stands in a store for "
            "ever, so choose another",
            name=name,
        )
    _CODECS.pop(name, None)
    _CODECS[name] = codec


def registered_codecs() -> Sequence[ValueCodec]:
    """Return what users registered, the last one first."""
    return tuple(reversed(_CODECS.values())) if _CODECS else ()


def registered_codec(name: str) -> ValueCodec | None:
    """Return the codec that a user registered under a name."""
    return _CODECS.get(name)


@overload
def register_hasher(kind: type[T], function: Callable[[T], Any], /) -> Callable[[T], Any]: ...
@overload
def register_hasher(kind: type[T], /) -> Callable[[Callable[[T], Any]], Callable[[T], Any]]: ...
def register_hasher(kind: Any, function: Any = None, /) -> Any:
    """Take the content ids of instances of ``kind`` from what ``function`` returns for them.

    Its result is hashed as a value, beside the name of the instance's class. It serves subclasses
    that have none of their own. ``@register_hasher(kind)`` decorates a function; it is returned
    unchanged either way.

    Raises:
        UsageError: the type has ids that cannot be changed, or another hasher.
    """
    if function is None:
        return lambda decorated: register_hasher(kind, decorated)
    _check_hashed_type(kind)
    if not callable(function):
        raise UsageError(f"the hasher of {name_of(kind)} is a function, got {function!r:.80}")
    former = _HASHERS.get(kind)
    if former is not None and label_of(former) != label_of(function):
        raise UsageError(
            f"{name_of(kind)} has a hasher already, {label_of(former)}; with another one, equal "
            "values would have other ids than before; keep one of the two",
            hasher=label_of(former),
        )
    _HASHERS[kind] = function
    for forget in _AFTER_HASHER:
        forget()
    return function


def registered_hasher(kind: type) -> Hasher | None:
    """Return the hasher that was registered for exactly this type."""
    return _HASHERS.get(kind)


def after_registering_a_hasher(forget: Callable[[], None]) -> None:
    """Call ``forget`` whenever a hasher was registered: what was found for types is out of date."""
    _AFTER_HASHER.append(forget)


def label_of(function: Any) -> str:
    """Return what messages call a function of a user."""
    return name_of(function if hasattr(function, "__qualname__") else type(function))


def _check(codec: Any) -> None:
    """Refuse what is no codec, while it is easy to tell why."""
    kind = type(codec).__qualname__
    if isinstance(codec, type):
        raise UsageError(
            f"register_codec takes a codec, got the class {codec.__qualname__}; call it"
        )
    missing = [
        name
        for name in ("name", "version", "runs_code", "can_encode", "encode", "decode")
        if not hasattr(codec, name)
    ]
    if missing:
        raise UsageError(f"a codec has {missing[0]!r}, and {kind} does not; add it")
    if type(codec.name) is not str or not 1 <= len(codec.name) <= NAME_MAX:
        raise UsageError(
            f"the name of a codec is a text of 1 to {NAME_MAX} characters, got {codec.name!r:.80}"
        )
    if type(codec.version) is not int or codec.version < 1:
        raise UsageError(f"the version of a codec is a number from 1 on, got {codec.version!r:.80}")
    if type(codec.runs_code) is not bool:
        raise UsageError(
            "runs_code says whether decoding may run code of the writer's choosing: True or "
            f"False, got {codec.runs_code!r:.80}"
        )


def _check_hashed_type(kind: Any) -> None:
    """Refuse types whose ids the specification fixes."""
    if not isinstance(kind, type):
        raise UsageError(f"a hasher is registered for a class, got {kind!r:.80}")
    if kind in ATOMS or kind in RULES or kind.__module__ == "builtins" or issubclass(kind, Ref):
        raise UsageError(
            f"{name_of(kind)} cannot have a hasher: its ids are those of the specification; "
            "annotate the parameter with Hash(function), or derive a class"
        )
