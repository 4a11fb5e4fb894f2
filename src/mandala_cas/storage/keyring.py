"""This user's signing key: made at first need, kept in the user's configuration directory.

The key says who wrote a segment. It never appears in a store, a log line or an error.
"""

from __future__ import annotations

import os
import secrets
from contextlib import suppress
from pathlib import Path
from typing import Final

from blake3 import blake3

from mandala_cas.envelope.signatures import KEY_SIZE, SigningKey, key_id_of
from mandala_cas.errors import StoreUnavailableError, UsageError
from mandala_cas.model.ids import KeyId
from mandala_cas.objectstore.files import publish_once
from mandala_cas.objectstore.platforms import Platform, running_platform

_FILE_NAME: Final = "key"


def default_key_path() -> Path:
    """Return where the key of this user is kept."""
    import platformdirs  # noqa: PLC0415 (only stores that persist need a key)

    return Path(platformdirs.user_config_dir("mandala-cas", appauthor=False)) / _FILE_NAME


class KeyFile:
    """A key in a file, read when first needed and made when first needed to sign."""

    def __init__(self, path: Path, platform: Platform | None = None) -> None:
        """Name the file; nothing is read yet."""
        self.path = path
        self._platform = platform or running_platform()
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
        return blake3(self._read(), derive_key_context=context).digest()

    def _signing_key(self) -> SigningKey:
        """Return the key, from memory, from the file, or new."""
        if self._key is None:
            try:
                secret = self._read() if self.path.exists() else self._make()
            except OSError as error:
                raise StoreUnavailableError(
                    f"the signing key {self.path} cannot be read or made ({error.strerror}); check "
                    "the folder's permissions",
                    path=str(self.path),
                ) from error
            self._key = SigningKey(secret)
        return self._key

    def _read(self) -> bytes:
        """Return the secret bytes in the file."""
        text = self.path.read_text(encoding="ascii", errors="replace").strip()
        try:
            secret = bytes.fromhex(text)
        except ValueError:
            secret = b""
        if len(secret) != KEY_SIZE:
            # Nothing of what was found is repeated: it may be most of a key.
            raise UsageError(
                f"{self.path} does not hold a signing key of {KEY_SIZE} bytes in hexadecimal; "
                "restore it, or move it away to sign with a new one",
                path=str(self.path),
            )
        return secret

    def _make(self) -> bytes:
        """Write a new key, readable by this user only; another process may be faster.

        A crash leaves at most a temporary file beside: the key appears whole, in one step, and
        whoever comes second takes the one that is there.
        """
        self.path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        temporary = self.path.with_name(f"{_FILE_NAME}.{secrets.token_hex(8)}.tmp")
        descriptor = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        with os.fdopen(descriptor, "w", encoding="ascii") as file:
            file.write(secrets.token_bytes(KEY_SIZE).hex() + "\n")
            file.flush()
            self._platform.sync_file(file.fileno())
        lock = self.path.with_name(f"{_FILE_NAME}.lock")
        try:
            publish_once(self._platform, temporary, self.path, lock)
        finally:
            # Where the key got its name by a rename, there is nothing left to remove.
            with suppress(FileNotFoundError):
                temporary.unlink()
        # A segment may outlive a power cut, so what it is signed with must: without the key its
        # writer would take it for somebody else's.
        for directory in (self.path.parent.parent, self.path.parent):
            with suppress(PermissionError):
                self._platform.sync_directory(directory)
        return self._read()
