"""How values are encoded whose id a function of a user decides."""

from __future__ import annotations

from typing import Any, Final

from mandala_cas.codec.encoder import Custom, Encoder, RefusalError, Rule
from mandala_cas.codec.hooks import Hasher, label_of, registered_hasher
from mandala_cas.codec.names import name_of

METHOD: Final = "__mandala_hash__"


def find_custom_rule(kind: type) -> Rule | None:
    """Return the rule of the nearest class in the MRO that has a hasher; None if none has.

    What was registered for a class goes before its own method: whoever registers it cannot change
    the class.
    """
    for base in kind.__mro__:
        function = registered_hasher(base) or base.__dict__.get(METHOD)
        if function is not None:
            return _rule_of(function)
    return None


def custom(hasher: Hasher, value: Any) -> Custom:
    """Return what stands for a value: what ``hasher`` returns, beside the class of the value.

    Without the class, two types would collide whose hashers return the same.
    """
    label = label_of(hasher)
    try:
        result = hasher(value)
    except RecursionError:
        raise
    except Exception as error:
        reason = f"its hasher {label} raised {type(error).__name__}: {error}"
        raise RefusalError(reason, value, "mend the hasher") from error
    return Custom(label.partition(":")[2], "custom", name_of(type(value)), result)


def _rule_of(hasher: Hasher) -> Rule:
    """Return the rule that a hasher makes for the types it serves."""

    def encode(encoder: Encoder, value: Any) -> bytes:
        """Return the encoding."""
        record = custom(hasher, value)
        if record.fields[1] is value:
            # As a reference back to itself it would be the same for all values of its type.
            raise RefusalError(
                f"its hasher {label_of(hasher)} returned the value itself",
                value,
                "return what tells it from others",
            )
        return encoder.custom(record)

    return encode
