"""Whom long work tells how far it is."""

from __future__ import annotations

from typing import Protocol


class Progress(Protocol):
    """Is told how far something is; must not raise."""

    def __call__(self, what: str, done: int, total: int) -> None:
        """Take note that ``done`` of ``total`` objects have been looked at."""
        ...


def silent(what: str, done: int, total: int) -> None:
    """Tell nobody."""
    del what, done, total
