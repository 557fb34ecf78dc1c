"""Files from complete parameters: the compose file of a lab and all files on its disks, as data."""

from __future__ import annotations

import random
import time
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from functools import cache
from pathlib import Path

from lab.paths import compose_root
from lab.scenario.combined import InnerProgram, inner_programs, kept_path, mounts_of, program_folder
from lab.scenario.deployment_fields import CompleteDeployment
from lab.scenario.noise import old_error_log
from lab.scenario.scenario_file import Stack
from lab.scenario.templates import fill
from lab.scenario.word_lists import USERS

UNSUPERVISED_MANAGERS = ("nohup", "rc.local", "init.d")  # no service manager watches what was started so
FIRST_UID = 2001  # UIDs of the machine image's accounts, in the order of USERS


@dataclass(frozen=True, slots=True)
class File:
    """A file: path, content, mode, and on the host stack its owner (uid, gid)."""

    path: str
    data: bytes
    mode: int = 0o644
    owner: tuple[int, int] = (0, 0)


@dataclass(frozen=True, slots=True)
class Link:
    """A symbolic link."""

    path: str
    target: str


@dataclass(frozen=True, slots=True)
class Rendering:
    """Files by path: `/…` on the machine's disk, others in the lab's folder; `initial` ones are written once."""

    files: Mapping[str, File | Link]
    initial: Mapping[str, File] = field(default_factory=dict)


def database_sql(full: CompleteDeployment) -> bytes:
    """Return the input of psql on a machine, once: roles, then the records."""
    roles, records = (fill_template(f"app/{name}.sql", full) for name in ("roles", "records"))
    return f"{roles}\\connect {full.db_name}\n{records}".encode()


def render(full: CompleteDeployment) -> Rendering:
    """Return every file of a lab, from its complete parameters."""
    return _RENDERERS[full.stack](full)


def _render_containers(full: CompleteDeployment) -> Rendering:
    web, backend, folder = full.web, full.backend, full.conf_folder
    files = [
        _render_file("compose.yaml", "../containers.yaml", full),
        _site(full),
        *_snippets(f"{web}/snippets", full),
        *_app_files(f"{backend}/app", "app/settings.py.in", full),
    ]
    if full.tls:
        files += [File(f"{web}/tls/certs/{full.word}.pem", full.certificate.encode()),
                  File(f"{web}/tls/private/{full.word}.key", full.certificate_key.encode(), 0o600)]
    if full.app_certificate:  # the application's user must read both
        files += [File(f"{backend}/tls/own.pem", full.certificate.encode()),
                  File(f"{backend}/tls/own.key", full.certificate_key.encode())]
    if full.decoy == "unused_file":
        files.append(_render_file(f"{folder}/{full.word}.conf.old", "nginx/unused.conf", full))
    secret = f"{full.secret_name}={full.secret}\n" if full.with_secret else ""
    if full.database:
        secret += f"{full.db_variable}={full.db_url}\n"
        files += [_render_file(f"{full.db_service}/{name}.sql", f"app/{name}.sql", full)
                  for name in ("roles", "records")]
    if full.env_place == "env_file":
        files.append(File(f"{backend}.env", f"LANG=C.UTF-8\n{secret}".encode(), 0o600))
    if full.env_place == "dotenv":
        files.append(File(".env", f"COMPOSE_MENU=0\n{secret}".encode(), 0o600))
    if full.second_site:
        files.append(_render_file(f"{folder}/{full.second}.conf", "nginx/second.conf", full))
        files += _app_files(f"{full.second}/app", "app/second_settings.py.in", full)
    if full.stranger:
        program = f"app/{full.stranger_program}.py"
        files.append(_render_file(f"{full.neighbour}/{full.neighbour}.py", program, full))
    if full.noise_site:
        files += [_render_file(f"{folder}/{full.noise_name}.conf", "nginx/aside.conf", full),
                  _render_file(f"{full.noise_name}/aside.py", "app/aside.py", full)]
    if full.noise_listener:
        files.append(_render_file(f"{full.noise_listener_name}/aside.py", "app/aside.py", full))
    if full.noise_job:
        files.append(_render_file(f"{full.noise_job_name}/job.py", "app/job.py", full))
    return Rendering({file.path: file for file in files})


