"""The key that this user signs with: given, named by the environment, or kept and made at need.

The key says who wrote a segment. It never appears in a store, a log line or an error.
"""

from __future__ import annotations

import os
import secrets
import stat
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path
from typing import Final

from blake3 import blake3

from mandala_cas.envelope.signatures import KEY_SIZE, SigningKey, key_id_of
from mandala_cas.errors import StoreUnavailableError, UsageError
from mandala_cas.model.ids import KeyId
from mandala_cas.objectstore.files import publish_once
from mandala_cas.objectstore.platforms import Platform, running_platform

KEY_VARIABLE: Final = "MANDALA_CAS_KEY"

_FILE_NAME: Final = "key"
# More is no key, and need not be read to know that.
_FILE_SIZE_MAX: Final = 4096

KeySource = str | os.PathLike[str]


def default_key_path() -> Path:
    """Return where the key of this user is kept."""
    return config_directory() / _FILE_NAME


def config_directory() -> Path:
    """Return where what belongs to this user, and to no store, is kept."""
    import platformdirs  # noqa: PLC0415 (only stores that persist need a key)

    return Path(platformdirs.user_config_dir("mandala-cas", appauthor=False))


def user_key(given: KeySource | None = None, environment: Mapping[str, str] | None = None) -> Key:
    """Return the key to sign with: ``given``, else that of the environment, else the user's file.

    A key is given as 64 hexadecimal digits, or as the path of a file that holds them. One that is
    given must be there: a mistyped path must not make another writer of its user.

    Raises:
        UsageError: what was given is no key, and names no file with one that only its user reads.
    """
    environment = os.environ if environment is None else environment
    if given is not None:
        return _given_key(given, "key=")
    if named := environment.get(KEY_VARIABLE):
        return _given_key(named, KEY_VARIABLE)
    return KeyFile(default_key_path())


class GivenKey:
    """A key that was handed in; it is there from the beginning."""

    def __init__(self, secret: bytes) -> None:
        """Take the 32 secret bytes."""
        self.secret = secret
        self._key: SigningKey | None = None

    @property
    def public_key(self) -> bytes:
        """The public part."""
        return self._signing_key().public_key

    def sign(self, message: bytes) -> bytes:
        """Return the signature of ``message``."""
        return self._signing_key().sign(message)

    def key_id(self) -> KeyId:
        """Return the id of the key."""
        return key_id_of(self.public_key)

    def derive(self, context: str) -> bytes:
        """Return 32 bytes that only who has this key can know, others for every ``context``."""
        return blake3(self.secret, derive_key_context=context).digest()

    def _signing_key(self) -> SigningKey:
        """Return the key, made when first needed: that imports ``cryptography``."""
        if self._key is None:
            self._key = SigningKey(self.secret)
        return self._key


class KeyFile:
    """A key in a file, read when first needed and made when first needed to sign."""

    def __init__(self, path: Path, platform: Platform | None = None) -> None:
        """Name the file; nothing is read yet."""
        self.path = path
        self._platform = platform or running_platform()
        self._secret = b""
        self._key: SigningKey | None = None

    @property
    def public_key(self) -> bytes:
        """The public part; makes the key if there is none."""
        return self._signing_key().public_key

    def sign(self, message: bytes) -> bytes:
        """Return the signature of ``message``; makes the key if there is none."""
        return self._signing_key().sign(message)

    def key_id(self) -> KeyId | None:
        """Return the id of the key, or None if there is none; makes nothing."""
        if self._key is None and not self.path.exists():
            return None
        return key_id_of(self._signing_key().public_key)

    def derive(self, context: str) -> bytes:
        """Return 32 bytes that only who has this key can know; makes the key if there is none.

        Different ones for every ``context``, which tell nothing of the key.
        """
        self._signing_key()
        # Not read again: another key may have taken its place, and this process signs with this.
        return blake3(self._secret, derive_key_context=context).digest()

    def _signing_key(self) -> SigningKey:
        """Return the key, from memory, from the file, or new."""
        if self._key is None:
            try:
                secret = read_secret(self.path) if self.path.exists() else self._make()
            except OSError as error:
                raise StoreUnavailableError(
                    f"the signing key {self.path} cannot be read or made ({error.strerror}); check "
                    "the folder's permissions",
                    path=str(self.path),
                ) from error
            self._secret, self._key = secret, SigningKey(secret)
        return self._key

    def _make(self) -> bytes:
        """Write a new key; another process may be faster, and then its key counts."""
        write_secret(self.path, secrets.token_bytes(KEY_SIZE), self._platform)
        return read_secret(self.path)


Key = KeyFile | GivenKey


