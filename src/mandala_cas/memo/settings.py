"""How the calls of one op are answered and kept: what ``@op`` was given besides names."""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Any, Final, Literal, get_args

from mandala_cas.errors import UsageError

OnStale = Literal["warn", "recompute", "keep", "error"]

_ON_STALE: Final[tuple[str, ...]] = get_args(OnStale)


@dataclass(frozen=True, slots=True, eq=False)
class OpSettings:
    """Settings of one op, checked; what is None is for the storage to say.

    ``ttl_us`` is how old a record may be that answers, in microseconds. ``renamed_args`` gives the
    present name of an argument by the one that records have. ``is_named`` tells that a person chose
    the name of the op.
    """

    ttl_us: int | None = None
    save_inputs: bool = True
    check_mutation: bool | None = None
    on_stale: OnStale | None = None
    previous_names: tuple[str, ...] = ()
    renamed_args: Mapping[str, str] = field(default_factory=lambda: MappingProxyType({}))
    record_failures: bool | None = None
    is_named: bool = False

    @property
    def is_renamed(self) -> bool:
        """Whether records under other names may answer."""
        return bool(self.previous_names or self.renamed_args)


DEFAULTS: Final = OpSettings()


def check_on_stale(value: object, whose: str) -> None:
    """Refuse what is no way to treat stale records.

    Raises:
        UsageError: saying which there are.
    """
    if value not in _ON_STALE:
        raise UsageError(f"{whose}: on_stale is one of {', '.join(_ON_STALE)}, got {value!r}")


def op_settings(
    op_name: str,
    *,
    ttl: Any = None,
    save_inputs: Any = True,
    check_mutation: Any = None,
    on_stale: Any = None,
    previous_names: Any = (),
    renamed_args: Any = None,
    record_failures: Any = None,
    is_named: bool = False,
) -> OpSettings:
    """Return the settings of an op, as a person gave them.

    Raises:
        UsageError: one of them is not what it may be.
    """
    for name, value, allowed in (
        ("save_inputs", save_inputs, (True, False)),
        ("check_mutation", check_mutation, (True, False, None)),
        ("record_failures", record_failures, (True, False, None)),
    ):
        if not any(value is choice for choice in allowed):
            choices = ", ".join(map(str, allowed))
            raise UsageError(f"{op_name}: {name} is one of {choices}, got {value!r}", op=op_name)
    if on_stale is not None:
        check_on_stale(on_stale, op_name)
    names = names_in(previous_names, "previous_names", op_name)
    if op_name in names:
        raise UsageError(
            f"{op_name}: previous_names has the name that the op has now; leave it out",
            op=op_name,
        )
    return OpSettings(
        ttl_us=None if ttl is None else _microseconds(ttl, op_name),
        save_inputs=save_inputs,
        check_mutation=check_mutation,
        on_stale=on_stale,
        previous_names=names,
        renamed_args=_renames(renamed_args, op_name),
        record_failures=record_failures,
        is_named=is_named,
    )


def names_in(given: Any, setting: str, op_name: str) -> tuple[str, ...]:
    """Return the names that a setting lists.

    Raises:
        UsageError: it is no list of names; a text would be taken for a list of letters.
    """
    is_listed = isinstance(given, Iterable) and not isinstance(given, str | bytes | Mapping)
    names = tuple(given) if is_listed else ()
    if not is_listed or not all(isinstance(name, str) and name for name in names):
        raise UsageError(f"{op_name}: {setting} is a list of names, got {given!r}", op=op_name)
    return tuple(dict.fromkeys(names))


def _microseconds(ttl: Any, op_name: str) -> int:
    """Return a time to live, given in seconds or as a ``timedelta``."""
    seconds = ttl.total_seconds() if isinstance(ttl, dt.timedelta) else ttl
    is_number = isinstance(seconds, int | float) and not isinstance(seconds, bool)
    # Not a number is neither above zero nor below it; for ever is the default.
    if not is_number or not 0 < seconds < float("inf"):
        raise UsageError(
            f"{op_name}: ttl is a number of seconds above 0 or a timedelta, got {ttl!r}; without "
            "it records answer for ever",
            op=op_name,
        )
    return max(1, round(seconds * 1_000_000))


def _renames(given: Any, op_name: str) -> Mapping[str, str]:
    """Return which argument has which name now."""
    renames = {} if given is None else given
    texts = [*renames, *renames.values()] if isinstance(renames, Mapping) else [None]
    if not all(isinstance(text, str) and text for text in texts):
        raise UsageError(
            f'{op_name}: renamed_args is a dict such as {{"old": "new"}}, got {given!r}',
            op=op_name,
        )
    if len(set(renames.values())) != len(renames):
        raise UsageError(
            f"{op_name}: renamed_args gives two old arguments one new name: {given!r}", op=op_name
        )
    return MappingProxyType(dict(renames))
