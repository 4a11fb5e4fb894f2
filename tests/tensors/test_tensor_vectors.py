"""Ids of tensors are what ``docs/reference/hashing.md`` says."""

from __future__ import annotations

import json

import pytest
from tests.tensors import spec_tensors
from tests.tensors.make_tensor_vectors import VALUES, VECTORS, value_of

from mandala_cas.codec.canonical import canonical_encoding, content_id

pytestmark = pytest.mark.tensors

FOUND = json.loads(VECTORS.read_text("ascii"))["values"]
values = pytest.mark.parametrize("vector", FOUND, ids=lambda vector: vector["value"])


@values
def test_the_library_keeps_to_the_tensor_vectors(vector: dict[str, str]) -> None:
    """A store that was written years ago answers only if ids stay what they were."""
    value = value_of(vector["value"])

    assert content_id(value).hex() == vector["content_id"]
    assert canonical_encoding(value).hex() == vector.get(
        "encoding", canonical_encoding(value).hex()
    )


@values
def test_the_page_alone_leads_to_the_tensor_vectors(vector: dict[str, str]) -> None:
    """The vectors were not copied from what the library happened to do."""
    assert spec_tensors.content_id(value_of(vector["value"])).hex() == vector["content_id"]


def test_each_tensor_of_the_vectors_has_an_id_of_its_own() -> None:
    """Nothing of what they differ in is left out."""
    assert len({vector["content_id"] for vector in FOUND}) == len(FOUND) == len(VALUES)
