"""Saving or loading a large value takes no second copy of it, on any server."""

from __future__ import annotations

import pytest
from tests.integration.memory_runs import SENT_SLACK, SLACK, TELLS_PEAK, run

from mandala_cas.objectstore.opening import Engine
from mandala_cas.testing.servers import BucketServer

pytestmark = [
    pytest.mark.servers,
    pytest.mark.skipif(not TELLS_PEAK, reason="only Linux tells and resets a peak"),
]

SMALL = 200_000_000
LARGE = 1_000_000_000
CASES: list[tuple[str, Engine, int]] = [
    ("seaweedfs", "fsspec", LARGE),
    ("seaweedfs", "obstore", LARGE),
    ("azurite", "fsspec", LARGE),
    ("azurite", "obstore", SMALL),
    ("fake_gcs", "fsspec", LARGE),
]
IDS = [f"{server}-{engine}-{size // 10**6} MB" for server, engine, size in CASES]


@pytest.mark.parametrize(("server", "engine", "size"), CASES, ids=IDS)
def test_a_server_takes_no_second_copy(
    request: pytest.FixtureRequest, server: str, engine: Engine, size: int
) -> None:
    """Neither of the array that is sent, nor of the one that is fetched."""
    running: BucketServer = request.getfixturevalue(server)
    url = running.fresh_url()
    options = {"storage_options": running.storage_options, "engine": engine}

    saved = run("save", "contiguous", size, url, **options)
    loaded = run("load", "contiguous", size, url, **options)

    assert saved["peak"] <= SENT_SLACK
    assert loaded["peak"] <= loaded["size"] + SLACK
