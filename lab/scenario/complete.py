"""Complete parameters from drawn ones: addresses, paths and commands."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping

from lab.paths import state_label
from lab.scenario.render import UNSUPERVISED_MANAGERS, fill_template, indent_text
from lab.scenario.scenario_file import Stack
from lab.scenario.templates import Parameters, Value


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
    full["locations"] = indent_text(fill_template("nginx/locations.conf", full), "    ")
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
