"""What script/build makes: taken from dist/ if it is newer than every source, else made in the folder that is given."""

from __future__ import annotations

import shutil
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]


def newest_source() -> float:
    folders = (ROOT / "fixer", ROOT / "script", ROOT / "integrations")
    files = [path for folder in folders for path in folder.rglob("*") if path.is_file() and "__pycache__" not in path.parts]
    return max(path.stat().st_mtime for path in [*files, ROOT / "pyproject.toml", ROOT / "CHANGELOG.md"])


def built_pyz(folder: Path) -> Path:
    made = ROOT / "dist/fixer.pyz"
    if made.exists() and made.stat().st_mtime > newest_source():
        return made
    make("make_pyz.py", folder / "fixer.pyz")
    return folder / "fixer.pyz"


def built_wheel(folder: Path) -> Path:
    made = sorted((ROOT / "dist").glob("badgateway-*.whl"))
    newest_of_wheel = max(path.stat().st_mtime for name in ("lab", "scenarios", "compose") for path in (ROOT / name).rglob("*")
                          if "__pycache__" not in path.parts)
    if len(made) == 1 and made[0].stat().st_mtime > max(newest_source(), newest_of_wheel):
        return made[0]
    make_wheel(folder)
    return next(folder.glob("badgateway-*.whl"))


def built_collection(folder: Path) -> Path:
    """The Ansible collection."""
    made = sorted((ROOT / "dist").glob("badgateway-fixer-*.tar.gz"))
    if len(made) == 1 and made[0].stat().st_mtime > newest_source():
        return made[0]
    make("make_collection.py", built_pyz(folder), folder)
    return next(folder.glob("badgateway-fixer-*.tar.gz"))


def built_package(folder: Path) -> Path:
    """The Debian package, with fixer.pyz beside it."""
    made = sorted((ROOT / "dist").glob("*.deb"))
    if len(made) == 1 and (ROOT / "dist/fixer.pyz").exists() and made[0].stat().st_mtime > newest_source():
        return made[0]
    make("make_pyz.py", folder / "fixer.pyz")
    make("make_deb.py", folder / "fixer.pyz", folder)
    return next(folder.glob("*.deb"))


def copy_built(folder: Path) -> None:
    """Put the wheel, fixer.pyz, the Debian package and the Ansible collection into a new folder."""
    patterns = ("badgateway-*.whl", "fixer.pyz", "badgateway_*_all.deb", "badgateway-fixer-*.tar.gz")
    made = [path for pattern in patterns for path in (ROOT / "dist").glob(pattern)]
    folder.mkdir()
    if len(made) == len(patterns) and min(path.stat().st_mtime for path in made) > newest_source():
        for path in made:
            shutil.copy2(path, folder)
        return
    make_wheel(folder)
    make("make_pyz.py", folder / "fixer.pyz")
    make("make_deb.py", folder / "fixer.pyz", folder)
    make("make_collection.py", folder / "fixer.pyz", folder)


def make_wheel(folder: Path) -> None:
    subprocess.run([sys.executable, "-m", "build", "--wheel", "--no-isolation", "--outdir", folder, ROOT], check=True,
                   capture_output=True)


def make(script: str, *words: Path) -> None:
    subprocess.run([sys.executable, ROOT / "script" / script, *words], check=True, capture_output=True)
