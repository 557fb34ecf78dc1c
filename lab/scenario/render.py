"""Files from parameters: the compose file of a lab and all files on its disks, as data."""

from __future__ import annotations

import hashlib
import random
import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path

from lab.paths import compose_root, state_label
from lab.scenario.noise import old_error_log
from lab.scenario.scenario_file import Stack
from lab.scenario.templates import Parameters, Value, fill
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


def complete_parameters(drawn: Parameters, stack: Stack, lab_id: str, images: Mapping[str, str]) -> dict[str, Value]:
    """Return the complete parameters for the templates: drawn ones, and addresses, paths and commands from them."""
    full: dict[str, Value] = {**drawn, "id": lab_id, "state": state_label().replace("$", "$$"),
                              **{f"image_{name}": tag for name, tag in images.items()}}
    host = stack == "host"
    group = full["route_style"] == "group"
    full["mate_port"] = int(full["port"]) + 100
    full["mate_unit"] = f"{full['unit']}@{full['mate_port']}" if group else ""
    if host and full["instance"] and full["manager"] == "systemd":
        full["unit"] = f"{full['unit']}@{full['instance']}"
    full["address"] = full["route_host"] or ("127.0.0.1" if host else full["backend"])
    full["noise_address"] = "127.0.0.1" if host else f"{full['noise_name']}-feed"
    full["hop"] = f"unix:/run/{full['word']}/{full['word']}.sock" if full["unix"] else (
        f"{full['address']}:{full['route_port']}")
    full |= _entry_parameters(full)
    full["second_address"] = "127.0.0.1" if host else full["second"]
    full["health_port"] = full["asked_port"] or full["port"]
    full["locations_style"] = full["locations"]
    full["behind"] = "  # the office application" if full["remark"] == "behind" else ""
    full["password_hash"] = hashlib.sha256(str(full["password"]).encode()).hexdigest()
    full |= _database_parameters(full, host=host)
    full |= _host_parameters(full) if host else _container_parameters(full)
    full["locations"] = _indent_text(_fill_template("nginx/locations.conf", full), "    ")
    return full


def _entry_parameters(full: Parameters) -> dict[str, Value]:
    """Return the parameters of the entry for visitors."""
    listen = str(full["listen"])
    host = full["stack"] == "host"
    folder, name = ("/etc/ssl", "ssl-cert-snakeoil") if host else ("/etc/nginx/tls", full["word"])
    return {
        "plain_listen": listen,
        "listen": listen.replace("80", "443 ssl", 1) if full["tls"] else listen,
        "front": 443 if full["tls"] else 80,
        "certificate_file": f"{folder}/certs/{name}.pem", "key_file": f"{folder}/private/{name}.key",
    }


def _database_parameters(full: Parameters, *, host: bool) -> dict[str, Value]:
    """Return the parameters of the application's database, and the order of its unit."""
    wanted = bool(full["database"])
    at = full["asked_host"] or ("127.0.0.1" if host else full["db_service"])
    name, password = full["asked_name"] or full["db_name"], full["asked_password"] or full["db_password"]
    right = "127.0.0.1" if host else full["db_service"]
    return {
        "db_url": f"postgresql://{full['db_user']}:{password}@{at}:5432/{name}",
        "right_db_url": f"postgresql://{full['db_user']}:{full['db_password']}@{right}:5432/{full['db_name']}",
        "db_after": " postgresql.service" if wanted else "",
        "db_wants": wanted and bool(full["db_wants"]),
        "db_in_unit": wanted and host and full["env_place"] == "unit",
    }


