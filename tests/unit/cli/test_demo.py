"""The demo tells the tutorial's story, and computes nothing the second time."""

from __future__ import annotations

from pathlib import Path

import pytest

from mandala_cas.cli.main import main


def test_the_demo_computes_once(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Its table, its drawing and its advice are there both times."""
    arguments = ["demo", "--folder", str(tmp_path / "demo")]

    first_code, first = main(arguments), capsys.readouterr().out
    second_code, second = main(arguments), capsys.readouterr().out

    assert (first_code, second_code) == (0, 0)
    assert "14 of 14 calls were computed" in first
    assert "Nothing was computed" in second
    for printed in (first, second):
        assert "ComputationFrame with:" in printed
        assert "RandomForestClassifier" in printed
        assert "Try next" in printed
    assert "<svg" in (tmp_path / "demo" / "frame.svg").read_text()
