"""One of several processes on a store: ``python worker.py STORE CHILD CALLS``."""

from __future__ import annotations

import sys

from mandala_cas.imports import Storage, op


@op
def square(x: int) -> int:
    """Return a small value."""
    return x * x


@op
def repeat(x: int) -> bytes:
    """Return a value that goes into a pack."""
    return x.to_bytes(2, "big") * 3000


def main() -> None:
    """Compute what is this child's, and something that all compute."""
    place, child, calls = sys.argv[1], int(sys.argv[2]), int(sys.argv[3])
    storage = Storage(place)
    with storage:
        for x in range(child * calls, (child + 1) * calls):
            square(x)
            repeat(x)
        square(-1)
    storage.close()


if __name__ == "__main__":
    main()
