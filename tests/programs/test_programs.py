"""Whatever a program of ops does, it gets what plain Python gives, and each call runs once."""

from __future__ import annotations

import pickle
import subprocess
import sys
from pathlib import Path

from hypothesis import HealthCheck, given, settings
from tests.integration.counted_places import CountedBucket
from tests.programs.language import Program
from tests.programs.making import programs
from tests.programs.running import Ops, Runner

from mandala_cas.imports import Storage

_SLOW = settings(suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large])
_IN_A_FOLDER = settings(_SLOW, max_examples=25)


@_SLOW
@given(programs())
def test_a_program_gets_what_plain_python_gives(program: Program) -> None:
    """Same values, each distinct call run once, and nothing run or read when it is retraced."""
    places = [CountedBucket(), CountedBucket()]
    storages = [Storage(place.objects) for place in places]
    runner = Runner(program, storages)
    runner.run()
    for storage in storages:
        storage.close()

    again = [Storage(place.objects) for place in places]
    before = [place.spent().gets for place in places]
    runner.retrace(Ops(program.functions), again)

    assert [place.spent().gets for place in places] == before
    runner.storages = again
    runner.compare_values()
    for storage in again:
        storage.close()


def test_another_process_runs_nothing(tmp_path: Path) -> None:
    """Ids do not depend on the process: not on hash seeds, not on what was imported."""
    written: list[tuple[Program, list[Path], tuple[set[str], set[str]]]] = []

    @_IN_A_FOLDER
    @given(programs(modes=("run",)))
    def write(program: Program) -> None:
        folder = tmp_path / str(len(written))
        places = [folder / "one", folder / "two"]
        storages = [Storage(place) for place in places]
        runner = Runner(program, storages)
        runner.run()
        for storage in storages:
            storage.close()
        written.append((program, places, runner.oracle.records))

    write()
    with (tmp_path / "programs").open("wb") as file:
        pickle.dump(written, file)
    done = subprocess.run(
        [sys.executable, "-m", "tests.programs.worker", str(tmp_path / "programs")],
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert done.stdout == f"{len(written)} programs\n"
