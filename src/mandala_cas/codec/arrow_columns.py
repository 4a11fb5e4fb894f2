"""What is in the columns of Arrow, without regard to how it lies in memory.

A column comes as chunks of one type. Neither where it was cut or sliced counts, nor what stands
where a value is missing.
"""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any, Final

import numpy as np

from mandala_cas.codec.array_data import one_nan
from mandala_cas.codec.arrow_names import type_name
from mandala_cas.codec.encoder import Data, Record, RefusalError
from mandala_cas.codec.pieces import Deferred, joined

Array = np.ndarray[Any, Any]

_FLOATS: Final = {"float16": "<f2", "float32": "<f4", "float64": "<f8"}


def data_of(chunks: Sequence[Any], kind: Any) -> Record:
    """Return the data of a column; raises RefusalError where Arrow cannot look into it."""
    name = type_name(kind)
    with refusing(kind):
        if name == "extension":
            return data_of([chunk.storage for chunk in chunks], kind.storage_type)
        if name == "run_end_encoded":
            import pyarrow.compute as pc  # noqa: PLC0415 (heavy)

            return data_of([pc.run_end_decode(chunk) for chunk in chunks], kind.value_type)
        count = sum(map(len, chunks))
        parts = _PARTS.get(name or "", _fixed_parts)(chunks, kind)
        # Of a column of nulls and of unions Arrow keeps no marks.
        marked = name not in {"null", "sparse_union", "dense_union"}
        return Record("arrow.data", count, _present(chunks) if marked else None, *parts)


@contextlib.contextmanager
def refusing(value: Any) -> Iterator[None]:
    """Turn what Arrow says into a refusal to hash ``value``."""
    import pyarrow as pa  # noqa: PLC0415 (heavy)

    try:
        yield
    except pa.ArrowException as error:
        reason = f"Arrow cannot look into it ({error})"
        raise RefusalError(reason, value, "cast it to another type") from error


def _present(chunks: Sequence[Any]) -> Any:
    """Return a byte for each row, 1 where there is a value; None where there is one everywhere."""
    if not any(chunk.null_count for chunk in chunks):
        return None
    return joined(map(present_in, chunks))


def present_in(chunk: Any) -> Array:
    """Return the rows of a chunk that have a value."""
    found: Array = chunk.is_valid().to_numpy(zero_copy_only=False)
    return found.astype(np.uint8)


def _fixed_parts(chunks: Sequence[Any], kind: Any) -> Sequence[Any]:
    """Return the values of a fixed size, zero where they are missing."""
    width = kind.bit_width // 8
    dtype = _FLOATS.get(type_name(kind) or "")
    return (joined(_fixed_in(chunk, width, dtype) for chunk in chunks),)


def _fixed_in(chunk: Any, width: int, dtype: str | None) -> Array:
    """Return the values in a chunk, with one kind of NaN."""
    buffer = chunk.buffers()[1]
    if buffer is None or width == 0:
        return np.zeros(0, np.uint8)
    whole = np.frombuffer(buffer, np.uint8)
    values = whole[chunk.offset * width : (chunk.offset + len(chunk)) * width]
    if chunk.null_count:
        values = values.copy()
        values.reshape(-1, width)[present_in(chunk) == 0] = 0
    return values if dtype is None else one_nan(values.view(dtype)).view(np.uint8)


def _bool_parts(chunks: Sequence[Any], kind: Any) -> Sequence[Any]:
    """Return a byte for each truth value."""
    del kind
    return (joined(map(_bools_in, chunks)),)


def _bools_in(chunk: Any) -> Array:
    """Return the truth values of a chunk, False where they are missing."""
    found: Array = chunk.fill_null(False).to_numpy(zero_copy_only=False)
    return found.astype(np.uint8)


def _text_parts(chunks: Sequence[Any], kind: Any) -> Sequence[Any]:
    """Return the sizes of strings or bytes, and the strings."""
    import pyarrow as pa  # noqa: PLC0415 (heavy)

    if (type_name(kind) or "").endswith("_view"):
        wide = pa.large_string() if pa.types.is_string_view(kind) else pa.large_binary()
        chunks = [chunk.cast(wide) for chunk in chunks]
    return texts_of(chunks)


def texts_of(chunks: Sequence[Any]) -> tuple[Data, Data]:
    """Return the sizes of the strings in chunks with offsets, and the strings."""
    pairs = [_texts_in(chunk) for chunk in chunks]
    return joined(size for size, _ in pairs), joined(text for _, text in pairs)


def _texts_in(chunk: Any) -> tuple[Array, memoryview]:
    """Return the sizes of the strings of a chunk, 0 where they are missing, and the strings."""
    sizes, text = _laid_out(chunk)
    if chunk.null_count and sizes[present_in(chunk) == 0].any():
        # Something stands where nothing should; a chunk that Arrow makes anew is clean.
        sizes, text = _laid_out(chunk.fill_null(b"" if "binary" in str(chunk.type) else ""))
    return sizes, text


