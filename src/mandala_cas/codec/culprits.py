"""Which part of a value is to blame where the whole of it cannot be stored."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterator
from typing import Any, Final

from mandala_cas.codec.paths import parts_of

# Each attempt costs what storing the part would: a search that takes longer than the user's
# patience is worth less than a shorter path.
ATTEMPTS_MAX: Final = 1000
_DEPTH_MAX: Final = 50

Attempt = Callable[[Any], Exception | None]


def find_culprit(value: Any, error: Exception, attempt: Attempt) -> tuple[str, Any, Exception]:
    """Return the path to the innermost part that fails by itself, the part, and its error.

    ``attempt`` gives the error of one part, or None; ``error`` is that of ``value``. The path is
    empty where no part fails alone, and shorter than it could be where there are very many.
    """
    path = ""
    attempts = itertools.repeat(attempt, ATTEMPTS_MAX)
    # What was met on the way leads in a circle.
    met = {id(value)}
    for _ in range(_DEPTH_MAX):
        found = _first_failing(value, met, attempts)
        if found is None:
            break
        step, value, error = found
        path += step
        met.add(id(value))
    return path, value, error


def _first_failing(
    value: Any, met: set[int], attempts: Iterator[Attempt]
) -> tuple[str, Any, Exception] | None:
    """Return the first part that fails, if one does before the attempts are used up."""
    for step, part in parts_of(value):
        if id(part) in met:
            continue
        attempt = next(attempts, None)
        if attempt is None:
            return None
        failure = attempt(part)
        if failure is not None:
            return step, part, failure
    return None
