"""A small site to repair."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.apply.folder_target import OLD


@pytest.fixture
def site(tmp_path: Path) -> Path:
    root = tmp_path / "etc"
    root.mkdir()
    (root / "shop").write_bytes(OLD)
    return root
