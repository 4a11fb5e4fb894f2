"""Upload of one large object to Google Cloud Storage in a resumable session, through gcsfs.

The object appears when its last byte has arrived, or not at all. A session takes one piece after
the other: to send several at the same time takes either objects of their own, which a crash would
leave for everybody to see, or another interface, which gcsfs does not speak.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Coroutine, Mapping
from contextlib import suppress
from typing import TYPE_CHECKING, Any, Final

from mandala_cas.objectstore.api import Parts
from mandala_cas.objectstore.buffers import Body, cut, joined, size_of
from mandala_cas.objectstore.filesystems import ask_each, first_error_raised, run_each

if TYPE_CHECKING:
    from fsspec.spec import AbstractFileSystem

# A multiple of 256 KiB, as Google asks for. Each costs a round trip, in which nothing is sent: they
# are as large as the memory beside a value allows.
CHUNK_SIZE: Final = 32 * 1024 * 1024
_TYPE: Final = "application/octet-stream"


def put_in_session(fs: AbstractFileSystem, path: str, parts: Parts) -> None:
    """Store the concatenation of ``parts`` at ``path`` of a file system of gcsfs.

    Raises what the file system raises; then the session is ended, and with it all that was sent.
    """
    from gcsfs.core import initiate_upload  # noqa: PLC0415 (heavy)

    bucket, key, _ = fs.split_path(path)
    is_zonal = getattr(fs, "_is_zonal_bucket", None)
    if is_zonal is not None and _run(fs, is_zonal, bucket):
        # There are no sessions there: gcsfs appends to an object, and everybody sees it grow.
        fs.pipe_file(path, joined(parts))
        return
    session = _run(fs, initiate_upload, fs, bucket, key, _TYPE)
    try:
        _send_all(fs, session, parts)
    except BaseException:
        # A process that dies before leaves a session, which nobody sees and Google ends in a week.
        with suppress(Exception):
            fs.call("DELETE", session)
        raise


def _send_all(fs: AbstractFileSystem, session: str, parts: Parts) -> None:
    """Send every byte, and see that the object has them all."""
    size, end, made = size_of(parts), 0, 0
    for piece in cut(parts, CHUNK_SIZE):
        start, end = end, end + piece.nbytes
        kept, made = _send(fs, session, piece, start, size)
        # A server may keep less than it is sent, but not of what has become an object.
        while kept < end and not made:
            before, rest = kept, Body(piece.getvalue()[kept - start :])
            kept, made = _send(fs, session, rest, before, size)
            if kept <= before:
                raise TimeoutError(f"of what is sent after {before} bytes, nothing arrives")
        # Or it would stay beside the next one, while that is made.
        del piece
    if made != size:
        raise OSError(f"{made} of {size} bytes became an object")


def _send(
    fs: AbstractFileSystem, session: str, piece: Body, start: int, size: int
) -> tuple[int, int]:
    """Send a piece; return how many bytes have arrived, and the size of the object if it is there.

    gcsfs sends it again where the connection breaks; Google skips what it has already.
    """
    span = f"bytes {start}-{start + piece.nbytes - 1}/{size}"
    headers = {"Content-Range": span, "Content-Type": _TYPE}
    answers = ask_each(fs, "call", [("POST", session)], headers=[headers], data=[piece])
    (answer,) = first_error_raised(answers)
    return _state(*answer)


def _state(headers: Mapping[str, str], said: bytes) -> tuple[int, int]:
    """Return how many bytes have arrived, and how many of them are an object, which is all or 0."""
    made = int(json.loads(said).get("size", 0)) if said else 0
    _, dash, last = headers.get("Range", "").rpartition("-")
    return int(last) + 1 if dash else 0, made


def _run(
    fs: AbstractFileSystem, ask: Callable[..., Coroutine[Any, Any, Any]], *question: object
) -> Any:
    """Return what ``ask`` gives, or raise what it raises."""
    return first_error_raised(run_each(fs, ask, [(question, {})]))[0]
