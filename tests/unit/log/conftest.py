"""Lets the tests of the log find the entries that they share."""

from __future__ import annotations

import sys
from pathlib import Path

# Tests are no package, so a module beside them is found only by its folder.
sys.path.insert(0, str(Path(__file__).parent))
