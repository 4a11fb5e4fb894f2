"""How the frequencies of pandas are encoded."""

from __future__ import annotations

from typing import Any

import numpy as np

from mandala_cas.codec.encoder import Record
from mandala_cas.codec.names import name_of


def frequency_of(offset: Any) -> Record:
    """Return a frequency by what makes it: its short names changed between versions of pandas."""
    kind = type(offset)
    is_of_pandas = kind.__module__.partition(".")[0] == "pandas"
    name = kind.__name__ if is_of_pandas else name_of(kind)
    keywords = {key: _keyword(part) for key, part in offset.kwds.items()}
    return Record("pandas.frequency", name, offset.n, bool(offset.normalize), keywords)


def _keyword(part: Any) -> Any:
    """Return a keyword of a frequency."""
    if isinstance(part, np.busdaycalendar):
        return Record("pandas.calendar", part.weekmask, part.holidays)
    return part
