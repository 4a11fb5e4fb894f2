"""No bytes that a store can hold make a decoder do worse than refuse them."""

from __future__ import annotations

import os
import random
from collections.abc import Iterator
from itertools import islice
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import polars as pl
import pyarrow as pa
import pytest
from PIL import Image
from sklearn.linear_model import LogisticRegression
from tests.fuzz.codec_samples import MAKERS, samples_of

from mandala_cas.codec.packages import NEEDED
from mandala_cas.codec.registry import CodecRegistry
from mandala_cas.errors import CorruptionError
from mandala_cas.imports import Dir, File, Storage, op
from mandala_cas.testing.fuzzing import DecodeProcess, Fate, fuzz
from mandala_cas.testing.mutations import mutations

THOROUGH = os.environ.get("MANDALA_THOROUGH") == "1"
COUNT = 20_000 if THOROUGH else 300
SEEDS = (0, 1, 2) if THOROUGH else (0,)
# Every check of their bytes is ours.
OWN = ("plain", "nested", "ndarray", "sparse", "pandas-scalar", "image", "collection")
OF_FILES = ("file", "dir", "tracked-file", "tracked-dir")
# What is in their payload is parsed by a library of somebody else's, after checks of ours.
TABLES = ("pandas", "polars", "arrow")
MODELS = ("skops",)
# Asked only about bytes of trusted writers, since crafted ones do crash it.
TRUSTED = ("parquet",)


@pytest.fixture(scope="module")
def process() -> Iterator[DecodeProcess]:
    """Return a process that has the codecs, and the classes of tests."""
    with DecodeProcess("tests.fuzz.fuzz_registry:registry_of_tests") as started:
        yield started


@pytest.fixture(scope="module")
def large_process() -> Iterator[DecodeProcess]:
    """Return one that may take memory in the steps that the libraries of tables take it in."""
    with DecodeProcess(address_slack=4 << 30) as started:
        yield started


@pytest.fixture(scope="module")
def using_process() -> Iterator[DecodeProcess]:
    """Return one that uses each value that comes out."""
    with DecodeProcess("tests.fuzz.fuzz_registry:using_registry") as started:
        yield started


def test_every_codec_is_fuzzed() -> None:
    """But pickle, which is asked only about bytes of trusted writers; tensors have their own."""
    assert {*OWN, *OF_FILES, *TABLES, *MODELS, *TRUSTED, "tensors", "pickle"} == set(NEEDED)
    assert {*OWN, *TABLES, *MODELS, *TRUSTED} == set(MAKERS)


@pytest.mark.parametrize("seed", SEEDS)
@pytest.mark.parametrize("codec_name", [*OWN, *OF_FILES])
def test_own_decoders_give_a_value_or_a_typed_error(
    process: DecodeProcess, tmp_path: Path, codec_name: str, seed: int
) -> None:
    """In time, and in no more than twice the memory that the bytes claim to need."""
    report = fuzz(process, samples_of(codec_name, tmp_path), count=COUNT, seed=seed)

    assert not report.findings, str(report)
    # A mutation that is never noticed, or always, would test one check.
    assert report.fates[Fate.VALUE] > COUNT // 100, str(report)
    assert report.fates[Fate.REFUSED] > COUNT // 10, str(report)


@pytest.mark.parametrize("seed", SEEDS)
@pytest.mark.parametrize("codec_name", [*TABLES, *MODELS, *TRUSTED])
def test_decoders_of_foreign_formats_survive_what_has_been_tried(
    large_process: DecodeProcess, tmp_path: Path, codec_name: str, seed: int
) -> None:
    """This is no promise: other bytes may crash them, or have them take memory."""
    samples = samples_of(codec_name, tmp_path)

    report = fuzz(large_process, samples, count=COUNT // 3, seed=seed, slack=1 << 30)

    may_die = codec_name in TRUSTED
    bad = [found for found in report.findings if not (may_die and found.outcome.fate is Fate.DIED)]
    print(report)  # noqa: T201 (shown by `pytest -rP`: how many deaths there were)
    assert not bad, str(report)


@pytest.mark.parametrize("codec_name", OWN)
def test_what_decodes_can_be_used(
    using_process: DecodeProcess, codec_name: str, tmp_path: Path
) -> None:
    """A value whose id cannot be taken would fail later, far from the bytes that are to blame."""
    samples = samples_of(codec_name, tmp_path)
    draw = random.Random(0)  # noqa: S311 (a sample)
    tried = [*samples, *islice(mutations(samples, draw), COUNT // 3)]

    outcomes = [using_process.decode(sample, is_true=True) for sample in tried]

    assert not [out for out in outcomes if out.fate not in {Fate.VALUE, Fate.REFUSED}]


LARGE = np.random.default_rng(0).integers(0, 2**62, 1000)
LARGE_BYTES = LARGE.tobytes()
VALUES: dict[str, Any] = {
    "plain": LARGE_BYTES,
    "nested": {"a": LARGE, "b": [np.int8(1)]},
    "ndarray": LARGE,
    "pandas": pd.DataFrame({"a": LARGE}),
    "polars": pl.DataFrame({"a": LARGE}),
    "arrow": pa.table({"a": LARGE}),
    "image": Image.frombytes("L", (80, 100), LARGE_BYTES),
    "skops": LogisticRegression().fit(LARGE.reshape(-1, 2), LARGE[:500] % 2),
}


@op
def give(name: str, folder: str) -> Any:
    """Return a value that one codec takes."""
    if name in VALUES:
        return VALUES[name]
    path = Path(folder, "given")
    if name == "file":
        path.write_bytes(LARGE_BYTES)
        return File(path)
    path.mkdir()
    (path / "a.bin").write_bytes(LARGE_BYTES)
    return Dir(path)


@pytest.mark.parametrize("codec_name", [*VALUES, "file", "dir"])
def test_damage_is_caught_by_the_hash_before_anything_is_decoded(
    codec_name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A parser is not asked about bytes that nobody wrote."""
    with Storage(tmp_path / "store"):
        given: Any = give(codec_name, str(tmp_path))
        ref = given.detached()
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    decoded: list[str] = []
    decode = CodecRegistry.decode

    def watched(self: CodecRegistry, name: str, *rest: Any) -> Any:
        decoded.append(name)
        return decode(self, name, *rest)

    monkeypatch.setattr(CodecRegistry, "decode", watched)
    (pack,) = (path for path in (tmp_path / "store" / "packs").rglob("*") if path.is_file())
    whole = pack.read_bytes()
    for place in range(len(whole) // 4, len(whole) // 2, len(whole) // 40):
        damaged = bytearray(whole)
        damaged[place] ^= 1 << place % 8
        pack.write_bytes(damaged)

        with pytest.raises(CorruptionError):
            Storage(tmp_path / "store").unwrap(ref)

    assert decoded == []
    pack.write_bytes(whole)
    assert Storage(tmp_path / "store").unwrap(ref) is not None
    assert decoded[0] == codec_name
