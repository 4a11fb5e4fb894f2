"""Names of objects: what passes the gate stays below the root, on every kind of store."""

from __future__ import annotations

import posixpath
from glob import has_magic
from ntpath import splitdrive
from urllib.parse import urlsplit

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from mandala_cas.errors import UsageError
from mandala_cas.objectstore.names import check_name, check_prefix, is_name

# Random text hardly ever holds what matters, so it is made of that.
PIECES = [
    *("a", "B", "0", "-", "_", "=", "~", "x" * 199, "local", "tmp"),
    *(".", "..", "/", "//", "\\", ":", "*", "?", "[", "#", "%2e"),
    *(" ", "\0", "\n", "\r\n", "\u00e9", "\u0301", "\uff0f"),
]
near_names = st.lists(st.sampled_from(PIECES), max_size=6).map("".join)


@given(near_names)
@example("config\n")
@example("a/..")
@example("local")
@example("locals/x")
@example("local~")
def test_what_is_a_name_means_the_same_everywhere(text: str) -> None:
    """No store and no file system reads anything into it."""
    if not is_name(text):
        return

    below = posixpath.normpath(posixpath.join("/above", text))

    assert below == f"/above/{text}"
    assert not below.startswith("/above/local/")
    assert splitdrive(text)[0] == ""
    assert not has_magic(text)
    assert urlsplit(f"s3://bucket/{text}").path == f"/{text}"
    assert text.isascii()
    assert text.isprintable()


@pytest.mark.parametrize("name", ["config", "README.txt", "locals/x", "a/local/b", "x" * 200, "~a"])
def test_ordinary_names_pass(name: str) -> None:
    """The gate is for the hostile, not for the unusual."""
    assert check_name(name) == name


def test_a_refusal_says_what_a_name_is() -> None:
    """Whoever wrote the name can mend it."""
    with pytest.raises(UsageError, match=r"'\.\./x' cannot name an object: use ASCII") as caught:
        check_name("../x")

    assert caught.value.name == "../x"


@pytest.mark.parametrize("prefix", ["", "manifest/", "manifest/1-log/"])
def test_a_prefix_is_empty_or_ends_with_a_slash(prefix: str) -> None:
    """So that ``log/`` never means ``logs/``."""
    assert check_prefix(prefix) == prefix
