"""Two processes make the same call of an op that is not deterministic: nothing of it is lost."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

from mandala_cas.imports import Storage

# Each waits until the other one is inside its block as well, so neither can have seen the other.
SCRIPT = """
import os, sys
from pathlib import Path
from mandala_cas.imports import Storage, op

place, mine, other = Path(sys.argv[1]), Path(sys.argv[2]), Path(sys.argv[3])

@op(name="whoami")
def whoami(x):
    mine.touch()
    while not other.exists():
        pass
    return os.getpid()

storage = Storage(place)
with storage:
    whoami(1)
storage.close()
"""


def test_two_processes_that_disagree_are_both_on_record(tmp_path: Path) -> None:
    """With the process that each of them was, and one answer for all who come later."""
    place = str(tmp_path / "store")
    Storage(place).close()
    flags = [str(tmp_path / name) for name in ("first", "second")]
    children = [
        subprocess.Popen([sys.executable, "-W", "error", "-c", SCRIPT, place, mine, other])
        for mine, other in (flags, flags[::-1])
    ]

    exit_codes = [child.wait(120) for child in children]

    assert exit_codes == [0, 0]
    storage = Storage(place)
    (conflict,) = storage.conflicts()
    said = [storage.unwrap(record.outputs["output_0"]) for record in conflict.records]
    assert sorted(said) == sorted(child.pid for child in children)
    assert said == [record.metadata.process_id for record in conflict.records]
    assert storage.get_call(conflict.hid, lazy=False).outputs["output_0"].value == said[0]
    assert [other["hid"] for other in Storage(place).conflicts().to_dict()["conflicts"]] == [
        conflict.hid
    ]
