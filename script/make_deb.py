"""The Debian package: fixer.pyz as /usr/bin/fixer, man pages and completion. It depends on python3 only.

The same sources make the same bytes, if SOURCE_DATE_EPOCH or the last commit gives the time."""

from __future__ import annotations

import gzip
import os
import re
import shutil
import subprocess
import sys
import tempfile
import time
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
sys.path[:0] = [str(ROOT), str(ROOT / "script")]

COMPLETION = {
    "bash": "usr/share/bash-completion/completions/fixer",
    "zsh": "usr/share/zsh/vendor-completions/_fixer",
    "fish": "usr/share/fish/vendor_completions.d/fixer.fish",
}
# zsh loads the file at the first Tab. Typer's script only registers the function then, and completes at the second.
FIRST_TAB = """\
if [[ $zsh_eval_context[-1] == loadautofunc ]]; then
  _fixer_completion "$@"
fi
"""
CONTROL = """\
Package: badgateway
Version: {version}
Architecture: all
Maintainer: badgateway contributors <badgateway@localhost>
Installed-Size: {size}
Depends: python3 (>= 3.11)
Section: admin
Priority: optional
Description: find and repair why nginx answers 502 in front of a Python backend
 fixer names the cause and shows the proof. It shows each change before it
 makes it, proves that the page is back, and undoes it to the byte.
"""


def build_time() -> int:
    """Return the time that every file of the package carries: seconds since 1970."""
    given = os.environ.get("SOURCE_DATE_EPOCH")
    if given is None:
        log = subprocess.run(["git", "log", "-1", "--format=%ct"], cwd=ROOT, capture_output=True, text=True,
                             check=False)
        given = log.stdout.strip() or str(int(time.time()))
    return int(given)


def with_system_python(pyz: bytes) -> bytes:
    """Return the archive started by the python3 that the package depends on, whatever PATH names first."""
    named = b"\npython=python3\n"
    assert pyz.count(named) == 1, "fixer.pyz starts in another way"
    return pyz.replace(named, b"\npython=/usr/bin/python3\n")  # a zip may follow text of any length


def stage(folder: Path, pyz: Path, version: str) -> None:
    """Lay out the files of the package below the folder."""
    from make_man import pages
    from typer._completion_shared import get_completion_script

    def write(name: str, data: bytes, mode: int = 0o644) -> None:
        target = folder / name
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_bytes(data)
        target.chmod(mode)

    write("usr/bin/fixer", with_system_python(pyz.read_bytes()), 0o755)
    for name, text in pages("fixer").items():
        write(f"usr/share/man/man1/{name}.gz", gzip.compress(text.encode(), mtime=0))
    for shell, name in COMPLETION.items():
        script = get_completion_script(prog_name="fixer", complete_var="_FIXER_COMPLETE", shell=shell)
        write(name, f"{script.strip()}\n{FIRST_TAB if shell == 'zsh' else ''}".encode())
    documents = "usr/share/doc/badgateway"
    write(f"{documents}/copyright", (ROOT / "LICENSE").read_bytes())
    write(f"{documents}/changelog.gz", gzip.compress((ROOT / "CHANGELOG.md").read_bytes(), mtime=0))
    size = sum(path.stat().st_size for path in folder.rglob("*") if path.is_file()) // 1024
    write("DEBIAN/control", CONTROL.format(version=version, size=size).encode())


def main() -> None:
    """Build dist/badgateway_VERSION_all.deb from the fixer.pyz that is named."""
    pyz, output = Path(sys.argv[1]), Path(sys.argv[2])
    if shutil.which("dpkg-deb") is None:
        sys.exit("error: dpkg-deb is not installed; the package can be built on Debian and Ubuntu only")
    import fixer

    # a pre-release sorts before its release
    version = re.sub(r"(?<=\d)\.?(dev|a|b|rc)", r"~\1", fixer.__version__)
    made = output / f"badgateway_{version}_all.deb"
    with tempfile.TemporaryDirectory() as temporary:
        folder = Path(temporary) / "badgateway"
        folder.mkdir(mode=0o755)
        stage(folder, pyz, version)
        for path in (folder, *folder.rglob("*")):
            if path.is_dir():
                path.chmod(0o755)
        subprocess.run(["dpkg-deb", "--root-owner-group", "-Zxz", "--build", str(folder), str(made)], check=True,
                       stdout=subprocess.DEVNULL, env={**os.environ, "SOURCE_DATE_EPOCH": str(build_time())})
    print(f"{made.name}: {made.stat().st_size // 1024} KiB")


if __name__ == "__main__":
    main()
