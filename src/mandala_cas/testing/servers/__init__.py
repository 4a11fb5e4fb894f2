"""Object-store servers of one's own, on this machine only, for as long as a test needs them.

Each starts on free ports in a directory of its own, ends with the process that started it, and
leaves nothing behind. ``S3Server`` is moto and comes with the extra ``test``; the others say with
``missing()`` what has to be installed first.

Architecture invariant: nothing here listens on, or speaks to, any address but 127.0.0.1.
"""

from mandala_cas.testing.servers.azurite import AzuriteServer
from mandala_cas.testing.servers.base import BucketServer
from mandala_cas.testing.servers.ceph import CephServer
from mandala_cas.testing.servers.fake_gcs import FakeGcsServer
from mandala_cas.testing.servers.juicefs import JuiceFsServer
from mandala_cas.testing.servers.moto import S3Server
from mandala_cas.testing.servers.processes import free_port
from mandala_cas.testing.servers.seaweedfs import SeaweedFsServer

__all__ = [
    "AzuriteServer",
    "BucketServer",
    "CephServer",
    "FakeGcsServer",
    "JuiceFsServer",
    "S3Server",
    "SeaweedFsServer",
    "free_port",
]
