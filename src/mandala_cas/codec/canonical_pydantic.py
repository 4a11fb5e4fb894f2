"""How models of pydantic are encoded: by class and content, not by which fields were set."""

from __future__ import annotations

import sys
from typing import Any

from mandala_cas.codec.encoder import Attributes, Encoder, Rule
from mandala_cas.codec.names import name_of


def find_model_rule(kind: type) -> Rule | None:
    """Return how to encode instances of a model of pydantic 2; None if it is none."""
    # Who has a model has imported this; asking the package for it would import the rest.
    base: Any = getattr(sys.modules.get("pydantic.main"), "BaseModel", None)
    if base is None or not issubclass(kind, base):
        return None
    model: Any = kind
    is_plain = (
        model.__getstate__ is base.__getstate__
        and model.__reduce__ is object.__reduce__
        and model.__reduce_ex__ is object.__reduce_ex__
    )
    return _encode_model if is_plain else None


def _encode_model(encoder: Encoder, value: Any) -> bytes:
    """Return the encoding of a model."""
    kind: Any = type(value)
    # Results of cached properties are kept among the fields.
    held = {name: part for name, part in vars(value).items() if name in kind.model_fields}
    return encoder.record(
        "pydantic",
        name_of(kind),
        Attributes(held),
        Attributes(value.__pydantic_extra__ or {}),
        Attributes(value.__pydantic_private__ or {}),
    )
