"""The Ansible collection badgateway.fixer with fixer.pyz in it: dist/badgateway-fixer-VERSION.tar.gz."""

from __future__ import annotations

import gzip
import hashlib
import re
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
SOURCE = ROOT / "integrations" / "ansible"
PACK_LEVEL = 6  # the file goes to each host once; level 9 takes seconds more for a hundredth less


def stage(folder: Path, pyz: Path, version: str) -> None:
    """Lay out the collection: its sources, fixer.pyz as the controller runs it, and packed as a host gets it."""
    shutil.copytree(SOURCE, folder, symlinks=False, ignore=shutil.ignore_patterns("__pycache__"))
    named = (folder / "galaxy.yml").read_text(encoding="utf-8")
    (folder / "galaxy.yml").write_text(re.sub(r"(?m)^version: .*$", f"version: {version}", named), encoding="utf-8")
    data = pyz.read_bytes()
    files = folder / "files"
    files.mkdir(exist_ok=True)
    (files / "fixer.pyz").write_bytes(data)
    (files / "fixer.pyz").chmod(0o755)
    (files / "fixer.pyz.gz").write_bytes(gzip.compress(data, PACK_LEVEL, mtime=0))
    (files / "fixer.pyz.digest").write_text(f"{hashlib.sha256(data).hexdigest()} {len(data)}\n", encoding="ascii")


def galaxy_version(version: str) -> str:
    """Return the version as Galaxy wants it: 0.2.0.dev1 is 0.2.0-dev1."""
    return re.sub(r"(?<=\d)\.?(dev|a|b|rc)", r"-\1", version)


def main() -> None:
    """Build the collection from the fixer.pyz that is named into the folder that is named."""
    pyz, output = Path(sys.argv[1]), Path(sys.argv[2]).absolute()
    beside = Path(sys.executable).with_name("ansible-galaxy")
    galaxy = str(beside) if beside.is_file() else shutil.which("ansible-galaxy")
    if galaxy is None:
        sys.exit("error: ansible-galaxy is not installed: pip install ansible-core")
    sys.path.insert(0, str(ROOT))
    import fixer

    with tempfile.TemporaryDirectory() as temporary:
        folder = Path(temporary) / "fixer"
        stage(folder, pyz, galaxy_version(fixer.__version__))
        words = [galaxy, "collection", "build", "--force", "--output-path", str(output), str(folder)]
        subprocess.run(words, check=True, stdout=subprocess.DEVNULL, cwd=temporary)
    made = output / f"badgateway-fixer-{galaxy_version(fixer.__version__)}.tar.gz"
    print(f"{made.name}: {made.stat().st_size // 1024} KiB")


if __name__ == "__main__":
    main()
