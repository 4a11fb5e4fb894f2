"""Everything else: pickle, with large buffers beside the stream.

The only module that pickles. Decoding runs code that the writer chose, so the caller decides
first whether the writer is trusted.

The payload is the stream and its buffers, each but the first at a multiple of 64 bytes; the
header has their sizes. A stream may name two functions of this module, which give code its source.
"""

from __future__ import annotations

import io
import pathlib
import pickle
import sys
import types
from collections.abc import Callable, Mapping, Sequence
from typing import Any, Final

from mandala_cas.codec.canonical_code import remember_source, source_of
from mandala_cas.codec.culprits import find_culprit
from mandala_cas.codec.files_within import find_file
from mandala_cas.codec.pickled_forms import find_reduced
from mandala_cas.errors import UsageError
from mandala_cas.objectstore.api import Buffer

ALIGNMENT: Final = 64
# Smaller buffers are cheaper within the stream.
_OUT_OF_BAND_MIN: Final = 4096
# The header lists the sizes of so many.
_OUT_OF_BAND_COUNT_MAX: Final = 4096
# Of what makes an object: the last of six is a function that sets its state.
_WITH_SETTER: Final = 6
_MAIN_NAMES: Final = (b"__main__", b"__mp_main__")
_FILES_NAME: Final = b"mandala_cas.model.files"


class PickleCodec:
    """Whatever pickle or cloudpickle can copy."""

    name = "pickle"
    version = 1
    runs_code = True

    def can_encode(self, value: Any) -> bool:
        """Give everything a try."""
        return value is value  # noqa: PLR0124 (the protocol asks about a value)

    def encode(self, value: Any) -> tuple[Mapping[str, Any], Sequence[Buffer]]:
        """Return the stream, and the buffers of large arrays in it as they are."""
        stream, buffers = _dump(value)
        if _FILES_NAME in stream:
            # It would bring back a path, and not what the content id is taken of.
            raise _with_files(value)
        sizes = [buffer.nbytes for buffer in buffers]
        payload: list[Buffer] = [stream]
        size = len(stream)
        for buffer in buffers:
            payload += (bytes(-size % ALIGNMENT), buffer)
            size += -size % ALIGNMENT + buffer.nbytes
        return {"stream": len(stream), "buffers": sizes}, payload

    def decode(self, header: Mapping[str, Any], payload: memoryview) -> Any:
        """Return the value. Runs code of the writer's choosing."""
        size: int = header["stream"]
        stream = payload[:size]
        buffers = []
        place = size
        for buffer_size in header["buffers"]:
            place += -place % ALIGNMENT
            if buffer_size < 0 or place + buffer_size > len(payload):
                raise ValueError("the header lists other buffers than there are")
            part = payload[place : place + buffer_size]
            # A payload that cannot be written to would make arrays that cannot be, either.
            buffers.append(bytearray(part) if part.readonly else part)
            place += buffer_size
        if place != len(payload):
            raise ValueError("the payload is longer than its header says")
        try:
            return _Unpickler(io.BytesIO(stream), buffers=buffers).load()
        except (ImportError, AttributeError) as error:
            raise UsageError(
                f"cannot load a pickled value: {error}; make what it was made of importable "
                "here, under the name it had",
                found=str(error),
            ) from error


class _Unpickler(pickle.Unpickler):
    """Reads pickles of another operating system as well."""

    def find_class(self, module: str, name: str) -> Any:
        """Return what a pickle names; for the paths of another system, what makes them here."""
        make = _FOREIGN_PATHS.get(name) if module.partition(".")[0] == "pathlib" else None
        return super().find_class(module, name) if make is None else make


def _posix_path(*parts: str) -> pathlib.Path:
    """Return a path of Linux or macOS as one of this system."""
    return pathlib.Path(pathlib.PurePosixPath(*parts).as_posix())


def _windows_path(*parts: str) -> pathlib.Path:
    """Return a path of Windows as one of this system."""
    return pathlib.Path(pathlib.PureWindowsPath(*parts).as_posix())


# The classes exist everywhere, and refuse to be made where they do not belong.
_FOREIGN_PATHS: Final[Mapping[str, Callable[..., pathlib.Path]]] = (
    {"PosixPath": _posix_path} if sys.platform == "win32" else {"WindowsPath": _windows_path}
)


def _dump(value: Any) -> tuple[bytes, list[memoryview]]:
    """Return the stream and the buffers beside it."""
    try:
        stream, buffers = _dump_with(_dumps, value)
    except (pickle.PicklingError, AttributeError, TypeError):
        # A lambda, or something of a function's body: it has no name to be found under.
        return _dump_by_value(value)
    except Exception as error:
        raise _cannot(value, error, _dumps) from error
    if any(name in stream for name in _MAIN_NAMES):
        # Another process has another main script; there, the name would lead nowhere.
        return _dump_by_value(value)
    return stream, buffers


