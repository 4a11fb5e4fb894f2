"""What the commands about keys do: this user's own, and those that the user trusts."""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from mandala_cas.cli.exit_codes import OK
from mandala_cas.envelope.signatures import KEY_SIZE, SigningKey, key_id_of
from mandala_cas.errors import NotFoundError, UsageError
from mandala_cas.model.ids import KeyId
from mandala_cas.storage.keyring import (
    KEY_VARIABLE,
    GivenKey,
    Key,
    default_key_path,
    parse_secret,
    read_secret,
    replace_secret,
    secret_of,
    user_key,
    write_secret,
)
from mandala_cas.storage.trusted_keys import (
    TrustedKey,
    TrustedKeysReport,
    default_trusted_keys,
    resolve_key,
)
from mandala_cas.storage.trusting import revoke_key
from mandala_cas.upkeep.printing import as_lines

Options = Mapping[str, Any]

STANDARD: Final = "-"
_SOURCE_SIZE_MAX: Final = 4096


def run(command: str, options: Options) -> int:
    """Run one of the commands about keys, and return its exit code."""
    _COMMANDS[command](options)
    return OK


def _show(options: Options) -> None:
    """Print the public side of this user's key."""
    key = user_key()
    if key.key_id() is None and not options["make"]:
        raise NotFoundError(
            "you have no signing key yet; it is made when you first write to a store, or by "
            "`mandala-cas key show --make`"
        )
    _print(_OwnKey(key_id_of(key.public_key), key.public_key, _source(key)), options)


def _export(options: Options) -> None:
    """Write this user's secret key to a new file, or to standard output."""
    key = user_key()
    target = options["file"]
    with _files(target):
        secret = secret_of(key)
        if secret is None:
            raise NotFoundError("you have no signing key yet, so there is nothing to export")
        if target == STANDARD:
            print(secret.hex())
            return
        if not write_secret(Path(target), secret):
            raise UsageError(f"{target} is there already; export to a file that is not")
    print(f"wrote key {key.key_id()} to {target}; whoever reads that file can sign as you")


def _import(options: Options) -> None:
    """Take a secret key for this user's own."""
    source = options["file"]
    path = default_key_path()
    with _files(source):
        secret = _read_source(source)
        key_id = key_id_of(SigningKey(secret).public_key)
        if not path.exists() and write_secret(path, secret):
            print(f"you sign with key {key_id} from now on")
        elif (old := read_secret(path)) == secret:
            print(f"key {key_id} is the one that you have already")
        elif not options["replace"]:
            raise UsageError(
                f"you have another key, {key_id_of(SigningKey(old).public_key)}; --replace puts "
                f"key {key_id} in its place, and keeps the old one beside it"
            )
        else:
            kept = replace_secret(path, secret)
            old_id = key_id_of(SigningKey(old).public_key)
            print(f"you sign with key {key_id} from now on; the old one is kept as {kept}")
            print(f"to go on reading what it signed: mandala-cas key trust {old_id}")
    if os.environ.get(KEY_VARIABLE):
        print(
            f"mandala-cas: warning: {KEY_VARIABLE} is set, and counts before this key",
            file=sys.stderr,
        )


def _trust(options: Options) -> None:
    """Trust a key."""
    trusted = default_trusted_keys()
    known = {key.key_id for key in trusted.all()}
    key_id = resolve_key(options["key_id"], known, where="that you know")
    _print(_KeyLine("trusted", trusted.trust(key_id, options["name"])), options)


def _revoke(options: Options) -> None:
    """Trust a key no longer."""
    key = revoke_key(default_trusted_keys(), options["key_id"], user_key().key_id())
    _print(_KeyLine("revoked", key), options)


def _list(options: Options) -> None:
    """Print the keys that are or were trusted."""
    _print(TrustedKeysReport(user_key().key_id(), default_trusted_keys().all()), options)


@dataclass(frozen=True, slots=True)
class _OwnKey:
    """The public side of a key, for people and for programs."""

    key_id: KeyId
    public_key: bytes
    source: str

    def __str__(self) -> str:
        """Return lines."""
        return as_lines(
            [
                ("key id", str(self.key_id)),
                ("public key", self.public_key.hex()),
                ("from", self.source),
            ]
        )

    def to_dict(self) -> dict[str, str]:
        """Return the same as plain data."""
        return {
            "key_id": str(self.key_id),
            "public_key": self.public_key.hex(),
            "source": self.source,
        }


@dataclass(frozen=True, slots=True)
class _KeyLine:
    """What became of a key, for people and for programs."""

    verb: str
    key: TrustedKey

    def __str__(self) -> str:
        """Return a line."""
        name = "" if self.key.name is None else f" of {self.key.name}"
        return f"{self.verb} key {self.key.key_id}{name}"

    def to_dict(self) -> dict[str, Any]:
        """Return the same as plain data."""
        return self.key.to_dict()


def _source(key: Key) -> str:
    """Return where a key comes from; never what it is."""
    return KEY_VARIABLE if isinstance(key, GivenKey) else str(key.path)


def _read_source(source: str) -> bytes:
    """Return the key in a file, or on standard input.

    Raises:
        UsageError: there is none.
        OSError: the file cannot be read.
    """
    if source == STANDARD:
        text = sys.stdin.read(_SOURCE_SIZE_MAX)
    else:
        with Path(source).open("rb") as file:
            text = file.read(_SOURCE_SIZE_MAX).decode("ascii", "replace")
    secret = parse_secret(text)
    if secret is None:
        # Nothing of what was found is repeated: it may be most of a key.
        what = "standard input" if source == STANDARD else source
        raise UsageError(
            f"{what} is no signing key: one is {2 * KEY_SIZE} hexadecimal digits, as "
            "`mandala-cas key export` writes them"
        )
    return secret


@contextmanager
def _files(named: str) -> Iterator[None]:
    """Translate what goes wrong with files."""
    try:
        yield
    except OSError as error:
        if isinstance(error, UsageError):
            raise
        place = error.filename or named
        raise UsageError(f"cannot read or write {place}: {error.strerror}") from error


def _print(thing: Any, options: Options) -> None:
    """Print something, for people or for programs."""
    print(json.dumps(thing.to_dict(), indent=2) if options["json"] else thing)


_COMMANDS: Final[Mapping[str, Callable[[Options], None]]] = {
    "show": _show,
    "export": _export,
    "import": _import,
    "trust": _trust,
    "revoke": _revoke,
    "list": _list,
}
