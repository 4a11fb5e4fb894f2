"""Checks every object of a store in a folder against its name, with blake3 and zstandard alone.

``python tests/format/name_checker.py FOLDER``. Written from ``docs/reference/format.md``; it shares
no line with the library, and needs none of what the library needs.
"""

from __future__ import annotations

import re
import struct
import sys
from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path

import zstandard
from blake3 import blake3

MAGIC = bytes.fromhex("894d43530d0a1a0a")
WHOLE = {
    "run": r"manifest/2-run/\d{3}-([0-9a-f]{64})",
    "announcement": r"manifest/3-gc/([0-9a-f]{64})\.(?:condemned|done)",
    "part of a run": r"run-parts/([0-9a-f]{2})/(\1[0-9a-f]{62})",
    "pack": r"packs/([0-9a-f]{2})/(\1[0-9a-f]{62})",
}
SEGMENT = r"manifest/1-log/[0-9a-f]{12}-[0-9a-f]{16}-[0-9a-f]{6}-([0-9a-f]{16})"
BLOB = r"blobs/([0-9a-f]{2})/(\1[0-9a-f]{62})(~[0-9a-f]{32})?"
UNREADABLE = (AssertionError, LookupError, TypeError, ValueError, struct.error, zstandard.ZstdError)
NO_OBJECTS = ("config", "README.txt")


class Damage(Exception):  # noqa: N818 (what was found, not what went wrong here)
    """An object is not what its name says."""


class Header:
    """A header being read: maps, strings, bytes and numbers, which is all that is in one."""

    def __init__(self, data: bytes) -> None:
        """Begin at the beginning."""
        self._data = data
        self._at = 0

    def take(self, size: int) -> bytes:
        """Return the next bytes."""
        self._at += size
        return self._data[self._at - size : self._at]

    def value(self) -> object:
        """Return the next value."""
        (first,) = self.take(1)
        if first < 0x80:
            return first
        if first < 0x90:
            return {self.value(): self.value() for _ in range(first & 0x0F)}
        if 0xA0 <= first < 0xC0:
            return self.take(first & 0x1F).decode()
        readers: dict[int, Callable[[], object]] = {
            0xC4: lambda: self.take(self.number(1)),
            0xC5: lambda: self.take(self.number(2)),
            0xCC: lambda: self.number(1),
            0xCD: lambda: self.number(2),
            0xD9: lambda: self.take(self.number(1)).decode(),
        }
        if first not in readers:
            raise Damage(f"a header has the byte {first:#x}")
        return readers[first]()

    def number(self, size: int) -> int:
        """Return the next number, big-endian as everywhere in msgpack."""
        return int.from_bytes(self.take(size), "big")


def sized(data: bytes) -> bytes:
    """Return ``BUF`` of the page on hashing: many bytes are there by their hash."""
    return struct.pack("<Q", len(data)) + (data if len(data) < 65536 else blake3(data).digest())


def check_value(envelope: bytes) -> bytes:
    """Return the payload hash that a value envelope states, after it was checked."""
    magic, version, kind, compression, flags, size = struct.unpack_from("<8s4BI", envelope)
    if (magic, version, kind, flags) != (MAGIC, 1, 1, 0):
        raise Damage("is not a value envelope")
    header = Header(envelope[16 : 16 + size]).value()
    assert isinstance(header, dict)
    stored = envelope[16 + size : -56]
    payload = zstandard.decompress(stored) if compression else stored
    message = b"".join(
        (
            sized(header["codec"].encode()),
            struct.pack("<Q", header["version"]),
            sized(header["header"]),
            sized(payload),
        )
    )
    found = blake3(message, derive_key_context="mandala-cas v1 payload hash").digest()
    if found != header["hash"]:
        raise Damage(f"has a payload of hash {found.hex()}, and says {header['hash'].hex()}")
    return found


def check_pack(pack: bytes) -> int:
    """Check every value of a pack; return how many there are."""
    payload, end = pack[:-56], len(pack) - 56
    (count,) = struct.unpack("<Q", payload[-8:])
    rows = payload[end - 8 - 48 * count : end - 8]
    for hash_, offset, size in struct.iter_unpack("<32sQQ", rows):
        if check_value(pack[offset : offset + size]) != hash_:
            raise Damage(f"has another value at {offset} than its footer says")
    return int(count)


def check(name: str, data: bytes) -> Iterator[str]:
    """Yield the kind of an object, and of what is in it, if its name is true.

    Raises:
        Damage: it is not, or there is no such name.
    """
    digest = blake3(data).hexdigest()
    if name in NO_OBJECTS:
        yield name
    elif match := re.fullmatch(SEGMENT, name):
        if digest[:16] != match[1]:
            raise Damage(f"has the hash {digest[:16]}")
        yield "segment"
    elif match := re.fullmatch(BLOB, name):
        found = check_value(data).hex()
        if found != match[2]:
            raise Damage(f"has a payload of hash {found}")
        yield "fresh blob" if match[3] else "blob"
    else:
        matches = ((kind, re.fullmatch(pattern, name)) for kind, pattern in WHOLE.items())
        kind, match = next(((kind, match) for kind, match in matches if match), ("", None))
        if match is None:
            raise Damage("is named as no object is")
        if digest != match[match.lastindex or 0]:
            raise Damage(f"has the hash {digest}")
        yield kind
        if kind == "pack":
            yield from ["packed value"] * check_pack(data)


def check_folder(folder: Path) -> tuple[Counter[str], dict[str, str]]:
    """Return how many objects of each kind there are, and what is wrong with others."""
    kinds: Counter[str] = Counter()
    damage: dict[str, str] = {}
    for path in sorted(folder.rglob("*")):
        name = path.relative_to(folder).as_posix()
        if path.is_dir() or name.startswith("local/"):
            continue
        try:
            kinds.update(check(name, path.read_bytes()))
        except (Damage, *UNREADABLE) as error:
            damage[name] = str(error)
    return kinds, damage


if __name__ == "__main__":
    found, wrong = check_folder(Path(sys.argv[1]))
    print(dict(found), wrong)  # noqa: T201 (its answer)
    sys.exit(bool(wrong))
