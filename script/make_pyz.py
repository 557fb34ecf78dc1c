"""Builds fixer.pyz: one file for any host with Python 3.11 or newer, nothing to install.

Layout: `__main__.py` (readable by any Python, checks the version), `src/` (sources) and `cp311/`, `cp313/`… (bytecode
for the Python versions found on this machine: zipimport ignores bytecode of another version, so each has its tree).
"""

from __future__ import annotations

import hashlib
import os
import shutil
import subprocess
import sys
import tempfile
import zipfile
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
EPOCH = (2024, 1, 1, 0, 0, 0)
# What typer imports only for decoration (help panels) and never without being asked.
LEFT_OUT = ("rich", "pygments", "markdown_it", "mdurl", "bin", "typer/_completion_classes.pyi")

MAIN = '''\
import sys

if sys.version_info < (3, 11):
    sys.stderr.write(
        "fixer needs Python 3.11 or newer, this is %d.%d: diagnose from another machine (fixer diagnose ssh://HOST), "
        "or run the script that fixer collect --script prints\\n" % sys.version_info[:2]
    )
    sys.exit(3)

import os

HERE = os.path.dirname(os.path.abspath(__file__))
TREE = "cp%d%d" % sys.version_info[:2]
sys.path[0] = HERE + os.sep + (TREE if TREE in TREES and sys.implementation.name == "cpython" else "src")
sys.argv[0] = "fixer"

from fixer.cli import main

sys.exit(main())
'''

COMPILE = """\
import importlib.util, pathlib, py_compile, sys
source, target = map(pathlib.Path, sys.argv[1:3])
for path in source.rglob("*.py"):
    out = target / path.relative_to(source).with_suffix(".pyc")
    out.parent.mkdir(parents=True, exist_ok=True)
    py_compile.compile(str(path), str(out), dfile="fixer.pyz/" + str(path.relative_to(source)), doraise=True,
                       invalidation_mode=py_compile.PycInvalidationMode.UNCHECKED_HASH)
"""


def interpreters() -> dict[str, str]:
    """The CPython versions (3.11 and newer) of this machine: `cp311` -> executable."""
    found: dict[str, str] = {}
    names = [sys.executable, *(f"python3.{minor}" for minor in range(11, 20)), "/usr/bin/python3"]
    for name in names:
        path = shutil.which(name)
        if path is None:
            continue
        code = "import sys; v = sys.version_info; print(f'cp{v[0]}{v[1]}' if v >= (3, 11) else '')"
        tag = subprocess.run([path, "-c", code], capture_output=True, text=True, check=False).stdout.strip()
        if tag:
            found.setdefault(tag, path)
    return found


def stage_sources(folder: Path) -> None:
    """fixer and what it needs at run time, pure Python only."""
    pip = [sys.executable, "-m", "pip", "install", "--quiet", "--no-compile", "--no-deps", "--target", str(folder)]
    subprocess.run([*pip, *runtime_requirements()], check=True)
    shutil.copytree(ROOT / "fixer", folder / "fixer", ignore=shutil.ignore_patterns("__pycache__"))
    for name in LEFT_OUT:
        for path in [folder / name, *folder.glob(f"{name}-*.dist-info")]:
            if path.is_dir():
                shutil.rmtree(path)
            else:
                path.unlink(missing_ok=True)
    native = [str(p) for p in folder.rglob("*") if p.suffix in {".so", ".pyd"}]
    if native:
        sys.exit(f"error: compiled code in a file that must run everywhere: {native}")


def runtime_requirements() -> list[str]:
    """What fixer needs at run time, pinned to what this environment was tested with."""
    from importlib.metadata import version

    return [f"{name}=={version(name)}" for name in ("typer", "annotated-doc", "shellingham")]


def write_archive(staging: Path, trees: list[str], output: Path) -> None:
    """A deterministic zip with a shebang, executable, replaced in one step."""
    main = MAIN.replace("TREES", repr(tuple(trees)))
    temporary = output.with_name("." + output.name)
    with temporary.open("wb") as raw:
        raw.write(b"#!/usr/bin/env python3\n")
        with zipfile.ZipFile(raw, "w", zipfile.ZIP_DEFLATED, compresslevel=9) as archive:
            archive.writestr(zipfile.ZipInfo("__main__.py", EPOCH), main)
            for path in sorted(staging.rglob("*")):
                if path.is_file() and path.name != "__pycache__":
                    info = zipfile.ZipInfo(path.relative_to(staging).as_posix(), EPOCH)
                    info.compress_type = zipfile.ZIP_DEFLATED
                    archive.writestr(info, path.read_bytes())
    temporary.chmod(0o755)
    temporary.replace(output)


def main() -> None:
    """Build the archive named on the command line."""
    output = Path(sys.argv[1] if len(sys.argv) > 1 else "dist/fixer.pyz").absolute()
    output.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory() as temporary:
        staging = Path(temporary)
        (staging / "src").mkdir()
        stage_sources(staging / "src")
        trees = interpreters()
        for tag, python in trees.items():
            subprocess.run([python, "-c", COMPILE, str(staging / "src"), str(staging / tag)], check=True,
                           env={**os.environ, "PYTHONDONTWRITEBYTECODE": "1"})
        write_archive(staging, sorted(trees), output)
    digest = hashlib.sha256(output.read_bytes()).hexdigest()[:12]
    size = output.stat().st_size // 1024
    print(f"{output.name}: {size} KiB, bytecode for {', '.join(sorted(trees))}, sha256 {digest}")


if __name__ == "__main__":
    main()
