"""Files that stay where they lie: a store keeps where that is, and what was in them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from mandala_cas.codec.file_contents import DIGESTS
from mandala_cas.envelope.packing import unpack
from mandala_cas.errors import CorruptionError, MandalaError, UsageError
from mandala_cas.model.files import File
from mandala_cas.objectstore.api import Buffer


class TrackedFileCodec:
    """A file that stays where it lies: there is no payload, and the header says what to expect."""

    name = "tracked-file"
    version = 1
    runs_code = False

    def can_encode(self, value: Any) -> bool:
        """Tell whether this is a file that is not to be copied."""
        return type(value) is File and not value.copy

    def encode(self, value: Any) -> tuple[Mapping[str, Any], Sequence[Buffer]]:
        """Return where the file lies, and what is in it now."""
        path = str(value.path)
        if not _is_local(path) or any("\ud800" <= letter <= "\udfff" for letter in path):
            raise UsageError(
                f"cannot track {path!r} where it lies: a share of another host, or a name that is "
                "no text, is not safe to follow; use File(path) to store its contents"
            )
        size, digest = DIGESTS.read(value.path)
        return {"path": path, "size": size, "digest": digest}, ()

    def decode(self, header: Mapping[str, Any], payload: memoryview) -> File:
        """Return the file, after a look at whether it is what it was.

        Raises:
            CorruptionError: it is gone, or has changed.
        """
        path, size, digest = header["path"], header["size"], header["digest"]
        if len(payload) or type(size) is not int or not 0 <= size < 1 << 63:
            raise ValueError("a tracked file has no payload, and a size")
        if type(path) is not str or "\0" in path or type(digest) is not bytes or len(digest) != 32:
            raise ValueError("a tracked file has a path and a digest")
        if not (_is_local(path) and Path(path).is_absolute()):
            raise CorruptionError(
                f"a file was tracked at {path!r}, which is no place on this machine; compute it "
                "again here",
                file=path,
            )
        try:
            found = DIGESTS.read(Path(path), size)
        except UsageError as error:
            raise CorruptionError(
                f"a file that is tracked where it lies cannot be read: {error.details['reason']}: "
                f"{path}; put it back, or compute it again",
                file=path,
            ) from error
        if found != (size, digest):
            raise CorruptionError(
                f"the file {path} is tracked where it lies, and has changed since; put back what "
                "it was, or compute it again",
                file=path,
            )
        return File(path, copy=False)


def is_in_place(codec_name: str, header: bytes) -> bool:
    """Tell whether a value is none that is tracked, or its file seems to lie where it did.

    Only a look: nothing is read. ``header`` is that of the codec, as anybody may have written it.
    """
    if codec_name != TrackedFileCodec.name:
        return True
    try:
        fields, _ = unpack(header, name="a value", what="header of its codec")
        if not isinstance(fields, dict):
            return False
        path = fields["path"]
        if not isinstance(path, str) or not _is_local(path):
            return False
        return Path(path).stat().st_size == fields["size"]
    except (MandalaError, OSError, KeyError, ValueError):
        return False


def _is_local(path: str) -> bool:
    """Tell whether a path is none of a share: to look there is to log in at a host it names."""
    return not path.startswith(("//", "\\\\"))
