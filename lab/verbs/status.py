"""`lab status`: the labs that are up, and what their pages answer now."""

from __future__ import annotations

from typing import Any

from lab.http_get import get_status
from lab.languages.translate import say
from lab.stack import lab_records
from lab.stack.docker_command import listed_containers
from lab.stack.find_lab import all_lab_ids
from lab.stack.running_lab import Lab


def collect_statuses() -> list[dict[str, Any]]:
    """Return every lab that is up, with its page's present answer."""
    entries: list[dict[str, Any]] = []
    kept = {record.id: record for record in lab_records.all_records()}
    containers = listed_containers()
    for lab_id in all_lab_ids():
        states = [listed.state for listed in containers if listed.lab_id == lab_id]
        entry: dict[str, Any] = {"id": lab_id, "containers": len(states), "running": states.count("running")}
        if lab_id in kept:
            lab = Lab(kept[lab_id])
            ports = (one.published_port(lab.front_port) for one in containers if one.name == lab.container("web"))
            url = lab.url_at(next(ports, None))
            answer = get_status(url, "/login", host=lab.visit_name, timeout=3.0)
            entry |= {"asked": lab.record.asked, "scenario": f"{lab.record.scenario}/{lab.record.variant}",
                      "stack": lab.stack, "seed": lab.record.seed, "url": url,
                      "target": lab.target, "answer": answer, "ready": lab.record.ready}
        entries.append(entry)
    return entries


def status_text(entries: list[dict[str, Any]], *, verbose: bool = False) -> str:
    """Return one line per lab, without the scenario: its name is the answer. `verbose` adds it."""
    if not entries:
        return say("console/no-lab", "no lab is up; `lab list` shows the scenarios")
    names = {0: say("console/refuses", "refuses connections"), -1: say("console/no-answer", "does not answer in 3 s")}
    lines = []
    for entry in entries:
        running = say("console/running", "{running} of {count} containers run", running=entry["running"],
                      count=entry["containers"])
        head = f"{entry['id']}  {running}"
        if "asked" in entry:
            answer = entry["answer"]
            state = names.get(answer) or say("console/answers", "answers {status}", status=answer)
            asked = f"{entry['scenario']} on {entry['stack']}, seed {entry['seed']}" if verbose else entry["stack"]
            head += f"  {asked}  {entry['url']}/login {state}"
        lines.append(head)
    return "\n".join(lines)
