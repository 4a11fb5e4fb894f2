"""The keys of other people whose pickles this user decodes.

They are kept in the user's configuration directory, never in a store: whoever can write to a store
must not be able to add one. What is in the file can be read by people::

    {"format": 1, "keys": {"<key id>": {"name": "bob", "trusted_us": ..., "revoked_us": null}}}
"""

from __future__ import annotations

import json
import os
import secrets
import stat
import time
from collections.abc import Callable, Collection, Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Final

from mandala_cas.errors import NotFoundError, UnsupportedFormatError, UsageError
from mandala_cas.model.ids import KeyId
from mandala_cas.objectstore.disk import reading, writing
from mandala_cas.objectstore.locks import locked
from mandala_cas.objectstore.platforms import running_platform
from mandala_cas.storage.keyring import check_private, config_directory
from mandala_cas.upkeep.printing import Report, as_table

# Whoever can make keys by the billion finds one that begins like another's, if few digits count.
PREFIX_MIN: Final = 16

_FILE_NAME: Final = "trusted-keys.json"
_FORMAT: Final = 1
_FILE_SIZE_MAX: Final = 16 << 20
_NAME_MAX: Final = 200
_DIGITS: Final = 2 * KeyId.SIZE


@dataclass(frozen=True, slots=True)
class TrustedKey:
    """A key that this user trusts, or did until ``revoked_us``; times are microseconds of UTC."""

    key_id: KeyId
    name: str | None
    trusted_us: int
    revoked_us: int | None = None

    def to_dict(self) -> dict[str, Any]:
        """Return the same as plain data."""
        return {
            "key_id": str(self.key_id),
            "name": self.name,
            "trusted": _as_time(self.trusted_us),
            "revoked": None if self.revoked_us is None else _as_time(self.revoked_us),
        }


@dataclass(frozen=True, slots=True, repr=False)
class TrustedKeysReport(Report):
    """This user's own key, if there is one, and the keys that are or were trusted."""

    own_key: KeyId | None
    keys: tuple[TrustedKey, ...]

    def __str__(self) -> str:
        """Return a table."""
        rows = [
            (
                key.key_id,
                key.name or "",
                _as_day(key.trusted_us),
                "" if key.revoked_us is None else _as_day(key.revoked_us),
            )
            for key in self.keys
        ]
        if self.own_key is not None:
            rows.insert(0, (self.own_key, "(yourself)", "", ""))
        if not rows:
            return "no key is trusted, and you have none of your own yet"
        return as_table(("key", "name", "trusted", "revoked"), rows)

    def to_dict(self) -> dict[str, Any]:
        """Return the same as plain data."""
        return {
            "own_key": None if self.own_key is None else str(self.own_key),
            "keys": [key.to_dict() for key in self.keys],
        }


class TrustedKeys:
    """The trusted keys of one user, in a file that other processes of the user change as well."""

    def __init__(
        self, path: Path, clock_us: Callable[[], int] = lambda: time.time_ns() // 1000
    ) -> None:
        """Keep them in the file ``path``; nothing is read yet."""
        self._path = path
        self._clock_us = clock_us
        self._seen: tuple[int, ...] | None = None
        self._keys: Mapping[KeyId, TrustedKey] = {}

    def all(self) -> tuple[TrustedKey, ...]:
        """Return all keys, also those that were revoked, the first trusted first."""
        return tuple(sorted(self._read().values(), key=lambda key: (key.trusted_us, key.key_id)))

    def is_trusted(self, key_id: KeyId) -> bool:
        """Tell whether a key is trusted now; what another process changed counts at once."""
        key = self._read().get(key_id)
        return key is not None and key.revoked_us is None

    def name_of(self, key_id: KeyId) -> str | None:
        """Return how the user calls a key, also one that was revoked."""
        key = self._read().get(key_id)
        return None if key is None else key.name

    def trust(self, key_id: KeyId, name: str | None = None) -> TrustedKey:
        """Trust a key from now on, also one that was revoked; return what is kept of it.

        Trusting it again changes nothing but the name, where one is given.

        Raises:
            UsageError: the name cannot be printed on a line, or is another key's.
        """
        if name is not None:
            _check_name(name)
        with self._changing() as keys:
            for key in keys.values():
                if name is not None and key.name == name and key.key_id != key_id:
                    raise UsageError(
                        f"{name!r} is the name of key {key.key_id} already; choose another, so "
                        "that messages say whom they mean",
                        key_id=str(key.key_id),
                    )
            known = keys.get(key_id)
            if known is None or known.revoked_us is not None:
                kept = None if known is None else known.name
                known = TrustedKey(key_id, kept, self._clock_us())
            keys[key_id] = known = replace(known, name=known.name if name is None else name)
            return known

    def revoke(self, key_id: KeyId) -> TrustedKey:
        """Trust a key no longer; return what is kept of it.

        Raises:
            NotFoundError: it was never trusted.
        """
        with self._changing() as keys:
            known = keys.get(key_id)
            if known is None:
                raise NotFoundError(
                    f"key {key_id} is not among those you trust, so there is nothing to revoke; "
                    "see storage.trusted()",
                    key_id=str(key_id),
                )
            if known.revoked_us is None:
                keys[key_id] = known = replace(known, revoked_us=self._clock_us())
            return known

    def _read(self) -> Mapping[KeyId, TrustedKey]:
        """Return what is in the file, read again if it changed."""
        with reading(self._path.name, self._path.parent):
            try:
                status = self._path.stat()
            except (FileNotFoundError, NotADirectoryError):
                self._seen, self._keys = None, {}
                return self._keys
            seen = (status.st_ino, status.st_size, status.st_mtime_ns)
            if seen != self._seen:
                # Whoever can add a key to it can run code here.
                check_private(self._path, status, "the list of trusted keys", stat.S_IWOTH)
                with self._path.open("rb") as file:
                    data = file.read(_FILE_SIZE_MAX)
                self._keys = _parsed(self._path, data)
                self._seen = seen
        return self._keys

    @contextmanager
    def _changing(self) -> Iterator[dict[KeyId, TrustedKey]]:
        """Give the keys to be changed; at the end of the block they are written, if they were.

        One process at a time: of two that read before either writes, one would lose its change.
        """
        folder = self._path.parent
        with writing(self._path.name, folder):
            folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        with locked(folder / f"{self._path.name}.lock"):
            self._seen = None
            keys = dict(self._read())
            yield keys
            if keys != self._keys:
                self._write(keys)

    def _write(self, keys: Mapping[KeyId, TrustedKey]) -> None:
        """Put the file, whole or not at all."""
        fields = {
            "format": _FORMAT,
            "keys": {
                str(key.key_id): {
                    "name": key.name,
                    "trusted_us": key.trusted_us,
                    "revoked_us": key.revoked_us,
                }
                for key in keys.values()
            },
        }
        platform = running_platform()
        temporary = self._path.with_name(f"{self._path.name}.{secrets.token_hex(8)}.tmp")
        with writing(self._path.name, self._path.parent):
            try:
                descriptor = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
                with os.fdopen(descriptor, "w", encoding="ascii") as file:
                    file.write(json.dumps(fields, indent=2) + "\n")
                    file.flush()
                    platform.sync_file(file.fileno())
                platform.replace(temporary, self._path)
                # A revocation that a power cut takes back would be none.
                platform.sync_directory(self._path.parent)
            finally:
                with suppress(OSError):
                    temporary.unlink()
        self._seen = None