def _render_host(full: CompleteDeployment) -> Rendering:
    files: list[File | Link] = [_render_file("compose.yaml", "../host.yaml", full), *_host_nginx(full),
                                *_host_backend(full)]
    if full.second_site:
        files.append(_render_file(f"/etc/nginx/conf.d/{full.second}.conf", "nginx/second.conf", full))
        files += _app_files(f"{full.second_home}/app", "app/second_settings.py.in", full)
        files += _unit_files(full.second_unit, "host/second.service", full)
    if full.stranger:
        path = f"/usr/lib/{full.neighbour}/{full.neighbour}.py"
        files += [_render_file(path, "app/neighbour.py", full),
                  *_unit_files(full.neighbour, "host/neighbour.service", full)]
    files += _host_noise(full)
    fresh = []
    if full.old_log:
        log = old_error_log(full, time.time(), random.Random(full.secret))  # noqa: S311  plausible lines
        fresh.append(File("/var/log/nginx/error.log", log, 0o640, (33, 4)))
    return Rendering({file.path: file for file in files}, {file.path: file for file in fresh})


def _host_noise(full: CompleteDeployment) -> list[File | Link]:
    """Return the unrelated parts of the machine."""
    files: list[File | Link] = []
    for shown, name, program, unit in (
        (full.noise_site, full.noise_name, "aside", "aside"),
        (full.noise_listener, full.noise_listener_name, "aside", "listener"),
        (full.noise_job, full.noise_job_name, "job", "job"),
    ):
        if shown:
            files.append(_render_file(f"/usr/lib/{name}/{program}.py", f"app/{program}.py", full))
            files += _unit_files(f"{name}-feed" if unit == "aside" else name, f"host/{unit}.service", full)
    if full.noise_site:
        files.append(_render_file(f"/etc/nginx/conf.d/{full.noise_name}.conf", "nginx/aside.conf", full))
    return files


def _host_nginx(full: CompleteDeployment) -> list[File | Link]:
    """Return the site at its drawn path, and a file that nginx does not read."""
    site = full.site
    files: list[File | Link] = [_site(full), *_snippets("/etc/nginx/snippets", full)]
    if "sites-available" in site:
        files.append(Link(f"/etc/nginx/sites-enabled/{full.site_name}", site))
    if full.decoy == "unused_file":
        files.append(_render_file(f"/etc/nginx/sites-available/{full.word}-2024", "nginx/unused.conf", full))
    return files


def _site(full: CompleteDeployment) -> File:
    """Return the site as a separate file, or in nginx's main file."""
    if full.place != "main":
        return _render_file(full.site, "nginx/site.conf", full)
    inner = indent_text(fill_template("nginx/site.conf", full), "    ")
    return File(full.site, fill_template("nginx/nginx.conf", full, site_text=inner).encode())


def _snippets(folder: str, full: CompleteDeployment) -> list[File]:
    """Return the routes in a file that the site includes, or in one that such a file includes."""
    word, routes = full.word, _locations_text(full)
    if full.place == "nested":
        outer = f"# {full.title}\ninclude snippets/{word}/*.conf;\n".encode()
        return [File(f"{folder}/{word}.conf", outer), File(f"{folder}/{word}/routes.conf", routes)]
    return [File(f"{folder}/{word}.conf", routes)] if full.place == "snippet" else []


def _host_database(full: CompleteDeployment) -> list[File | Link]:
    """Return the link that starts PostgreSQL at boot, if the application uses it."""
    wants = "/etc/systemd/system/multi-user.target.wants/postgresql.service"
    return [Link(wants, "/usr/lib/systemd/system/postgresql.service")] if full.database else []


def _host_backend(full: CompleteDeployment) -> list[File | Link]:
    """Return the application, its unit, and drawn extras."""
    unit, home = full.unit, full.home
    files: list[File | Link] = [*_host_app(full), *_host_database(full)]
    if full.manager == "supervisord":
        files.append(_render_file(f"/etc/supervisor/conf.d/{unit}.conf", "host/program.conf", full))
        wants = "/etc/systemd/system/multi-user.target.wants/supervisor.service"
        files.append(Link(wants, "/usr/lib/systemd/system/supervisor.service"))
    elif full.by_hand:
        files += _unsupervised_start_files(full)
    else:
        files += _unit_files(unit, "host/backend.service", full)
        files += _unit_files(full.mate_unit, "host/backend.service", full)[1:] if full.mate_unit else []
    if full.activation:
        files = [entry for entry in files if not entry.path.endswith(f".wants/{unit}.service")]
        path, wants = f"/etc/systemd/system/{unit}.socket", f"/etc/systemd/system/sockets.target.wants/{unit}.socket"
        files += [_render_file(path, "host/backend.socket", full), Link(wants, path)]
    if full.port_place == "dropin":
        files.append(_render_file(f"/etc/systemd/system/{unit}.service.d/listen.conf", "host/dropin.conf", full))
    if full.port_place == "wrapper" and not full.by_hand:
        files.append(_render_file(f"{home}/bin/serve", "host/serve", full, 0o755))
    if full.has_envfile:
        number = FIRST_UID + USERS.index(full.user)
        owner = (number, 0) if full.sources else (0, number)  # a wrapper reads it as the application's user
        files.append(_render_file(full.envfile, "host/envfile", full, 0o640, owner))
    return files