def _laid_out(chunk: Any) -> tuple[Array, memoryview]:
    """Return the sizes of strings as they lie in memory, and the memory."""
    _, places, letters = chunk.buffers()
    if len(chunk) == 0 or places is None:
        return np.zeros(0, "<u8"), memoryview(b"")
    dtype = "<i8" if "large" in str(chunk.type) else "<i4"
    offsets = np.frombuffer(places, dtype)[chunk.offset : chunk.offset + len(chunk) + 1]
    text = b"" if letters is None else letters
    return np.diff(offsets).astype("<u8"), memoryview(text)[offsets[0] : offsets[-1]]


def _list_parts(chunks: Sequence[Any], kind: Any) -> Sequence[Any]:
    """Return the sizes of lists, and what is in them, one list after the other."""
    elements = [chunk.flatten() for chunk in chunks]
    return joined(map(_sizes_in, chunks)), _part(elements, kind.value_type)


def _sizes_in(chunk: Any) -> Array:
    """Return the sizes of the lists or maps of a chunk, 0 where they are missing."""
    import pyarrow.compute as pc  # noqa: PLC0415 (heavy)

    sizes: Array = pc.list_value_length(chunk).fill_null(0).to_numpy(zero_copy_only=False)
    return sizes.astype("<u8")


def _fixed_list_parts(chunks: Sequence[Any], kind: Any) -> Sequence[Any]:
    """Return what is in lists of one size, one after the other, missing ones left out."""
    return (_part([chunk.flatten() for chunk in chunks], kind.value_type),)


def _map_parts(chunks: Sequence[Any], kind: Any) -> Sequence[Any]:
    """Return the sizes of maps, their keys, and their values."""
    sizes, keys, items = [], [], []
    for chunk in chunks:
        offsets = np.asarray(chunk.offsets).astype(np.int64)
        present = present_in(chunk) == 1
        lengths = np.diff(offsets) * present
        sizes.append(lengths.astype("<u8"))
        # Where a map is missing, what its offsets span is nobody's.
        rows = np.repeat(offsets[:-1] - (np.cumsum(lengths) - lengths), lengths)
        rows += np.arange(len(rows))
        keys.append(chunk.keys.take(rows))
        items.append(chunk.items.take(rows))
    return joined(sizes), _part(keys, kind.key_type), _part(items, kind.item_type)


def _struct_parts(chunks: Sequence[Any], kind: Any) -> Sequence[Any]:
    """Return the fields of structs, each missing where its struct is."""
    flat = [chunk.flatten() for chunk in chunks]
    return (
        [_part([parts[i] for parts in flat], kind.field(i).type) for i in range(kind.num_fields)],
    )


def _dictionary_parts(chunks: Sequence[Any], kind: Any) -> Sequence[Any]:
    """Return the numbers of values, and the values that they count."""
    import pyarrow as pa  # noqa: PLC0415 (heavy)

    if any(not chunk.dictionary.equals(chunks[0].dictionary) for chunk in chunks[1:]):
        unified = pa.chunked_array(chunks, kind).unify_dictionaries()
        if unified.type != kind:
            raise RefusalError("its chunks number their values differently", kind, "combine them")
        chunks = unified.chunks
    dictionary = [chunk.dictionary for chunk in chunks[:1]]
    indices = _part([chunk.indices for chunk in chunks], kind.index_type)
    return indices, _part(dictionary, kind.value_type)


def _union_parts(chunks: Sequence[Any], kind: Any) -> Sequence[Any]:
    """Return a byte for each row, its type code, and the values of each type."""
    codes = [_slots(chunk, 1, np.uint8) for chunk in chunks]
    is_dense = kind.mode == "dense"
    children = []
    for i, code in enumerate(kind.type_codes):
        parts = []
        for chunk, chunk_codes in zip(chunks, codes, strict=True):
            rows = np.flatnonzero(chunk_codes == code)
            places = _slots(chunk, 2, np.int32)[rows] if is_dense else rows
            parts.append(chunk.field(i).take(places))
        children.append(_part(parts, kind.field(i).type))
    return joined(codes), children


def _slots(chunk: Any, number: int, dtype: type) -> Array:
    """Return the rows of a chunk in one of its buffers: pyarrow's own view forgets slices."""
    buffer = chunk.buffers()[number]
    if buffer is None:
        return np.zeros(0, dtype)
    return np.frombuffer(buffer, dtype)[chunk.offset : chunk.offset + len(chunk)]


def _part(chunks: Sequence[Any], kind: Any) -> Deferred:
    """Return a part of a column, which is a column itself."""
    return Deferred(lambda: data_of(chunks, kind))


_PARTS: Final[Mapping[str, Callable[[Sequence[Any], Any], Sequence[Any]]]] = {
    "null": lambda _chunks, _kind: (),
    "bool": _bool_parts,
    **dict.fromkeys(
        ("string", "large_string", "string_view", "binary", "large_binary", "binary_view"),
        _text_parts,
    ),
    **dict.fromkeys(("list", "large_list", "list_view", "large_list_view"), _list_parts),
    "fixed_size_list": _fixed_list_parts,
    "map": _map_parts,
    "struct": _struct_parts,
    "dictionary": _dictionary_parts,
    "sparse_union": _union_parts,
    "dense_union": _union_parts,
}
