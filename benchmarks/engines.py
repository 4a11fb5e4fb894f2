"""The two engines that reach buckets, fsspec and obstore, side by side on one server.

``python benchmarks/engines.py --server seaweedfs`` starts a server of its own, lets the engines
take turns, and prints how many times as fast obstore was, as a median of the ratios of each round.
"""

from __future__ import annotations

import argparse
import random
import statistics
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

from mandala_cas.objectstore.api import ObjectStore
from mandala_cas.objectstore.opening import Engine, open_object_store
from mandala_cas.testing.servers import BucketServer, CephServer, SeaweedFsServer

SERVERS: Final[dict[str, type[BucketServer]]] = {"seaweedfs": SeaweedFsServer, "ceph": CephServer}
ENGINES: Final[tuple[Engine, Engine]] = ("fsspec", "obstore")
SMALL_SIZE: Final = 1024
LARGE_SIZE: Final = 60_000_000
ALONE_COUNT: Final = 20
TOGETHER_COUNT: Final = 200


@dataclass(frozen=True, slots=True)
class Work:
    """Something that both engines do; ``do`` gets a store and a name that no round had before."""

    name: str
    do: Callable[[ObjectStore, str], None]


def small_objects(prefix: str, count: int) -> dict[str, bytes]:
    """Return objects of 1 KB, the same for the same names."""
    generator = random.Random(prefix)
    return {f"{prefix}/{number:04d}": generator.randbytes(SMALL_SIZE) for number in range(count)}


def put_alone(store: ObjectStore, name: str) -> None:
    """Put one object after the other."""
    for each, data in small_objects(f"alone/{name}", ALONE_COUNT).items():
        store.put(each, [data])


def get_alone(store: ObjectStore, name: str) -> None:
    """Get one object after the other."""
    for each, data in small_objects(f"alone/{name}", ALONE_COUNT).items():
        check(store.get(each), data)


def put_together(store: ObjectStore, name: str) -> None:
    """Put many objects in one batch."""
    objects = small_objects(f"together/{name}", TOGETHER_COUNT)
    store.put_many({each: [data] for each, data in objects.items()})


def get_together(store: ObjectStore, name: str) -> None:
    """Get many objects in one batch."""
    objects = small_objects(f"together/{name}", TOGETHER_COUNT)
    for found, data in zip(store.get_many(list(objects)), objects.values(), strict=True):
        check(found, data)


def put_large(store: ObjectStore, name: str) -> None:
    """Put one large object."""
    store.put(f"large/{name}", [LARGE])


def get_large(store: ObjectStore, name: str) -> None:
    """Get it."""
    check(store.get(f"large/{name}"), LARGE)


# In this order: what is read was put before, by the same engine in the same round.
LARGE: Final = random.Random(0).randbytes(LARGE_SIZE)
WORK: Final = (
    Work(f"put {ALONE_COUNT} objects of 1 KB, one by one", put_alone),
    Work(f"get {ALONE_COUNT} objects of 1 KB, one by one", get_alone),
    Work(f"put {TOGETHER_COUNT} objects of 1 KB in a batch", put_together),
    Work(f"get {TOGETHER_COUNT} objects of 1 KB in a batch", get_together),
    Work("put one object of 60 MB", put_large),
    Work("get one object of 60 MB", get_large),
)


def check(found: bytes | None, expected: bytes) -> None:
    """Stop if an engine did not do the work: its time would mean nothing."""
    if found != expected:
        raise SystemExit("wrong result: an engine returned other bytes than were put")


def timed(work: Work, store: ObjectStore, name: str) -> float:
    """Return the seconds that some work takes."""
    start = time.perf_counter()
    work.do(store, name)
    return time.perf_counter() - start


def measure(server: BucketServer, round_count: int) -> dict[str, dict[Engine, list[float]]]:
    """Return the seconds of every round, by work and engine; both are first by turns."""
    seconds: dict[str, dict[Engine, list[float]]] = {
        work.name: {engine: [] for engine in ENGINES} for work in WORK
    }
    stores = {
        engine: open_object_store(server.fresh_url(), server.storage_options, engine=engine)
        for engine in ENGINES
    }
    # The first round connects, and makes a server set up what it sets up once.
    for number in range(round_count + 1):
        order = ENGINES if number % 2 else ENGINES[::-1]
        for work in WORK:
            for engine in order:
                taken = timed(work, stores[engine], str(number))
                if number:
                    seconds[work.name][engine].append(taken)
    for store in stores.values():
        store.close()
    return seconds


def report(seconds: dict[str, dict[Engine, list[float]]]) -> str:
    """Return a table: median times, and the median, the least and the largest of the ratios."""
    lines = [
        "| work | fsspec, s | obstore, s | obstore is faster by | least to most |",
        "| --- | --- | --- | --- | --- |",
    ]
    for name, times in seconds.items():
        ratios = [a / b for a, b in zip(times["fsspec"], times["obstore"], strict=True)]
        lines.append(
            f"| {name} | {statistics.median(times['fsspec']):.3f} "
            f"| {statistics.median(times['obstore']):.3f} | {statistics.median(ratios):.1f} "
            f"| {min(ratios):.1f} to {max(ratios):.1f} |"
        )
    return "\n".join(lines)


def main() -> int:
    """Measure, and print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--server", choices=sorted(SERVERS), default="seaweedfs")
    parser.add_argument("--rounds", type=int, default=5)
    arguments = parser.parse_args()
    kind = SERVERS[arguments.server]
    reason = kind.missing()
    if reason is not None:
        print(reason, file=sys.stderr)
        return 1
    with kind() as server:
        print(report(measure(server, arguments.rounds)))
    return 0


if __name__ == "__main__":
    sys.exit(main())