def _host_app(full: CompleteDeployment) -> list[File | Link]:
    """Return the application in its home, or its last two releases and a link to the running one."""
    home, new, old = full.home, full.release, full.older_release
    if full.server == "node":
        return [_render_file(f"{home}/app/{name}", f"node/{name}{ending}", full)
                for name, ending in (("server.js", ""), ("settings.js", ".in"))]
    if not full.releases:
        return list(_app_files(f"{home}/app", "app/settings.py.in", full))
    both = (file for name in (old, new)
            for file in _app_files(f"{home}/releases/{name}/app", "app/settings.py.in", full))
    return [*both, Link(f"{home}/current", f"releases/{new}")]


def _unsupervised_start_files(full: CompleteDeployment) -> list[File | Link]:
    """Return a script that starts the application in the background, with its line in rc.local; or an init script."""
    if full.manager == "init.d":
        path = f"/etc/init.d/{full.unit}"
        links = [Link(f"/etc/rc{level}.d/S01{full.unit}", f"../init.d/{full.unit}") for level in (2, 3, 4, 5)]
        program, _, arguments = full.command.partition(" ")
        script = fill_template("host/init.d", full, program=program, arguments=arguments)
        return [File(path, script.encode(), 0o755), *links]
    number = FIRST_UID + USERS.index(full.user)
    start = _render_file(f"{full.home}/start.sh", "host/start.sh", full, 0o750, (number, 0))
    if full.manager == "nohup":
        return [start]
    return [start, _render_file("/etc/rc.local", "host/rc.local", full, 0o755)]


def _unit_files(name: str, template: str, full: CompleteDeployment) -> list[File | Link]:
    template_name, at, _ = name.partition("@")
    path = f"/etc/systemd/system/{template_name}{at}.service"  # an instance is a link to its template
    wants = f"/etc/systemd/system/multi-user.target.wants/{name}.service"
    return [_render_file(path, template, full), Link(wants, path)]


def _app_files(folder: str, settings: str, full: CompleteDeployment) -> list[File]:
    code = compose_root() / "images" / "app" / "app"
    files = [File(f"{folder}/{path.name}", path.read_bytes()) for path in sorted(code.glob("*.py"))]
    return [*files, _render_file(f"{folder}/settings.py", settings, full)]


def _render_file(path: str, template: str, full: CompleteDeployment, mode: int = 0o644,
                 owner: tuple[int, int] = (0, 0)) -> File:
    return File(path, fill_template(template, full).encode(), mode, owner)


def _locations_text(full: CompleteDeployment) -> bytes:
    return indent_text(fill_template("nginx/locations.conf", full), "").encode() + b"\n"


def fill_template(name: str, full: CompleteDeployment, **more: str) -> str:
    """Return a file of compose/templates with its parameters filled in, and with `more` that only this file has."""
    values = {**full.template_values(), **more}
    return fill(_read_template(Path(compose_root(), "templates", name)), values, f"compose/{name}")


@cache
def _read_template(path: Path) -> str:
    return path.read_text(encoding="utf-8")


def indent_text(text: str, by: str) -> str:
    """Return the lines of a text indented; empty lines stay empty."""
    return "\n".join(by + line if line else "" for line in text.rstrip("\n").split("\n"))


def _render_combined(full: CompleteDeployment) -> Rendering:
    """Return the files of an all-in-one container: each where the project keeps it."""
    files = [*_combined_nginx(full), *_app_files(f"{full.home}/app", "app/settings.py.in", full),
             *_combined_starts(full)]
    if full.second_site:
        files += _app_files(f"{full.second_home}/app", "app/second_settings.py.in", full)
    if full.stranger:
        path = f"{program_folder(full.neighbour)}/{full.neighbour}.py"
        files.append(_render_file(path, "app/neighbour.py", full))
    files += [_render_file(f"{program_folder(name)}/aside.py", "app/aside.py", full)
              for shown, name in ((full.noise_site, full.noise_name), (full.noise_listener, full.noise_listener_name))
              if shown]
    files = [replace(file, path=kept_path(full, file.path)) for file in files]
    secret = f"{full.secret_name}={full.secret}\n" if full.with_secret else ""
    if full.database:
        secret += f"{full.db_variable}={full.db_url}\n"
        files += [_render_file(f"{full.db_service}/{name}.sql", f"app/{name}.sql", full)
                  for name in ("roles", "records")]
    if full.env_place == "env_file":
        files.append(File(f"{full.web}.env", f"LANG=C.UTF-8\n{secret}".encode(), 0o600))
    files.append(File("compose.yaml", fill_template("../combined.yaml", full, **_combined_volumes(full)).encode()))
    return Rendering({file.path: file for file in files})


