"""`lab class status`: who is where. What the trainer reads after `lab class up`."""

from __future__ import annotations

import shlex
import time
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Any

from fixer.render.terminal_text import count_columns, pad
from lab.classroom.class_keeper import is_kept
from lab.classroom.class_page import page_address, place_of
from lab.classroom.class_record import ClassRecord, Person, class_file, classes_folder
from lab.classroom.class_sheet import clock
from lab.http_get import get_status
from lab.stack.authority import certificate_paths
from lab.stack.docker_engine import state_of
from lab.stack.lab_records import load_record
from lab.stack.running_lab import Lab

_STATES = {0: "refuses connections", -1: "does not answer in 3 s"}


def person_state(person: Person, stopped: Sequence[str] = ()) -> dict[str, Any]:
    """Return what one person's lab does now, without the name of its fault."""
    kept = load_record(person.lab_id)
    entry: dict[str, Any] = {"person": person.name, "lab": person.lab_id, "up": kept is not None}
    if kept is None:
        return entry
    lab = Lab(kept)
    running = state_of(lab.container()) == "running"
    answer = get_status(lab.url, "/login", host=lab.visit_name, timeout=3.0) if running else 0
    return entry | {"running": running, "answer": answer, "hints": kept.hints_given, "url": lab.url,
                    "wrote_too_much": person.lab_id in stopped, "ready": kept.ready}


def class_state(record: ClassRecord) -> dict[str, Any]:
    """Return the state of a class and of each person's lab; they are asked at the same time."""
    with ThreadPoolExecutor(8) as pool:
        people = list(pool.map(lambda person: person_state(person, record.stopped), record.people))
    return {"class": record.name, "asked": record.asked, "bind": record.bind, "until": record.until,
            "seconds_left": max(0, int(record.until - time.time())), "kept": is_kept(record), "people": people}


def status_text(state: Mapping[str, Any]) -> str:
    """Return the state of a class for a terminal, one line for each person."""
    minutes, seconds = divmod(state["seconds_left"], 60)
    lines = [f"{state['class']} ends at {clock(state['until'])}, in {minutes} min {seconds:02} s"]
    if not state["kept"]:
        lines.append(f"  Its keeper has ended: nothing takes it down. Do it: lab class down {state['class']}")
    people = state["people"]
    names, labs = (max((count_columns(one[key]) for one in people), default=0) for key in ("person", "lab"))
    lines += [f"  {pad(one['person'], names)}  {pad(one['lab'], labs)}  {_person_text(one)}" for one in people]
    return "\n".join(lines)


def _person_text(one: Mapping[str, Any]) -> str:
    if not one["up"]:
        return "was removed"
    if one["wrote_too_much"]:
        return "is stopped: it wrote more than a class allows"
    if not one["ready"]:
        return "is starting"
    if not one["running"]:
        return "is switched off"
    answer = one["answer"]
    hints = f"{one['hints']} hint{'s' if one['hints'] != 1 else ''}" if one["hints"] else "no hint"
    return f"page {_STATES.get(answer, f'answers {answer}')}, {hints}"


def started_text(record: ClassRecord) -> str:
    """Return the text after `lab class up`: what is exposed, the entrances, the sheet."""
    loopback = record.bind.startswith("127.")
    where = "this machine only" if loopback else f"everybody who reaches {record.bind}"
    lines = [f"{record.name}: {len(record.people)} machines until {clock(record.until)}. It ends by itself.",
             f"Exposed to {where}:"]
    for person in record.people:
        lines.append(f"  {person.name}: ssh on port {person.ssh_port} (token), page on port {person.page_port} "
                     "(whoever asks)")
    lines.append("Entrances:")
    for person in record.people:
        lines.append(f"  {pad(person.name, 20)} ssh -p {person.ssh_port} root@{record.bind}   {person.token}")
    sheet, place = class_file(record.name, "html"), place_of(record)
    if record.page_port:
        lines += [f"The page for all, where each person has the own token ({'TLS' if place.certificate else 'plain'}):",
                  f"  you                  {page_address(record, record.owner_token)}"]
    if place.certificate:
        lines.append(f"  its authority        {certificate_paths(classes_folder(), record.name)[0]}")
    rows = [("sheet to print", f"{sheet} (and .md beside it)"), ("who is where", f"lab class status {record.name}"),
            ("one of them", f"lab check {shlex.quote(record.people[0].name)}; also lab hint, lab reset, lab shell"),
            ("finish", f"lab class down {record.name}")]
    return "\n".join([*lines, *(f"{what:<15} {command}" for what, command in rows)])
