"""Saving or loading a value takes the memory of the value, and a little."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any, Final

import pytest

from mandala_cas.testing.servers import S3Server

WORKER: Final = Path(__file__).parent / "memory_worker.py"
SLACK: Final = 64 << 20
SMALL: Final = 200_000_000
SIZES: Final = (
    SMALL,
    pytest.param(1_000_000_000, marks=pytest.mark.thorough),
)

pytestmark = pytest.mark.skipif(
    not Path("/proc/self/clear_refs").exists(), reason="only Linux tells and resets a peak"
)


def run(step: str, kind: str, size: int, where: str, **options: Any) -> dict[str, int]:
    """Run the worker in a process of its own; return what it measured."""
    done = subprocess.run(
        [sys.executable, str(WORKER), step, kind, str(size), where, json.dumps(options)],
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    found: dict[str, int] = json.loads(done.stdout)
    # Whatever kept the array from being made would make all that follows easy.
    assert found["size"] > 0.99 * size
    return found


@pytest.mark.parametrize("size", SIZES)
@pytest.mark.parametrize("kind", ["contiguous", "fortran", "strided", "compressible"])
def test_a_directory_takes_no_second_copy(kind: str, size: int, tmp_path: Path) -> None:
    """The array is there when it is saved, so that only what is beside it counts."""
    saved = run("save", kind, size, str(tmp_path))
    mapped = run("load", kind, size, str(tmp_path))
    read = run("read", kind, size, str(tmp_path))

    assert saved["peak"] <= SLACK
    assert mapped["peak"] <= mapped["size"] + SLACK
    assert read["peak"] <= read["size"] + SLACK


@pytest.mark.parametrize("engine", ["fsspec", "obstore"])
@pytest.mark.parametrize(
    "kind", ["contiguous", pytest.param("compressible", marks=pytest.mark.thorough)]
)
def test_a_bucket_takes_no_second_copy(
    kind: str, engine: str, s3_server: S3Server, s3_url: str
) -> None:
    """Neither of the array, nor of the file that it waits in.

    Not of a gigabyte: the mock of a server takes minutes to put that together.
    """
    size = SMALL
    options = {"storage_options": s3_server.storage_options, "engine": engine}

    saved = run("save", kind, size, s3_url, **options)
    loaded = run("load", kind, size, s3_url, **options)

    assert saved["peak"] <= SLACK
    assert loaded["peak"] <= loaded["size"] + SLACK
