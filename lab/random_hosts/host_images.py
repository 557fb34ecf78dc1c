"""Images of random hosts, for each Debian: the lab's machine with every application server, and without systemd."""

from __future__ import annotations

import hashlib
import shutil
import sys
import tempfile
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path

from lab.errors import LabError
from lab.paths import compose_root
from lab.random_hosts.host_container import LABEL
from lab.random_hosts.host_spec import HostSpec, together
from lab.random_hosts.part_files import all_parts
from lab.stack import docker_engine, images
from lab.stack.docker_command import require_docker

HOST, PROJECT, APP = IMAGES = "random-host", "random-project", "random-app"
# what each image is built of: its folder, and the argument that names the image below it
_ON_MACHINE = ((HOST, "MACHINE"), (PROJECT, "HOST"), (APP, "PROJECT"))
_ON_BASE = (("packages", ""), ("machine", "PACKAGES"), *_ON_MACHINE)


@dataclass(frozen=True, slots=True)
class HostImage:
    """One image: the folder that it is built of, its tag, and the arguments of the build."""

    folder: str
    tag: str
    arguments: Mapping[str, str]


@dataclass(frozen=True, slots=True)
class Foundation:
    """What all images of a host are built on: a Debian, and the version of nginx if it is not that Debian's own."""

    base: str
    nginx: str = ""


def images_on(foundation: Foundation) -> tuple[HostImage, ...]:
    """Return the images on a foundation, each built on the one before. Debian 13's first is built on the lab's
    machine."""
    base = foundation.base
    below, steps = (images.tags(foundation.nginx)["machine"], _ON_MACHINE) if base == images.BASE_IMAGE else (
        base, _ON_BASE)
    found = []
    for folder, argument in steps:
        own = images.folder_digest(compose_root() / "images" / folder)
        name = folder if folder in IMAGES else f"random-{folder}"
        tag = f"badgateway/{name}:{hashlib.sha256((below + own).encode()).hexdigest()[:12]}"
        found.append(HostImage(folder, tag, {argument: below} if argument else {}))
        below = tag
    return tuple(found)


def image_of(spec: HostSpec) -> str:
    """Return the tag of the image that nginx of a host runs from."""
    return _tag_on(spec, PROJECT if spec.is_mounted else HOST)


def app_image_of(spec: HostSpec) -> str:
    """Return the tag of the image that the application of a host runs from."""
    return _tag_on(spec, APP) if "own-image" in spec.offers else image_of(spec)


def foundation_of(spec: HostSpec) -> Foundation:
    """Return what the images of a host are built on."""
    return Foundation(spec.values["base_image"], spec.values["nginx_version"])


def _tag_on(spec: HostSpec, folder: str) -> str:
    return next(one.tag for one in images_on(foundation_of(spec)) if one.folder == folder)


def all_tags() -> tuple[str, ...]:
    """Return the tags of all images that a host may be made of."""
    return tuple(_foundations_of_tags())


def _foundations_of_tags() -> Mapping[str, Foundation]:
    return {one.tag: foundation for foundation in _foundations() for one in images_on(foundation)
            if one.folder in IMAGES}


def _foundations() -> tuple[Foundation, ...]:
    """Return each pair of a Debian and a version of nginx that go together."""
    parts = all_parts()
    return tuple(Foundation(base.values["base_image"], nginx.values["nginx_version"]) for base in parts["distribution"]
                 for nginx in parts["nginx"] if together((base.constraint, nginx.constraint)).holds)


def ensure_images(say: images.ProgressCallback, hosts: Iterable[HostSpec]) -> None:
    """Build the images that the hosts need and that are missing."""
    wanted = [(image, host) for host in hosts for image in (image_of(host), app_image_of(host))]
    _ensure(say, {image: foundation_of(host) for image, host in wanted})


def _ensure(say: images.ProgressCallback, wanted: Mapping[str, Foundation]) -> None:
    """Build the images with these tags, each on its foundation, if they are missing."""
    there = docker_engine.image_names()
    for tag, foundation in wanted.items():
        if tag not in there:
            _ensure_foundation(say, foundation)
            _build_until(say, tag, foundation)


def _ensure_foundation(say: images.ProgressCallback, foundation: Foundation) -> None:
    if foundation.base == images.BASE_IMAGE:
        images.ensure(say, ["machine"], foundation.nginx)
    elif foundation.base not in docker_engine.image_names():
        images.make_base(say, foundation.base)


def _build_until(say: images.ProgressCallback, tag: str, foundation: Foundation) -> None:
    there, base = docker_engine.image_names(), foundation.base
    newer = f" with nginx {foundation.nginx}" if foundation.nginx else ""
    for image in images_on(foundation):
        if image.tag not in there:
            say(f"image {image.folder} on {base}{newer}: building")
            with tempfile.TemporaryDirectory(prefix="image-") as place:
                context = context_on(compose_root() / "images" / image.folder, base, Path(place))
                docker_engine.build_image(context, image.tag, {LABEL: "image"}, image.arguments)
        if image.tag == tag:
            return


def context_on(folder: Path, base: str, place: Path) -> Path:
    """Return a copy of a build context whose Dockerfile starts from another base than the lab's."""
    context = Path(shutil.copytree(folder, place / folder.name))
    recipe = context / "Dockerfile"
    text = recipe.read_text(encoding="utf-8")
    if images.BASE_IMAGE not in text and "FROM ${" not in text:
        raise LabError(f"the recipe of image {folder.name} starts from neither {images.BASE_IMAGE} nor an argument")
    recipe.write_text(text.replace(images.BASE_IMAGE, base), encoding="utf-8")
    return context


def main() -> int:
    """Run `python -m lab.random_hosts.host_images`: build all that is missing, one line per step."""
    try:
        require_docker()
        _ensure(lambda line: print(line, flush=True), _foundations_of_tags())  # noqa: T201  a command of its own
    except LabError as error:
        print("\n".join(filter(None, [error.message, error.hint])), file=sys.stderr)  # noqa: T201
        return error.exit_code
    return 0


if __name__ == "__main__":
    sys.exit(main())
