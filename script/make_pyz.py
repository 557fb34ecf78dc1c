"""Build of fixer.pyz: one file for any host with Python 3.11 or newer, nothing to install.

Layout: `__main__.py` (readable by any Python, checks the version), `src/` (sources, which any Python can run) and
`cp311.bin`, `cp313.bin`… for the Python versions found on this machine, not compressed: a head, then the marshalled
code of each module and the marshalled patterns of fixer.lazy.regex. The head is the magic number of the bytecode, then
marshal of (the code of pyz_memory.py, {module: (is a package, where its code begins, its length)}, what identifies the
engine of patterns, where the patterns begin, their length). `__main__.py` knows where each head lies in the file: a run
reads that, and of the rest what it imports."""

from __future__ import annotations

import hashlib
import shutil
import subprocess
import sys
import tempfile
import zipfile
from pathlib import Path

from interpreters import find_interpreters

ROOT = Path(__file__).resolve().parent.parent
EPOCH = (2024, 1, 1, 0, 0, 0)
# Imports of typer for decoration only (help panels), never without a request.
EXCLUDED = ("rich", "pygments", "markdown_it", "mdurl", "bin", "typer/_completion_classes.pyi")

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
TAG = "cp%d%d" % sys.version_info[:2]
if not sys.flags.isolated:  # `python3 fixer.pyz`: fixer drops the rest, this protects the imports until then
    NAMED = {os.path.realpath(folder) for folder in os.environ.get("PYTHONPATH", "").split(os.pathsep) if folder}
    sys.path[1:] = [folder for folder in sys.path[1:] if os.path.realpath(folder) not in NAMED]
sys.path[0] = HERE + os.sep + "src"
sys.argv[0] = "fixer"
TAGS = {}
if TAG in TAGS and sys.implementation.name == "cpython":
    import marshal
    from importlib.util import MAGIC_NUMBER

    start, length = TAGS[TAG]
    file = os.open(HERE, os.O_RDONLY | os.O_CLOEXEC)
    head = os.pread(file, length, start)
    if head.startswith(MAGIC_NUMBER):
        found = marshal.loads(memoryview(head)[len(MAGIC_NUMBER):])  # no *patterns: Python 2 must be able to read this
        boot, modules, engine, patterns = found[0], found[1], found[2], found[3:]
        scope = {"__name__": "pyz_memory"}
        exec(boot, scope)
        scope["install"](modules, __loader__, HERE, engine=engine, patterns=patterns,
                         read=lambda at, size: os.pread(file, size, start + at))

from fixer.__main__ import main

