"""Saving or loading a value takes the memory of the value, and a little."""

from __future__ import annotations

from pathlib import Path
from typing import Final

import pytest
from tests.integration.memory_runs import SENT_SLACK, SLACK, TELLS_PEAK, run

from mandala_cas.testing.servers import S3Server

SMALL: Final = 200_000_000
SIZES: Final = (
    SMALL,
    pytest.param(1_000_000_000, marks=pytest.mark.thorough),
)

pytestmark = pytest.mark.skipif(not TELLS_PEAK, reason="only Linux tells and resets a peak")


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

    Not of a gigabyte, which is for real servers: the mock reads all of an object for each part that
    is asked for.
    """
    size = SMALL
    options = {"storage_options": s3_server.storage_options, "engine": engine}

    saved = run("save", kind, size, s3_url, **options)
    loaded = run("load", kind, size, s3_url, **options)

    assert saved["peak"] <= SENT_SLACK
    assert loaded["peak"] <= loaded["size"] + SLACK
