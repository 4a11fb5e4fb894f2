"""The config of a store decides who may open it."""

from __future__ import annotations

import json

import pytest

from mandala_cas.errors import CorruptionError, UnsupportedFormatError
from mandala_cas.storage.config import new_config, parse_config


def test_a_config_comes_back_as_it_was_written() -> None:
    """What one process writes, another understands."""
    config = new_config("11111111-2222-3333-4444-555555555555")

    assert parse_config(config.to_json(), "somewhere") == config


def test_a_newer_format_asks_for_an_upgrade() -> None:
    """A future store is not corruption, and must not read as such."""
    fields = json.loads(new_config("u").to_json())
    fields["format"] = 2

    with pytest.raises(UnsupportedFormatError, match=r"somewhere is a store of format 2.*upgrade"):
        parse_config(json.dumps(fields).encode(), "somewhere")


def test_a_store_that_would_be_misread_is_refused() -> None:
    """A reader who lacks a feature would show wrong results."""
    fields = json.loads(new_config("u").to_json())
    fields["features"]["read"] = ["chunked-values"]

    with pytest.raises(UnsupportedFormatError, match="chunked-values"):
        parse_config(json.dumps(fields).encode(), "somewhere")


def test_features_of_writers_and_collectors_leave_readers_alone() -> None:
    """An old laptop can still look at what a newer server writes."""
    fields = json.loads(new_config("u").to_json())
    fields["features"] |= {"write": ["leases"], "gc": ["pins"]}

    config = parse_config(json.dumps(fields).encode(), "somewhere")

    assert config.unknown_write_features == ("leases",)
    assert config.unknown_gc_features == ("pins",)


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"{",
        b"[]",
        b"1",
        b"\xff\xfe",
        b"{}",
        b'{"format": "1"}',
        b'{"format": true}',
        b"[" * 9999,
    ],
)
def test_what_is_no_config_is_corruption(data: bytes) -> None:
    """Garbage in, a typed error out."""
    with pytest.raises(CorruptionError, match="somewhere"):
        parse_config(data, "somewhere")
