"""How files and directories are encoded: by what is in them, wherever they lie."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, Final

from mandala_cas.codec.digests import Digests
from mandala_cas.codec.encoder import Encoder, RefusalError, Rule, derive
from mandala_cas.codec.file_contents import DIGESTS, Entry, read_directory
from mandala_cas.errors import UsageError
from mandala_cas.model.files import Dir, File
from mandala_cas.model.ids import ContentId


def file_id(size: int, digest: bytes) -> ContentId:
    """Return the content id of a ``File`` that has these contents."""
    return ContentId(derive(_encode_contents(_plain_encoder(), size, digest)))


def directory_id(entries: Iterable[Entry]) -> ContentId:
    """Return the content id of a ``Dir`` that has these entries, which are sorted by name."""
    return ContentId(derive(_encode_entries(_plain_encoder(), entries)))


def _encode_file(encoder: Encoder, value: File) -> bytes:
    """Return the encoding of a file."""
    contents = encoder.digests.files.get(value)
    if contents is None:
        try:
            contents = DIGESTS.read(value.path)
        except UsageError as error:
            raise _refusal(error, value) from error
        encoder.digests.files[value] = contents
    assert isinstance(contents, tuple), "those of a file were noted for it"
    encode = _encode_contents if value.copy else _encode_tracked
    return encode(encoder, *contents)


def _encode_directory(encoder: Encoder, value: Dir) -> bytes:
    """Return the encoding of a directory."""
    entries = encoder.digests.files.get(value)
    if entries is None:
        try:
            entries = read_directory(value.path)
        except UsageError as error:
            raise _refusal(error, value) from error
        encoder.digests.files[value] = entries
    assert isinstance(entries, list), "those of a directory were noted for it"
    return _encode_entries(encoder, entries, "Dir" if value.copy else "TrackedDir")


def _encode_contents(encoder: Encoder, size: int, digest: bytes) -> bytes:
    """Return the encoding of what is in a file."""
    return encoder.record("File", size, digest)


def _encode_tracked(encoder: Encoder, size: int, digest: bytes) -> bytes:
    """Return the encoding of what is in a file of which a store has no copy."""
    return encoder.record("TrackedFile", size, digest)


def _encode_entries(encoder: Encoder, entries: Iterable[Entry], name: str = "Dir") -> bytes:
    """Return the encoding of what is in a directory; ``name`` tells who has a copy of it."""
    files: list[tuple[str, bool, int, bytes]] = []
    empty: list[str] = []
    for entry in entries:
        if entry.digest is None:
            empty.append(entry.name)
        else:
            files.append((entry.name, entry.is_executable, entry.size, entry.digest))
    return encoder.record(name, files, empty)


def _refusal(error: UsageError, value: Any) -> RefusalError:
    """Return the refusal that says which file it was."""
    reason = f"{error.details['file']}: {error.details['reason']}"
    return RefusalError(reason, value, error.details["advice"])


def _plain_encoder() -> Encoder:
    """Return an encoder for what records of files are made of."""

    def no_rule(value: Any) -> Rule:
        raise AssertionError(f"the records above hold plain values, not {value!r}")

    return Encoder(Digests(), no_rule)


FILE_RULES: Final[dict[type, Rule]] = {File: _encode_file, Dir: _encode_directory}
