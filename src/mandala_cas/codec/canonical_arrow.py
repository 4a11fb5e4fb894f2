"""How the tables, arrays, types and scalars of Arrow are encoded."""

from __future__ import annotations

import json
import sys
from collections.abc import Callable, Mapping, Sequence
from typing import Any, Final

from mandala_cas.codec.arrow_columns import data_of, refusing
from mandala_cas.codec.arrow_names import type_name
from mandala_cas.codec.encoder import Encoder, Record, RefusalError, Rule
from mandala_cas.codec.pieces import Deferred

# Of the notes that pandas leaves in a schema: the versions of libraries are no part of a value.
_PANDAS_NOTE: Final = b"pandas"
_VERSION_NOTES: Final = frozenset({"pandas_version", "creator"})


def find_arrow_rule(kind: type) -> Rule | None:
    """Return how to encode values of a type of pyarrow's; None if it is none.

    pyarrow is not imported for this: who has such a value has imported it.
    """
    pyarrow = sys.modules.get("pyarrow")
    if pyarrow is None or not hasattr(pyarrow, "Table"):
        return None
    for base, rule in (
        (pyarrow.Table, _encode_tabular("arrow.Table")),
        (pyarrow.RecordBatch, _encode_tabular("arrow.RecordBatch")),
        (pyarrow.ChunkedArray, _encode_column),
        (pyarrow.Array, _encode_column),
        (pyarrow.Scalar, _encode_scalar),
        (pyarrow.Schema, _encode_schema),
        (pyarrow.Field, lambda encoder, field: encoder.stand_in(field_of(field))),
        (pyarrow.DataType, lambda encoder, kind: encoder.stand_in(type_of(kind))),
    ):
        if issubclass(kind, base):
            return rule
    return None


def type_of(kind: Any) -> Record:
    """Return a type of Arrow as a record."""
    name = type_name(kind)
    if name is None:
        raise RefusalError(f"the type {kind} of Arrow is not known here", kind, "cast it")
    parameters = _PARAMETERS.get(name)
    return Record("arrow.type", name, *(() if parameters is None else parameters(kind)))


def field_of(field: Any) -> Record:
    """Return a field: what a column, or a part of one, is called, and what it is."""
    metadata = _metadata_of(field.metadata)
    return Record("arrow.field", field.name, type_of(field.type), field.nullable, metadata)


def schema_of(schema: Any) -> Record:
    """Return the fields of a table."""
    fields = [field_of(field) for field in schema]
    return Record("arrow.Schema", fields, _metadata_of(schema.metadata))


def _encode_tabular(name: str) -> Rule:
    """Return the rule for tables and batches."""

    def encode(encoder: Encoder, table: Any) -> bytes:
        """Return the encoding of what the columns are, and of their rows."""
        columns = [_deferred(column) for column in table.itercolumns()]
        return encoder.record(name, schema_of(table.schema), table.num_rows, columns)

    return encode


def _encode_column(encoder: Encoder, column: Any) -> bytes:
    """Return the encoding of an array, in one chunk or in many."""
    name = "arrow.ChunkedArray" if hasattr(column, "chunks") else "arrow.Array"
    return encoder.record(name, type_of(column.type), _deferred(column))


def _encode_scalar(encoder: Encoder, scalar: Any) -> bytes:
    """Return the encoding of a scalar: the column that has only this."""
    return encoder.record("arrow.Scalar", type_of(scalar.type), _deferred(array_of_scalar(scalar)))


def array_of_scalar(scalar: Any) -> Any:
    """Return the array of one element that has this scalar in it."""
    import pyarrow as pa  # noqa: PLC0415 (heavy)

    with refusing(scalar):
        if not scalar.is_valid:
            return pa.nulls(1, scalar.type)
        if isinstance(scalar, pa.ExtensionScalar):
            storage = array_of_scalar(scalar.value)
            return pa.ExtensionArray.from_storage(scalar.type, storage)
        return pa.repeat(scalar, 1)


def _deferred(column: Any) -> Deferred:
    """Return a column that is looked at when its turn comes."""
    chunks = column.chunks if hasattr(column, "chunks") else [column]
    return Deferred(lambda: data_of(chunks, column.type))


def _encode_schema(encoder: Encoder, schema: Any) -> bytes:
    """Return the encoding of a schema."""
    return encoder.stand_in(schema_of(schema))


def _metadata_of(metadata: Mapping[bytes, bytes] | None) -> dict[bytes, Any] | None:
    """Return notes on a field or table; none at all and no notes are the same."""
    if not metadata:
        return None
    notes: dict[bytes, Any] = dict(metadata)
    try:
        note = json.loads(notes[_PANDAS_NOTE])
    except (KeyError, ValueError):
        return notes
    if isinstance(note, dict):
        notes[_PANDAS_NOTE] = {key: note[key] for key in note if key not in _VERSION_NOTES}
    return notes


def _dictionary_parameters(kind: Any) -> Sequence[Any]:
    """Return what makes a type of values that are numbered."""
    return type_of(kind.index_type), type_of(kind.value_type), bool(kind.ordered)


def _map_parameters(kind: Any) -> Sequence[Any]:
    """Return what makes a type of maps."""
    return field_of(kind.key_field), field_of(kind.item_field), bool(kind.keys_sorted)


def _union_parameters(kind: Any) -> Sequence[Any]:
    """Return what makes a type of values of several types."""
    return list(kind.type_codes), _fields_of(kind)


def _extension_parameters(kind: Any) -> Sequence[Any]:
    """Return what makes a type that somebody registered with Arrow."""
    serialize = getattr(kind, "__arrow_ext_serialize__", None)
    parameters = b"" if serialize is None else serialize()
    return kind.extension_name, type_of(kind.storage_type), parameters


def _fields_of(kind: Any) -> list[Record]:
    """Return the fields of a nested type."""
    return [field_of(kind.field(i)) for i in range(kind.num_fields)]


def _precision(kind: Any) -> Sequence[Any]:
    """Return what makes a type of decimal numbers."""
    return kind.precision, kind.scale


def _unit(kind: Any) -> Sequence[Any]:
    """Return what a type of times counts."""
    return (kind.unit,)


def _value_field(kind: Any) -> Sequence[Any]:
    """Return what is in the lists of a type."""
    return (field_of(kind.value_field),)


_PARAMETERS: Final[Mapping[str, Callable[[Any], Sequence[Any]]]] = {
    **{f"decimal{bits}": _precision for bits in (32, 64, 128, 256)},
    **dict.fromkeys(("time32", "time64", "duration"), _unit),
    "timestamp": lambda kind: (kind.unit, kind.tz),
    "fixed_size_binary": lambda kind: (kind.byte_width,),
    **dict.fromkeys(("list", "large_list", "list_view", "large_list_view"), _value_field),
    "fixed_size_list": lambda kind: (field_of(kind.value_field), kind.list_size),
    "struct": lambda kind: (_fields_of(kind),),
    "map": _map_parameters,
    "dictionary": _dictionary_parameters,
    "run_end_encoded": lambda kind: (type_of(kind.run_end_type), type_of(kind.value_type)),
    "sparse_union": _union_parameters,
    "dense_union": _union_parameters,
    "extension": _extension_parameters,
}
