"""These tests need torch and JAX; without them there is nothing here to collect."""

from __future__ import annotations

import importlib.util

collect_ignore_glob = (
    [] if importlib.util.find_spec("torch") and importlib.util.find_spec("jax") else ["*.py"]
)
