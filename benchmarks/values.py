"""Hashing, saving and loading by type, against blake3, the plain bytes on a disk, and joblib.

``python -m benchmarks.values`` prints a table; ``benchmarks/values.md`` has one of them. Every
figure is a ratio within one round, in which all sides meet the same machine; the median of the
rounds is shown. 2 means twice as fast as the other side. Who saves first changes from round to
round, for many a disk takes its first bytes faster than what follows: of saving, the figure is that
of the sums over all rounds. Hashing takes milliseconds and is disturbed by everything, so it and
blake3 have many turns of their own.
"""

from __future__ import annotations

import argparse
import gc
import os
import statistics
import tempfile
import time
from collections.abc import Callable, Mapping, Sequence
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
HASH_TURNS = 31
COLUMNS = (
    "hash, of blake3",
    "hash, of joblib.hash",
    "save, of raw",
    "save, of joblib.dump",
    "load, of raw",
    "load, of joblib.load",
)

# Behind the first column, which is measured by itself.
PAIRS = (
    ("hash", "joblib.hash"),
    ("save", "raw write"),
    ("save", "joblib.dump"),
    ("load", "raw read"),
    ("load", "joblib.load"),
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


def hash_turns(value: Any, payload: bytes) -> float:
    """Return how many times as fast as blake3 a value is hashed: the median of many turns."""
    sides = {
        "hash": lambda: content_id(value),
        "blake3": lambda: blake3(payload, max_threads=blake3.AUTO).digest(),
    }
    found = []
    for turn in range(HASH_TURNS + 1):
        order = list(sides) if turn % 2 else list(reversed(sides))
        seconds = {name: timed(sides[name]) for name in order}
        found.append(seconds["blake3"] / seconds["hash"])
    # The first turn loads what is imported when it is first needed.
    return statistics.median(found[1:])


def write_raw(path: Path, data: bytes) -> None:
    """Write plain bytes, down to the disk."""
    with path.open("wb", buffering=0) as file:
        file.write(data)
        os.fsync(file.fileno())


def settle() -> None:
    """Have the disk do what is left to do."""
    os.sync()
    time.sleep(0.5)


def one_round(value: Any, payload: bytes, folder: Path, *, raw_first: bool) -> dict[str, float]:
    """Return the seconds of one round."""
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
    joblib_hash_s = timed(lambda: joblib.hash(value))
    saves = [("save", save), ("raw write", lambda: write_raw(raw, payload))]
    seconds = {}
    for name, work in reversed(saves) if raw_first else saves:
        settle()
        seconds[name] = timed(work)
    settle()
    dump_s = timed(lambda: joblib.dump(value, dumped))
    storage.close()
    again = Storage(folder / "store", cache_dir=folder / "cache")
    detached = refs[0].detached()
    load_s = timed(lambda: again.unwrap(detached))
    raw_read_s = timed(lambda: blake3(raw.read_bytes(), max_threads=blake3.AUTO).digest())
    joblib_load_s = timed(lambda: joblib.load(dumped))
    again.close()
    return {
        **seconds,
        "hash": hash_s,
        "joblib.hash": joblib_hash_s,
        "joblib.dump": dump_s,
        "load": load_s,
        "raw read": raw_read_s,
        "joblib.load": joblib_load_s,
    }


def ratios(rounds: Sequence[Mapping[str, float]]) -> list[float]:
    """Return the ratios of several rounds, in the order of ``PAIRS``."""
    found = []
    for ours, other in PAIRS:
        if ours == "save":
            found.append(sum(r[other] for r in rounds) / sum(r[ours] for r in rounds))
        else:
            found.append(statistics.median(r[other] / r[ours] for r in rounds))
    return found


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--size", type=int, default=96, help="MiB of each value, about")
    parser.add_argument("--rounds", type=int, default=6, help="an even number is fair")
    options = parser.parse_args()
    registry = default_registry()
    print(f"| type | MB | codec | {' | '.join(COLUMNS)} |")
    print(f"| --- | --- | --- |{' --- |' * len(COLUMNS)}")
    for name, value in values(options.size * MEBIBYTE).items():
        encoded = registry.encode(value, Digests())
        payload = b"".join(encoded.payload)
        rounds = []
        # One round more, that does not count: libraries are imported in it.
        for number in range(options.rounds + 1):
            with tempfile.TemporaryDirectory(prefix="mandala-cas-values-") as folder:
                raw_first = number % 2 == 1
                rounds.append(one_round(value, payload, Path(folder), raw_first=raw_first))
        found = [hash_turns(value, payload), *ratios(rounds[1:])]
        shown = " | ".join(f"{ratio:.2f}" for ratio in found)
        print(f"| {name} | {len(payload) / 1e6:.1f} | `{encoded.codec_name}` | {shown} |")


if __name__ == "__main__":
    main()
