"""Real input that may lie beside the checkout; tests that need it are skipped, visibly, where it does not."""

from __future__ import annotations

from pathlib import Path

import pytest

SHARED = Path(__file__).parent.parent.parent / "shared"
needs_shared = pytest.mark.skipif(not SHARED.is_dir(), reason="the folder with real input is not beside this checkout")