def _host_parameters(full: Parameters) -> dict[str, Value]:
    """Return paths and commands on the machine."""
    word, unit, home, name = full["word"], full["unit"], full["home"], str(full["site_name"])
    snippet = f"/etc/nginx/snippets/{word}.conf"
    site = {"confd": f"/etc/nginx/conf.d/{name}.conf", "main": "/etc/nginx/nginx.conf"}.get(
        str(full["place"]), f"/etc/nginx/sites-available/{name}")
    folder = f"{home}/current" if full["releases"] else home
    programs, server = f"{full['venv']}/bin" if full["venv"] else "/usr/bin", full["server"]
    start = f"{programs}/{server}" if full["runner"] == "script" else f"{programs}/python3 -m {server}"
    port = {"envfile": "${PORT}"}.get(str(full["port_place"]), str(full["port"]))
    port = "%i" if full["mate_unit"] else port
    if server == "node":
        start = f"{programs}/node {folder}/{full['target']}"
        port = "" if full["port_place"] == "envfile" else port  # it reads PORT itself
    command = _server_command(start, str(full["bind"]), port, full)
    by_place = {
        "wrapper": f"{home}/bin/serve",
        "dropin": _server_command(start, str(full["bind"]), str(full["old_port"]), full),
    }
    return {
        "command": command,
        "run_as": full["run_as"] or full["user"],
        "workdir": full["workdir"] or folder,
        "folder": folder,
        "unit_command": by_place.get(str(full["port_place"]), command),
        "envfile": f"/etc/default/{unit}",
        "sources": full["manager"] != "systemd" and full["env_place"] == "envfile",
        "exports": full["manager"] in UNSUPERVISED_MANAGERS and full["env_place"] == "unit"
        and bool(full["with_secret"]),
        "by_hand": full["manager"] in UNSUPERVISED_MANAGERS,
        "listen_stream": str(full["hop"]).removeprefix("unix:") if full["unix"] else (
            f"[{full['bind']}]:{full['port']}" if ":" in str(full["bind"]) else f"{full['bind']}:{full['port']}"),
        "autorestart": {"no": "false", "on-failure": "unexpected"}.get(str(full["restart_policy"]), "true"),
        "has_envfile": full["port_place"] == "envfile" or full["env_place"] == "envfile",
        "snippet": f"snippets/{word}.conf",
        "site": site,
        "site_read": f"/etc/nginx/sites-enabled/{name}" if "sites-available" in site else site,
        "site_file": _site_file(full, snippet, site),
        "beside": f"{full['neighbour']}-files.service",
        "second_user": "www-data",
    }


def _container_parameters(full: Parameters) -> dict[str, Value]:
    """Return paths in the lab's folder, and commands in the containers."""
    web, name = full["web"], full["site_name"]
    folder = f"{web}/conf.d" if full["mount"] == "folder" else str(web)
    main = full["place"] == "main"
    site = f"{web}/nginx.conf" if main else f"{folder}/{name}.conf"
    port = "$$PORT" if full["port_place"] == "environment" else str(full["port"])
    snippet = f"{web}/snippets/{full['word']}.conf"
    return {
        "command": _server_command(str(full["program_inside"] or full["server"]), str(full["bind_inside"]), port, full),
        "has_environment": full["port_place"] == "environment" or full["env_place"] in ("environment", "dotenv"),
        "restart_word": '"no"' if full["restart_policy"] == "no" else full["restart_policy"],
        "snippet": f"snippets/{full['word']}.conf",
        "conf_folder": folder,
        "beside": f"{full['id']}-{full['neighbour']}-1",
        "named_volumes": full["unix"] or full["log_volume"],
        "has_conf_folder": not main or any((full["second_site"], full["noise_site"], full["decoy"] == "unused_file")),
        "site": site,
        "site_read": "/etc/nginx/nginx.conf" if main else f"/etc/nginx/conf.d/{name}.conf",
        "site_file": _site_file(full, snippet, site),
    }


def _site_file(full: Parameters, snippet: str, site: str) -> str:
    """Return the file that contains the address of the route."""
    if full["route_style"] not in ("literal", "variable"):
        return site
    return {"snippet": snippet, "nested": snippet.replace(".conf", "/routes.conf")}.get(str(full["place"]), site)


