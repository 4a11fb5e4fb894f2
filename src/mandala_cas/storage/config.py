"""The `config` object of a store: written once, small, and checked whenever a store is opened."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import Any, Final

from mandala_cas._version import __version__
from mandala_cas.blobs.tiers import INLINE_MAX, PACK_TARGET, PACK_VALUE_MAX
from mandala_cas.errors import CorruptionError, UnsupportedFormatError

FORMAT: Final = 1
HASH: Final = "blake3-256"
CONFIG_SIZE_MAX: Final = 1 << 20


@dataclass(frozen=True, slots=True)
class StoreConfig:
    """What holds for a whole store: its format, its name for caches, its features."""

    format: int
    uuid: str
    created_by: str
    read_features: tuple[str, ...] = ()
    write_features: tuple[str, ...] = ()
    gc_features: tuple[str, ...] = ()

    @property
    def unknown_write_features(self) -> tuple[str, ...]:
        """What a writer would have to know and this version does not: it may only read."""
        return self.write_features

    @property
    def unknown_gc_features(self) -> tuple[str, ...]:
        """What a collector would have to know and this version does not: it removes nothing."""
        return self.gc_features

    def to_json(self) -> bytes:
        """Return the bytes of the object, made for people to read as well."""
        fields = {
            "format": self.format,
            "uuid": self.uuid,
            "hash": HASH,
            "created_by": self.created_by,
            "features": {
                "read": list(self.read_features),
                "write": list(self.write_features),
                "gc": list(self.gc_features),
            },
            "params": {
                "inline_max": INLINE_MAX,
                "pack_value_max": PACK_VALUE_MAX,
                "pack_target": PACK_TARGET,
            },
        }
        return (json.dumps(fields, indent=2) + "\n").encode()


def new_config(uuid: str) -> StoreConfig:
    """Return the config of a new store."""
    return StoreConfig(FORMAT, uuid, f"mandala-cas {__version__}")


def parse_config(data: bytes, where: str) -> StoreConfig:
    """Return what ``data`` says; ``where`` is the store's URL, for errors.

    Raises:
        CorruptionError: it is not the config of a store.
        UnsupportedFormatError: a newer mandala-cas made the store.
    """
    fields = _fields(data, where)
    found = fields.get("format")
    if not isinstance(found, int) or isinstance(found, bool) or found < 1:
        raise CorruptionError(f"the config of {where} has no format number; restore it", url=where)
    if found > FORMAT:
        raise UnsupportedFormatError(
            f"{where} is a store of format {found}, made by {fields.get('created_by')}; this "
            f"mandala-cas {__version__} knows format {FORMAT}: upgrade it",
            url=where,
            format=found,
        )
    features = fields.get("features")
    if not isinstance(features, dict):
        features = {}
    config = StoreConfig(
        found,
        str(fields.get("uuid")),
        str(fields.get("created_by")),
        _names(features.get("read")),
        _names(features.get("write")),
        _names(features.get("gc")),
    )
    # None is known yet; one that concerns writers or collectors leaves readers alone.
    unknown = config.read_features
    if unknown or fields.get("hash") != HASH:
        raise UnsupportedFormatError(
            f"{where} needs {', '.join(unknown) or fields.get('hash')}, which this mandala-cas "
            f"{__version__} does not know: upgrade it",
            url=where,
            features=unknown,
        )
    return config


def _fields(data: bytes, where: str) -> dict[str, Any]:
    """Return the JSON object."""
    try:
        fields = json.loads(data[:CONFIG_SIZE_MAX])
    except (ValueError, RecursionError) as error:
        raise CorruptionError(
            f"the config of {where} is not JSON; restore it", url=where
        ) from error
    if not isinstance(fields, dict):
        raise CorruptionError(f"the config of {where} is not a JSON object; restore it", url=where)
    return fields


def _names(found: object) -> tuple[str, ...]:
    """Return a list of feature names; anything else counts as a feature nobody knows."""
    if found is None:
        return ()
    if not isinstance(found, list):
        return (str(found),)
    return tuple(str(name) for name in found)
