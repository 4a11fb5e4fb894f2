"""Tensors of torch or JAX, and dicts of them: one safetensors file.

What safetensors does not say stands in the metadata of the file, under ``mandala-cas``, as a JSON
object: which library the tensors are of, whether the value is one tensor or a dict, and which
tensors are parameters, are to be given a gradient, are complex numbers or random keys.
"""

from __future__ import annotations

import collections
import json
from collections.abc import Mapping, Sequence
from typing import Any, Final, Protocol

import numpy as np

from mandala_cas.codec.api import DeclinedError
from mandala_cas.codec.element_types import ELEMENT_TYPES, LAYOUT_TYPES, ElementType
from mandala_cas.codec.jax_tensors import JaxTensors
from mandala_cas.codec.safetensors_layout import (
    METADATA,
    Entry,
    read_layout,
    write_layout,
)
from mandala_cas.codec.torch_tensors import TorchTensors
from mandala_cas.objectstore.api import Buffer

Array = np.ndarray[Any, Any]

# The name of a tensor that is no part of a dict.
_ALONE: Final = "tensor"
_OURS: Final = "mandala-cas"
_COMPLEX: Final = "complex"
_DICTS: Final[Mapping[str, type[dict[str, Any]]]] = {
    "dict": dict,
    "OrderedDict": collections.OrderedDict,
}
# What `state_dict` leaves beside the tensors.
_VERSIONS: Final = "_metadata"
_SCALARS: Final = frozenset({type(None), bool, int, float, str})


class Library(Protocol):
    """The tensors of one library, as entries of a file."""

    name: str

    def is_tensor(self, value: Any) -> bool:
        """Tell whether this is a tensor of the library's own class; it is not imported."""
        ...

    def write(
        self, name: str, value: Any, notes: dict[str, dict[str, Any]]
    ) -> tuple[ElementType, Array]:
        """Return what the elements of a tensor are, and their bits as an array of its shape.

        Of complex numbers the bits are reals, with one dimension more. ``notes`` are added to,
        each under the name of the tensor.

        Raises:
            DeclinedError: it would not come back as it is.
        """
        ...

    def read(
        self, kind: ElementType, shape: tuple[int, ...], data: memoryview, notes: Mapping[str, Any]
    ) -> Any:
        """Return the tensor with these elements, given the notes on it alone."""
        ...

    def are_apart(self, values: Sequence[Any]) -> bool:
        """Tell whether no two tensors share memory."""
        ...


_LIBRARIES: Final[Mapping[str, Library]] = {
    library.name: library for library in (TorchTensors(), JaxTensors())
}


class TensorCodec:
    """Tensors, and dicts with str keys that hold nothing else.

    A tensor comes back on the CPU, contiguous, and without what computed it. Sparse and quantized
    ones, subclasses, and dicts whose tensors share memory are declined.
    """

    name = "tensors"
    version = 1
    runs_code = False

    def can_encode(self, value: Any) -> bool:
        """Tell whether this is a tensor, or a dict that begins with one."""
        if type(value) in _DICTS.values():
            value = next(iter(value.values()), None)
        return _library_of(value) is not None

    def encode(self, value: Any) -> tuple[Mapping[str, Any], Sequence[Buffer]]:
        """Return the file, with the memory of contiguous tensors as it is."""
        form: dict[str, Any] = {}
        named: Mapping[str, Any] = {_ALONE: value}
        for container, kind in _DICTS.items():
            if type(value) is kind:
                form["container"] = container
                named = value
        library = _library_of(next(iter(named.values()), None))
        if library is None or not all(map(library.is_tensor, named.values())):
            raise DeclinedError("not all values of the dict are tensors of one library")
        if not all(map(_is_name, named)):
            raise DeclinedError("a key of the dict is no name of a tensor")
        form["library"] = library.name
        if named is value:
            form |= _versions_form(value)
        notes: dict[str, dict[str, Any]] = {}
        entries = [_write(library, name, tensor, notes) for name, tensor in named.items()]
        if not library.are_apart(list(named.values())):
            raise DeclinedError("two tensors of the dict share memory, and would not any more")
        form |= notes
        try:
            metadata = {_OURS: json.dumps(form, allow_nan=False)}
            return {}, write_layout(entries, metadata)
        except ValueError as error:
            raise DeclinedError(f"the tensors have no layout: {error}") from error

    def decode(self, header: Mapping[str, Any], payload: memoryview) -> Any:
        """Return the tensor, or the dict."""
        if header:
            raise ValueError("the header of tensors says nothing")
        metadata, entries = read_layout(payload)
        form = json.loads(metadata[_OURS])
        library = _LIBRARIES[form.pop("library")]
        container = form.pop("container", None)
        versions = form.pop(_VERSIONS, None)
        names = {entry.name for entry in entries}
        if not all(part.keys() <= names for part in form.values()):
            raise ValueError("there is a note on a tensor that is not here")
        tensors = [_read(library, entry, form) for entry in entries]
        if versions is not None and container != "OrderedDict":
            raise ValueError("only what state_dict() gives has notes on versions")
        if container is None:
            if names != {_ALONE}:
                raise ValueError("one tensor without a name was to be expected")
            return tensors[0]
        made: Any = _DICTS[container]()
        made.update(zip((entry.name for entry in entries), tensors, strict=True))
        if versions is not None:
            made._metadata = _read_versions(versions)  # noqa: SLF001 (where torch looks for it)
        return made


