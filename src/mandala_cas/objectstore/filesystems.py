"""How a file system of fsspec is made, asked many things at once, remade after a fork, and closed.

Every one made here caches no listing and is shared with nobody: fsspec's own cache of instances
would hand out one that somebody else configured, or that was made before a fork.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Coroutine, Mapping, Sequence
from contextlib import suppress
from typing import TYPE_CHECKING, Any, Final

from mandala_cas.errors import UsageError

if TYPE_CHECKING:
    from fsspec.spec import AbstractFileSystem

Call = tuple[tuple[object, ...], dict[str, object]]
"""Arguments by position, and by name."""

_EXTRAS: Final = {
    "gs": "gcs",
    "gcs": "gcs",
    "abfs": "azure",
    "abfss": "azure",
    "az": "azure",
    "adl": "azure",
}

# Elsewhere an @ is part of how a place is spelt: container@account, user@host.
_NO_USER_INFO: Final = frozenset({"s3", "s3a", "gs", "gcs"})

UNSHARED: Final[Mapping[str, bool]] = {"use_listings_cache": False, "skip_instance_cache": True}
_CONCURRENT_MAX: Final = 64
# One more attempt, at once: what takes longer is for ``RetryingObjectStore`` to sit out, and loops
# around loops make minutes of a broken server. As many connections as requests, or the rest would
# wait in line.
_S3_CONFIG: Final[Mapping[str, object]] = {
    "retries": {"mode": "standard", "total_max_attempts": 2},
    "max_pool_connections": _CONCURRENT_MAX,
}
# s3fs's own loop around botocore's, whose default is 5, and a third around both for reads.
_S3_ATTEMPTS: Final = 1
_S3: Final = frozenset({"s3", "s3a"})

_URL: Final = re.compile(r"([A-Za-z][A-Za-z0-9+.-]*)://(.*)", re.DOTALL)


def split_url(url: str) -> tuple[str, str]:
    """Return the protocol of a URL, and the URL again; one slash too many makes no other place.

    Raises:
        UsageError: it cannot be the place of a store.
    """
    if "::" in url:
        raise UsageError(
            "a store cannot be reached through a chain of file systems, joined by '::'; give the "
            "last URL alone, for a cache on the way would hide what others write"
        )
    found = _URL.fullmatch(url)
    if found is None:
        raise UsageError(f"{url!r} is no URL; write it as in 's3://bucket/folder'")
    protocol, rest = found[1].lower(), found[2]
    parts = [part for part in rest.split("/") if part]
    if any(part in {".", ".."} or "?" in part or "#" in part for part in parts):
        raise UsageError(f"the path of a {protocol}:// store may not hold '.', '..', '?' or '#'")
    if not parts:
        raise UsageError(f"{protocol}:// names no bucket; write '{protocol}://bucket/folder'")
    if protocol in _NO_USER_INFO and "@" in parts[0]:
        raise UsageError(
            f"a {protocol}:// URL holds no user and no password; give them as storage_options"
        )
    return protocol, f"{protocol}://{'/'.join(parts)}"


def make_filesystem(protocol: str, url: str, options: Mapping[str, Any]) -> AbstractFileSystem:
    """Return a new file system for ``url``.

    Raises:
        UsageError: there is no such protocol, its package is missing, or an option is wrong.
    """
    from fsspec import get_filesystem_class  # noqa: PLC0415 (heavy)

    try:
        cls = get_filesystem_class(protocol)
    except (ImportError, ValueError) as error:
        raise UsageError(_missing(protocol, error), protocol=protocol) from error
    # Where the host and port stand in the URL itself, as for sftp.
    chosen = {**cls._get_kwargs_from_urls(url), **options}
    if protocol in _S3:
        chosen["config_kwargs"] = {**_S3_CONFIG, **chosen.get("config_kwargs", {})}
    try:
        made: AbstractFileSystem = cls(**{**chosen, **UNSHARED})
    except (TypeError, ValueError) as error:
        raise UsageError(
            f"cannot open a {protocol} store with these storage options: {type(error).__name__}; "
            f"they are {sorted(options)}, see the documentation of {cls.__name__}",
            protocol=protocol,
        ) from error
    if protocol in _S3:
        made.retries = _S3_ATTEMPTS
    return made


def remake_filesystem(fs: AbstractFileSystem) -> AbstractFileSystem:
    """Return a file system like ``fs`` for a process that was forked from the one it is of."""
    if fs.protocol == "memory":
        return fs  # what it holds was copied with the process, and a new one may hold nothing
    made: AbstractFileSystem = type(fs)(
        *fs.storage_args, **{**fs.storage_options, "skip_instance_cache": True}
    )
    return made


def ask_each(
    fs: AbstractFileSystem,
    method: str,
    questions: Sequence[tuple[object, ...]],
    **keywords: Sequence[object],
) -> list[Any]:
    """Return ``fs.method(*question)`` for each, or what it raised; at the same time where possible.

    Of each of the ``keywords``, every question gets its own. fsspec's own batch calls take names
    for patterns (``cat``, ``rm``), swallow errors (``rm`` on S3), or stop at the first one with
    the others still under way (``pipe``).
    """
    calls = [
        (question, {keyword: values[number] for keyword, values in keywords.items()})
        for number, question in enumerate(questions)
    ]
    if not fs.async_impl:
        return [_outcome(getattr(fs, method), *call) for call in calls]
    return run_each(fs, getattr(fs, "_" + method), calls)


def run_each(
    fs: AbstractFileSystem, ask: Callable[..., Coroutine[Any, Any, Any]], calls: Sequence[Call]
) -> list[Any]:
    """Return what ``ask`` gives for each of the calls, or raised, where ``fs`` does its work."""
    from fsspec.asyn import sync  # noqa: PLC0415 (heavy)

    answers: list[Any] = sync(fs.loop, _gather, ask, calls)
    return answers


def first_error_raised(answers: list[Any]) -> list[Any]:
    """Return the answers, or raise the first of them that is an exception."""
    for answer in answers:
        if isinstance(answer, Exception):
            raise answer
    return answers


def close_filesystem(fs: AbstractFileSystem) -> None:
    """Close the connections of ``fs``, where it is of a kind that we know how to close."""
    client = getattr(fs, "_s3", None)
    if client is None:
        return
    from fsspec.asyn import sync  # noqa: PLC0415 (heavy)

    # The loop may have gone already, at the end of the process: so have the connections.
    with suppress(RuntimeError):
        sync(fs.loop, client.__aexit__, None, None, None)


def _outcome(
    ask: Callable[..., Any], positional: tuple[object, ...], named: dict[str, object]
) -> Any:
    """Return what ``ask`` does, or what it raises."""
    try:
        return ask(*positional, **named)
    except Exception as error:  # noqa: BLE001 (handed to the caller, who raises it)
        return error


async def _gather(
    ask: Callable[..., Coroutine[Any, Any, Any]],
    calls: Sequence[Call],
) -> list[Any]:
    """Ask all, so many at a time; return the answers in the order of the questions."""
    import asyncio  # noqa: PLC0415 (heavy)

    places = asyncio.Semaphore(_CONCURRENT_MAX)

    async def ask_in_turn(positional: tuple[object, ...], named: dict[str, object]) -> Any:
        async with places:
            try:
                return await ask(*positional, **named)
            except Exception as error:  # noqa: BLE001 (handed to the caller, who raises it)
                return error

    return await asyncio.gather(*(ask_in_turn(*call) for call in calls))


def _missing(protocol: str, error: Exception) -> str:
    """Say what to do about a protocol that cannot be used."""
    if isinstance(error, ValueError):
        return (
            f"no store can be reached by {protocol}://, which is not known to fsspec; use a "
            "path, s3://, gs:// or az://"
        )
    if protocol in _EXTRAS:
        return (
            f"{protocol}:// needs a package that is not installed; run: "
            f"pip install 'mandala-cas[{_EXTRAS[protocol]}]'"
        )
    return f"{protocol}:// needs a package that is not installed: {error}"
