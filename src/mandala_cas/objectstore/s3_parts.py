"""Upload of one large object to S3 in parts, several at the same time, through fsspec.

The object appears with the last step, or not at all.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import suppress
from itertools import islice
from typing import TYPE_CHECKING, Any, Final

from mandala_cas.objectstore.api import Parts
from mandala_cas.objectstore.buffers import Body, cut, size_of
from mandala_cas.objectstore.filesystems import ask_each, first_error_raised
from mandala_cas.objectstore.tree import PIECE_SIZE

if TYPE_CHECKING:
    from fsspec.spec import AbstractFileSystem

# Of each wave, all bytes are in memory.
_CONCURRENT_MAX: Final = 4
# S3 takes 10,000 at most.
_COUNT_MAX: Final = 9_000


def put_in_parts(fs: AbstractFileSystem, path: str, parts: Parts) -> None:
    """Store the concatenation of ``parts`` at ``path`` of an S3 file system.

    Raises what the file system raises; then what was sent so far is taken back.
    """
    bucket, key, _ = fs.split_path(path)
    place = {"Bucket": bucket, "Key": key}
    upload = _ask(fs, "create_multipart_upload", [place])[0]["UploadId"]
    try:
        sent: list[dict[str, Any]] = []
        pieces = cut(parts, max(PIECE_SIZE, -(-size_of(parts) // _COUNT_MAX)))
        while more := _send_wave(fs, {**place, "UploadId": upload}, pieces, len(sent) + 1):
            sent += more
        whole = {**place, "UploadId": upload, "MultipartUpload": {"Parts": sent}}
        _ask(fs, "complete_multipart_upload", [whole])
    except BaseException:
        # What was sent so far costs money for as long as it lies there. A process that dies before
        # leaves it to a rule of the bucket; nobody sees it, and no later upload is disturbed by it.
        with suppress(Exception):
            _ask(fs, "abort_multipart_upload", [{**place, "UploadId": upload}])
        raise


def _send_wave(
    fs: AbstractFileSystem, upload: Mapping[str, Any], pieces: Iterator[Body], first_number: int
) -> list[dict[str, Any]]:
    """Send the next few parts at the same time; return what says that they are there."""
    requests = [
        {**upload, "PartNumber": number, "Body": _sendable(fs, piece)}
        for number, piece in enumerate(islice(pieces, _CONCURRENT_MAX), first_number)
    ]
    answers = _ask(fs, "upload_part", requests) if requests else []
    return [
        {
            "PartNumber": number,
            # A bucket may insist on check sums, and wants to see them again.
            **{k: v for k, v in answer.items() if k == "ETag" or k.startswith("Checksum")},
        }
        for number, answer in enumerate(answers, first_number)
    ]


def _sendable(fs: AbstractFileSystem, piece: Body) -> Body | bytes:
    """Return a piece as s3fs may be given it.

    botocore goes back to the start of a file before it sends it again. s3fs does not: told to try
    again, as a file system that was handed in may be, it would send what is left, which is nothing.
    """
    return piece if getattr(fs, "retries", None) == 1 else piece.getvalue()


def _ask(fs: AbstractFileSystem, method: str, requests: Sequence[dict[str, Any]]) -> list[Any]:
    """Send requests of one kind at the same time; return the answers, or raise the first error."""
    keywords = {keyword: [request[keyword] for request in requests] for keyword in requests[0]}
    return first_error_raised(ask_each(fs, "call_s3", [(method,)] * len(requests), **keywords))
