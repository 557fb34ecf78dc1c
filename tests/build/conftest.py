"""The Debian package, once for all tests of this folder."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from tests.built_files import built_package


@pytest.fixture(scope="session")
def package(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The Debian package, with fixer.pyz beside it."""
    if shutil.which("dpkg-deb") is None:
        pytest.skip("dpkg-deb is not installed: the package is built on Debian and Ubuntu only")
    return built_package(tmp_path_factory.mktemp("dist"))
