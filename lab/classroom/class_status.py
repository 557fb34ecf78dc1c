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
from lab.http_get import REFUSED, SLOW, get_status
from lab.languages.translate import say
from lab.stack.authority import certificate_paths
from lab.stack.docker_engine import state_of
from lab.stack.lab_records import load_record
from lab.stack.running_lab import Lab


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
    lines = [say("console/class-ends", "{name} ends at {clock}, in {minutes} min {seconds} s", name=state["class"],
                 clock=clock(state["until"]), minutes=minutes, seconds=f"{seconds:02}")]
    if not state["kept"]:
        lines.append("  " + say("console/keeper-ended", "Its keeper has ended: only the doors close at that time. "
                                "Remove the machines yourself: lab class down {name}", name=state["class"]))
    people = state["people"]
    names, labs = (max((count_columns(one[key]) for one in people), default=0) for key in ("person", "lab"))
    lines += [f"  {pad(one['person'], names)}  {pad(one['lab'], labs)}  {_person_text(one)}" for one in people]
    return "\n".join(lines)


def _person_text(one: Mapping[str, Any]) -> str:
    if not one["up"]:
        return say("console/was-removed", "was removed")
    if one["wrote_too_much"]:
        return say("console/wrote-too-much", "is stopped: it wrote more than a class allows")
    if not one["ready"]:
        return say("console/is-starting", "is starting")
    if not one["running"]:
        return say("console/switched-off", "is switched off")
    states = {REFUSED: say("console/refuses", "refuses connections"),
              SLOW: say("console/no-answer", "does not answer in 3 s")}
    state = states.get(one["answer"]) or say("console/answers", "answers {status}", status=one["answer"])
    hints = {0: say("console/no-hint", "no hint"), 1: say("console/one-hint", "1 hint")}.get(one["hints"]) or say(
        "console/hints", "{number} hints", number=one["hints"])
    return say("console/page-and-hints", "page {state}, {hints}", state=state, hints=hints)


def started_text(record: ClassRecord) -> str:
    """Return the text after `lab class up`: what is exposed, the entrances, the sheet."""
    lines = [say("console/class-up", "{name}: {number} machines until {clock}. It ends by itself.", name=record.name,
                 number=len(record.people), clock=clock(record.until)),
             say("console/exposed-here", "Exposed to this machine only:") if record.bind.startswith("127.") else
             say("console/exposed-to", "Exposed to everybody who reaches {bind}:", bind=record.bind)]
    for person in record.people:
        ports = say("console/ports", "{person}: ssh on port {ssh} (token), page on port {page} (whoever asks)",
                    person=person.name, ssh=person.ssh_port, page=person.page_port)
        lines.append(f"  {ports}")
    lines.append(say("console/entrances", "Entrances:"))
    for person in record.people:
        lines.append(f"  {pad(person.name, 20)} ssh -p {person.ssh_port} root@{record.bind}   {person.token}")
    sheet, place = class_file(record.name, "html"), place_of(record)
    if record.page_port:
        lines += [say("console/page-tls", "The page for all, where each person has the own token (TLS):")
                  if place.certificate else
                  say("console/page-plain", "The page for all, where each person has the own token (plain):"),
                  f"  {pad(say('console/you', 'you'), 20)} {page_address(record, record.owner_token)}"]
    if place.certificate:
        authority = say("console/its-authority", "its authority")
        lines.append(f"  {pad(authority, 20)} {certificate_paths(classes_folder(), record.name)[0]}")
    rows = [(say("console/sheet-file", "sheet to print"),
             say("console/md-beside", "{sheet} (and .md beside it)", sheet=sheet)),
            (say("console/who-is-where", "who is where"), f"lab class status {record.name}"),
            (say("console/one-of-them", "one of them"),
             say("console/also-hint", "lab check {person}; also lab hint, lab reset, lab shell",
                 person=shlex.quote(record.people[0].name))),
            (say("console/finish", "finish"), f"lab class down {record.name}")]
    return "\n".join([*lines, *(f"{pad(what, 15)} {command}" for what, command in rows)])
