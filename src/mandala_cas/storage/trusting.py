"""Whose pickles are decoded, as methods of a storage.

What a user trusts belongs to the user, not to the store: it holds for every store.
"""

from __future__ import annotations

import os

from mandala_cas.envelope.signatures import Signature, key_id_of
from mandala_cas.errors import UsageError
from mandala_cas.log.view import LogView
from mandala_cas.model.ids import KeyId
from mandala_cas.storage.assembly import Assembly, now_us
from mandala_cas.storage.base import StorageFace
from mandala_cas.storage.trusted_keys import (
    TrustedKey,
    TrustedKeys,
    TrustedKeysReport,
    default_trusted_keys,
    resolve_key,
)
from mandala_cas.upkeep.signing.report import SignReport


class StoreTrust(StorageFace):
    """The part of a storage that knows whom its user trusts."""

    def trust(self, key_id: str, *, name: str | None = None) -> TrustedKey:
        """Decode from now on what a key signed, in this and every other store.

        Decoding a pickle runs code that its writer chose: trust who may do that on this machine,
        and make sure over another way than the store that the key is theirs.

        Args:
            key_id: all 32 digits of it, or at least 16 of a key that signed something here.
            name: whose key it is, for messages.

        Raises:
            UsageError: that is no key id, or too little of one, or the name is another key's.
            NotFoundError: no key of this store begins like that.
        """
        self._check_open()
        keys = _keys_in(self._parts) | {key.key_id for key in self._trusted_keys().all()}
        found = resolve_key(key_id, keys, where="of this store")
        return self._trusted_keys().trust(found, name)

    def revoke(self, key_id: str) -> TrustedKey:
        """Decode no longer what a key signed; values that are no pickles stay as they are.

        Args:
            key_id: all 32 digits of it, at least 16 of them, or the name it was given.

        Raises:
            NotFoundError: it was never trusted.
            UsageError: it is the key that this storage signs with.
        """
        self._check_open()
        return revoke_key(self._trusted_keys(), key_id, self._own_key())

    def trusted(self) -> TrustedKeysReport:
        """Return this user's own key, and the keys that are or were trusted."""
        self._check_open()
        return TrustedKeysReport(self._own_key(), self._trusted_keys().all())

    def sign(self, writer: str | None = None, *, dry_run: bool = True) -> SignReport:
        """Return which pickles of others would be signed; sign them with ``dry_run=False``.

        Signing vouches for what lies in a store, as when a colleague's store is taken over: from
        then on the pickles count as written by you, to you and to all who trust you. Their bytes
        are compared with the hashes on record, and nothing is decoded.

        Args:
            writer: only what this key signed: its id, at least 16 digits of it, or its name.
            dry_run: sign nothing, and say what would be signed.
        """
        from mandala_cas.upkeep.signing.sign import (  # noqa: PLC0415 (only who signs)
            SignRules,
            plan_signing,
            sign,
        )

        self._check_open()
        parts = self._parts
        key_id = None
        if writer is not None:
            known = {key.name: key.key_id for key in self._trusted_keys().all()}
            key_id = known.get(writer) or resolve_key(
                writer, _keys_in(parts), where="of this store"
            )
        rules = SignRules(
            parts.trust.vouches, parts.codecs.may_run_code, parts.trust.name_of, key_id
        )
        # What was kept in the user's cache is not hashed; what is vouched for is read anew.
        view = LogView(parts.objects)
        if dry_run:
            if parts.read_only is None:
                self.commit()
            return plan_signing(view, rules)
        self._check_writable("sign")
        self.commit()
        try:
            return sign(
                parts.objects, view, rules, signer=parts.key, clock_us=now_us, draw=os.urandom
            )
        finally:
            parts.recorder.refresh()

    def _own_key(self) -> KeyId | None:
        """Return the key of this user, if there is one."""
        return None if self._parts.key is None else self._parts.key.key_id()

    def _trusted_keys(self) -> TrustedKeys:
        """Return the keys that this user trusts."""
        return self._parts.trusted_keys or default_trusted_keys()


def revoke_key(trusted: TrustedKeys, text: str, own_key: KeyId | None) -> TrustedKey:
    """Trust a key no longer, given by its id, the beginning of it, or its name.

    Raises:
        NotFoundError: it was never trusted.
        UsageError: it is ``own_key``, or no key id.
    """
    keys = trusted.all()
    named = {key.name: key.key_id for key in keys}
    known = {key.key_id for key in keys}
    found = named.get(text) or resolve_key(text, known, where="that you trust")
    if found == own_key:
        raise UsageError(
            f"key {found} is the one that you sign with; take another first: "
            "`mandala-cas key import`, or move the key file away and one is made",
            key_id=str(found),
        )
    return trusted.revoke(found)


def _keys_in(parts: Assembly) -> set[KeyId]:
    """Return the keys that the log of a store names; nothing is verified that need not be."""
    signatures: list[Signature | None] = [part.signature for part in parts.view.parts.values()]
    signatures += [run.signature for run in parts.view.runs.values()]
    keys = {key_id_of(signature.public_key) for signature in signatures if signature is not None}
    for run in parts.view.runs.values():
        keys |= {KeyId(key) for key in run.covered.keys.rows() if any(key)}
    return keys | (set() if parts.base is None else parts.base.part.origins.keys())
