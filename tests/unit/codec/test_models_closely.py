"""What a crafted archive of skops may not do, and which estimators are kept without pickle."""

from __future__ import annotations

import io
import json
import sys
import zipfile
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import skops.io
from sklearn.linear_model import Ridge
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from sklearn.tree import DecisionTreeRegressor

from mandala_cas.codec.digests import Digests
from mandala_cas.codec.registry import default_registry
from mandala_cas.codec.skops_archive import check_archive
from mandala_cas.errors import CorruptionError, UnsupportedFormatError, UntrustedError

REGISTRY = default_registry()
X = np.arange(12.0).reshape(6, 2)
Y = np.arange(6.0)

Files = dict[str, bytes]


def fitted() -> Any:
    """Return a fitted pipeline."""
    return make_pipeline(StandardScaler(), Ridge()).fit(X, Y)


def archive_of(value: Any) -> bytes:
    """Return the payload of an estimator."""
    encoded = REGISTRY.encode(value, Digests())
    assert encoded.codec_name == "skops"
    return b"".join(encoded.payload)


def files_of(archive: bytes) -> Files:
    """Return the files of an archive."""
    with zipfile.ZipFile(io.BytesIO(archive)) as source:
        return {name: source.read(name) for name in source.namelist()}


def packed(files: Files, compression: int = zipfile.ZIP_STORED) -> bytes:
    """Return an archive of files."""
    made = io.BytesIO()
    with zipfile.ZipFile(made, "w", compression) as target:
        for name, data in files.items():
            target.writestr(name, data)
    return made.getvalue()


def decode(archive: bytes) -> Any:
    """Return the estimator of an archive."""
    return REGISTRY.decode("skops", 1, b"\x80", memoryview(archive))


def node(number: int, content: list[Any]) -> dict[str, Any]:
    """Return a list in the schema of skops."""
    return {
        "__class__": "list",
        "__module__": "builtins",
        "__loader__": "ListNode",
        "__id__": number,
        "content": content,
    }


def schema(root: dict[str, Any]) -> Files:
    """Return the files of an archive without arrays."""
    return {"schema.json": json.dumps({**root, "protocol": 2}).encode()}


def doubling() -> Files:
    """Return lists of which each holds the next one twice, by its number the second time."""
    inner = node(99, [])
    for number in range(40):
        again = {key: part for key, part in inner.items() if key != "content"}
        inner = node(number + 100, [inner, {**again, "content": []}])
    return schema(inner)


def header_that_lies(files: Files) -> Files:
    """Return files of which an array says that it has 10^14 elements."""
    name = next(name for name in files if name.endswith(".npy"))
    text = files[name]
    place = text.index(b"'shape': (")
    end = text.index(b"}", place)
    lie = b"'shape': (100000000000000,), "
    return {**files, name: text[:place] + lie.ljust(end - place) + text[end:]}


def one_file_for_all(files: Files) -> Files:
    """Return files of which the schema names one for every array."""
    text = files["schema.json"]
    for number in range(9):
        text = text.replace(f'"{number}.npy"'.encode(), b'"0.npy"')
    return {"0.npy": files["0.npy"], "schema.json": text}


def test_an_estimator_is_stored_without_pickle() -> None:
    """So a colleague's model can be read whoever the colleague is."""
    model = fitted()

    found = decode(archive_of(model))

    assert np.array_equal(found.predict(X), model.predict(X))
    assert not REGISTRY.runs_code("skops")


def test_skops_itself_reads_the_archive() -> None:
    """People who have the bytes alone are not lost."""
    model = fitted()

    found = skops.io.loads(archive_of(model), trusted=[])

    assert np.array_equal(found.predict(X), model.predict(X))


def test_what_skops_does_not_trust_is_pickled() -> None:
    """The nodes of a tree are followed without a check when it predicts."""
    encoded = REGISTRY.encode(DecisionTreeRegressor().fit(X, Y), Digests())

    assert encoded.codec_name == "pickle"


def test_an_untrusted_type_in_a_store_is_refused() -> None:
    """Skops could write such an archive, so a stranger can: it is checked again when read."""
    archive = skops.io.dumps(DecisionTreeRegressor().fit(X, Y))
    check = sys.modules["mandala_cas.codec.models"]
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(check, "check_archive", lambda _: None)

        with pytest.raises(UntrustedError, match=r"sklearn\.tree\._tree\.Tree") as caught:
            decode(archive)

    assert caught.value.types == ["sklearn.tree._tree.Tree"]


@pytest.mark.parametrize(
    "craft",
    [
        doubling,
        lambda: header_that_lies(files_of(archive_of(fitted()))),
        lambda: one_file_for_all(files_of(archive_of(fitted()))),
        lambda: {**files_of(archive_of(fitted())), "9.npy": b""},
        lambda: {**files_of(archive_of(fitted())), "../a.npy": b""},
        lambda: schema(node(1, [{**node(1, []), "__loader__": "CachedNode"}])),
        lambda: {"schema.json": b"[" * 100_000},
        lambda: {"schema.json": b'{"a":1,"a":2}'},
        dict,
    ],
)
def test_a_crafted_archive_is_corruption(craft: Callable[[], Files]) -> None:
    """It would take hours, or memory that nobody has, or stand for what it is not."""
    archive = packed(craft())

    with pytest.raises(ValueError, match=r".") if craft is not dict else pytest.raises(LookupError):
        check_archive(archive)
    with pytest.raises(CorruptionError):
        decode(archive)


def test_a_compressed_archive_is_corruption() -> None:
    """A thousand zeros take a few bytes, and so do a thousand million."""
    archive = packed(files_of(archive_of(fitted())), zipfile.ZIP_DEFLATED)

    with pytest.raises(CorruptionError, match="is compressed"):
        decode(archive)


def test_without_skops_estimators_are_pickled(monkeypatch: pytest.MonkeyPatch) -> None:
    """It is not needed; what it wrote says what is missing."""
    archive = archive_of(Ridge())
    for name in ("skops", "skops.io"):
        monkeypatch.setitem(sys.modules, name, None)

    with pytest.raises(
        UnsupportedFormatError, match="the package skops is not installed"
    ) as caught:
        decode(archive)
    assert caught.value.package == "skops"
    assert REGISTRY.encode(Ridge(), Digests()).codec_name == "pickle"
