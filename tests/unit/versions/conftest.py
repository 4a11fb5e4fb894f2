"""Fixtures for the tests of code versions."""

from __future__ import annotations

import importlib.util
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from types import ModuleType

import pytest

Load = Callable[..., ModuleType]


@pytest.fixture
def load(tmp_path: Path) -> Iterator[Load]:
    """Return what imports a module of the given text from a file of its own."""
    names: list[str] = []

    def load_text(text: str, newline: str = "\n") -> ModuleType:
        name = f"source_under_test_{len(names)}"
        path = tmp_path / f"{name}.py"
        path.write_text(text, newline=newline)
        spec = importlib.util.spec_from_file_location(name, path)
        assert spec is not None
        assert spec.loader is not None
        module = importlib.util.module_from_spec(spec)
        sys.modules[name] = module
        names.append(name)
        spec.loader.exec_module(module)
        return module

    yield load_text
    for name in names:
        del sys.modules[name]
