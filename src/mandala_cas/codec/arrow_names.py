"""The names under which the types of Arrow enter an encoding."""

from __future__ import annotations

from functools import cache
from typing import Any, Final

# By the names of Arrow's own numbers for types; those of them that this pyarrow has.
_NAMES: Final = {
    "NA": "null",
    "HALF_FLOAT": "float16",
    "FLOAT": "float32",
    "DOUBLE": "float64",
    "INTERVAL_MONTH_DAY_NANO": "month_day_nano_interval",
    **{
        name.upper(): name
        for name in (
            *("bool", "int8", "int16", "int32", "int64", "uint8", "uint16", "uint32", "uint64"),
            *("decimal32", "decimal64", "decimal128", "decimal256"),
            *("date32", "date64", "time32", "time64", "timestamp", "duration"),
            *("string", "large_string", "string_view", "binary", "large_binary", "binary_view"),
            *("fixed_size_binary", "list", "large_list", "list_view", "large_list_view"),
            *("fixed_size_list", "struct", "map", "dictionary", "run_end_encoded"),
            *("sparse_union", "dense_union"),
        )
    },
}


def type_name(kind: Any) -> str | None:
    """Return the name of a type without its parameters; None for one that is not known here."""
    import pyarrow as pa  # noqa: PLC0415 (heavy)

    if isinstance(kind, pa.BaseExtensionType):
        return "extension"
    return _by_number().get(kind.id)


@cache
def _by_number() -> dict[int, str]:
    """Return the names of types by Arrow's numbers for them."""
    import pyarrow as pa  # noqa: PLC0415 (heavy)

    numbers = {name: getattr(pa.lib, f"Type_{name}", None) for name in _NAMES}
    return {number: _NAMES[name] for name, number in numbers.items() if number is not None}