def _server_command(start: str, bind: str, port: str, full: Parameters) -> str:
    workers = f" --workers {full['workers']}" if int(full["workers"]) > 1 else ""
    options = f" {full['server_options']}" if full["server_options"] else ""
    if full["server"] == "gunicorn":
        where = full["hop"] if full["unix"] else f"[{bind}]:{port}" if ":" in bind else f"{bind}:{port}"
        return f"{start} -k uvicorn.workers.UvicornWorker --bind {where}{workers}{options} {full['target']}"
    if full["server"] == "node":
        return f"{start} --host {bind}{f' --port {port}' if port else ''}{options}"
    if full["activation"]:
        return f"{start} {full['target']} --fd 3{workers}{options}"
    where = f"--uds {str(full['hop']).removeprefix('unix:')}" if full["unix"] else f"--host {bind} --port {port}"
    return f"{start} {full['target']} {where}{workers}{options}"


def database_sql(full: Parameters) -> bytes:
    """Return the input of psql on a machine, once: roles, then the records."""
    roles, records = (_fill_template(f"app/{name}.sql", full) for name in ("roles", "records"))
    return f"{roles}\\connect {full['db_name']}\n{records}".encode()


def render(full: Parameters, stack: Stack) -> Rendering:
    """Return every file of a lab, from its complete parameters."""
    return _render_host(full) if stack == "host" else _render_containers(full)


def _render_containers(full: Parameters) -> Rendering:
    web, backend, folder = full["web"], full["backend"], full["conf_folder"]
    files = [
        _render_file("compose.yaml", "../containers.yaml", full),
        _site(full),
        *_snippets(f"{web}/snippets", full),
        *_app_files(f"{backend}/app", "app/settings.py.in", full),
    ]
    if full["tls"]:
        files += [File(f"{web}/tls/certs/{full['word']}.pem", str(full["certificate"]).encode()),
                  File(f"{web}/tls/private/{full['word']}.key", str(full["certificate_key"]).encode(), 0o600)]
    if full["app_certificate"]:  # the application's user must read both
        files += [File(f"{backend}/tls/own.{kind}", str(full[key]).encode())
                  for kind, key in (("pem", "certificate"), ("key", "certificate_key"))]
    if full["decoy"] == "unused_file":
        files.append(_render_file(f"{folder}/{full['word']}.conf.old", "nginx/unused.conf", full))
    secret = f"{full['secret_name']}={full['secret']}\n" if full["with_secret"] else ""
    if full["database"]:
        secret += f"{full['db_variable']}={full['db_url']}\n"
        files += [_render_file(f"{full['db_service']}/{name}.sql", f"app/{name}.sql", full)
                  for name in ("roles", "records")]
    if full["env_place"] == "env_file":
        files.append(File(f"{backend}.env", f"LANG=C.UTF-8\n{secret}".encode(), 0o600))
    if full["env_place"] == "dotenv":
        files.append(File(".env", f"COMPOSE_MENU=0\n{secret}".encode(), 0o600))
    if full["second_site"]:
        files.append(_render_file(f"{folder}/{full['second']}.conf", "nginx/second.conf", full))
        files += _app_files(f"{full['second']}/app", "app/second_settings.py.in", full)
    if full["stranger"]:
        program = f"app/{full['stranger_program']}.py"
        files.append(_render_file(f"{full['neighbour']}/{full['neighbour']}.py", program, full))
    if full["noise_site"]:
        files += [_render_file(f"{folder}/{full['noise_name']}.conf", "nginx/aside.conf", full),
                  _render_file(f"{full['noise_name']}/aside.py", "app/aside.py", full)]
    if full["noise_listener"]:
        files.append(_render_file(f"{full['noise_listener_name']}/aside.py", "app/aside.py", full))
    if full["noise_job"]:
        files.append(_render_file(f"{full['noise_job_name']}/job.py", "app/job.py", full))
    return Rendering({file.path: file for file in files})


