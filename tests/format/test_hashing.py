"""Ids are what ``docs/reference/hashing.md`` says, on every machine and for ever."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import pytest
from tests.format import spec_hashing as spec
from tests.format.hashing_values import EQUAL, hindrance, value_of

from mandala_cas.codec import canonical
from mandala_cas.codec.canonical import canonical_encoding, content_id
from mandala_cas.codec.digests import Digests, payload_hash
from mandala_cas.model.collections import Collection, CollectionKind
from mandala_cas.model.ids import (
    CallId,
    ContentId,
    HistoryId,
    call_content_id,
    call_history_id,
    constant_history_id,
    output_history_id,
    remade_history_id,
)

HERE = Path(__file__).parent
VECTORS = json.loads((HERE / "hashing_vectors.json").read_text("ascii"))
PAGE = HERE.parents[1] / "docs" / "reference" / "hashing.md"


def vector_of(vector: dict[str, str]) -> Any:
    """Return a vector as a parameter, skipped where its value cannot be made."""
    reason = hindrance(vector["value"])
    marks = () if reason is None else pytest.mark.skip(reason=reason)
    return pytest.param(vector, marks=marks, id=vector["value"])


values = pytest.mark.parametrize("vector", [vector_of(vector) for vector in VECTORS["values"]])


@pytest.mark.filterwarnings("ignore:the matrix subclass:PendingDeprecationWarning")
@values
def test_the_library_keeps_to_the_vectors(vector: dict[str, str]) -> None:
    """A store that was written years ago answers only if ids stay what they were."""
    value = value_of(vector["value"])

    assert content_id(value).hex() == vector["content_id"]
    assert canonical_encoding(value).hex() == vector.get(
        "encoding", canonical_encoding(value).hex()
    )


@pytest.mark.filterwarnings("ignore:the matrix subclass:PendingDeprecationWarning")
@values
def test_the_page_alone_leads_to_the_vectors(vector: dict[str, str]) -> None:
    """The vectors were not copied from what the library happened to do."""
    assert spec.content_id(value_of(vector["value"])).hex() == vector["content_id"]


def test_different_values_of_the_vectors_have_different_ids() -> None:
    """But for those that only differ in what no op can tell, which are listed."""
    ids = {vector["value"]: vector["content_id"] for vector in VECTORS["values"]}
    expected = {frozenset(group) for group in EQUAL}

    groups: dict[str, set[str]] = {}
    for value, id_ in ids.items():
        groups.setdefault(id_, set()).add(value)

    assert {frozenset(group) for group in groups.values() if len(group) > 1} == expected
    assert len(ids) == len(VECTORS["values"]) >= 220


@pytest.mark.parametrize("vector", VECTORS["payloads"])
def test_payload_hashes_keep_to_the_vectors(vector: dict[str, Any]) -> None:
    """The name of a loose blob is found by every machine."""
    header, payload = bytes.fromhex(vector["header"]), value_of(vector["payload"])
    found = payload_hash(vector["codec"], vector["version"], header, (payload,), Digests())
    in_parts = payload_hash(
        vector["codec"], vector["version"], header, (payload[:1], b"", payload[1:]), Digests()
    )

    assert found.hex() == in_parts.hex() == vector["payload_hash"]
    assert (
        spec.payload_hash(vector["codec"], vector["version"], header, payload).hex()
        == vector["payload_hash"]
    )


@pytest.mark.parametrize("vector", VECTORS["collections"])
def test_content_ids_of_collections_keep_to_the_vectors(vector: dict[str, Any]) -> None:
    """A collection is what its elements are, whoever computes it."""
    ids = tuple(ContentId.from_hex(text) for text in vector["element_ids"])
    found = Collection(CollectionKind(vector["kind"]), ids, tuple(vector["keys"]))

    assert found.content_id.hex() == vector["content_id"]


@pytest.mark.parametrize("vector", VECTORS["calls"])
def test_call_ids_keep_to_the_vectors(vector: dict[str, Any]) -> None:
    """So that two machines know each other's calls."""
    op, version = vector["op"], vector["version"]
    histories = [(n, HistoryId.from_hex(i)) for n, i in vector["history_ids"].items()]
    contents = [(n, ContentId.from_hex(i)) for n, i in vector["content_ids"].items()]

    assert call_history_id(op, version, histories).hex() == vector["call_id"]
    assert call_content_id(op, version, contents).hex() == vector["call_content_id"]


@pytest.mark.parametrize("vector", VECTORS["outputs"])
def test_output_history_ids_keep_to_the_vectors(vector: dict[str, str]) -> None:
    """A ref knows where it came from, on every machine."""
    found = output_history_id(CallId.from_hex(vector["call_id"]), vector["name"])

    assert found.hex() == vector["history_id"]


@pytest.mark.parametrize("vector", VECTORS["remade_outputs"])
def test_remade_history_ids_keep_to_the_vectors(vector: dict[str, str]) -> None:
    """What a call gives when it is made anew, and differs, has a history of its own."""
    found = remade_history_id(
        CallId.from_hex(vector["call_id"]),
        vector["name"],
        ContentId.from_hex(vector["content_id"]),
    )

    assert found.hex() == vector["history_id"]


@pytest.mark.parametrize("vector", VECTORS["constants"])
def test_constant_history_ids_keep_to_the_vectors(vector: dict[str, str]) -> None:
    """A constant has the same history wherever it is passed in."""
    found = constant_history_id(ContentId.from_hex(vector["content_id"]))

    assert found.hex() == vector["history_id"]


def test_the_page_names_every_record_and_tag_of_the_library() -> None:
    """What the library writes and the page does not say is a hole in the page."""
    page = PAGE.read_text("utf-8")
    folder = Path(canonical.__file__).parent
    sources = [path.read_text("utf-8") for path in folder.glob("canonical*.py")]
    names = {
        name for text in sources for name in re.findall(r'(?:record|Record)\(\s*"([^"]+)"', text)
    }

    assert len(names) > 25
    assert {name for name in names if f"`{name}(" not in page and f" {name}(" not in page} == set()


def test_every_line_of_the_page_is_one_sentence() -> None:
    """Diffs of a normative page show the sentence that changed."""
    prose = [
        line for line in PAGE.read_text("utf-8").splitlines() if not line.startswith(("|", "#"))
    ]

    assert [line for line in prose if re.search(r"[a-z0-9)`]\. [A-Z`]", line)] == []
