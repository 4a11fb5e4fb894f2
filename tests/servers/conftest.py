"""Servers for this folder: each is started by the first test that asks for it, and stopped last."""

from __future__ import annotations

import os
from collections.abc import Iterator

import pytest

from mandala_cas.testing.servers import (
    AzuriteServer,
    BucketServer,
    CephServer,
    FakeGcsServer,
    JuiceFsServer,
    SeaweedFsServer,
)

# Read when gcsfs is imported: it asks every emulator something that none of them understands, and
# waits for ever.
os.environ["GCSFS_EXPERIMENTAL_ZB_HNS_SUPPORT"] = "false"


def running(kind: type[BucketServer]) -> Iterator[BucketServer]:
    """Run a server, or skip what needs it, with what would have to be installed."""
    reason = kind.missing()
    if reason is not None:
        pytest.skip(reason)
    with kind() as server:
        yield server


@pytest.fixture(scope="session")
def azurite() -> Iterator[BucketServer]:
    """Run Azurite."""
    yield from running(AzuriteServer)


@pytest.fixture(scope="session")
def ceph() -> Iterator[BucketServer]:
    """Run Ceph."""
    yield from running(CephServer)


@pytest.fixture(scope="session")
def fake_gcs() -> Iterator[BucketServer]:
    """Run fake-gcs-server."""
    yield from running(FakeGcsServer)


@pytest.fixture(scope="session")
def juicefs() -> Iterator[BucketServer]:
    """Run JuiceFS."""
    yield from running(JuiceFsServer)


@pytest.fixture(scope="session")
def seaweedfs() -> Iterator[BucketServer]:
    """Run SeaweedFS."""
    yield from running(SeaweedFsServer)
