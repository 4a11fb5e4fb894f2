"""Objects put aside: copied below ``bad/``, then removed from where they did harm.

The copy comes first: a crash between the two leaves the object in both places, and putting it
aside again changes nothing but the second half.
"""

from __future__ import annotations

import contextlib
from collections.abc import Iterable

from blake3 import blake3

from mandala_cas.errors import NotFoundError
from mandala_cas.objectstore.api import ObjectStore
from mandala_cas.objectstore.layout import quarantine_name


def put_aside(objects: ObjectStore, names: Iterable[str]) -> list[str]:
    """Move objects below ``bad/``; return those that were there.

    One object at a time: a store that holds damage may hold large objects.
    """
    moved = []
    for name in names:
        with contextlib.suppress(NotFoundError):
            data = objects.get(name)
            objects.put(quarantine_name(name, blake3(data).digest()), [data])
            # A crash here leaves both; the original is still what it was.
            objects.delete([name])
            moved.append(name)
    return moved
