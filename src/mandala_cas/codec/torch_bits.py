"""The elements of a torch tensor as an array of NumPy, sharing its memory where that is possible.

torch is not imported for this: who has such a tensor has imported it.
"""

from __future__ import annotations

import sys
from typing import Any, Final

import numpy as np

from mandala_cas.codec.element_types import ELEMENT_TYPES, ElementType

Array = np.ndarray[Any, Any]

# By what holds their bits: the integers of torch that NumPy knows as well.
_CARRIERS: Final = {"<u2": "int16", "|u1": "uint8"}
# JAX has these as well, and gives each number a byte; torch has hardly more than their names.
_PACKED: Final = frozenset({"int4", "uint4", "int2", "uint2"})
_KNOWN_TO_NUMPY: Final = frozenset(
    f"{kind}{size}" for kind in ("int", "uint") for size in (8, 16, 32, 64)
) | {"bool", "float16", "float32", "float64"}


def reason_against(tensor: Any) -> tuple[str, str] | None:
    """Return why a tensor has no elements to be looked at, with what to pass instead."""
    torch = sys.modules["torch"]
    if isinstance(tensor, torch.nn.parameter.UninitializedTensorMixin):
        return "it has no shape yet", "run the module once, so that it gets one"
    if tensor.is_meta or hasattr(type(tensor), "__tensor_flatten__"):
        return "it has no elements of its own", "pass the tensors that hold them"
    if tensor.is_nested:
        return "it is a nested tensor", "pass the list that its unbind() gives"
    if tensor.is_quantized:
        return "it is quantized", "pass its int_repr(), scale and zero point"
    if any(name is not None for name in getattr(tensor, "names", ())):
        return "its dimensions have names", "pass its rename(None) and the names"
    if tensor.layout is torch.strided and element_type(tensor) is None:
        return f"it is of {tensor.dtype}", "pass a view of it as uint8"
    return None


def element_type(tensor: Any) -> ElementType | None:
    """Return the type of a tensor's elements; None if it is not known here."""
    name = dtype_name(tensor.dtype)
    return None if name in _PACKED else ELEMENT_TYPES.get(name)


def dtype_name(dtype: Any) -> str:
    """Return the name of a dtype of torch."""
    return str(dtype).removeprefix("torch.")


def base_of(tensor: Any) -> Any:
    """Return a tensor of torch's own class with the same elements, and without its history."""
    torch = sys.modules["torch"]
    with torch._C.DisableTorchFunctionSubclass():  # noqa: SLF001 (a subclass may change any method)
        plain = tensor.detach()
        return plain if type(plain) is torch.Tensor else plain.as_subclass(torch.Tensor)


def bits_of(tensor: Any, kind: ElementType) -> Array:
    """Return the bits of a dense tensor, whose layout in memory the array has.

    Of complex numbers these are reals, with one dimension more.
    """
    torch = sys.modules["torch"]
    plain = base_of(tensor).cpu().resolve_conj().resolve_neg()
    if kind.is_pair:
        plain = torch.view_as_real(plain)
    elif kind.name not in _KNOWN_TO_NUMPY:
        plain = plain.view(getattr(torch, _CARRIERS[kind.bits]))
    bits: Array = plain.numpy()
    return bits.view(kind.bits)
