"""Tables of Arrow as IPC streams: written without a copy, read with every check there is."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any, Final

import numpy as np

from mandala_cas.codec.arrow_messages import check_messages
from mandala_cas.errors import UsageError
from mandala_cas.objectstore.api import Buffer

# Parts below this are copied together: a buffer of a few bytes costs more than its bytes.
_COPIED_MAX: Final = 64 << 10
_ALIGNMENT: Final = 64
_EXTENSION: Final = b"ARROW:extension:name"


def write_stream(schema: Any, batches: Iterable[Any]) -> Sequence[Buffer]:
    """Return a stream of these batches, as buffers most of which are the memory of the batches."""
    import pyarrow as pa  # noqa: PLC0415 (heavy)

    sink = _Sink()
    # The envelope compresses; what is compressed twice cannot be bounded by its size.
    options = pa.ipc.IpcWriteOptions(compression=None)
    with pa.ipc.new_stream(pa.PythonFile(sink, "w"), schema, options=options) as writer:
        for batch in batches:
            writer.write_batch(batch)
    return sink.parts()


def read_stream(payload: memoryview) -> Any:
    """Return the table in a stream, after checking what Arrow itself takes on trust.

    Raises:
        ValueError: these bytes are no stream that ``write_stream`` made.
        UsageError: they need an extension type of Arrow that is not registered here.
    """
    import pyarrow as pa  # noqa: PLC0415 (heavy)

    check_messages(payload)
    reader = pa.ipc.open_stream(pa.py_buffer(_aligned(payload)))
    table = reader.read_all()
    # Without this, offsets that point elsewhere are followed.
    table.validate(full=True)
    name = next(filter(None, map(_unknown_in, table.schema)), None)
    if name is not None:
        raise UsageError(
            f"cannot load a table of Arrow with the extension type {name!r}, which is not "
            "registered here; call pyarrow.register_extension_type first, as its writer did",
            extension=name,
        )
    return table


def _unknown_in(field: Any) -> str | None:
    """Return the name of an extension type in a field that nobody registered here."""
    import pyarrow as pa  # noqa: PLC0415 (heavy)

    name = (field.metadata or {}).get(_EXTENSION)
    if name is not None:
        return str(name.decode("utf-8", "replace"))
    kind = field.type
    if pa.types.is_dictionary(kind) and isinstance(kind.value_type, pa.BaseExtensionType):
        # Whether it is known cannot be seen from here.
        return str(kind.value_type.extension_name)
    return next(filter(None, map(_unknown_in, _parts_of(kind))), None)


def _parts_of(kind: Any) -> Sequence[Any]:
    """Return the fields in a type."""
    import pyarrow as pa  # noqa: PLC0415 (heavy)

    if pa.types.is_map(kind):
        return kind.key_field, kind.item_field
    if hasattr(kind, "value_field"):
        return (kind.value_field,)
    if pa.types.is_struct(kind) or pa.types.is_union(kind):
        return [kind.field(i) for i in range(kind.num_fields)]
    return ()


class _Sink:
    """A file that keeps the buffers which are written to it."""

    closed = False

    def __init__(self) -> None:
        """Keep none."""
        self._parts: list[Buffer] = []
        self._small = bytearray()
        self._size = 0

    def write(self, data: Any) -> int:
        """Keep a buffer; bytes and small buffers are joined with their neighbours."""
        view = memoryview(data).cast("B")
        if view.nbytes <= _COPIED_MAX:
            self._small += view
        else:
            self._flush()
            self._parts.append(view)
        self._size += view.nbytes
        return view.nbytes

    def tell(self) -> int:
        """Return how much was written."""
        return self._size

    def flush(self) -> None:
        """Do nothing: nothing waits."""

    def close(self) -> None:
        """Do nothing: nothing is open."""

    def readable(self) -> bool:
        """Say that nothing can be read."""
        return False

    def writable(self) -> bool:
        """Say that something can be written."""
        return True

    def seekable(self) -> bool:
        """Say that there is one direction."""
        return False

    def parts(self) -> Sequence[Buffer]:
        """Return what was written."""
        self._flush()
        return tuple(self._parts)

    def _flush(self) -> None:
        """Put down the small buffers so far."""
        if self._small:
            self._parts.append(bytes(self._small))
            self._small = bytearray()


def _aligned(payload: memoryview) -> Any:
    """Return a payload whose numbers lie where processors like them: the same where they do."""
    data = np.frombuffer(payload, np.uint8)
    address: int = data.__array_interface__["data"][0]
    if address % _ALIGNMENT == 0 or data.size == 0:
        return payload
    place = np.empty(data.size + _ALIGNMENT, np.uint8)
    start = -int(place.__array_interface__["data"][0]) % _ALIGNMENT
    aligned = place[start : start + data.size]
    aligned[:] = data
    return aligned.data
