"""Opening and rebuilding the index of large logs: ``python benchmarks/index.py --help``.

Each figure stands beside a raw limit, measured right before it: reading the bytes of the kept file
for an opening, writing and syncing them for a rebuild. Read the ratios; the machine may be busy.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path
from time import perf_counter

if not __package__:
    # Run as a script, Python looks into this folder; the package is the folder itself.
    sys.path[0] = str(Path(__file__).resolve().parents[1])

from benchmarks.synthetic_log import synthetic_log
from mandala_cas.index.kept import FILE_NAME, KeptIndex, write_kept_index
from mandala_cas.index.lookup import CallLookup
from mandala_cas.log.segment import Segment, decode_segment
from mandala_cas.model.ids import CallId

_CALLS_PER_SEGMENT = 10_000
_HITS = 1000


def main(arguments: Sequence[str] | None = None) -> int:
    """Measure each size, and print a line of JSON for it."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--calls", type=int, nargs="+", default=[10_000, 100_000, 1_000_000])
    parser.add_argument("--open", type=Path, help=argparse.SUPPRESS)  # what the child does
    parser.add_argument("--ids", type=Path, help=argparse.SUPPRESS)
    options = parser.parse_args(arguments)
    if options.open is not None:
        print(json.dumps(_open(options.open, options.ids)))
        return 0
    for call_count in options.calls:
        with tempfile.TemporaryDirectory(prefix="benchmark-index-") as folder:
            print(json.dumps({"calls": call_count, **_measure(call_count, Path(folder))}))
    return 0


def _measure(call_count: int, folder: Path) -> dict[str, float]:
    """Return the figures of one size."""
    sealed = [
        (item.name, item.sealed.to_bytes())
        for item in synthetic_log(call_count, _CALLS_PER_SEGMENT)
    ]
    started = perf_counter()
    segments = [decode_segment(name, data) for name, data in sealed]
    read = perf_counter()
    lookup = CallLookup()
    lookup.add_parts(segments)
    looked_up = perf_counter()
    if not write_kept_index(folder / "index", segments, [name for name, _ in sealed]):
        raise SystemExit("the index could not be written")
    written = perf_counter()
    kept = (folder / "index" / FILE_NAME).read_bytes()
    raw_write = _raw_write(folder / "raw", kept)
    (folder / "ids").write_bytes(b"".join(_some_ids(segments)))
    opened = _in_new_process(folder)
    tables = _tables(folder / "index")
    rebuild = written - started
    return {
        "kept_bytes_per_call": round(len(kept) / call_count, 1),
        "read_segments_s": round(read - started, 4),
        "lookup_without_kept_s": round(looked_up - read, 4),
        "write_kept_s": round(written - looked_up, 4),
        "rebuild_s": round(rebuild, 4),
        "raw_write_per_rebuild": round(raw_write / rebuild, 3),
        "tables_from_kept_s": round(tables, 4),
        **opened,
    }


def _raw_write(path: Path, data: bytes) -> float:
    """Return the seconds that writing and syncing plain bytes takes."""
    started = perf_counter()
    with path.open("wb") as file:
        file.write(data)
        file.flush()
        os.fsync(file.fileno())
    return perf_counter() - started


def _some_ids(segments: Sequence[Segment]) -> list[bytes]:
    """Return the ids of some calls, from all over the log."""
    step = max(1, len(segments) * _CALLS_PER_SEGMENT // _HITS)
    ids = [id_ for segment in segments for id_ in segment.calls.fixed("call_id").rows()]
    return ids[::step]


def _in_new_process(folder: Path) -> dict[str, float]:
    """Return what a process finds that has not touched the index before."""
    command = [
        sys.executable,
        __file__,
        "--open",
        f"{folder / 'index'}",
        "--ids",
        f"{folder / 'ids'}",
    ]
    done = subprocess.run(command, check=True, capture_output=True, text=True)
    figures: dict[str, float] = json.loads(done.stdout)
    return figures


def _open(directory: Path, ids: Path) -> dict[str, float]:
    """Open an index, and make hits on it."""
    raw = ids.read_bytes()
    call_ids = [CallId(raw[at : at + 16]) for at in range(0, len(raw), 16)]
    started = perf_counter()
    index = KeptIndex.open(directory)
    if index is None:
        raise SystemExit("the index was not used")
    lookup = CallLookup(index)
    opened = perf_counter()
    first = lookup.find(call_ids[0])
    found = [first.outputs if first else ()]
    hit = perf_counter()
    for call_id in call_ids[1:]:
        record = lookup.find(call_id)
        found.append(record.outputs if record else ())
    hits = perf_counter()
    for call_id in call_ids:
        lookup.find(call_id)
    again = perf_counter()
    if not all(found):
        raise SystemExit("a call that is on record was not found")
    size = len((directory / FILE_NAME).read_bytes())
    raw_read = perf_counter() - again
    return {
        "open_s": round(opened - started, 5),
        "first_hit_ms": round((hit - opened) * 1e3, 3),
        "further_hit_us": round((hits - hit) / max(1, len(call_ids) - 1) * 1e6, 2),
        "same_hit_again_us": round((again - hits) / len(call_ids) * 1e6, 2),
        "raw_read_per_open": round(raw_read / (opened - started), 1),
        "kept_mb": round(size / 1e6, 1),
    }


def _tables(directory: Path) -> float:
    """Return the seconds that the tables for questions take."""
    from mandala_cas.index.replay import build_tables  # noqa: PLC0415 (not in what is timed)

    index = KeptIndex.open(directory)
    if index is None:
        raise SystemExit("the index was not used")
    started = perf_counter()
    build_tables(index.parts)
    return perf_counter() - started


if __name__ == "__main__":
    sys.exit(main())
