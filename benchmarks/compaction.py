"""Compaction by itself: how long it takes, what is left on disk, and how long reading that takes.

``python -m benchmarks.compaction [--calls 1000000] [--block 1000] [--writers 1]``. Each call has
one input and one output, both of them numbers that no other call has: the hardest case there is,
since nothing repeats. Segments are written by the log's own writer, without ops around it.
"""

from __future__ import annotations

import argparse
import os
import random
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from time import perf_counter, time_ns

from mandala_cas.codec.digests import small_payload_hashes
from mandala_cas.log.view import LogView
from mandala_cas.log.writer import LogWriter
from mandala_cas.model.entries import CallRecord, Entry, Slot, Tier, ValueRecord
from mandala_cas.model.ids import (
    ContentId,
    PayloadHash,
    SourceHash,
    call_content_id,
    call_history_id,
    constant_history_id,
    output_history_id,
)
from mandala_cas.objectstore.local import LocalObjectStore
from mandala_cas.testing.counting import CountingObjectStore
from mandala_cas.upkeep.compacting.compact import compact

SOURCE = SourceHash(b"s" * 16)
STARTED_US = 1_700_000_000_000_000


def value_of(number: int, draw: random.Random) -> ValueRecord:
    """Return the record of one number, of which nothing follows from any other."""
    payload = b"\xcb" + number.to_bytes(4, "big") + draw.randbytes(4)
    (payload_hash,) = small_payload_hashes("plain", 1, b"\x80", [payload])
    return ValueRecord(
        content_id=ContentId(draw.randbytes(32)),
        payload_hash=PayloadHash(payload_hash),
        tier=Tier.INLINE,
        location="",
        offset=0,
        stored_size=0,
        raw_size=len(payload),
        codec_name="plain",
        codec_version=1,
        codec_header=b"\x80",
        inline=payload,
    )


def entries_of(number: int, draw: random.Random) -> Sequence[Entry]:
    """Return one call of one input and one output, and where their values are."""
    given, result = value_of(2 * number, draw), value_of(2 * number + 1, draw)
    history = constant_history_id(given.content_id)
    call_id = call_history_id("train", "0", [("x", history)])
    output = output_history_id(call_id, "output_0")
    call = CallRecord(
        call_id=call_id,
        content_id=call_content_id("train", "0", [("x", given.content_id)]),
        op_name="train",
        op_version="0",
        module="benchmarks",
        source_hash=SOURCE,
        started_us=STARTED_US + 1500 * number + draw.randrange(500),
        duration_us=900 + draw.randrange(500),
        inputs=(Slot("x", history, given.content_id),),
        outputs=(Slot("output_0", output, result.content_id),),
    )
    return given, result, call


def write_calls(objects: LocalObjectStore, *, calls: int, block: int, writers: int) -> None:
    """Write calls in blocks, one block of each writer in turn."""
    draw = random.Random(1)
    sessions = [
        LogWriter(
            objects,
            signer=None,
            session=lambda: {"host": "benchmark", "pid": os.getpid()},
            clock_us=lambda: time_ns() // 1000,
        )
        for _ in range(writers)
    ]
    for number, start in enumerate(range(0, calls, block)):
        writer = sessions[number % writers]
        for call in range(start, min(start + block, calls)):
            for entry in entries_of(call, draw):
                writer.append(entry)
        writer.publish()


@contextmanager
def timed(what: str) -> Iterator[None]:
    """Print how long something took."""
    started = perf_counter()
    yield
    print(f"{what:<44} {perf_counter() - started:8.2f} s", flush=True)


def size_on_disk(root: Path) -> int:
    """Return the bytes of all files."""
    return sum(path.stat().st_size for path in root.rglob("*") if path.is_file())


def measure(root: Path, *, calls: int, block: int, writers: int) -> None:
    """Write, compact, retire and read, and print what each of them took."""
    local = LocalObjectStore(root)
    with timed(f"write {calls} calls in blocks of {block}"):
        write_calls(local, calls=calls, block=block, writers=writers)
    print(f"{'bytes a call, in segments':<44} {size_on_disk(root) / calls:8.1f}")
    objects = CountingObjectStore(local)
    with timed("open the segments"):
        view = LogView(objects)
        view.refresh()
    for _ in range(2):
        # The first makes the run; the second finds that it may delete what the run covers.
        with timed("compact"):
            report = compact(
                objects,
                view,
                signer=None,
                trusts=lambda _key: True,
                clock_us=lambda: time_ns() // 1000,
                draw=os.urandom,
                full=True,
                delay_s=0.0,
            )
        print(report)
    print(f"{'bytes a call, in the run':<44} {size_on_disk(root) / calls:8.1f}")
    before = objects.requests
    with timed("open the run"):
        view = LogView(objects)
        parts = view.refresh()
    print(objects.requests - before)
    with timed("derive all ids, payloads and payload hashes"):
        for part in parts:
            part.slots.fixed("history_id")
            part.slots.fixed("content_id")
            part.values.fixed("content_id")
            part.values.fixed("payload_hash")
    found = sum(part.calls.row_count for part in parts)
    if found != calls:
        raise SystemExit(f"{found} calls were found, {calls} were written")


def main() -> None:
    """Read the options, and measure in a folder that is deleted afterwards."""
    options = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    options.add_argument("--calls", type=int, default=1_000_000)
    options.add_argument("--block", type=int, default=1000)
    options.add_argument("--writers", type=int, default=1)
    chosen = options.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        measure(
            Path(folder) / "store",
            calls=chosen.calls,
            block=chosen.block,
            writers=chosen.writers,
        )


if __name__ == "__main__":
    main()