def _dump_by_value(value: Any) -> tuple[bytes, list[memoryview]]:
    """Return the stream with the code of classes and functions that have no lasting name."""
    import cloudpickle  # noqa: PLC0415 (heavy)

    class ByValue(cloudpickle.Pickler):  # type: ignore[misc]  # (it has no types)
        """Pickles code by value, and arrays and types as they are."""

        def reducer_override(self, obj: Any) -> Any:
            """Return what makes an object that others would not make as it is."""
            reduced = find_reduced(obj)
            if reduced is not None:
                return reduced
            if isinstance(obj, types.CodeType):
                return _with_source(obj, self.dispatch_table[types.CodeType](obj))
            reduced = super().reducer_override(obj)
            return _with_source(obj, reduced) if isinstance(obj, type) else reduced

    def dumps(part: Any, **options: Any) -> bytes:
        """Return the stream of one value."""
        stream = io.BytesIO()
        ByValue(stream, **options).dump(part)
        return stream.getvalue()

    try:
        return _dump_with(dumps, value)
    except Exception as error:
        raise _cannot(value, error, dumps) from error


def _with_source(thing: types.CodeType | type, reduced: Any) -> Any:
    """Return how to make code that keeps its source, which ids are taken of, without its file."""
    source = None if reduced is NotImplemented or isinstance(reduced, str) else source_of(thing)
    if source is None:
        return reduced
    if isinstance(thing, types.CodeType):
        make, arguments = reduced
        return make_code, (source, make, *arguments)
    if len(reduced) != _WITH_SETTER:
        # A class that is found by its name has its file.
        return reduced
    make, arguments, state, items, pairs, set_state = reduced
    return make, arguments, (source, set_state, state), items, pairs, set_class


def make_code(source: str, make: Callable[..., types.CodeType], *arguments: Any) -> types.CodeType:
    """Return code with its source. Streams in stores name this function: it stays here."""
    code = make(*arguments)
    remember_source(code, source)
    return code


def set_class(kind: type, state: tuple[str, Callable[[type, Any], None], Any]) -> None:
    """Fill a class that was just made. Streams in stores name this function: it stays here."""
    source, set_state, inner = state
    set_state(kind, inner)
    remember_source(kind, source)


class _Pickler(pickle.Pickler):
    """Pickles code by name, and arrays and types as they are."""

    def reducer_override(self, obj: Any) -> Any:
        """Return what makes an object that others would not make as it is."""
        reduced = find_reduced(obj)
        return NotImplemented if reduced is None else reduced


def _dumps(value: Any, **options: Any) -> bytes:
    """Return the stream of one value."""
    stream = io.BytesIO()
    _Pickler(stream, **options).dump(value)
    return stream.getvalue()


def _dump_with(dumps: Callable[..., bytes], value: Any) -> tuple[bytes, list[memoryview]]:
    """Return the stream of one pickler, and what it left beside."""
    buffers: list[memoryview] = []

    def keep_in_band(buffer: pickle.PickleBuffer) -> bool:
        """Tell whether a buffer goes into the stream."""
        raw = buffer.raw()
        if raw.nbytes < _OUT_OF_BAND_MIN or len(buffers) >= _OUT_OF_BAND_COUNT_MAX:
            return True
        buffers.append(raw)
        return False

    stream = dumps(value, protocol=5, buffer_callback=keep_in_band)
    return stream, buffers


def _with_files(value: Any) -> UsageError:
    """Return the error for a value that has a file in it; it says where."""
    path, file = find_file(value) or ("", None)
    reason = (
        "a File or Dir is no part of a pickle, and what is around it has no other codec; pass and "
        "return it as a value of its own, or in a container of what has one"
    )
    kind = "File or Dir" if file is None else f"{type(file).__module__}.{type(file).__qualname__}"
    return UsageError(
        f"cannot store {path or 'a file'} in this value: {reason}",
        path=path,
        found=kind,
        reason=reason,
    )


def _cannot(value: Any, error: Exception, dumps: Callable[..., bytes]) -> UsageError:
    """Return the error for a value that cannot be pickled; it names the part that is to blame."""

    def attempt(part: Any) -> Exception | None:
        """Return why a part cannot be pickled by itself."""
        try:
            _dump_with(dumps, part)
        except Exception as failure:  # noqa: BLE001 (whatever a user's class raises is the answer)
            return failure
        return None

    path, part, cause = find_culprit(value, error, attempt)
    whole, kind = (f"{type(v).__module__}.{type(v).__qualname__}" for v in (value, part))
    reason = (
        f"{type(cause).__name__}: {cause}; leave out what cannot be copied, or register a codec "
        "for the type"
    )
    where = f"{path} in it, of type {kind}: " if path else ""
    return UsageError(
        f"cannot store a value of type {whole}: {where}{reason}",
        path=path,
        found=kind,
        reason=reason,
    )
