"""How reports look to people."""

from __future__ import annotations

import pytest

from mandala_cas.upkeep.printing import (
    Report,
    as_count,
    as_duration,
    as_lines,
    as_paragraph,
    as_size,
    as_table,
)


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
        (0, "0 s"),
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


def test_one_is_not_said_as_many() -> None:
    """People read these lines every day."""
    assert [as_count(count, "run") for count in (0, 1, 2)] == ["0 runs", "1 run", "2 runs"]
    assert as_count(2, "value is", "values are") == "2 values are"


def test_text_is_broken_at_eighty_columns_and_names_are_not() -> None:
    """A name that is broken cannot be copied."""
    name = "blobs/" + "0123456789abcdef" * 5

    lines = as_paragraph(f"{'word ' * 20}{name} end", "- ", "  ").splitlines()

    assert [line[:2] for line in lines] == ["- ", "  ", "  ", "  "]
    assert f"  {name}" in lines
    assert max(len(line) for line in lines if name not in line) <= 80


def test_what_belongs_to_labels_stands_in_one_column() -> None:
    """Also where it goes on in the next line."""
    text = as_lines([("size", "1 B"), ("left alone", "because " * 12)])

    lines = text.splitlines()
    assert lines[0] == "size        1 B"
    assert lines[1].startswith("left alone  because")
    assert lines[2].startswith(" " * 12 + "because")


class Shown(Report):
    """A report that quotes what somebody wrote into a store."""

    def __str__(self) -> str:
        """Return what would be run as a script."""
        return "<script>alert(1)</script> & more"


def test_a_notebook_shows_the_text_and_runs_nothing() -> None:
    """Names of ops and objects are whatever a writer made them."""
    report = Shown()

    assert "&lt;script&gt;alert(1)&lt;/script&gt; &amp; more" in report._repr_html_()
    assert repr(report) == str(report)
