"""Who wrote an object: ed25519 keys and signatures, checked when somebody asks.

``cryptography`` is imported when the first signature is made or checked.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Final, Protocol

from blake3 import blake3

from mandala_cas.errors import CorruptionError, UsageError
from mandala_cas.model.ids import KeyId

KEY_SIZE: Final = 32
SIGNATURE_SIZE: Final = 64


def key_id_of(public_key: bytes) -> KeyId:
    """Return the id of a public key."""
    context = "mandala-cas v1 key id"
    return KeyId(blake3(public_key, derive_key_context=context).digest(16))


class Signer(Protocol):
    """Signs what one person writes."""

    @property
    def public_key(self) -> bytes:
        """The 32 bytes that check what this signer signed."""
        ...

    def sign(self, message: bytes) -> bytes:
        """Return the 64 bytes of the signature."""
        ...


class SigningKey:
    """A private ed25519 key, from its 32 secret bytes. It never prints them."""

    __slots__ = ("_private", "public_key")

    def __init__(self, secret: bytes) -> None:
        """Take the secret bytes; any 32 bytes are a key."""
        if len(secret) != KEY_SIZE:
            # The bytes themselves never enter a message: a log would keep them.
            raise UsageError(f"a signing key is {KEY_SIZE} bytes, got {len(secret)}")
        from cryptography.hazmat.primitives.asymmetric.ed25519 import (  # noqa: PLC0415 (heavy)
            Ed25519PrivateKey,
        )

        self._private = Ed25519PrivateKey.from_private_bytes(secret)
        self.public_key: bytes = self._private.public_key().public_bytes_raw()

    def sign(self, message: bytes) -> bytes:
        """Return the 64 bytes of the signature."""
        return self._private.sign(message)

    def __repr__(self) -> str:
        """Return the id of the public part."""
        return f"SigningKey({key_id_of(self.public_key)})"


@dataclass(slots=True)
class Signature:
    """A signature as it was read: a claim until ``verified_key`` was asked for."""

    name: str
    public_key: bytes
    message: bytes
    signature: bytes
    _verified: KeyId | None = field(default=None, init=False, repr=False, compare=False)

    def verified_key(self) -> KeyId:
        """Return the id of the key that signed; checked at the first call.

        Raises:
            CorruptionError: the signature is not of this object, or not by this key.
        """
        if self._verified is None:
            from cryptography.exceptions import InvalidSignature  # noqa: PLC0415 (heavy)
            from cryptography.hazmat.primitives.asymmetric.ed25519 import (  # noqa: PLC0415 (heavy)
                Ed25519PublicKey,
            )

            try:
                key = Ed25519PublicKey.from_public_bytes(self.public_key)
                key.verify(self.signature, self.message)
            except (InvalidSignature, ValueError) as error:
                raise CorruptionError(
                    f"the signature of {self.name} does not fit the object and its key "
                    f"{key_id_of(self.public_key).short}; do not use it, and tell its writer",
                    name=self.name,
                ) from error
            self._verified = key_id_of(self.public_key)
        return self._verified
