"""What one process computed, another finds: on a directory and on S3."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from mandala_cas.testing.servers import S3Server

PROJECT = Path(__file__).parent / "project.py"
OPS = ["generate_dataset", *["train_model", "eval_model"] * 3]


@pytest.fixture(params=["directory", "s3"])
def place(request: pytest.FixtureRequest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    """Return a place for a store, reachable by every process that inherits the environment."""
    if request.param == "directory":
        return str(tmp_path / "store")
    server: S3Server = request.getfixturevalue("s3_server")
    url: str = request.getfixturevalue("s3_url")
    for name, value in server.environment.items():
        monkeypatch.setenv(name, value)
    return url


def run(place: str, command: str) -> dict[str, Any]:
    """Run the project in a process of its own and return what it printed."""
    done = subprocess.run(
        [sys.executable, "-W", "error", str(PROJECT), place, command],
        capture_output=True,
        text=True,
        check=False,
        env=os.environ.copy(),
    )
    assert done.returncode == 0, done.stderr
    result: dict[str, Any] = json.loads(done.stdout)
    return result


def test_a_second_process_computes_nothing_and_tabulates_the_stored_models(place: str) -> None:
    """The models are pickles: one's own load in the next process without a word."""
    first = run(place, "run")

    second = run(place, "table")

    assert first["executed"] == OPS
    assert second["executed"] == []
    assert second["accuracies"] == first["accuracies"]
    assert (second["rows"], second["models"]) == (3, ["RandomForestClassifier"])
