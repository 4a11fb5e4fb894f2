"""How reports of upkeep look to people: plain tables, sizes and times in words."""

from __future__ import annotations

import html
import textwrap
from collections.abc import Sequence
from typing import Final

WIDTH: Final = 80

_UNITS: Final = ("B", "KiB", "MiB", "GiB", "TiB", "PiB")
_STEP: Final = 1024


class Report:
    """What prints as text: at a prompt, in a terminal, and in a notebook.

    ``str`` says what is shown; the fields are for programs.
    """

    __slots__ = ()

    def __repr__(self) -> str:
        """Return the text, since a prompt shows it to people."""
        return str(self)

    def _repr_html_(self) -> str:
        """Return the text for a notebook; whatever it quotes from a store is escaped."""
        return f'<pre style="line-height: 1.3">{html.escape(str(self))}</pre>'


def as_table(headers: Sequence[str], rows: Sequence[Sequence[object]]) -> str:
    """Return a table of text; columns whose cells are all numbers or sizes stand to the right."""
    cells = [[str(cell) for cell in row] for row in rows]
    widths = [
        max(len(headers[column]), *(len(row[column]) for row in cells), 0)
        for column in range(len(headers))
    ]
    to_right = [
        bool(cells) and all(row[column][:1].isdigit() or row[column] in {"", "-"} for row in cells)
        for column in range(len(headers))
    ]
    lines = [headers, ["-" * width for width in widths], *cells]
    return "\n".join(
        "  ".join(
            cell.rjust(width) if right else cell.ljust(width)
            for cell, width, right in zip(line, widths, to_right, strict=True)
        ).rstrip()
        for line in lines
    )


def as_lines(pairs: Sequence[tuple[str, str]]) -> str:
    """Return what belongs to each label beside it, in lines that fit a terminal."""
    width = max((len(label) for label, _ in pairs), default=0) + 2
    return "\n".join(as_paragraph(text, label.ljust(width), " " * width) for label, text in pairs)


def as_paragraph(text: str, first: str = "", others: str | None = None) -> str:
    """Return ``text`` in lines that fit a terminal; a word that is longer, a name, stays whole.

    ``first`` stands before the first line, ``others`` before the others; by default the same.
    """
    return textwrap.fill(
        text,
        WIDTH,
        initial_indent=first,
        subsequent_indent=first if others is None else others,
        break_long_words=False,
        break_on_hyphens=False,
    )


def as_count(count: int, noun: str, nouns: str | None = None) -> str:
    """Return how many there are of something, such as ``1 run`` or ``2 runs``."""
    return f"{count} {noun if count == 1 else nouns or noun + 's'}"


def as_size(count: int) -> str:
    """Return a number of bytes as people say it, such as ``1.5 MiB``."""
    size = float(count)
    for unit in _UNITS[:-1]:
        if size < _STEP:
            return f"{size:.0f} {unit}" if unit == "B" else f"{size:.1f} {unit}"
        size /= _STEP
    return f"{size:.1f} {_UNITS[-1]}"


def as_duration(seconds: float) -> str:
    """Return a time span as people say it, such as ``2 h 5 min``."""
    if seconds < 60:
        return f"{seconds:.1f} s" if 0 < seconds < 10 else f"{seconds:.0f} s"
    minutes, hours, days = int(seconds // 60), int(seconds // 3600), int(seconds // 86400)
    if minutes < 60:
        return f"{minutes} min"
    if hours < 48:
        return f"{hours} h {minutes % 60} min" if minutes % 60 else f"{hours} h"
    return f"{days} d"
