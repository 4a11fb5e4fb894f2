"""Hashing, saving and loading by type, against blake3, the plain bytes on a disk, and joblib.

``python -m benchmarks.values`` prints a table; ``benchmarks/values.md`` has one of them. Every
figure is a ratio within one round, in which all sides meet the same machine; the median of the
rounds is shown. 2 means twice as fast as the other side.
"""

from __future__ import annotations

import argparse
import gc
import os
import statistics
import tempfile
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import joblib
import numpy as np
import pandas as pd
import polars as pl
from blake3 import blake3
from PIL import Image
from scipy import sparse  # type: ignore[import-untyped]  # (it has no types)

from mandala_cas.codec.canonical import content_id
from mandala_cas.codec.digests import Digests
from mandala_cas.codec.registry import default_registry
from mandala_cas.imports import Storage, op

MEBIBYTE = 1 << 20
COLUMNS = (
    "hash, of blake3",
    "hash, of joblib.hash",
    "save, of raw",
    "save, of joblib.dump",
    "load, of raw",
    "load, of joblib.load",
)


@op(name="give")
def give(number: int, value: Any) -> Any:
    """Return a value made before, so that only storing it takes time."""
    del number
    return HELD[0] if value is None else value


HELD: list[Any] = [None]


def values(size: int) -> Mapping[str, Any]:
    """Return values of about ``size`` bytes each, by the name of their type."""
    draw = np.random.default_rng(0)
    count = size // 8
    rows = size // 32
    words = np.array([f"word {n}" for n in range(1000)])
    numbers = draw.normal(size=count)
    frame = pd.DataFrame(
        {
            "a": draw.normal(size=rows),
            "b": draw.integers(0, 1 << 40, rows),
            "word": words[draw.integers(0, 1000, rows)],
        }
    )
    return {
        "float64 array": numbers,
        "float64 array, every second element": np.repeat(numbers, 2)[::2],
        "int64 array that shrinks": np.arange(count) % 1000,
        "array of 100,000 strings": words[draw.integers(0, 1000, 100_000)],
        "csr_array": sparse.random_array((rows // 100, 1000), density=0.1, rng=draw, format="csr"),
        "pandas.DataFrame": frame,
        "polars.DataFrame": pl.from_pandas(frame),
        "pyarrow.Table": pl.from_pandas(frame).to_arrow(),
        "PIL.Image": Image.fromarray(draw.integers(0, 256, (1024, size // 3072, 3), np.uint8)),
        "dict of 64 arrays": {f"layer {n}": part for n, part in enumerate(np.split(numbers, 64))},
        "bytes": draw.bytes(size),
        "list of 100,000 floats": numbers[:100_000].tolist(),
    }


def timed(work: Callable[[], Any]) -> float:
    """Return how many seconds something takes."""
    gc.collect()
    began = time.perf_counter()
    work()
    return time.perf_counter() - began


def write_raw(path: Path, data: bytes) -> None:
    """Write plain bytes, down to the disk."""
    with path.open("wb", buffering=0) as file:
        file.write(data)
        os.fsync(file.fileno())


def one_round(value: Any, payload: bytes, folder: Path) -> tuple[float, ...]:
    """Return the ratios of one round, in the order of ``COLUMNS``."""
    raw, dumped = folder / "raw", folder / "joblib"
    HELD[0] = value
    storage = Storage(folder / "store", cache_dir=folder / "cache")
    with storage:
        # Not the first call: that makes the folders of the store.
        give(1, 0)

    def save() -> None:
        with storage:
            refs.append(give(0, None))

    refs: list[Any] = []
    hash_s = timed(lambda: content_id(value))
    blake_s = timed(lambda: blake3(payload, max_threads=blake3.AUTO).digest())
    joblib_hash_s = timed(lambda: joblib.hash(value))
    save_s = timed(save)
    raw_write_s = timed(lambda: write_raw(raw, payload))
    dump_s = timed(lambda: joblib.dump(value, dumped))
    storage.close()
    again = Storage(folder / "store", cache_dir=folder / "cache")
    detached = refs[0].detached()
    load_s = timed(lambda: again.unwrap(detached))
    raw_read_s = timed(lambda: blake3(raw.read_bytes(), max_threads=blake3.AUTO).digest())
    joblib_load_s = timed(lambda: joblib.load(dumped))
    again.close()
    return (
        blake_s / hash_s,
        joblib_hash_s / hash_s,
        raw_write_s / save_s,
        dump_s / save_s,
        raw_read_s / load_s,
        joblib_load_s / load_s,
    )


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--size", type=int, default=96, help="MiB of each value, about")
    parser.add_argument("--rounds", type=int, default=5)
    options = parser.parse_args()
    registry = default_registry()
    print(f"| type | MB | codec | {' | '.join(COLUMNS)} |")
    print(f"| --- | --- | --- |{' --- |' * len(COLUMNS)}")
    for name, value in values(options.size * MEBIBYTE).items():
        encoded = registry.encode(value, Digests())
        payload = b"".join(encoded.payload)
        ratios = []
        # One round more, that does not count: libraries are imported in it.
        for _ in range(options.rounds + 1):
            with tempfile.TemporaryDirectory(prefix="mandala-cas-values-") as folder:
                ratios.append(one_round(value, payload, Path(folder)))
        medians = [statistics.median(column) for column in zip(*ratios[1:], strict=True)]
        shown = " | ".join(f"{ratio:.2f}" for ratio in medians)
        print(f"| {name} | {len(payload) / 1e6:.1f} | `{encoded.codec_name}` | {shown} |")


if __name__ == "__main__":
    main()
