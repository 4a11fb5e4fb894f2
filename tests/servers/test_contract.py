"""Every server keeps the contract of an object store, whatever engine asks it.

obstore is not tried on fake-gcs-server, which does not understand how it puts an object.
"""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from mandala_cas.objectstore.api import ObjectStore
from mandala_cas.objectstore.opening import Engine, open_object_store
from mandala_cas.testing.object_stores import ObjectStoreSuite
from mandala_cas.testing.servers import BucketServer

pytestmark = [
    pytest.mark.servers,
    # adlfs and gcsfs hand large bodies to aiohttp in a way that it advises against.
    pytest.mark.filterwarnings("ignore:Sending a large body directly:ResourceWarning"),
]


class ServerSuite(ObjectStoreSuite):
    """The contract, at a new place of the server for each test."""

    engine: Engine = "fsspec"

    @pytest.fixture
    def server(self) -> BucketServer:
        """Return the server; each class has its own."""
        raise NotImplementedError

    @pytest.fixture
    def store(self, server: BucketServer) -> Iterator[ObjectStore]:
        """Return an empty store."""
        store = open_object_store(server.fresh_url(), server.storage_options, engine=self.engine)
        yield store
        store.close()


class TestCephWithFsspec(ServerSuite):
    """Ceph through s3fs."""

    @pytest.fixture
    def server(self, ceph: BucketServer) -> BucketServer:
        """Return Ceph."""
        return ceph


class TestCephWithObstore(TestCephWithFsspec):
    """Ceph through obstore."""

    engine = "obstore"


class TestSeaweedFsWithFsspec(ServerSuite):
    """SeaweedFS through s3fs."""

    @pytest.fixture
    def server(self, seaweedfs: BucketServer) -> BucketServer:
        """Return SeaweedFS."""
        return seaweedfs


class TestSeaweedFsWithObstore(TestSeaweedFsWithFsspec):
    """SeaweedFS through obstore."""

    engine = "obstore"


class TestJuiceFsWithFsspec(ServerSuite):
    """JuiceFS through s3fs."""

    @pytest.fixture
    def server(self, juicefs: BucketServer) -> BucketServer:
        """Return JuiceFS."""
        return juicefs


class TestJuiceFsWithObstore(TestJuiceFsWithFsspec):
    """JuiceFS through obstore."""

    engine = "obstore"


class TestAzuriteWithFsspec(ServerSuite):
    """Azurite through adlfs."""

    @pytest.fixture
    def server(self, azurite: BucketServer) -> BucketServer:
        """Return Azurite."""
        return azurite


class TestAzuriteWithObstore(TestAzuriteWithFsspec):
    """Azurite through obstore."""

    engine = "obstore"


class TestFakeGcsWithFsspec(ServerSuite):
    """fake-gcs-server through gcsfs."""

    @pytest.fixture
    def server(self, fake_gcs: BucketServer) -> BucketServer:
        """Return fake-gcs-server."""
        return fake_gcs
