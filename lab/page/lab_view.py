"""What the page shows of one lab: its parts and whether they run, one request, the ends of its logs."""

from __future__ import annotations

import time
from typing import Any

from lab.http_get import REFUSED, SLOW, get_status
from lab.scenario.catalog import scenario_named
from lab.stack.docker_engine import logs_of, processes_of
from lab.stack.lab_parts import role_names
from lab.stack.lab_records import load_record
from lab.stack.running_lab import ERROR_LOG, Lab
from lab.verbs.orientation import application_log_command

LOG_LINES = 14
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
    return {"id": lab.id, "story": " ".join(variant.story.split()), "url": f"{lab.url}/login", "stack": lab.stack,
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
    words = {"web": "nginx: master", "backend": lab.deployment.server, "second": lab.deployment.server}
    listed = {role: [command for _, command in processes_of(lab.container(role))] for role in names}
    parts = [{"role": role, "name": name, "runs": any(words[role] in command for command in listed[role])}
             for role, name in names.items()]
    return {"parts": parts, "hints_given": lab.record.hints_given, "server": lab.deployment.server}


def log_ends(lab: Lab) -> dict[str, Any]:
    """Return the last lines of nginx's and the application's logs."""
    if lab.stack == "host":
        texts = {"nginx": lab.run_in("web", ["tail", "-n", str(LOG_LINES), ERROR_LOG], check=False).out,
                 "application": lab.run_in("web", ["sh", "-c", application_log_command(lab)], check=False).out}
    else:
        texts = {"nginx": logs_of(lab.container("web"), tail=LOG_LINES),
                 "application": logs_of(lab.container("backend"), tail=LOG_LINES)}
    return {name: text.decode("utf-8", "replace").splitlines()[-LOG_LINES:] for name, text in texts.items()}
