"""Another process: runs programs whose calls are on record, and compares with the oracle."""

from __future__ import annotations

import pickle
import sys
from pathlib import Path

from tests.programs.running import Runner

from mandala_cas.imports import Storage


def main(path: Path) -> None:
    """Run them all."""
    with path.open("rb") as file:
        written = pickle.load(file)  # noqa: S301 (the test wrote it)
    for program, places, records in written:
        storages = [Storage(place) for place in places]
        # Compares what ran with what the record and the oracle say: nothing but what raises.
        Runner(program, storages, records).run()
        for storage in storages:
            storage.close()
    sys.stdout.write(f"{len(written)} programs\n")


if __name__ == "__main__":
    main(Path(sys.argv[1]))
