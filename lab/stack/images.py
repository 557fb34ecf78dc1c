"""Images of the stacks, tagged by a digest of their sources, so that a second run builds nothing."""

from __future__ import annotations

import hashlib
import shutil
import sys
import time
from collections.abc import Callable, Mapping
from pathlib import Path

from lab.errors import LabError, NoDocker
from lab.paths import compose_root
from lab.stack.docker_command import docker, require_docker, run

BASE_IMAGE = "debian:trixie-slim"
IMAGE_NAMES = ("web", "app", "machine", "database")
ProgressCallback = Callable[[str], None]


def tags() -> dict[str, str]:
    """Return the tag of each image: its name, and a digest of its build context."""
    return {name: f"badgateway/{name}:{_digest(compose_root() / 'images' / name)}" for name in IMAGE_NAMES}


def ensure(say: ProgressCallback) -> Mapping[str, str]:
    """Build the missing images; return all tags."""
    require_docker()
    wanted = tags()
    there = set(docker("image", "ls", "--format", "{{.Repository}}:{{.Tag}}").text.split())
    missing = [name for name in IMAGE_NAMES if wanted[name] not in there]
    if missing and BASE_IMAGE not in there:
        _make_base(say)
    for name in missing:
        start = time.monotonic()
        say(f"image {name}: building")
        _build(name, wanted[name])
        say(f"image {name}: built in {time.monotonic() - start:.0f} s")
    return wanted


def _build(name: str, tag: str) -> None:
    folder = compose_root() / "images" / name
    built = docker("build", "-q", "--label", "badgateway.image=" + name, "-t", tag, str(folder), check=False,
                   timeout=1200.0)
    if built.code != 0:
        lines = built.err.decode("utf-8", "replace").strip().splitlines()[-8:]
        raise LabError(f"image {name} could not be built:\n  " + "\n  ".join(lines))


def _make_base(say: ProgressCallback) -> None:
    """Get the base image from a registry, else from the distribution's own mirror."""
    say(f"base {BASE_IMAGE}: pulling from the registry")
    if docker("pull", "-q", BASE_IMAGE, check=False, timeout=300.0).code == 0:
        return
    if not shutil.which("mmdebstrap"):
        raise NoDocker(f"no registry has {BASE_IMAGE}, and mmdebstrap, which could build it, is not installed",
                       "apt-get install mmdebstrap (Debian or Ubuntu)")
    say(f"base {BASE_IMAGE}: the pull failed, building it from the mirror with mmdebstrap")
    made = run(["mmdebstrap", "--quiet", "--variant=minbase", "trixie", "-"], check=False, timeout=1200.0)
    if made.code != 0:
        raise LabError(f"the base image could not be built: {made.error_line}")
    docker("import", "--change", 'CMD ["bash"]', "-", BASE_IMAGE, stdin=made.out, timeout=600.0)


def _digest(folder: Path) -> str:
    """Return a digest of a build context's names, modes and bytes, the same on every machine."""
    digest = hashlib.sha256()
    for path in sorted(folder.rglob("*")):
        if path.is_file() and "__pycache__" not in path.parts:
            digest.update(path.relative_to(folder).as_posix().encode() + b"\0" + path.read_bytes() + b"\0")
    return digest.hexdigest()[:12]


def main() -> int:
    """Run `python -m lab.stack.images`: build what is missing, one line per step."""
    start = time.monotonic()
    try:
        ensure(lambda line: print(line, flush=True))  # noqa: T201  a command of its own
    except LabError as error:
        print("\n".join(filter(None, [error.message, error.hint])), file=sys.stderr)  # noqa: T201
        return error.exit_code
    print(f"images ready ({time.monotonic() - start:.1f} s)")  # noqa: T201
    return 0


if __name__ == "__main__":
    sys.exit(main())
