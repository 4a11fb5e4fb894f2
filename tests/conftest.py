"""Fixtures that every folder of tests uses."""

from __future__ import annotations

import os
from collections.abc import Iterator

import pytest
from hypothesis import settings

from mandala_cas.objectstore.memory import MemoryObjectStore
from mandala_cas.testing.servers import S3Server

# No deadlines: how long a test takes is the machine's business. What fails in CI fails again.
settings.register_profile("dev", max_examples=20, deadline=None)
settings.register_profile("ci", max_examples=200, deadline=None, derandomize=True)
settings.register_profile("nightly", max_examples=5000, deadline=None)
# Between the two: hours would be for a night, and this is for before a release.
settings.register_profile("thorough", max_examples=1000, deadline=None)
settings.load_profile(os.environ.get("HYPOTHESIS_PROFILE", "dev"))


@pytest.fixture
def memory() -> MemoryObjectStore:
    """Return an empty store in memory."""
    return MemoryObjectStore()


@pytest.fixture(scope="session")
def s3_server() -> Iterator[S3Server]:
    """Run an S3 server, from the first test that asks for it to the end of the session."""
    with S3Server() as server:
        yield server


@pytest.fixture
def s3_url(s3_server: S3Server) -> str:
    """Return the URL of an empty place on the S3 server, for this test alone."""
    return s3_server.fresh_url()


@pytest.fixture(scope="session", autouse=True)
def _somebody(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """Run as a user who has no signing key yet, and leave the real user's alone."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("XDG_CONFIG_HOME", str(tmp_path_factory.mktemp("config")))
        patch.setenv("XDG_CACHE_HOME", str(tmp_path_factory.mktemp("cache")))
        patch.delenv("MANDALA_CAS_KEY", raising=False)
        yield