def _combined_volumes(full: CompleteDeployment) -> dict[str, str]:
    """Return the lines of the compose file for its mounts and volumes, and the words of its command."""
    mounts = tuple(mounts_of(full))
    by_volume = full.kept == "volume"
    lines = [f"      - {one.volume if by_volume else f'./{full.web}{one.path}'}:{one.path}"
             f"{':ro' if one.is_read_only else ''}" for one in mounts]
    labels = f'    labels:\n      badgateway.lab: {full.id}\n      badgateway.lab.state: "{full.state}"\n'
    volumes = "volumes:\n" + "".join(f"  {one.volume}:\n{labels}" for one in mounts) if by_volume else ""
    words = [f"{full.home}/start.sh"] if full.has_script else [
        "/usr/bin/supervisord", "-n", "-c", "/etc/supervisor/supervisord.conf"]
    return {"mounts": "\n".join(lines), "volumes": volumes, "start_words": ", ".join(f'"{word}"' for word in words)}


def _combined_nginx(full: CompleteDeployment) -> list[File]:
    """Return nginx's files by their paths inside."""
    site = replace(_site(full), path=full.site_read)
    files = [site, *_snippets("/etc/nginx/snippets", full)]
    if full.second_site:
        files.append(_render_file(f"/etc/nginx/conf.d/{full.second}.conf", "nginx/second.conf", full))
    if full.noise_site:
        files.append(_render_file(f"/etc/nginx/conf.d/{full.noise_name}.conf", "nginx/aside.conf", full))
    if full.decoy == "unused_file":
        files.append(_render_file(f"/etc/nginx/conf.d/{full.word}.conf.old", "nginx/unused.conf", full))
    if full.nginx_log:
        files.append(_render_file("/etc/nginx/conf.d/logs.conf", "combined/logs.conf", full))
    return files


def _combined_starts(full: CompleteDeployment) -> list[File]:
    """Return what starts its programs: supervisord's files, or a script that ends in nginx."""
    files, programs = [], tuple(inner_programs(full))
    if full.port_place == "wrapper":
        files.append(_render_file(f"{full.home}/bin/serve", "host/serve", full, 0o755))
    if full.has_script:
        text = fill_template("combined/start.sh", full, programs="\n".join(_start_lines(full, programs)))
        files.append(File(f"{full.home}/start.sh", text.encode(), 0o755))
    if full.manager != "supervisord":
        return files
    folder = "/etc/supervisor/conf.d"
    nginx = InnerProgram("nginx", '/usr/sbin/nginx -g "daemon off;"', "/", "root")
    files.append(_render_file(f"{folder}/{full.unit}.conf", "combined/program.conf", full))
    files += [File(f"{folder}/{one.name}.conf", fill_template(
        "combined/aside.conf", full, aside_name=one.name, command_line=one.command, directory=one.folder,
        account=one.account).encode()) for one in (nginx, *programs[1:])]
    if full.grouped:
        group = [full.unit, *([full.second_unit] if full.second_site else [])]
        files.append(File(f"{folder}/groups.conf", f"[group:{full.word}]\nprograms={','.join(group)}\n".encode()))
    return files


def _start_lines(full: CompleteDeployment, programs: Iterable[InnerProgram]) -> Iterator[str]:
    """Yield the lines of a script that run the programs in the background."""
    for one in programs:
        output = f" >>/var/log/{one.name}.log 2>&1" if full.log_place == "files" else ""
        yield f"cd {one.folder}"
        account = f"--reuid={one.account} --regid={'nogroup' if one.account == 'nobody' else one.account}"
        yield f"setpriv {account} --init-groups {one.command}{output} &"


_RENDERERS: Mapping[Stack, Callable[[CompleteDeployment], Rendering]] = {
    "host": _render_host, "containers": _render_containers, "all-in-one": _render_combined}
