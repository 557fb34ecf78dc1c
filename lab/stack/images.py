"""Images of the stacks, tagged by a digest of their sources, so that a second run builds nothing."""

from __future__ import annotations

import hashlib
import shutil
import sys
import time
from collections.abc import Callable, Iterable, Mapping
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from lab.errors import LabError, NoDocker
from lab.paths import compose_root
from lab.stack.docker_command import require_docker, run
from lab.stack.docker_engine import build_image, image_names, import_image, pull_image

BASE_IMAGE = "debian:trixie-slim"
PACKAGES = "packages"     # the layer that BUILT_ON_PACKAGES share; no container runs it
IMAGE_NAMES = ("web", "app", "machine", "database", "combined")
SEAT = "seat"             # the layer of a class on the machine: ssh
TOOLS = "tools"           # for `lab shell --tools`; no stack runs it
BUILT_ON_PACKAGES = ("app", "machine", "combined")
NEWER_NGINX = "newer-nginx"     # the layer with another version of nginx, on an image that RUNS_NGINX
RUNS_NGINX = ("web", "machine", "combined")
SUITE_WITH_NGINX = {"1.30": "forky"}     # the Debian whose packages bring it
ProgressCallback = Callable[[str], None]


def tags(nginx: str = "") -> dict[str, str]:
    """Return the tag of each image of a stack: its name, and a digest of its context and of what it is built on.
    `nginx` is a version of SUITE_WITH_NGINX that the images have in place of Debian's own."""
    found = _all_tags()
    newer = _newer_tags(found, nginx) if nginx else {}
    return {name: tag for name, tag in {**found, **newer}.items() if name in IMAGE_NAMES}


def _all_tags() -> dict[str, str]:
    digests = {name: folder_digest(compose_root() / "images" / name) for name in (PACKAGES, *IMAGE_NAMES, TOOLS)}
    for name in BUILT_ON_PACKAGES:
        digests[name] = hashlib.sha256((digests[PACKAGES] + digests[name]).encode()).hexdigest()[:12]
    return {name: f"badgateway/{name}:{digest}" for name, digest in digests.items()}


def ensure(say: ProgressCallback, names: Iterable[str] = IMAGE_NAMES, nginx: str = "") -> Mapping[str, str]:
    """Build those that are missing, side by side; return the tags of all images, built or not.
    `nginx` is a version of SUITE_WITH_NGINX: the images that run nginx then have that one."""
    require_docker()
    names = tuple(names)
    wanted, there = _all_tags(), image_names()
    _build_missing(say, names, wanted, there)
    newer = _newer_tags(wanted, nginx) if nginx else {}
    for name, tag in newer.items():
        if name in names and tag not in there:
            arguments = {"BELOW": wanted[name], "SUITE": SUITE_WITH_NGINX[nginx], "VERSION": nginx}
            _build_and_say(name, NEWER_NGINX, tag, arguments, say)
    return {name: tag for name, tag in {**wanted, **newer}.items() if name != PACKAGES}


def ensure_layer(say: ProgressCallback, layer: str, below: str) -> str:
    """Build the image of a folder on another image if it is missing; return its tag."""
    digest = hashlib.sha256(f"{below} {folder_digest(compose_root() / 'images' / layer)}".encode()).hexdigest()[:12]
    tag = f"badgateway/{layer}:{digest}"
    if tag not in image_names():
        _build_and_say(layer, layer, tag, {"BELOW": below}, say)
    return tag


def _newer_tags(below: Mapping[str, str], nginx: str) -> dict[str, str]:
    """Return the tags of the images with that version of nginx, each by the name of the image that it replaces."""
    own = folder_digest(compose_root() / "images" / NEWER_NGINX)
    return {name: f"badgateway/{name}:{hashlib.sha256(f'{below[name]} {own} {nginx}'.encode()).hexdigest()[:12]}"
            for name in RUNS_NGINX}


def _build_missing(say: ProgressCallback, names: tuple[str, ...], wanted: Mapping[str, str],
                   there: frozenset[str]) -> None:
    missing = [name for name in names if wanted[name] not in there]
    if missing and BASE_IMAGE not in there:
        make_base(say)
    on_packages = {"PACKAGES": wanted[PACKAGES]}

    def build(name: str) -> None:
        _build_and_say(name, name, wanted[name], on_packages if name in BUILT_ON_PACKAGES else {}, say)

    with ThreadPoolExecutor(len(IMAGE_NAMES)) as pool:
        packages = None
        if wanted[PACKAGES] not in there and not set(missing).isdisjoint(BUILT_ON_PACKAGES):
            packages = pool.submit(build, PACKAGES)
        others = [pool.submit(build, name) for name in missing if name not in BUILT_ON_PACKAGES]
        if packages is not None:
            packages.result()
        others += [pool.submit(build, name) for name in missing if name in BUILT_ON_PACKAGES]
        for built in others:
            built.result()


def _build_and_say(name: str, folder: str, tag: str, arguments: Mapping[str, str], say: ProgressCallback) -> None:
    start = time.monotonic()
    shown = f"{name} with nginx {arguments['VERSION']}" if "VERSION" in arguments else name
    say(f"image {shown}: building")
    build_image(compose_root() / "images" / folder, tag, {"badgateway.image": name}, arguments)
    say(f"image {shown}: built in {time.monotonic() - start:.0f} s")


def make_base(say: ProgressCallback, image: str = BASE_IMAGE) -> None:
    """Get a base image, `debian:SUITE-slim`, from a registry, else from the distribution's own mirror."""
    say(f"base {image}: pulling from the registry")
    if pull_image(image):
        return
    if not shutil.which("mmdebstrap"):
        raise NoDocker(f"no registry has {image}, and mmdebstrap, which could build it, is not installed",
                       "apt-get install mmdebstrap (Debian or Ubuntu)")
    say(f"base {image}: the pull failed, building it from the mirror with mmdebstrap")
    suite = image.removeprefix("debian:").removesuffix("-slim")
    made = run(["mmdebstrap", "--quiet", "--variant=minbase", suite, "-"], check=False, timeout=1200.0)
    if made.code != 0:
        raise LabError(f"the base image could not be built: {made.error_line}")
    import_image(made.out, image, 'CMD ["bash"]')


def folder_digest(folder: Path) -> str:
    """Return a digest of a build context's names, modes and bytes, the same on every machine."""
    digest = hashlib.sha256()
    for path in sorted(folder.rglob("*")):
        if path.is_file() and "__pycache__" not in path.parts:
            digest.update(path.relative_to(folder).as_posix().encode() + b"\0" + path.read_bytes() + b"\0")
    return digest.hexdigest()[:12]


def main() -> int:
    """Run `python -m lab.stack.images [NAME…]`: build what is missing, one line per step."""
    start = time.monotonic()
    try:
        ensure(lambda line: print(line, flush=True), sys.argv[1:] or IMAGE_NAMES)  # noqa: T201  a command of its own
    except LabError as error:
        print("\n".join(filter(None, [error.message, error.hint])), file=sys.stderr)  # noqa: T201
        return error.exit_code
    print(f"images ready ({time.monotonic() - start:.1f} s)")  # noqa: T201
    return 0


if __name__ == "__main__":
    sys.exit(main())
