"""The compose project of a target's containers: its files, and whether the containers still match them."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping

from fixer.formats.docker_conventions import LABEL_PREFIX, ProjectFiles, label_paths, widest_project_files
from fixer.lazy.lazy_imports import lazy_imports
from fixer.model.facts import Evidence, Fact, Known, Unknown
from fixer.model.query import Command
from fixer.model.snapshot import Compose, Container, MissingEnvFile
from fixer.observe.nginx.sites import Site
from fixer.observe.view.node_view import ENGINE, View, container_of, is_readable

with lazy_imports():
    from fixer.observe.docker.compose_files import defined_services, interpolation_env
    from fixer.observe.docker.compose_missing import missing_env_files
    from fixer.observe.docker.uncreated_services import uncreated_services

_FILE_LABELS = ("config_files", "working_dir", "environment_file")


def project_of(sites: Iterable[Site], containers: tuple[Container, ...]) -> str | None:
    """Return the project of the containers in which nginx runs."""
    for site in sites:
        own = container_of(site.view.name, containers)
        if own is not None and own.project:
            return own.project
    projects = tuple(dict.fromkeys(c.project for c in containers if c.project and not c.is_machine))
    # nginx is on the host: containers may belong to several projects
    if any(site.view.is_target_machine for site in sites):
        return projects[0] if len(projects) == 1 else None
    return next(iter(projects), None) if not list(sites) else None


def compose_of(sites: tuple[Site, ...], containers: tuple[Container, ...], views: Mapping[str, View]) -> Compose | None:
    """Return the project as its containers' labels describe it; None if there is none."""
    project = project_of(sites, containers)
    members = [c for c in containers if project and c.project == project]
    if not project or not members:
        return None
    # `docker run` of an image that compose built has the project label, but no files
    told = {_project_files(member): member for member in reversed(members)}
    told = {files: member for files, member in told.items() if files[0]}
    whole = widest_project_files(told)
    first = told[whole] if whole is not None else next(iter(told.values()), members[0])
    directory = first.label(LABEL_PREFIX + "project.working_dir") or ""
    files = tuple(label_paths(first, "project.config_files", directory))
    engine = views.get(ENGINE)
    editable, same = _can_edit_files(files, engine), tuple(_match_config_hashes(project, members, engine))
    if said := _compose_error(project, engine):
        editable = Unknown(f"docker compose does not take them: {said}")
    if len(told) > 1 and not _describes_all(whole, members, dict(same)):
        editable = Unknown(_conflicting_files_text(told, whole))
    missing = tuple(uncreated_services(project, first, members, engine))
    return Compose(project, directory, files, tuple(label_paths(first, "project.environment_file", directory)),
                   same, editable, missing,
                   tuple(_undefined_services(first, members, engine)) if isinstance(editable, Known) else (),
                   _missing_files(first, engine) if missing and engine is not None else ())


def _missing_files(first: Container, engine: View) -> tuple[MissingEnvFile, ...]:
    return tuple(missing_env_files(first, engine))


def _project_files(member: Container) -> ProjectFiles:
    files, folder, given = (member.label(f"{LABEL_PREFIX}project.{name}") or "" for name in _FILE_LABELS)
    return files, folder, given


def _describes_all(whole: ProjectFiles | None, members: list[Container], same: Mapping[str, bool]) -> bool:
    """Return whether the files that include all others match every container of the project."""
    return whole is not None and all(same.get(m.service or "", False) for m in members if _project_files(m)[0])


def _conflicting_files_text(told: Mapping[ProjectFiles, Container], whole: ProjectFiles | None) -> str:
    """Return which containers name different files.
    A label may be forged or from an older deployment, so the project's files are ambiguous."""
    if whole is not None:
        other = next(files for files in told if files != whole)
        lacks = [path for path in whole[0].split(",") if path not in other[0].split(",")]
        return (f"its containers name different compose files: {told[other].name} was created without "
                f"{', '.join(lacks)}, {told[whole].name} with all files (docker compose "
                f"{' '.join(f'-f {path}' for path in whole[0].split(','))} up -d uses all files)")
    first, another = list(told.values())[:2]
    what = " and ".join(f"{m.name} was created from {', '.join(filter(None, _project_files(m)[:2]))}"
                       for m in (another, first))
    return f"its containers name different compose files: {what}"


def _undefined_services(first: Container, members: list[Container], engine: View | None) -> Iterator[str]:
    """Yield services that have a container but no definition: renamed or removed in the files."""
    defined = () if engine is None else defined_services(first, engine, interpolation_env(first, engine))
    yield from dict.fromkeys(m.service for m in members if defined and m.service and m.service not in defined)


def config_hash_query(project: str) -> Command:
    """Return the query for the current config hash of every service."""
    return Command("compose-hash", (project, "*"))


def _compose_error(project: str, engine: View | None) -> str:
    """Return Compose's error about the files; empty if it accepts them or was not asked."""
    answer = engine.node.answers.get(config_hash_query(project)) if engine is not None else None
    return answer.message if answer is not None and answer.status == "failed" and answer.returncode else ""


def _match_config_hashes(project: str, members: list[Container], engine: View | None) -> Iterator[tuple[str, bool]]:
    """Yield (service, whether the files still have the config hash of its container), if known."""
    answer = engine.node.answers.get(config_hash_query(project)) if engine is not None else None
    if answer is None or answer.status != "ok":
        return
    rows = [line.split() for line in answer.data.decode("utf-8", "replace").splitlines()]
    now = {row[0]: row[1] for row in rows if len(row) == 2}
    for member in members:
        label = member.label(LABEL_PREFIX + "config-hash")
        if member.service and label and member.service in now:
            yield member.service, now[member.service] == label


def _can_edit_files(files: tuple[str, ...], engine: View | None) -> Fact[bool]:
    if engine is None:
        return Unknown("the Docker host was not observed")
    if not files:
        return Unknown("its containers name no compose files")
    for path in files:
        file = engine.files.get(path)
        if file is None or not is_readable(file):
            return Unknown(f"{path}: {file.status if file is not None else 'not read'}")
    return Known(True, tuple(Evidence("file", path, "compose file") for path in files))
