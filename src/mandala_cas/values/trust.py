"""Whose pickles are decoded: decoding one runs code that its writer chose."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Literal

from mandala_cas.errors import CorruptionError, MandalaError, UntrustedError
from mandala_cas.index.copies import ValueCopy
from mandala_cas.model.ids import ContentId, KeyId

PicklePolicy = Literal["trusted", "allow", "refuse"]


@dataclass(frozen=True, slots=True)
class Origin:
    """The call on record that gave a value, as far as one did: its op, and the output's name."""

    op_name: str
    output: str


@dataclass(frozen=True, slots=True)
class Trust:
    """Decides for each copy of a value whether decoding it may run code.

    ``own_key`` gives the id of this user's key; it is asked only when a copy is somebody's.
    ``is_trusted`` tells of other keys, ``name_of`` how the user calls them.
    ``unsigned_is_own`` holds for stores in memory, which nobody else can write to. ``origins_of``
    says where values came from; it is asked for the sake of errors.
    """

    policy: PicklePolicy
    own_key: Callable[[], KeyId | None]
    is_trusted: Callable[[KeyId], bool] = lambda _: False
    name_of: Callable[[KeyId], str | None] = lambda _: None
    unsigned_is_own: bool = False
    origins_of: Callable[[Collection[ContentId]], Mapping[ContentId, Origin]] = lambda _: {}

    def allows(self, copy: ValueCopy) -> bool:
        """Tell whether this copy may run code; a forged signature raises CorruptionError."""
        if self.policy != "trusted":
            return self.policy == "allow"
        return self.vouches(copy)

    def vouches(self, copy: ValueCopy) -> bool:
        """Tell whether somebody trusted wrote this copy, whatever the policy is.

        A run keeps who signed each segment that it covers, and both must be trusted: who made the
        run, for what it says of the segment, and who signed the segment, for the value.

        Raises:
            CorruptionError: the signature is forged.
        """
        if copy.segment is None:
            return True
        if copy.signature is None:
            return self.unsigned_is_own
        return self.knows(copy.signature.verified_key()) and (
            copy.writer_key is None or self.knows(copy.writer_key)
        )

    def knows(self, key_id: KeyId) -> bool:
        """Tell whether a key is this user's, or somebody's whom the user trusts."""
        return key_id == self.own_key() or self.is_trusted(key_id)

    def allows_quietly(self, copy: ValueCopy) -> bool:
        """Tell the same as ``allows`` of a copy that nobody reads now; a forged one is not."""
        try:
            return self.allows(copy)
        except CorruptionError:
            return False

    def vouches_quietly(self, copy: ValueCopy) -> bool:
        """Tell the same as ``vouches`` of a copy that nobody reads now; a forged one is not."""
        try:
            return self.vouches(copy)
        except CorruptionError:
            return False

    def refusals(self, copies: Sequence[ValueCopy]) -> dict[ContentId, MandalaError]:
        """Return the errors for values of which these copies are not allowed.

        One whose signature is forged is damaged: nobody is blamed for what another forged.
        """
        origins = self.origins_of({copy.record.content_id for copy in copies}) if copies else {}
        errors: dict[ContentId, MandalaError] = {}
        for copy in copies:
            content_id = copy.record.content_id
            try:
                errors[content_id] = self.refusal(copy, origins.get(content_id))
            except CorruptionError as error:
                errors[content_id] = error
        return errors

    def refusal(self, copy: ValueCopy, origin: Origin | None = None) -> UntrustedError:
        """Return the error for a copy that is not allowed: what, by whom, when, and what to do.

        Raises:
            CorruptionError: the signature is forged.
        """
        record = copy.record
        value = f"value {record.content_id.short} ({record.codec_name}, {record.raw_size} bytes)"
        what = value if origin is None else f"{origin.output} of {origin.op_name}, {value},"
        when = datetime.fromtimestamp(copy.created_us / 1e6, tz=UTC)
        maker = None if copy.signature is None else copy.signature.verified_key()
        writer = maker if copy.writer_key is None else copy.writer_key
        if writer is not None and not any(writer):
            writer = None
        unknown = [key for key in dict.fromkeys((writer, maker)) if key and not self.knows(key)]
        by_whom = "an unknown writer (it is not signed)" if writer is None else self._called(writer)
        if maker is not None and maker != writer:
            by_whom += f" and stands in a run that {self._called(maker)} made"
        return UntrustedError(
            f"{what} is a pickle written by {by_whom} on {when:%Y-%m-%d %H:%M} UTC, and "
            f"{self._reason(writer is not None, unknown)}",
            content_id=record.content_id,
            cid=str(record.content_id),
            op=None if origin is None else origin.op_name,
            output=None if origin is None else origin.output,
            key_id=None if writer is None else str(writer),
            unknown_keys=[str(key) for key in unknown],
            segment=copy.segment,
        )

    def _reason(self, is_signed: bool, unknown: list[KeyId]) -> str:  # noqa: FBT001 (one of two facts)
        """Return why a pickle is not decoded, and the ways on."""
        again = "ask for it inside `with storage:`, where its call runs again, with your own code"
        if self.policy == "refuse":
            return (
                "this storage was opened with pickle='refuse'; open it with pickle='trusted' if "
                f"that writer is you or somebody you trust, or {again}"
            )
        reason = "decoding it would run code of that writer's choosing"
        ways = [
            "open the store with Storage(..., pickle='allow') to decode it this once",
            again,
        ]
        if is_signed and unknown:
            calls = " and ".join(f'storage.trust("{key}", name=...)' for key in unknown)
            ways.insert(0, f"{calls} if you know whose key that is and trust them")
        return f"{reason}; either {', or '.join(ways)}"

    def _called(self, key_id: KeyId) -> str:
        """Return a key for people, by its name where it has one."""
        name = self.name_of(key_id)
        who = f"key {key_id.short}" if name is None else f"{name} (key {key_id.short})"
        return f"you (key {key_id.short})" if key_id == self.own_key() else who
