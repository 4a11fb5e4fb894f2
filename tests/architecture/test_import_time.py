"""Importing is cheap because heavy packages are imported when first needed."""

from __future__ import annotations

import json
import subprocess
import sys

import pytest

HEAVY = [
    "PIL",
    "cloudpickle",
    "cryptography",
    "fsspec",
    "jax",
    "pandas",
    "polars",
    "pyarrow",
    "rich",
    "s3fs",
    "scipy",
    "sklearn",
    "skops",
    "torch",
]
SCRIPT = """
import importlib, json, sys
importlib.import_module(sys.argv[1])
print(json.dumps(sorted({name.partition(".")[0] for name in sys.modules})))
"""
IN_MEMORY = """
import json, sys
from mandala_cas.imports import Storage, op

@op
def double(x):
    return 2 * x

storage = Storage()
for _ in range(2):
    with storage:
        doubled = double(21)
assert storage.unwrap(doubled) == 42
print(json.dumps(sorted({name.partition(".")[0] for name in sys.modules})))
"""


def modules_after(script: str, *arguments: str) -> set[str]:
    """Return the top-level modules that a fresh process has after a script."""
    done = subprocess.run(
        [sys.executable, "-c", script, *arguments], capture_output=True, text=True, check=True
    )
    return set(json.loads(done.stdout))


@pytest.mark.parametrize("module", ["mandala_cas", "mandala_cas.imports", "mandala_cas.cli.main"])
def test_an_import_brings_nothing_heavy(module: str) -> None:
    """People import this at the top of every script, and wait for it every time."""
    imported = modules_after(SCRIPT, module)

    assert "mandala_cas" in imported
    assert imported.isdisjoint(HEAVY)


def test_calls_and_hits_in_memory_need_nothing_heavy() -> None:
    """Opening and hits do without tables, remote stores and keys."""
    imported = modules_after(IN_MEMORY)

    assert imported.isdisjoint({"cryptography", "fsspec", "pandas", "polars", "pyarrow", "s3fs"})
