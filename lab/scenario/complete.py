"""Complete parameters from drawn ones: addresses, paths and commands."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Mapping

from lab.paths import state_label
from lab.scenario.combined import kept_path
from lab.scenario.deployment_fields import CompleteDeployment, Deployment, replace
from lab.scenario.render import UNSUPERVISED_MANAGERS, fill_template, indent_text
from lab.scenario.scenario_file import Stack


def complete_parameters(drawn: Deployment, lab_id: str, images: Mapping[str, str]) -> CompleteDeployment:
    """Return the complete parameters for the templates: drawn ones, and addresses, paths and commands from them."""
    full = CompleteDeployment(**vars(drawn), id=lab_id, state=state_label().replace("$", "$$"), images=dict(images))
    apart = full.stack == "containers"  # each part has an address of its own
    full = _with_units(full)
    full = replace(full, address=full.route_host or (full.backend if apart else "127.0.0.1"))
    full = replace(
        full,
        noise_address=f"{full.noise_name}-feed" if apart else "127.0.0.1",
        hop=f"unix:/run/{full.word}/{full.word}.sock" if full.unix else f"{full.address}:{full.route_port}",
        second_address=full.second if apart else "127.0.0.1",
        health_port=full.asked_port or full.port,
        locations_style=full.locations,
        behind="  # the office application" if full.remark == "behind" else "",
        password_hash=hashlib.sha256(full.password.encode()).hexdigest(),
    )
    full = _with_database(_with_entry(full))
    full = _PATHS[full.stack](full)
    return replace(full, locations=indent_text(fill_template("nginx/locations.conf", full), "    "))


def _with_units(full: CompleteDeployment) -> CompleteDeployment:
    """Add the second unit of a group, and the instance of a template unit."""
    mate = full.port + 100
    mate_unit = f"{full.unit}@{mate}" if full.route_style == "group" else ""
    is_instance = full.stack == "host" and full.instance and full.manager == "systemd"
    return replace(full, mate_port=mate, mate_unit=mate_unit,
                   unit=f"{full.unit}@{full.instance}" if is_instance else full.unit)


def _with_entry(full: CompleteDeployment) -> CompleteDeployment:
    """Add the entry for visitors."""
    folder, name = ("/etc/nginx/tls", full.word) if full.stack == "containers" else ("/etc/ssl", "ssl-cert-snakeoil")
    return replace(
        full,
        plain_listen=full.listen,
        listen=full.listen.replace("80", "443 ssl", 1) if full.tls else full.listen,
        front=443 if full.tls else 80,
        certificate_file=f"{folder}/certs/{name}.pem",
        key_file=f"{folder}/private/{name}.key",
    )


def _with_database(full: CompleteDeployment) -> CompleteDeployment:
    """Add the application's database, and the order of its unit."""
    host = full.stack == "host"
    right = "127.0.0.1" if host else full.db_service
    name, password = full.asked_name or full.db_name, full.asked_password or full.db_password
    return replace(
        full,
        db_url=f"postgresql://{full.db_user}:{password}@{full.asked_host or right}:5432/{name}",
        right_db_url=f"postgresql://{full.db_user}:{full.db_password}@{right}:5432/{full.db_name}",
        db_after=" postgresql.service" if full.database else "",
        db_wants=full.database and full.db_wants,
        db_in_unit=full.database and host and full.env_place == "unit",
    )


def _with_host_paths(full: CompleteDeployment) -> CompleteDeployment:
    """Add paths and commands on the machine."""
    name = full.site_name
    site = {"confd": f"/etc/nginx/conf.d/{name}.conf", "main": "/etc/nginx/nginx.conf"}.get(
        full.place, f"/etc/nginx/sites-available/{name}")
    folder = f"{full.home}/current" if full.releases else full.home
    unsupervised = full.manager in UNSUPERVISED_MANAGERS
    command = _host_command(full, folder, full.port)
    by_place = {"wrapper": f"{full.home}/bin/serve", "dropin": _host_command(full, folder, full.old_port)}
    return replace(
        full,
        command=command,
        run_as=full.run_as or full.user,
        workdir=full.workdir or folder,
        folder=folder,
        unit_command=by_place.get(full.port_place, command),
        envfile=f"/etc/default/{full.unit}",
        sources=full.manager != "systemd" and full.env_place == "envfile",
        exports=unsupervised and full.env_place == "unit" and full.with_secret,
        by_hand=unsupervised,
        listen_stream=full.hop.removeprefix("unix:") if full.unix else _socket_address(full.bind, full.port),
        autorestart={"no": "false", "on-failure": "unexpected"}.get(full.restart_policy, "true"),
        has_envfile=full.port_place == "envfile" or full.env_place == "envfile",
        snippet=f"snippets/{full.word}.conf",
        app_folder=f"{full.home}/app",
        site=site,
        site_read=f"/etc/nginx/sites-enabled/{name}" if "sites-available" in site else site,
        site_file=_site_file(full, f"/etc/nginx/snippets/{full.word}.conf", site),
        beside=f"{full.neighbour}-files.service",
        second_user="www-data",
    )