def _write(library: Library, name: str, tensor: Any, notes: dict[str, dict[str, Any]]) -> Entry:
    """Return a tensor as an entry of the file."""
    kind, bits = library.write(name, tensor, notes)
    if kind.layout_name is None:
        raise DeclinedError(f"safetensors has no form for {kind.name}")
    if kind.is_pair:
        notes.setdefault(_COMPLEX, {})[name] = kind.name
    flat = np.ascontiguousarray(bits).reshape(-1).view(np.uint8)
    return Entry(name, kind.layout_name, bits.shape, flat.data)


def _read(library: Library, entry: Entry, form: Mapping[str, Mapping[str, Any]]) -> Any:
    """Return the tensor of an entry."""
    notes = {note: part[entry.name] for note, part in form.items() if entry.name in part}
    kind, shape = LAYOUT_TYPES[entry.dtype], entry.shape
    pair = notes.pop(_COMPLEX, None)
    if pair is not None:
        kind = ELEMENT_TYPES[pair]
        if not kind.is_pair or kind.layout_name != entry.dtype or shape[-1:] != (2,):
            raise ValueError(f"tensor {entry.name!r} is not the parts of complex numbers")
        shape = shape[:-1]
    if kind.name == "bool" and np.frombuffer(entry.data, np.uint8).max(initial=0) > 1:
        raise ValueError(f"tensor {entry.name!r} has truth values that are neither 0 nor 1")
    return library.read(kind, shape, entry.data, notes)


def _library_of(value: Any) -> Library | None:
    """Return the library that a value is a tensor of."""
    return next((one for one in _LIBRARIES.values() if one.is_tensor(value)), None)


def _is_name(key: Any) -> bool:
    """Tell whether a key can be the name of a tensor."""
    if type(key) is not str or key == METADATA:
        return False
    try:
        key.encode()
    except UnicodeEncodeError:
        return False
    return True


def _versions_form(value: Any) -> dict[str, Any]:
    """Return what a dict notes on the versions of modules, as ``state_dict`` leaves it.

    Raises:
        DeclinedError: something else is noted.
    """
    attributes = dict(getattr(value, "__dict__", {}))
    versions = attributes.pop(_VERSIONS, None)
    if attributes:
        raise DeclinedError("the dict has attributes")
    if versions is None:
        return {}
    if type(versions) is not collections.OrderedDict or vars(versions):
        raise DeclinedError("the notes of the dict are not those of state_dict()")
    for prefix, note in versions.items():
        if type(prefix) is not str or type(note) is not dict:
            raise DeclinedError("the notes of the dict are not those of state_dict()")
        if not all(type(key) is str and type(part) in _SCALARS for key, part in note.items()):
            raise DeclinedError("the notes of the dict are more than texts and numbers")
    return {_VERSIONS: dict(versions)}


def _read_versions(form: Any) -> Any:
    """Return the notes on versions."""
    for note in form.values():
        if type(note) is not dict or not all(type(part) in _SCALARS for part in note.values()):
            raise ValueError("a note on versions is texts and numbers")
    return collections.OrderedDict(form)
