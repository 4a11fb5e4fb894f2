"""A value whose codec is not here says what to install, or what to register."""

from __future__ import annotations

from typing import Any

import pytest
from tests.unit.codec.own_hooks import own_hooks
from tests.unit.codec.test_hooks import FractionCodec

from mandala_cas.codec.hooks import register_codec
from mandala_cas.codec.packages import NEEDED
from mandala_cas.codec.registry import CodecRegistry, default_registry
from mandala_cas.codec.tables import TableCodec
from mandala_cas.errors import UnsupportedFormatError
from mandala_cas.values.file_cache import FileCache

NOTHING = b"\x80"


def decode_where(
    error: ImportError, monkeypatch: pytest.MonkeyPatch, kind: type, name: str
) -> UnsupportedFormatError:
    """Return what decoding says where the codec cannot import what it needs."""

    def decode(*_: Any) -> Any:
        """Fail."""
        raise error

    monkeypatch.setattr(kind, "decode", decode)
    with pytest.raises(UnsupportedFormatError) as caught:
        default_registry().decode(name, 1, NOTHING, memoryview(b""))
    return caught.value


def test_every_codec_of_mandala_cas_is_in_the_list() -> None:
    """By its name it is reserved, and what it needs is known; add a new one there."""
    registry = default_registry(FileCache(None))

    assert set(registry._codecs) == set(NEEDED)


def test_a_missing_package_is_named_with_the_command(monkeypatch: pytest.MonkeyPatch) -> None:
    """That is no corruption: the bytes are right."""
    missing = ModuleNotFoundError("No module named 'pyarrow'", name="pyarrow.ipc")

    error = decode_where(missing, monkeypatch, TableCodec, "pandas")

    assert error.package == "pyarrow"
    assert str(error).endswith("run: pip install pyarrow")


def test_a_package_that_lacks_something_inside_is_named_too(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """An error of the linker names a library that pip does not know."""
    missing = ImportError("libarrow.so: cannot open", name="libarrow")

    error = decode_where(missing, monkeypatch, TableCodec, "pandas")

    assert error.package == "pandas pyarrow"
    assert "libarrow.so" in str(error)


@pytest.mark.parametrize(
    ("module", "what"), [("words.deep", "module 'words'"), (None, "something")]
)
def test_what_a_users_codec_needs_is_named_as_far_as_it_is_known(
    module: str | None, what: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The name of a module need not be that of its package."""
    with own_hooks():
        register_codec(FractionCodec())
        missing = ImportError("it is not there", name=module)
        error = decode_where(missing, monkeypatch, FractionCodec, "mine.fraction")

    assert f"needs {what}" in str(error)
    assert "pip" not in str(error)


def test_a_codec_that_is_known_and_not_here_says_what_to_install() -> None:
    """Where a codec registers itself only if its library is there."""
    with pytest.raises(UnsupportedFormatError, match="run: pip install pandas polars pyarrow"):
        CodecRegistry().decode("parquet", 1, NOTHING, memoryview(b""))


def test_an_unknown_codec_says_to_register_it() -> None:
    """A user's, most likely."""
    with pytest.raises(UnsupportedFormatError, match="with register_codec, or upgrade") as error:
        default_registry().decode("words", 1, NOTHING, memoryview(b""))

    assert error.value.codec_name == "words"