def _with_combined_paths(full: CompleteDeployment) -> CompleteDeployment:
    """Add paths and commands in the all-in-one container: those of a machine, kept where the project keeps them."""
    full = _with_host_paths(full)
    supervised = full.manager == "supervisord"
    snippet = kept_path(full, f"/etc/nginx/snippets/{full.word}.conf")
    inside = "/etc/nginx/nginx.conf" if full.place == "main" else f"/etc/nginx/conf.d/{full.site_name}.conf"
    site = kept_path(full, inside)
    return replace(
        full,
        sources=False,
        exports=full.manager == "entrypoint" and full.env_place == "unit" and full.with_secret,
        by_hand=False,
        has_envfile=False,
        has_script=full.manager == "entrypoint" or full.unix,
        start_script=kept_path(full, f"{full.home}/start.sh"),
        control_name=f"{full.word}:{full.unit}" if full.grouped and supervised else full.unit,
        nginx_log=f"/var/log/nginx/{full.word}.error.log" if full.log_place == "files" else "",
        has_environment=full.env_place == "environment" or (full.database and full.env_place == "unit"),
        restart_word='"no"' if full.restart_policy == "no" else full.restart_policy,
        app_folder=kept_path(full, f"{full.home}/app"),
        beside=full.neighbour,
        site=site,
        site_read=inside,
        site_file=_site_file(full, snippet, site),
    )


def _host_command(full: CompleteDeployment, folder: str, number: int) -> str:
    """Return the command that starts the application on a machine, at that port."""
    programs = f"{full.venv}/bin" if full.venv else "/usr/bin"
    start = f"{programs}/{full.server}" if full.runner == "script" else f"{programs}/python3 -m {full.server}"
    from_file = full.port_place == "envfile"
    port = "%i" if full.mate_unit else "${PORT}" if from_file else str(number)
    if full.server == "node":
        start = f"{programs}/node {folder}/{full.target}"
        port = "" if from_file else port  # it reads PORT itself
    return _server_command(start, full.bind, port, full)


def _with_containers_paths(full: CompleteDeployment) -> CompleteDeployment:
    """Add paths in the lab's folder, and commands in the containers."""
    web, main = full.web, full.place == "main"
    folder = f"{web}/conf.d" if full.mount == "folder" else web
    site = f"{web}/nginx.conf" if main else f"{folder}/{full.site_name}.conf"
    port = "$$PORT" if full.port_place == "environment" else str(full.port)
    return replace(
        full,
        command=_server_command(full.program_inside or full.server, full.bind_inside, port, full),
        has_environment=full.port_place == "environment" or full.env_place in ("environment", "dotenv"),
        restart_word='"no"' if full.restart_policy == "no" else full.restart_policy,
        snippet=f"snippets/{full.word}.conf",
        conf_folder=folder,
        beside=f"{full.id}-{full.neighbour}-1",
        named_volumes=full.unix or full.log_volume,
        app_folder=f"{full.backend}/app",
        has_conf_folder=not main or full.second_site or full.noise_site or full.decoy == "unused_file",
        site=site,
        site_read="/etc/nginx/nginx.conf" if main else f"/etc/nginx/conf.d/{full.site_name}.conf",
        site_file=_site_file(full, f"{web}/snippets/{full.word}.conf", site),
    )


def _site_file(full: CompleteDeployment, snippet: str, site: str) -> str:
    """Return the file that contains the address of the route."""
    if full.route_style not in ("literal", "variable"):
        return site
    return {"snippet": snippet, "nested": snippet.replace(".conf", "/routes.conf")}.get(full.place, site)


def _server_command(start: str, bind: str, port: str, full: CompleteDeployment) -> str:
    workers = f" --workers {full.workers}" if full.workers > 1 else ""
    options = f" {full.server_options}" if full.server_options else ""
    if full.server == "gunicorn":
        where = full.hop if full.unix else _socket_address(bind, port)
        return f"{start} -k uvicorn.workers.UvicornWorker --bind {where}{workers}{options} {full.target}"
    if full.server == "node":
        return f"{start} --host {bind}{f' --port {port}' if port else ''}{options}"
    if full.activation:
        return f"{start} {full.target} --fd 3{workers}{options}"
    where = f"--uds {full.hop.removeprefix('unix:')}" if full.unix else f"--host {bind} --port {port}"
    return f"{start} {full.target} {where}{workers}{options}"


def _socket_address(bind: str, port: int | str) -> str:
    return f"[{bind}]:{port}" if ":" in bind else f"{bind}:{port}"


_PATHS: Mapping[Stack, Callable[[CompleteDeployment], CompleteDeployment]] = {
    "host": _with_host_paths, "containers": _with_containers_paths, "all-in-one": _with_combined_paths}
