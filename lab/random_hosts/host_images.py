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
from lab.random_hosts.host_spec import HostSpec
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


def images_on(base: str) -> tuple[HostImage, ...]:
    """Return the images on a base, each built on the one before. Debian 13's first is built on the lab's machine."""
    below, steps = (images.tags()["machine"], _ON_MACHINE) if base == images.BASE_IMAGE else (base, _ON_BASE)
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
    return _tag_on(spec, PROJECT if spec.is_project else HOST)


def app_image_of(spec: HostSpec) -> str:
    """Return the tag of the image that the application of a host runs from."""
    return _tag_on(spec, APP) if "own-image" in spec.offers else image_of(spec)


def _tag_on(spec: HostSpec, folder: str) -> str:
    return next(one.tag for one in images_on(spec.values["base_image"]) if one.folder == folder)


def all_tags() -> tuple[str, ...]:
    """Return the tags of all images that a host may be made of."""
    return tuple(one.tag for base in _bases() for one in images_on(base) if one.folder in IMAGES)


def _bases() -> tuple[str, ...]:
    return tuple(part.values["base_image"] for part in all_parts()["distribution"])


def ensure_images(say: images.ProgressCallback, hosts: Iterable[HostSpec]) -> None:
    """Build the images that the hosts need and that are missing."""
    wanted = [(image, host) for host in hosts for image in (image_of(host), app_image_of(host))]
    _ensure(say, {image: host.values["base_image"] for image, host in wanted})


def _ensure(say: images.ProgressCallback, wanted: Mapping[str, str]) -> None:
    """Build the images with these tags, each on its base, if they are missing."""
    there = docker_engine.image_names()
    for tag, base in wanted.items():
        if tag not in there:
            _ensure_base(say, base)
            _build_until(say, tag, base)


def _ensure_base(say: images.ProgressCallback, base: str) -> None:
    if base == images.BASE_IMAGE:
        images.ensure(say, ["machine"])
    elif base not in docker_engine.image_names():
        images.make_base(say, base)


def _build_until(say: images.ProgressCallback, tag: str, base: str) -> None:
    there = docker_engine.image_names()
    for image in images_on(base):
        if image.tag not in there:
            say(f"image {image.folder} on {base}: building")
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
        _ensure(lambda line: print(line, flush=True),  # noqa: T201  a command of its own
                {one.tag: base for base in _bases() for one in images_on(base) if one.folder in IMAGES})
    except LabError as error:
        print("\n".join(filter(None, [error.message, error.hint])), file=sys.stderr)  # noqa: T201
        return error.exit_code
    return 0


if __name__ == "__main__":
    sys.exit(main())
