"""The tensors of torch as entries of a safetensors file."""

from __future__ import annotations

import sys
from collections.abc import Mapping, Sequence
from typing import Any, Final

import numpy as np

from mandala_cas.codec.api import DeclinedError
from mandala_cas.codec.element_types import ElementType
from mandala_cas.codec.torch_bits import bits_of, element_type, reason_against
from mandala_cas.errors import UnsupportedFormatError

Array = np.ndarray[Any, Any]
Notes = dict[str, dict[str, Any]]

_PARAMETERS: Final = "parameters"
_GRADIENTS: Final = "gradients"


class TorchTensors:
    """Tensors and parameters of torch's own classes."""

    name = "torch"

    def is_tensor(self, value: Any) -> bool:
        """Tell whether this is a tensor or a parameter."""
        torch: Any = sys.modules.get("torch")
        kind = type(value)
        return hasattr(torch, "nn") and (kind is torch.Tensor or kind is torch.nn.Parameter)

    def write(self, name: str, value: Any, notes: Notes) -> tuple[ElementType, Array]:
        """Return what the elements are, and their bits."""
        torch = sys.modules["torch"]
        if reason_against(value) is not None or value.layout is not torch.strided or vars(value):
            raise DeclinedError("a tensor that is not dense, has attributes, or no elements")
        if type(value) is torch.nn.Parameter:
            notes.setdefault(_PARAMETERS, {})[name] = value.requires_grad
        elif value.requires_grad:
            notes.setdefault(_GRADIENTS, {})[name] = True
        kind = element_type(value)
        assert kind is not None, "others have a reason against them"
        return kind, bits_of(value, kind)

    def read(
        self, kind: ElementType, shape: tuple[int, ...], data: memoryview, notes: Mapping[str, Any]
    ) -> Any:
        """Return the tensor with these elements."""
        torch = _import_torch()
        dtype = getattr(torch, kind.name)
        if data.nbytes == 0:
            tensor = torch.empty(shape, dtype=dtype)
        else:
            tensor = torch.from_numpy(_own(kind, data)).view(dtype).reshape(shape)
        if _PARAMETERS in notes:
            return torch.nn.Parameter(tensor, requires_grad=notes[_PARAMETERS] is True)
        return tensor.requires_grad_() if notes.get(_GRADIENTS) else tensor

    def are_apart(self, values: Sequence[Any]) -> bool:
        """Tell whether no two tensors lie over each other in memory."""
        places = sorted(_place_of(value) for value in values if value.numel())
        ends = [(device, end) for device, _, end in places]
        begins = [(device, begin) for device, begin, _ in places]
        return all(end <= begin for end, begin in zip(ends, begins[1:], strict=False))


def _import_torch() -> Any:
    """Return torch.

    Raises:
        UnsupportedFormatError: it is not installed.
    """
    try:
        import torch  # noqa: PLC0415 (heavy)
    except ImportError as error:
        raise UnsupportedFormatError(
            "cannot load a tensor of torch: the package torch is not installed here; install it, "
            "for example with pip install 'mandala-cas[torch]'",
            package="torch",
        ) from error
    return torch


def _own(kind: ElementType, data: memoryview) -> Array:
    """Return the bytes of elements as an array that may be changed, and that torch can view."""
    found = np.frombuffer(data, np.uint8)
    # Complex numbers are aligned as a whole.
    size = np.dtype(kind.bits).itemsize * (2 if kind.is_pair else 1)
    if data.readonly or found.__array_interface__["data"][0] % size:
        return found.copy()
    return found


def _place_of(tensor: Any) -> tuple[str, int, int]:
    """Return device, begin and end of the memory that a tensor reaches over."""
    reach = sum((side - 1) * step for side, step in zip(tensor.shape, tensor.stride(), strict=True))
    size = tensor.element_size()
    return str(tensor.device), tensor.data_ptr(), tensor.data_ptr() + (reach + 1) * size