def write_secret(path: Path, secret: bytes, platform: Platform | None = None) -> bool:
    """Write a key to a file that only this user reads, unless there is one; tell whether it did.

    A crash leaves at most a temporary file beside: the key appears whole, in one step.

    Raises:
        OSError: the file cannot be written.
    """
    platform = platform or running_platform()
    temporary = _temporary_secret(path, secret, platform)
    lock = path.with_name(f"{path.name}.lock")
    try:
        is_new = publish_once(platform, temporary, path, lock)
    finally:
        # Where the key got its name by a rename, there is nothing left to remove.
        with suppress(FileNotFoundError):
            temporary.unlink()
    _sync_above(path, platform)
    return is_new


def replace_secret(path: Path, secret: bytes) -> Path:
    """Write a key to the file of another one; return where that one is kept from now on.

    A crash leaves the old key in its place, perhaps kept twice, or the new one.

    Raises:
        UsageError: what is there is no key.
        OSError: a file cannot be read or written.
    """
    platform = running_platform()
    old = read_secret(path)
    kept = path.with_name(f"{path.name}-{key_id_of(SigningKey(old).public_key).short}.old")
    # First of all: without the old key, nobody could sign as who wrote so far.
    write_secret(kept, old, platform)
    temporary = _temporary_secret(path, secret, platform)
    try:
        platform.replace(temporary, path)
    finally:
        with suppress(FileNotFoundError):
            temporary.unlink()
    _sync_above(path, platform)
    return kept


def secret_of(key: Key) -> bytes | None:
    """Return the secret bytes of a key, for who exports it; None where there is none yet.

    Raises:
        UsageError: the file holds no key.
        OSError: it cannot be read.
    """
    if isinstance(key, GivenKey):
        return key.secret
    return read_secret(key.path) if key.path.exists() else None


def _temporary_secret(path: Path, secret: bytes, platform: Platform) -> Path:
    """Write a key to a file beside ``path`` that only this user reads; return its path."""
    path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    temporary = path.with_name(f"{path.name}.{secrets.token_hex(8)}.tmp")
    descriptor = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    with os.fdopen(descriptor, "w", encoding="ascii") as file:
        file.write(secret.hex() + "\n")
        file.flush()
        platform.sync_file(file.fileno())
    return temporary


def _sync_above(path: Path, platform: Platform) -> None:
    """Have the disk confirm the name of a key.

    A segment may outlive a power cut, so what it is signed with must: without the key its writer
    would take it for somebody else's.
    """
    for directory in (path.parent.parent, path.parent):
        with suppress(PermissionError):
            platform.sync_directory(directory)


def read_secret(path: Path) -> bytes:
    """Return the secret bytes in a file.

    Raises:
        UsageError: there is no key in it, or others can read it.
        OSError: the file cannot be read.
    """
    with path.open("rb") as file:
        status = os.fstat(file.fileno())
        data = file.read(_FILE_SIZE_MAX)
    secret = parse_secret(data.decode("ascii", "replace"))
    if secret is None:
        # Nothing of what was found is repeated: it may be most of a key.
        raise UsageError(
            f"{path} does not hold a signing key of {KEY_SIZE} bytes in hexadecimal; "
            "restore it, or move it away to sign with a new one",
            path=str(path),
        )
    check_private(path, status, "the signing key", stat.S_IROTH | stat.S_IWOTH)
    return secret


def parse_secret(text: str) -> bytes | None:
    """Return the key that is written as 64 hexadecimal digits; None if this is none."""
    text = text.strip()
    try:
        secret = bytes.fromhex(text)
    except ValueError:
        return None
    return secret if len(text) == 2 * KEY_SIZE and len(secret) == KEY_SIZE else None


def check_private(path: Path, status: os.stat_result, what: str, forbidden: int) -> None:
    """Refuse a file whose mode gives everybody on this machine what is ``forbidden``.

    Raises:
        UsageError: it does.
    """
    # On Windows a user's folders are closed to others, and modes say nothing.
    if os.name != "nt" and status.st_mode & forbidden:
        raise UsageError(
            f"{what} {path} is open to every user of this machine (mode "
            f"{stat.S_IMODE(status.st_mode):o}), so it proves nothing of who wrote what; take "
            f"that away with `chmod 600 {path}`, and use another key if somebody may have read it",
            path=str(path),
        )


def _given_key(given: KeySource, where: str) -> GivenKey:
    """Return the key that was handed in, as text or as a path."""
    secret = parse_secret(given) if isinstance(given, str) else None
    if secret is not None:
        return GivenKey(secret)
    path = Path(given).expanduser()
    # A text that is no path may be most of a key, and is not repeated.
    named = f"{path}" if isinstance(given, os.PathLike) else f"what {where} gives"
    try:
        return GivenKey(read_secret(path))
    except (OSError, ValueError) as error:
        if isinstance(error, UsageError):
            raise
        reason = error.strerror if isinstance(error, OSError) else "it is no path"
        raise UsageError(
            f"{named} is neither a signing key of {2 * KEY_SIZE} hexadecimal digits nor a file "
            f"that can be read ({reason}); `mandala-cas key export` writes such a file",
            source=where,
        ) from None