sys.exit(main())
'''

# -I: no variable and no folder of a user chooses what the interpreter imports. sh: busybox's env splits no words.
START = b"""\
#!/bin/sh
python=python3
command -v "$python" >/dev/null || { echo "fixer needs Python 3.11 or newer: $python is not installed" >&2; exit 3; }
exec "$python" -I "$0" "$@"
"""

COMPILE = """\
import importlib.util, marshal, pathlib, sys
sys.dont_write_bytecode = True
source, memory, target = map(pathlib.Path, sys.argv[1:4])
sys.path.insert(0, str(memory.parent))
from compiled_patterns import compiled
modules = {}
for path in sorted(source.rglob("*.py")):
    parts = path.relative_to(source).with_suffix("").parts
    package = parts[-1] == "__init__"
    code = compile(path.read_bytes(), "fixer.pyz/src/" + str(path.relative_to(source)), "exec", dont_inherit=True)
    modules[".".join(parts[:-1] if package else parts)] = (package, marshal.dumps(code))
boot = compile(memory.read_bytes(), "fixer.pyz/pyz_memory.py", "exec", dont_inherit=True)
identity, patterns = compiled(source)
ready = marshal.dumps(patterns)
print(len(patterns), "patterns,", len(ready) // 1024, "KiB", file=sys.stderr)

def head(begin):  # what is found where, if the head is so long
    places = {}
    for name, (package, code) in modules.items():
        places[name] = (package, begin, len(code))
        begin += len(code)
    return importlib.util.MAGIC_NUMBER + marshal.dumps((boot, places, identity, begin, len(ready)))

length = 0
while len(head(length)) != length:  # numbers have one width in it: it is found at once
    length = len(head(length))
target.write_bytes(head(length) + b"".join(code for _, code in modules.values()) + ready)
target.with_suffix(".head").write_text(str(length))
"""


def stage_sources(folder: Path) -> None:
    """Install fixer and its runtime dependencies into the folder, pure Python only."""
    pip = [sys.executable, "-m", "pip", "install", "--quiet", "--no-compile", "--no-deps", "--target", str(folder)]
    subprocess.run([*pip, *runtime_requirements()], check=True)
    shutil.copytree(ROOT / "fixer", folder / "fixer", ignore=shutil.ignore_patterns("__pycache__"))
    for name in EXCLUDED:
        for path in [folder / name, *folder.glob(f"{name}-*.dist-info")]:
            if path.is_dir():
                shutil.rmtree(path)
            else:
                path.unlink(missing_ok=True)
    native = [str(p) for p in folder.rglob("*") if p.suffix in {".so", ".pyd"}]
    if native:
        sys.exit(f"error: compiled code in a file that must run everywhere: {native}")


def runtime_requirements() -> list[str]:
    """Return the runtime dependencies of fixer, pinned to the versions of this environment."""
    from importlib.metadata import version

    return [f"{name}=={version(name)}" for name in ("typer", "annotated-doc", "shellingham")]


def write_archive(staging: Path, heads: dict[str, int], output: Path) -> None:
    """Write a deterministic zip behind a start script, executable, replaced in one step. `heads` are the lengths of the
    heads of the bytecode, by tag."""
    temporary = output.with_name("." + output.name)
    with temporary.open("wb") as raw:
        raw.write(START)
        with zipfile.ZipFile(raw, "w", zipfile.ZIP_DEFLATED, compresslevel=9) as archive:
            for path in sorted(staging.rglob("*")):
                if path.is_file() and path.name != "__pycache__":
                    info = zipfile.ZipInfo(path.relative_to(staging).as_posix(), EPOCH)
                    info.compress_type = zipfile.ZIP_STORED if path.suffix == ".bin" else zipfile.ZIP_DEFLATED
                    archive.writestr(info, path.read_bytes())
            places = {tag: (_data_of(archive.getinfo(f"{tag}.bin")), length) for tag, length in heads.items()}
            archive.writestr(zipfile.ZipInfo("__main__.py", EPOCH), MAIN.replace("TAGS = {}", f"TAGS = {places!r}"))
    temporary.chmod(0o755)
    temporary.replace(output)


def _data_of(entry: zipfile.ZipInfo) -> int:
    """Return where the bytes of an entry that is not compressed begin: after its header and its name."""
    return entry.header_offset + 30 + len(entry.filename.encode()) + len(entry.extra)


def main() -> None:
    """Build the archive named on the command line."""
    output = Path(sys.argv[1] if len(sys.argv) > 1 else "dist/fixer.pyz").absolute()
    output.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory() as temporary, tempfile.TemporaryDirectory() as folder:
        staging = Path(temporary)
        (staging / "src").mkdir()
        stage_sources(staging / "src")
        pythons = find_interpreters()
        memory = ROOT / "script" / "pyz_memory.py"
        heads = {}
        for tag, python in sorted(pythons.items()):
            made = Path(folder) / f"{tag}.bin"
            subprocess.run([python, "-c", COMPILE, staging / "src", memory, made], check=True)
            heads[tag] = int(made.with_suffix(".head").read_text())
            made.rename(staging / made.name)
        write_archive(staging, heads, output)
    digest = hashlib.sha256(output.read_bytes()).hexdigest()[:12]
    size = output.stat().st_size // 1024
    print(f"{output.name}: {size} KiB, bytecode for {', '.join(sorted(pythons))}, sha256 {digest}")


if __name__ == "__main__":
    main()
