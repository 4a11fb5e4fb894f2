"""How the tensors, modules, generators and small types of torch are encoded."""

from __future__ import annotations

import copyreg
import sys
from collections.abc import Mapping
from typing import Any, Final

from mandala_cas.codec.element_types import element_data
from mandala_cas.codec.encoder import Attributes, Encoder, Record, RefusalError, Rule
from mandala_cas.codec.names import name_of
from mandala_cas.codec.torch_bits import (
    base_of,
    bits_of,
    dtype_name,
    element_type,
    reason_against,
)

# What a module keeps apart from its attributes.
_PARTS: Final = frozenset(
    {"training", "_parameters", "_buffers", "_non_persistent_buffers_set", "_modules"}
)
# Of these hooks, a table beside them says which are called in another way.
_MARKS: Final[Mapping[str, str]] = {
    "_forward_hooks_with_kwargs": "_forward_hooks",
    "_forward_hooks_always_called": "_forward_hooks",
    "_forward_pre_hooks_with_kwargs": "_forward_pre_hooks",
}
_HOOKS: Final = frozenset(
    {
        "_backward_pre_hooks",
        "_backward_hooks",
        "_forward_hooks",
        "_forward_pre_hooks",
        "_state_dict_hooks",
        "_state_dict_pre_hooks",
        "_load_state_dict_pre_hooks",
        "_load_state_dict_post_hooks",
        *_MARKS,
    }
)


def find_torch_rule(kind: type) -> Rule | None:
    """Return how to encode values of a type of torch's; None if it is none.

    torch is not imported for this: who has such a value has imported it.
    """
    torch = sys.modules.get("torch")
    if torch is None or not hasattr(torch, "nn"):
        return None
    if issubclass(kind, torch.Tensor):
        return _encode_tensor
    if issubclass(kind, torch.nn.Module):
        return _encode_module if _is_copied_by_state(kind) else None
    if issubclass(kind, torch.UntypedStorage | torch.TypedStorage):
        return _refuse_storage
    return {
        torch.Size: lambda e, v: e.record("torch.Size", tuple(v)),
        torch.dtype: lambda e, v: e.record("torch.dtype", dtype_name(v)),
        torch.device: lambda e, v: e.record("torch.device", str(v)),
        torch.layout: lambda e, v: e.record("torch.layout", dtype_name(v)),
        torch.memory_format: lambda e, v: e.record("torch.memory_format", dtype_name(v)),
        torch.Generator: lambda e, v: e.record("torch.Generator", str(v.device), v.get_state()),
    }.get(kind)


def _encode_tensor(encoder: Encoder, tensor: Any) -> bytes:
    """Return the encoding of a tensor, wherever it is and whatever its strides are."""
    torch = sys.modules["torch"]
    against = reason_against(tensor)
    if against is not None:
        reason, advice = against
        raise RefusalError(reason, tensor, advice)
    content = _content(tensor)
    attributes = Attributes(getattr(tensor, "__dict__", {}))
    if type(tensor) is torch.Tensor and not attributes:
        return encoder.record(content.name, *content.fields)
    if type(tensor) is torch.nn.Parameter and not attributes:
        return encoder.record("torch.Parameter", content)
    return encoder.record("torch.subclass", name_of(type(tensor)), content, attributes)


def _content(tensor: Any) -> Record:
    """Return what a tensor holds."""
    torch = sys.modules["torch"]
    shape = tuple(tensor.shape)
    gradient = bool(tensor.requires_grad)
    if tensor.layout is torch.strided:
        kind = element_type(tensor)
        assert kind is not None, "others were refused"
        data = element_data(kind, bits_of(tensor, kind))
        return Record("torch.Tensor", kind.name, shape, data, gradient)
    parts = _sparse_parts(base_of(tensor), dtype_name(tensor.layout))
    if parts is None:
        raise RefusalError(f"its layout is {tensor.layout}", tensor, "pass its to_dense()")
    return Record("torch.sparse", dtype_name(tensor.layout), shape, parts, gradient)


def _sparse_parts(tensor: Any, layout: str) -> list[Any] | None:
    """Return the tensors that a sparse one consists of; None if the layout is not known here."""
    if layout == "sparse_coo":
        return [tensor._indices(), tensor._values(), tensor.is_coalesced()]  # noqa: SLF001 (the public ones refuse what is not coalesced)
    if layout in {"sparse_csr", "sparse_bsr"}:
        return [tensor.crow_indices(), tensor.col_indices(), tensor.values()]
    if layout in {"sparse_csc", "sparse_bsc"}:
        return [tensor.ccol_indices(), tensor.row_indices(), tensor.values()]
    return None


def _is_copied_by_state(kind: Any) -> bool:
    """Tell whether copying a module of this class means copying its state."""
    return (
        kind.__reduce_ex__ is object.__reduce_ex__
        and kind.__reduce__ is object.__reduce__
        and kind not in copyreg.dispatch_table
    )


def _encode_module(encoder: Encoder, module: Any) -> bytes:
    """Return the encoding of a module: its class by name, and all that it holds."""
    try:
        state: Any = module.__getstate__()
    except RecursionError:
        raise
    except Exception as error:
        # Whatever the class of a user raises here, the module cannot be copied.
        raise RefusalError(f"it has no content to take an id of ({error})", module) from error
    name = name_of(type(module))
    if not isinstance(state, dict) or not state.keys() >= _PARTS:
        return encoder.record("torch.Module", name, state)
    parts = [state[part] for part in ("_parameters", "_buffers", "_modules")]
    return encoder.record(
        "torch.Module",
        name,
        state["training"],
        # What comes first is called first, and is given to an optimizer first.
        tuple(map(tuple, parts)),
        *map(Attributes, parts),
        set(state["_non_persistent_buffers_set"]),
        _hooks(state),
        Attributes({key: part for key, part in state.items() if key not in _PARTS | _HOOKS}),
    )


def _hooks(state: Mapping[str, Any]) -> dict[str, Any]:
    """Return the hooks of a module; the numbers that torch gave them count whoever came before."""
    found: dict[str, Any] = {}
    for name in sorted(_HOOKS & state.keys()):
        table = state[name]
        if not table:
            continue
        marked = _MARKS.get(name)
        if marked is None:
            found[name] = list(table.values())
        else:
            found[name] = [place for place, key in enumerate(state[marked]) if key in table]
    return found


def _refuse_storage(encoder: Encoder, storage: Any) -> bytes:
    """Refuse the bare memory of a tensor: its copy is a pickle's bytes."""
    del encoder
    raise RefusalError("it is the memory of a tensor", storage, "pass the tensor")