def _render_host(full: Parameters) -> Rendering:
    files: list[File | Link] = [_render_file("compose.yaml", "../host.yaml", full), *_host_nginx(full),
                                *_host_backend(full)]
    if full["second_site"]:
        files.append(_render_file(f"/etc/nginx/conf.d/{full['second']}.conf", "nginx/second.conf", full))
        files += _app_files(f"{full['second_home']}/app", "app/second_settings.py.in", full)
        files += _unit_files(str(full["second_unit"]), "host/second.service", full)
    if full["stranger"]:
        path = f"/usr/lib/{full['neighbour']}/{full['neighbour']}.py"
        files += [_render_file(path, "app/neighbour.py", full),
                  *_unit_files(str(full["neighbour"]), "host/neighbour.service", full)]
    files += _host_noise(full)
    fresh = []
    if full["old_log"]:
        log = old_error_log(full, time.time(), random.Random(str(full["secret"])))  # noqa: S311  plausible lines
        fresh.append(File("/var/log/nginx/error.log", log, 0o640, (33, 4)))
    return Rendering({file.path: file for file in files}, {file.path: file for file in fresh})


def _host_noise(full: Parameters) -> list[File | Link]:
    """Return the unrelated parts of the machine."""
    files: list[File | Link] = []
    for kind, name, program, unit in (
        ("noise_site", full["noise_name"], "aside", "aside"),
        ("noise_listener", full["noise_listener_name"], "aside", "listener"),
        ("noise_job", full["noise_job_name"], "job", "job"),
    ):
        if full[kind]:
            files.append(_render_file(f"/usr/lib/{name}/{program}.py", f"app/{program}.py", full))
            files += _unit_files(f"{name}-feed" if unit == "aside" else str(name), f"host/{unit}.service", full)
    if full["noise_site"]:
        files.append(_render_file(f"/etc/nginx/conf.d/{full['noise_name']}.conf", "nginx/aside.conf", full))
    return files


def _host_nginx(full: Parameters) -> list[File | Link]:
    """Return the site at its drawn path, and a file that nginx does not read."""
    site = str(full["site"])
    files: list[File | Link] = [_site(full), *_snippets("/etc/nginx/snippets", full)]
    if "sites-available" in site:
        files.append(Link(f"/etc/nginx/sites-enabled/{full['site_name']}", site))
    if full["decoy"] == "unused_file":
        files.append(_render_file(f"/etc/nginx/sites-available/{full['word']}-2024", "nginx/unused.conf", full))
    return files


def _site(full: Parameters) -> File:
    """Return the site as a separate file, or in nginx's main file."""
    if full["place"] != "main":
        return _render_file(str(full["site"]), "nginx/site.conf", full)
    inner = {**full, "site_text": _indent_text(_fill_template("nginx/site.conf", full), "    ")}
    return _render_file(str(full["site"]), "nginx/nginx.conf", inner)


def _snippets(folder: str, full: Parameters) -> list[File]:
    """Return the routes in a file that the site includes, or in one that such a file includes."""
    word, routes = full["word"], _locations_text(full)
    if full["place"] == "nested":
        outer = f"# {full['title']}\ninclude snippets/{word}/*.conf;\n".encode()
        return [File(f"{folder}/{word}.conf", outer), File(f"{folder}/{word}/routes.conf", routes)]
    return [File(f"{folder}/{word}.conf", routes)] if full["place"] == "snippet" else []


def _host_database(full: Parameters) -> list[File | Link]:
    """Return the link that starts PostgreSQL at boot, if the application uses it."""
    wants = "/etc/systemd/system/multi-user.target.wants/postgresql.service"
    return [Link(wants, "/usr/lib/systemd/system/postgresql.service")] if full["database"] else []


