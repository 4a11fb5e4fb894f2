"""Writes ``hashing_vectors.json`` from the second implementation; never from the library.

Run it from the root, on x86 and with NumPy 2: ``python -m tests.format.make_hashing_vectors``.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from tests.format import spec_hashing as spec
from tests.format.hashing_values import VALUES, value_of

VECTORS = Path(__file__).with_name("hashing_vectors.json")
_SHOWN_BYTES = 300

IDS_16 = [bytes([n]) * 16 for n in range(4)]
IDS_32 = [bytes([n]) * 32 for n in range(4)]
INPUTS: list[list[tuple[str, int]]] = [[], [("x", 1)], [("y", 2), ("x", 1)], [("\u00e9", 3)]]
COLLECTIONS: list[tuple[str, list[int], list[str]]] = [
    ("list", [], []),
    ("list", [2, 1, 2], []),
    ("tuple", [2, 1, 2], []),
    ("set", [1, 2], []),
    ("dict", [], []),
    ("dict", [2, 1], ["b", "a"]),
    ("dict", [1, 2, 3], ["\u00e9", "", "z"]),
]
PAYLOADS: list[tuple[str, int, str, str]] = [
    ("plain", 1, "80", "b'\\x01'"),
    ("plain", 1, "80", "b''"),
    ("ndarray", 1, "82a56474797065a33c6638a5736861706591cd2000", "bytes(65536)"),
    ("ndarray", 2, "80", "bytes(65535)"),
]


def value_vector(expression: str) -> dict[str, Any]:
    """Return the vector of one value; long encodings are left out."""
    value = value_of(expression)
    encoded = spec.encoding(value)
    vector = {"value": expression, "content_id": spec.content_id(value).hex()}
    if len(encoded) <= _SHOWN_BYTES:
        vector["encoding"] = encoded.hex()
    return vector


def call_vector(inputs: list[tuple[str, int]]) -> dict[str, Any]:
    """Return the vector of one call; an input is named and has an id of one byte repeated."""
    histories = [(name, IDS_16[n]) for name, n in inputs]
    contents = [(name, IDS_32[n]) for name, n in inputs]
    return {
        "op": "train",
        "version": "2",
        "history_ids": {name: id_.hex() for name, id_ in histories},
        "content_ids": {name: id_.hex() for name, id_ in contents},
        "call_id": spec.call_history_id("train", "2", histories).hex(),
        "call_content_id": spec.call_content_id("train", "2", contents).hex(),
    }


def collection_vector(kind: str, ids: list[int], keys: list[str]) -> dict[str, Any]:
    """Return the vector of one collection; an element has an id of one byte repeated."""
    elements = [IDS_32[n] for n in ids]
    return {
        "kind": kind,
        "element_ids": [id_.hex() for id_ in elements],
        "keys": keys,
        "content_id": spec.collection_content_id(kind, elements, keys).hex(),
    }


def vectors() -> dict[str, Any]:
    """Return all vectors."""
    return {
        "specification": 1,
        "values": [value_vector(expression) for expression in VALUES],
        "payloads": [
            {
                "codec": name,
                "version": version,
                "header": header,
                "payload": payload,
                "payload_hash": spec.payload_hash(
                    name, version, bytes.fromhex(header), value_of(payload)
                ).hex(),
            }
            for name, version, header, payload in PAYLOADS
        ],
        "collections": [collection_vector(*collection) for collection in COLLECTIONS],
        "calls": [call_vector(inputs) for inputs in INPUTS],
        "outputs": [
            {
                "call_id": IDS_16[1].hex(),
                "name": name,
                "history_id": spec.output_history_id(IDS_16[1], name).hex(),
            }
            for name in ("output_0", "", "\u00e9")
        ],
        "remade_outputs": [
            {
                "call_id": IDS_16[1].hex(),
                "name": name,
                "content_id": IDS_32[2].hex(),
                "history_id": spec.remade_history_id(IDS_16[1], name, IDS_32[2]).hex(),
            }
            for name in ("output_0", "", "\u00e9")
        ],
        "constants": [
            {"content_id": id_.hex(), "history_id": spec.constant_history_id(id_).hex()}
            for id_ in IDS_32
        ],
    }


if __name__ == "__main__":
    VECTORS.write_text(json.dumps(vectors(), indent=1) + "\n", "ascii")
