"""Whether what is tracked in a value still lies where it did, for reports: no value comes of it."""

from __future__ import annotations

import os
from collections.abc import Iterator
from typing import Any, Final

from mandala_cas.codec.leaf_table import read_leaves
from mandala_cas.codec.tracked_files import (
    CONTAINER,
    TrackedDirCodec,
    TrackedFileCodec,
    is_local,
    seems_there,
    tracked_places,
)
from mandala_cas.envelope.packing import unpack
from mandala_cas.errors import CorruptionError, MandalaError

_CODECS: Final[dict[str, TrackedFileCodec | TrackedDirCodec]] = {
    TrackedFileCodec.name: TrackedFileCodec(),
    TrackedDirCodec.name: TrackedDirCodec(),
}
_MALFORMED: Final = (MandalaError, LookupError, ValueError, TypeError, AttributeError)


def places_of(codec_name: str, header: bytes) -> dict[str, bool]:
    """Return the places that a header tells of, and whether each seems to have what it had.

    A look only: nothing is read, so a file of the same size counts as the same.
    """
    found: dict[str, bool] = {}
    try:
        for path, size in tracked_places(codec_name, header):
            # Anybody may have written it.
            if isinstance(path, str):
                found[path] = _is_there(path, size)
    except _MALFORMED:
        # No value of ours: whoever asks for it is told so.
        return {}
    return found


def changed_places(codec_name: str, header: bytes, payload: memoryview) -> list[str]:
    """Return the places where something is not what it was; files are read to find out.

    ``payload`` was verified, and written by anybody.
    """
    changed: list[str] = []
    for name, fields, part in _tracked_parts(codec_name, header, payload):
        try:
            _CODECS[name].decode(fields, part)
        except CorruptionError as error:
            changed.append(str(error.details.get("file", "")))
        except _MALFORMED:
            continue
    return changed


def is_anything_at(path: str) -> bool:
    """Tell whether something is at a place on this machine; that of another one is not asked."""
    try:
        return is_local(path) and os.path.lexists(path)
    except ValueError:
        return False


def _tracked_parts(
    codec_name: str, header: bytes, payload: memoryview
) -> Iterator[tuple[str, Any, memoryview]]:
    """Yield codec, header and payload of what is tracked in a value."""
    try:
        fields: Any = unpack(header, name="a value", what="header of its codec")[0]
        if codec_name in _CODECS:
            yield codec_name, fields, payload
        elif codec_name == CONTAINER and "tracked" in fields:
            leaves = read_leaves(payload, fields["document"], fields["kinds"], fields["leaves"])
            for leaf in leaves:
                if leaf.codec_name in _CODECS:
                    own, _ = unpack(leaf.header, name="a value", what="header of its codec")
                    yield leaf.codec_name, own, leaf.payload
    except _MALFORMED:
        return


def _is_there(path: str, size: object) -> bool:
    """Tell whether there seems to be what there was; what cannot be looked at is not there."""
    try:
        return seems_there(path, size)
    except (OSError, ValueError):
        return False
