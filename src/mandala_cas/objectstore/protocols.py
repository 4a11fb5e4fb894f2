"""What each protocol promises, in one table; of one that is not in it, little is believed.

A promise that a server does not keep costs data, one that is not made costs a few requests. So
what is not documented by whoever runs the servers, or was not seen to hold, is not promised.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

from mandala_cas.objectstore.api import Capabilities


@dataclass(frozen=True, slots=True)
class ProtocolPromises:
    """What holds of every store that is reached by one protocol.

    ``atomic_put``: an object is what was put, whole, or it is not there. ``one_listing``: one
    question lists everything below a prefix; elsewhere each directory is asked for what it holds.
    The others are those of ``Capabilities``.
    """

    atomic_put: bool = False
    one_listing: bool = False
    strong_list: bool = False
    flat_list: bool = False
    mtime: bool = False
    persistent: bool = True

    def capabilities(self, *, atomic_create: bool) -> Capabilities:
        """Return what a store may say of itself."""
        return Capabilities(
            strong_list=self.strong_list,
            atomic_create=atomic_create,
            persistent=self.persistent,
            flat_list=self.flat_list,
            mtime=self.mtime,
        )


_CLOUD: Final = ProtocolPromises(
    atomic_put=True, one_listing=True, strong_list=True, flat_list=True, mtime=True
)
# Documented as strong, but in which order pages come, and what fields they have, was never seen.
_OTHER_CLOUD: Final = ProtocolPromises(atomic_put=True, one_listing=True, strong_list=True)
# Servers and clients on the way remember directories, for a minute or so.
_FILES: Final = ProtocolPromises(mtime=True)

_PROMISES: Final[Mapping[str, ProtocolPromises]] = {
    "s3": _CLOUD,
    "s3a": _CLOUD,
    "gs": _CLOUD,
    "gcs": _CLOUD,
    "az": _CLOUD,
    "abfs": _CLOUD,
    "abfss": _CLOUD,
    "oss": _OTHER_CLOUD,
    "oci": _OTHER_CLOUD,
    # fsspec's, which walks its dictionaries.
    "memory": ProtocolPromises(
        atomic_put=True, one_listing=True, strong_list=True, persistent=False
    ),
    "file": _FILES,
    "local": _FILES,
    "sftp": _FILES,
    "ssh": _FILES,
    "smb": _FILES,
    "hdfs": _FILES,
    "arrow_hdfs": _FILES,
    "webdav": ProtocolPromises(),
    "webhdfs": ProtocolPromises(),
}

# A directory bucket of S3 Express lists in no order: https://docs.aws.amazon.com, ListObjectsV2.
_UNORDERED_SUFFIX: Final = "--x-s3"


def promises_of(protocol: str, bucket: str = "") -> ProtocolPromises:
    """Return what may be relied on in ``bucket`` of a store that is reached by ``protocol``."""
    promises = _PROMISES.get(protocol, ProtocolPromises())
    if bucket.endswith(_UNORDERED_SUFFIX):
        return ProtocolPromises(
            atomic_put=promises.atomic_put,
            one_listing=promises.one_listing,
            strong_list=promises.strong_list,
            mtime=promises.mtime,
        )
    return promises
