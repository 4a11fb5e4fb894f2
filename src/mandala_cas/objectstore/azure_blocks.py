"""Upload of one large object to Azure in blocks, several at the same time, through adlfs.

The object appears when its blocks are committed, or not at all.
"""

from __future__ import annotations

import uuid
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from itertools import islice
from typing import TYPE_CHECKING, Any, Final

from mandala_cas.objectstore.api import Parts
from mandala_cas.objectstore.buffers import Body, cut, size_of
from mandala_cas.objectstore.filesystems import Call, first_error_raised, run_each
from mandala_cas.objectstore.tree import PIECE_SIZE

if TYPE_CHECKING:
    from fsspec.spec import AbstractFileSystem

# Of each wave, all bytes are in memory.
_CONCURRENT_MAX: Final = 4
# Azure takes 50,000 at most.
_COUNT_MAX: Final = 45_000
# What adlfs says of every file, and looks for when it lists.
_METADATA: Final[Mapping[str, str]] = {"is_directory": "false"}


def put_in_blocks(fs: AbstractFileSystem, path: str, parts: Parts) -> None:
    """Store the concatenation of ``parts`` at ``path`` of a file system of adlfs.

    Raises what Azure's library raises. What was sent until then, or until the process died, is no
    part of any object, and cannot be taken back either: Azure removes it with the next commit to
    that name, or after a week.
    """
    container, name, _ = fs.split_path(path)
    upload = _Upload(fs, container, name)
    pieces = cut(parts, max(PIECE_SIZE, -(-size_of(parts) // _COUNT_MAX)))
    blocks: list[str] = []
    while more := upload.stage_wave(pieces):
        blocks += more
    upload.commit(blocks)


@dataclass(frozen=True, slots=True)
class _Upload:
    """Requests about one object."""

    fs: AbstractFileSystem
    container: str
    name: str

    def stage_wave(self, pieces: Iterator[Body]) -> list[str]:
        """Send the next few blocks at the same time; return what they are called."""
        # Fresh names: another writer of the same object may have compressed it otherwise, and a
        # mixture of both would be neither. Of one length, which is that of adlfs and of obstore,
        # because Azure takes no two lengths for one object.
        staged = {uuid.uuid4().hex: piece for piece in islice(pieces, _CONCURRENT_MAX)}
        calls: list[Call] = [
            (("stage_block", block, piece), {"length": piece.nbytes})
            for block, piece in staged.items()
        ]
        first_error_raised(run_each(self.fs, self._ask, calls))
        return list(staged)

    def commit(self, blocks: list[str]) -> None:
        """Make the blocks the object, in this order."""
        from azure.storage.blob import BlobBlock  # noqa: PLC0415 (heavy)

        listed = [BlobBlock(block_id=block) for block in blocks]
        call: Call = (("commit_block_list", listed), {"metadata": dict(_METADATA)})
        first_error_raised(run_each(self.fs, self._ask, [call]))

    async def _ask(self, method: str, *question: object, **named: object) -> Any:
        """Ask something about the object, with as much patience as adlfs was told to have."""
        patience = getattr(self.fs, "_timeout_kwargs", {})
        client = self.fs.service_client.get_blob_client(container=self.container, blob=self.name)
        async with client:
            return await getattr(client, method)(*question, **named, **patience)