def _host_backend(full: Parameters) -> list[File | Link]:
    """Return the application, its unit, and drawn extras."""
    unit, home = str(full["unit"]), str(full["home"])
    files: list[File | Link] = [*_host_app(full), *_host_database(full)]
    if full["manager"] == "supervisord":
        files.append(_render_file(f"/etc/supervisor/conf.d/{unit}.conf", "host/program.conf", full))
        wants = "/etc/systemd/system/multi-user.target.wants/supervisor.service"
        files.append(Link(wants, "/usr/lib/systemd/system/supervisor.service"))
    elif full["by_hand"]:
        files += _unsupervised_start_files(full)
    else:
        files += _unit_files(unit, "host/backend.service", full)
        files += _unit_files(str(full["mate_unit"]), "host/backend.service", full)[1:] if full["mate_unit"] else []
    if full["activation"]:
        files = [entry for entry in files if not entry.path.endswith(f".wants/{unit}.service")]
        path, wants = f"/etc/systemd/system/{unit}.socket", f"/etc/systemd/system/sockets.target.wants/{unit}.socket"
        files += [_render_file(path, "host/backend.socket", full), Link(wants, path)]
    if full["port_place"] == "dropin":
        files.append(_render_file(f"/etc/systemd/system/{unit}.service.d/listen.conf", "host/dropin.conf", full))
    if full["port_place"] == "wrapper" and not full["by_hand"]:
        files.append(_render_file(f"{home}/bin/serve", "host/serve", full, 0o755))
    if full["has_envfile"]:
        number = FIRST_UID + USERS.index(str(full["user"]))
        owner = (number, 0) if full["sources"] else (0, number)  # a wrapper reads it as the application's user
        files.append(_render_file(str(full["envfile"]), "host/envfile", full, 0o640, owner))
    return files


def _host_app(full: Parameters) -> list[File | Link]:
    """Return the application in its home, or its last two releases and a link to the running one."""
    home, new, old = full["home"], full["release"], full["older_release"]
    if full["server"] == "node":
        return [_render_file(f"{home}/app/{name}", f"node/{name}{ending}", full)
                for name, ending in (("server.js", ""), ("settings.js", ".in"))]
    if not full["releases"]:
        return list(_app_files(f"{home}/app", "app/settings.py.in", full))
    both = (file for name in (old, new)
            for file in _app_files(f"{home}/releases/{name}/app", "app/settings.py.in", full))
    return [*both, Link(f"{home}/current", f"releases/{new}")]


def _unsupervised_start_files(full: Parameters) -> list[File | Link]:
    """Return a script that starts the application in the background, with its line in rc.local; or an init script."""
    if full["manager"] == "init.d":
        path = f"/etc/init.d/{full['unit']}"
        links = [Link(f"/etc/rc{level}.d/S01{full['unit']}", f"../init.d/{full['unit']}") for level in (2, 3, 4, 5)]
        program, _, arguments = str(full["command"]).partition(" ")
        return [_render_file(path, "host/init.d", {**full, "program": program, "arguments": arguments}, 0o755), *links]
    number = FIRST_UID + USERS.index(str(full["user"]))
    script = _render_file(f"{full['home']}/start.sh", "host/start.sh", full, 0o750, (number, 0))
    if full["manager"] == "nohup":
        return [script]
    return [script, _render_file("/etc/rc.local", "host/rc.local", full, 0o755)]


def _unit_files(name: str, template: str, full: Parameters) -> list[File | Link]:
    template_name, at, _ = name.partition("@")
    path = f"/etc/systemd/system/{template_name}{at}.service"  # an instance is a link to its template
    wants = f"/etc/systemd/system/multi-user.target.wants/{name}.service"
    return [_render_file(path, template, full), Link(wants, path)]


def _app_files(folder: str, settings: str, full: Parameters) -> list[File]:
    code = compose_root() / "images" / "app" / "app"
    files = [File(f"{folder}/{path.name}", path.read_bytes()) for path in sorted(code.glob("*.py"))]
    return [*files, _render_file(f"{folder}/settings.py", settings, full)]


def _render_file(path: str, template: str, full: Parameters, mode: int = 0o644,
                 owner: tuple[int, int] = (0, 0)) -> File:
    return File(path, _fill_template(template, full).encode(), mode, owner)


def _locations_text(full: Parameters) -> bytes:
    return _indent_text(_fill_template("nginx/locations.conf", full), "").encode() + b"\n"


def _fill_template(name: str, full: Parameters) -> str:
    return fill(_read_template(Path(compose_root(), "templates", name)), full, f"compose/{name}")


@cache
def _read_template(path: Path) -> str:
    return path.read_text(encoding="utf-8")


def _indent_text(text: str, by: str) -> str:
    return "\n".join(by + line if line else "" for line in text.rstrip("\n").split("\n"))