def default_trusted_keys() -> TrustedKeys:
    """Return the keys that this user trusts."""
    return TrustedKeys(config_directory() / _FILE_NAME)


def resolve_key(
    text: str, known: Collection[KeyId], *, digits_min: int = PREFIX_MIN, where: str
) -> KeyId:
    """Return the key that ``text`` means: a whole id, or the beginning of one of ``known``.

    ``where`` says in errors what was looked through.

    Raises:
        UsageError: it is no id, too short a beginning, or that of several keys.
        NotFoundError: no known key begins like that.
    """
    digits = text.strip().lower()
    if not digits or set(digits) - set("0123456789abcdef") or len(digits) > _DIGITS:
        raise UsageError(
            f"{text!r} is no key id: one is {_DIGITS} hexadecimal digits, or the first "
            f"{digits_min} or more of them",
            found=text,
        )
    if len(digits) == _DIGITS:
        return KeyId.from_hex(digits)
    if len(digits) < digits_min:
        raise UsageError(
            f"{text!r} has {len(digits)} digits of a key id, and {digits_min} are needed: a key "
            "that shares fewer can be made on purpose; give the whole id, which errors and "
            "`mandala-cas fsck` show",
            found=text,
        )
    found = sorted({key_id for key_id in known if str(key_id).startswith(digits)})
    if not found:
        raise NotFoundError(
            f"no key {where} begins with {text!r}; give its whole id of {_DIGITS} digits",
            found=text,
        )
    if len(found) > 1:
        raise UsageError(
            f"{text!r} is the beginning of {len(found)} keys: {', '.join(map(str, found))}; give "
            "the whole id, and ask yourself who made a key so like another",
            found=text,
        )
    return found[0]


def _parsed(path: Path, data: bytes) -> Mapping[KeyId, TrustedKey]:
    """Return the keys in a file.

    Raises:
        UsageError: it is not such a file.
        UnsupportedFormatError: a newer mandala-cas wrote it.
    """
    try:
        fields = json.loads(data)
        version = fields["format"]
        if version == _FORMAT:
            keys = [_parsed_key(text, entry) for text, entry in fields["keys"].items()]
            return {key.key_id: key for key in keys}
    except (ValueError, TypeError, KeyError, AttributeError, RecursionError):
        version = None
    if isinstance(version, int) and version > _FORMAT:
        raise UnsupportedFormatError(
            f"{path} has format {version}, and this mandala-cas reads {_FORMAT}: upgrade it",
            path=str(path),
        )
    # Trusting nobody instead would look like a revocation, and the next change would make it one.
    raise UsageError(
        f"{path} is not a list of trusted keys; restore it, or move it away and trust anew whom "
        "you trust",
        path=str(path),
    )


def _parsed_key(text: str, entry: Mapping[str, Any]) -> TrustedKey:
    """Return one key of a file; anything else than a key is an error of one kind or another."""
    name, trusted_us, revoked_us = (entry[key] for key in ("name", "trusted_us", "revoked_us"))
    if (
        isinstance(name, str | None)
        and isinstance(trusted_us, int)
        and isinstance(revoked_us, int | None)
    ):
        return TrustedKey(KeyId.from_hex(text), name, trusted_us, revoked_us)
    raise ValueError(text)


def _check_name(name: str) -> None:
    """Refuse a name that would not stand in a line of text."""
    if not name or len(name) > _NAME_MAX or not name.isprintable() or name != name.strip():
        raise UsageError(
            f"a key's name is a line of 1 to {_NAME_MAX} printable characters, got {name!r}",
            found=name,
        )


def _as_time(microseconds: int) -> str:
    """Return a time as programs read it."""
    return datetime.fromtimestamp(microseconds / 1e6, UTC).isoformat(timespec="seconds")


def _as_day(microseconds: int) -> str:
    """Return a time as people read it."""
    return f"{datetime.fromtimestamp(microseconds / 1e6, UTC):%Y-%m-%d}"
