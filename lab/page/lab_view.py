"""What the page shows of one lab: its parts and whether they run, one request, the ends of its logs."""

from __future__ import annotations

import re
import time
from collections.abc import Sequence
from typing import Any

from lab.http_get import REFUSED, SLOW, get_status
from lab.languages.translate import readers_language, scenario_text
from lab.scenario.catalog import scenario_named
from lab.scenario.scenario_file import Role
from lab.stack.docker_engine import logs_of, processes_of
from lab.stack.lab_parts import role_names
from lab.stack.lab_records import load_record
from lab.stack.running_lab import Lab
from lab.verbs.orientation import application_log_command

LOG_LINES = 14
_SHARED_LINES = 400  # of a log that several programs share: one may write much more than another
_NGINX_LINE = re.compile(r"\d{4}/\d\d/\d\d [\d:]{8} \[|\S+ - \S+ \[")  # of its error log, and of its access log
_TAIL_HEADING = re.compile(r"==> .* <==")
_PATIENCE = 3.0  # seconds for one request
_ANSWERED = range(200, 400)


def present_lab(lab_id: str) -> Lab:
    """Return the lab as its record says now; raise KeyError if it is gone."""
    record = load_record(lab_id)
    if record is None:
        raise KeyError(lab_id)
    return Lab(record)


def first_view(lab: Lab) -> dict[str, Any]:
    """Return what stays the same: the story, the page, the account, how many hints there are."""
    variant = scenario_named(lab.record.scenario).variant(lab.record.variant)
    story = scenario_text(lab.record.scenario, "story", variant.story, variant.name)
    return {"id": lab.id, "story": " ".join(story.split()), "language": readers_language(), "url": f"{lab.url}/login",
            "stack": lab.stack,
            "login": lab.deployment.login, "password": lab.deployment.password, "hints": len(variant.hints),
            "difficulty": variant.difficulty, "started": lab.record.started}


def ask_once(lab: Lab) -> dict[str, Any]:
    """Send one request as a visitor does; return its status, or a word, and its milliseconds."""
    start = time.monotonic()
    status = get_status(lab.url, "/login", host=lab.visit_name, timeout=_PATIENCE)
    words = {REFUSED: "refused", SLOW: "no answer"}
    return {"at": time.time(), "ok": status in _ANSWERED, "text": words.get(status, str(status)),
            "ms": round((time.monotonic() - start) * 1000)}


def state_of_parts(lab: Lab) -> dict[str, Any]:
    """Return the parts of the diagram and whether each runs, as the engine lists their processes."""
    names = role_names(lab)
    parts = [{"role": role, "name": name, "runs": _runs(lab, role)} for role, name in names.items()]
    return {"parts": parts, "hints_given": lab.record.hints_given, "server": lab.deployment.server}


def _runs(lab: Lab, role: Role) -> bool:
    """Return whether a process of the part is listed; of two sites in one container, a port tells the second."""
    commands = [command for _, command in processes_of(lab.container(role))]
    if role == "web":
        return any("nginx: master" in command for command in commands)
    seconds = f"--port {lab.deployment.second_port}" if lab.deployment.second_site else ""
    if role == "second":
        return any(seconds in command for command in commands)
    if seconds and lab.container("second") == lab.container():
        commands = [command for command in commands if seconds not in command]
    return any(lab.deployment.server in command for command in commands)


def log_ends(lab: Lab) -> dict[str, Any]:
    """Return the last lines of nginx's and the application's logs: files inside, or the log of the container."""
    nginx_file = lab.error_log
    own_files = lab.stack == "host" or lab.deployment.log_place == "files"
    if lab.stack == "all-in-one" and not (nginx_file or own_files):
        return _told_apart(_lines(logs_of(lab.container(), tail=_SHARED_LINES)))
    nginx = lab.run_in("web", ["tail", "-n", str(LOG_LINES), nginx_file], check=False).out if nginx_file else (
        logs_of(lab.container("web"), tail=LOG_LINES))
    application = lab.run_in("web", ["sh", "-c", application_log_command(lab)], check=False).out if own_files else (
        logs_of(lab.container("backend"), tail=LOG_LINES))
    return {"nginx": _lines(nginx)[-LOG_LINES:], "application": _lines(application)[-LOG_LINES:]}


def _told_apart(lines: Sequence[str]) -> dict[str, Any]:
    """Return nginx's lines of a log that all programs of a container share, and the others."""
    own = [line for line in lines if _NGINX_LINE.match(line)]
    others = [line for line in lines if not _NGINX_LINE.match(line)]
    return {"nginx": own[-LOG_LINES:], "application": others[-LOG_LINES:]}


def _lines(text: bytes) -> list[str]:
    """Return the lines of a log, without the headings of `tail` of several files."""
    return [line for line in text.decode("utf-8", "replace").splitlines() if line and not _TAIL_HEADING.fullmatch(line)]
