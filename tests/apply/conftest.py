"""A small site to repair."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.apply.folder_target import OLD, FolderTarget


@pytest.fixture
def site(tmp_path: Path) -> Path:
    root = tmp_path / "etc"
    root.mkdir()
    (root / "shop").write_bytes(OLD)
    (root / "shop").chmod(0o640)
    return root


@pytest.fixture
def target(tmp_path: Path) -> FolderTarget:
    return FolderTarget(tmp_path / "state" / "targets" / "local")
