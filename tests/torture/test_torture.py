"""Many processes on one store, killed at random moments, on a disk and on a server.

Of what was acknowledged nothing is lost, what was dropped stays away, and what nothing needs goes.
"""

from __future__ import annotations

import json
import os
import random
import subprocess
import sys
from functools import partial
from pathlib import Path
from typing import Any

import pytest
from tests.torture.ledger import Ledgers
from tests.torture.oracle import Verdict, judge

from mandala_cas.imports import Storage
from mandala_cas.testing.servers import BucketServer, S3Server, SeaweedFsServer

ROOT = Path(__file__).parents[2]
THOROUGH = os.environ.get("MANDALA_THOROUGH") == "1"
# What must have happened, beside the kills.
EVENTS = {"block": 10, "dropped": 3, "collected": 1, "compacted": 2}
EVERYBODY = {"writer": 3, "compactor": 1, "collector": 1, "curator": 1, "reader": 1}

pytestmark = pytest.mark.skipif(not hasattr(os, "fork"), reason="this system has no fork")


def torture(
    tmp_path: Path,
    place: str,
    cast: dict[str, int],
    kills: int,
    needs: dict[str, int],
    storage_options: dict[str, Any] | None = None,
    **options: Any,
) -> Verdict:
    """Let everybody loose on a store, and judge what is left of it."""
    seed = random.randrange(1 << 32)  # noqa: S311 (moments, no secrets)
    print(f"seed {seed}")  # noqa: T201 (so that a failure can be had again)
    folder = tmp_path / "ledgers"
    folder.mkdir()
    plan = {
        "place": place,
        "storage_options": storage_options,
        "folder": str(folder),
        "seed": seed,
        "cast": cast,
        "kills": kills,
        "needs": needs,
        **options,
    }

    done = subprocess.run(
        [sys.executable, "-m", "tests.torture.director", json.dumps(plan)],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
    )

    assert done.returncode == 0, done.stderr
    errors = [path.read_text("utf-8") for path in folder.glob("*.error")]
    assert errors == []
    killed = json.loads(done.stdout)
    assert sum(killed.values()) >= kills
    ledgers = Ledgers(folder)
    happened = {verb: len(list(ledgers.lines(verb))) for verb in needs}
    assert all(happened[verb] >= count for verb, count in needs.items()), happened
    verdict = judge(partial(Storage, place, storage_options=storage_options), ledgers)
    print(f"killed {killed}; {verdict}")  # noqa: T201 (what a run of hours is read for)
    # Only where the store said so itself, and hardly ever.
    assert len(verdict.made_again) <= verdict.lost_count
    assert len(verdict.made_again) <= 2 + verdict.acknowledged_count // 50
    assert verdict.untaggable_count <= 2 + verdict.tagged_count // 10
    assert len(verdict.returned_again) <= 4 + verdict.returned_count // 4
    return verdict


def test_a_store_in_a_folder_keeps_its_promises(tmp_path: Path) -> None:
    """Everybody at once, and few die in bed."""
    torture(tmp_path, str(tmp_path / "store"), EVERYBODY, 300 if THOROUGH else 30, EVENTS)


def test_kills_of_compactors_lose_nothing(tmp_path: Path) -> None:
    """At every line of a compaction, beside others that compact the same segments."""
    cast = {"compactor": 4, "writer": 1}
    needs = {"block": 5, "compacted": 3}

    torture(tmp_path, str(tmp_path / "store"), cast, 100 if THOROUGH else 16, needs, cpu_max_s=0.1)


def test_kills_of_collectors_lose_nothing(tmp_path: Path) -> None:
    """At every line of a collection, beside others that carry out the same announcements."""
    cast = {"collector": 3, "writer": 3, "curator": 1}
    needs = {"block": 5, "dropped": 3, "collected": 1}

    torture(
        tmp_path, str(tmp_path / "store"), cast, 100 if THOROUGH else 16, needs, requests_max=150
    )


def test_a_store_on_a_server_keeps_its_promises(tmp_path: Path, s3_server: S3Server) -> None:
    """The same through S3."""
    on_server(tmp_path, s3_server, 100 if THOROUGH else 6)


@pytest.mark.thorough
def test_a_store_on_seaweedfs_keeps_its_promises(tmp_path: Path) -> None:
    """And through a server that keeps what it is given on a disk."""
    reason = SeaweedFsServer.missing()
    if reason is not None:
        pytest.skip(reason)

    with SeaweedFsServer() as server:
        on_server(tmp_path, server, 100)


def on_server(tmp_path: Path, server: BucketServer | S3Server, kills: int) -> None:
    """Do on a server what is done in a folder."""
    place, options = server.fresh_url(), server.storage_options
    needs = EVENTS if THOROUGH else {"block": 5, "dropped": 1}

    torture(tmp_path, place, EVERYBODY, kills, needs, options, steps=3, cpu_max_s=1.0)
