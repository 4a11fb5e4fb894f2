"""Lets the tests of codecs find the values that they share."""

from __future__ import annotations

import sys
from pathlib import Path

# Tests are no package, so a module beside them is found only by its folder.
sys.path.insert(0, str(Path(__file__).parent))
