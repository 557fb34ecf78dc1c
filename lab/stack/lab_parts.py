"""Parts of a lab by the names that people type: a role, a service of the compose file, a unit, any other container.

The images that the parts run are found here too."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from lab.errors import UnexpectedState, UsageError
from lab.scenario.deployment_fields import Deployment
from lab.scenario.scenario_file import Role, Stack, Variant
from lab.stack.docker_command import ListedContainer, listed_containers
from lab.stack.running_lab import Lab

ROLES: tuple[Role, ...] = ("web", "backend", "second")
MACHINE = "machine"  # what people call the one container of the host stack
TOOLS_MARK = "-tools-"  # in the names of the containers of `lab shell --tools`


def role_names(lab: Lab) -> Mapping[Role, str]:
    """Return the parts that serve pages: their services, or the units and programs where one container is all."""
    return {role: lab.service(role) if lab.stack == "containers" else lab.unit(role)
            for role in ROLES if role != "second" or lab.deployment.second_site}


def role_of(lab: Lab, word: str) -> Role:
    """Return the role that a word names; raise UsageError with the choices."""
    for role, name in role_names(lab).items():
        if word in (role, name, f"{name}.service"):
            return role
    raise UsageError(f"{lab.id} has no part called {word!r}", f"it has {', '.join(role_names(lab).values())}")


def listed_parts(lab: Lab) -> tuple[ListedContainer, ...]:
    """Return the lab's containers, without those of its people."""
    return tuple(one for one in listed_containers()
                 if one.lab_id == lab.id and not (TOOLS_MARK in one.name and not one.service))


def part_name(lab: Lab, listed: ListedContainer) -> str:
    """Return what people call a container of a lab."""
    if listed.name == f"{lab.id}-host":
        return MACHINE
    return listed.service or listed.name.removeprefix(f"{lab.id}-")


def part_names(lab: Lab) -> tuple[str, ...]:
    """Return what people call the parts of a lab: those that serve pages, then every container."""
    return _names_of(lab, listed_parts(lab))


def _names_of(lab: Lab, listed: Sequence[ListedContainer]) -> tuple[str, ...]:
    return tuple(dict.fromkeys([*role_names(lab).values(), *(part_name(lab, one) for one in listed)]))


def find_part(lab: Lab, word: str, listed: Sequence[ListedContainer]) -> str:
    """Return the name of the part that a word names: nginx's if there is no word; raise UsageError with the choices."""
    roles = role_names(lab)
    names = [part_name(lab, one) for one in listed]
    if word in names:
        return word
    if lab.stack == "host" and word in ("", "host", *roles, *roles.values()):
        return MACHINE
    if lab.stack == "all-in-one" and word in ("", *roles, *roles.values()):
        return lab.service()
    if lab.stack == "containers":
        known = {"": roles["web"], **{str(role): name for role, name in roles.items()}}
        if word in (*known, *known.values()):
            return known.get(word, word)
    raise UsageError(f"{lab.id} has no part called {word!r}", f"it has {', '.join(_names_of(lab, listed))}")


def running_container(lab: Lab, part: str, listed: Sequence[ListedContainer]) -> str:
    """Return the container of a part; if it does not run, raise UnexpectedState, which names the next command."""
    of_part = [one for one in listed if part_name(lab, one) == part]
    if not of_part:
        raise UnexpectedState(f"{part} of {lab.id} has no container: create it again with "
                              f"docker compose --project-directory {lab.folder} up -d {part}")
    found = next((one for one in of_part if one.state == "running"), of_part[0])
    if found.state != "running":
        raise UnexpectedState(f"{part} of {lab.id} does not run (its container is {found.state}): "
                              f"read its last lines with lab logs {lab.id} {part}")
    return found.name


def needed_images(variant: Variant, stack: Stack, drawn: Deployment) -> frozenset[str]:
    """Return the names of the images that a lab of this draw runs, at any time of its life."""
    if stack == "host":
        return frozenset({"machine", *(["app"] if variant.load else [])})
    if stack == "all-in-one":
        found = {"combined", *(["app"] if variant.load else []), *(["database"] if drawn.database else [])}
        return frozenset(found)
    steps = (*variant.steps_on(stack), *variant.by_hand_on(stack), *variant.again_on(stack))
    has_tools = any("engine_rule" in step or "image_machine" in str(step) for step in steps)
    found = {"web", "app"}
    if drawn.tls or drawn.app_certificate or has_tools:
        found.add("machine")
    if drawn.database:
        found.add("database")
    return frozenset(found)
