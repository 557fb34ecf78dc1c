"""What script/build makes: taken from dist/ if it is newer than every source, else made once for all tests."""

from __future__ import annotations

import shutil
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]


def newest_source() -> float:
    folders = (ROOT / "fixer", ROOT / "script")
    files = [path for folder in folders for path in folder.rglob("*") if path.is_file() and "__pycache__" not in path.parts]
    return max(path.stat().st_mtime for path in [*files, ROOT / "pyproject.toml", ROOT / "CHANGELOG.md"])


@pytest.fixture(scope="session")
def package(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The Debian package, with fixer.pyz beside it."""
    if shutil.which("dpkg-deb") is None:
        pytest.skip("dpkg-deb is not installed: the package is built on Debian and Ubuntu only")
    made = sorted((ROOT / "dist").glob("*.deb"))
    if len(made) == 1 and (ROOT / "dist/fixer.pyz").exists() and made[0].stat().st_mtime > newest_source():
        return made[0]
    folder = tmp_path_factory.mktemp("dist")
    for script, *words in (("make_pyz.py", folder / "fixer.pyz"), ("make_deb.py", folder / "fixer.pyz", folder)):
        subprocess.run([sys.executable, ROOT / "script" / script, *words], check=True, capture_output=True)
    return next(folder.glob("*.deb"))
