"""How reports look to people."""

from __future__ import annotations

import pytest

from mandala_cas.upkeep.printing import as_duration, as_size, as_table


def test_numbers_stand_to_the_right_and_words_to_the_left() -> None:
    """A column of sizes is compared by its right edge."""
    table = as_table(("op", "bytes"), [("train", 12), ("f", 1234)])

    assert table == "op     bytes\n-----  -----\ntrain     12\nf       1234"


def test_a_table_without_rows_has_its_headers() -> None:
    """Nothing to report is a report, too."""
    assert as_table(("op", "bytes"), []) == "op  bytes\n--  -----"


@pytest.mark.parametrize(
    ("count", "text"),
    [
        (0, "0 B"),
        (1023, "1023 B"),
        (1536, "1.5 KiB"),
        (5 << 40, "5.0 TiB"),
        (3 << 60, "3072.0 PiB"),
    ],
)
def test_sizes_are_said_in_the_unit_that_fits(count: int, text: str) -> None:
    """Nobody counts the digits of a number of bytes."""
    assert as_size(count) == text


@pytest.mark.parametrize(
    ("seconds", "text"),
    [
        (0.25, "0.2 s"),
        (42, "42 s"),
        (125, "2 min"),
        (7500, "2 h 5 min"),
        (7200, "2 h"),
        (1e6, "11 d"),
    ],
)
def test_times_are_said_in_the_unit_that_fits(seconds: float, text: str) -> None:
    """A cost of a million seconds is understood in days."""
    assert as_duration(seconds) == text
