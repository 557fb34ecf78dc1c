"""`lab class up`: a closed machine for each person of a roster, and the sheet with their entrances."""

from __future__ import annotations

import itertools
import secrets
import signal
import socket
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field, replace

from lab.classroom.class_down import class_down
from lab.classroom.class_keeper import start_keeper
from lab.classroom.class_page import missing_packages, page_address
from lab.classroom.class_record import (
    ClassRecord,
    Person,
    class_file,
    classes_folder,
    load_class,
    new_class_name,
    save_class,
    write_private,
)
from lab.classroom.class_sheet import Entrance, entrance, html_sheet, markdown_sheet
from lab.classroom.fitting_draws import STACK, fitting_draws
from lab.classroom.roster import new_token
from lab.errors import UnexpectedState, UsageError
from lab.languages import translate
from lab.scenario.catalog import Choice, Wish, scenario_named, seed_for
from lab.stack import images
from lab.stack.authority import new_certificate, save_certificate
from lab.stack.compose_overlays import free_ports
from lab.stack.docker_command import require_docker
from lab.stack.lab_records import load_record
from lab.stack.running_lab import Lab
from lab.stack.seat import Seat
from lab.verbs.start_lab import start_and_break
from lab.verbs.up import draw_record

ProgressCallback = Callable[[str], None]
_ATTEMPTS = 4  # seeds for one person: a few faults need what a closed machine does not have


@dataclass(frozen=True, slots=True)
class ClassRequest:
    """What the trainer asked for. `seconds` is the time to live."""

    word: str
    names: tuple[str, ...]
    seconds: float
    bind: str = "127.0.0.1"
    first_seed: int | None = None
    noise: int = 0
    plain: bool = False
    wish: Wish = field(default_factory=Wish)


def class_up(asked: ClassRequest, say: ProgressCallback) -> ClassRecord:
    """Start a lab for each person, and the keeper that ends them. Leave nothing on an early end."""
    _require_own_address(asked.bind)
    draws = fitting_draws(asked.word, asked.wish, _seeds(asked), asked.noise)
    first = next(draws)  # a word that no class can have is refused before anything starts
    require_docker()
    now = time.time()
    record = ClassRecord(new_class_name(), asked.word, asked.bind, now, now + asked.seconds)
    record = _with_page(record, say, plain=asked.plain or asked.bind.startswith("127."))
    save_class(record)
    record = replace(record, keeper=start_keeper(record))
    save_class(record)
    try:
        waiting = itertools.chain([first], draws)
        for number, name in enumerate(asked.names, 1):
            record = _seat_person(record, name, waiting, asked, lambda line: None)
            say(f"✔ {number} of {len(asked.names)}: {name} has {record.people[-1].lab_id}")
    except BaseException:
        say(f"removing {record.name}")
        _remove_interrupted(record.name)
        raise
    write_sheets(record)
    return record


def _with_page(record: ClassRecord, say: ProgressCallback, *, plain: bool) -> ClassRecord:
    """Return the record with the port of a page for all, and make its certificate."""
    if missing := missing_packages():
        say(f"no page: {' and '.join(missing)} not installed")
        return record
    if not plain:
        images.ensure(say, ["machine"])
        save_certificate(classes_folder(), record.name, new_certificate(record.bind))
    (port,) = free_ports(1, record.bind)
    return replace(record, page_port=port, owner_token=new_token())


def _seeds(asked: ClassRequest) -> Iterator[int]:
    """Yield the seeds to try: from the chosen one on, else random ones, easy as the first lab of `lab up` is."""
    if asked.first_seed is not None:
        return itertools.count(asked.first_seed)
    return iter(lambda: seed_for(asked.word, STACK, asked.wish, lambda: secrets.randbelow(100000)), None)


def _seat_person(record: ClassRecord, name: str, draws: Iterator[tuple[int, Choice]], asked: ClassRequest,
                 say: ProgressCallback) -> ClassRecord:
    """Start the lab of one person. A fault that a closed machine does not show is drawn otherwise."""
    for left in reversed(range(_ATTEMPTS)):
        seed, choice = next(draws)
        ssh_port, page_port = free_ports(2, asked.bind)
        seat = Seat(name, record.name, asked.bind, ssh_port, page_port, new_token(), record.until)
        fresh = draw_record(asked.word, choice, seed, asked.noise, say, chosen_seed=True, seat=seat)
        person = Person(name, fresh.id, seat.password, seed, ssh_port, page_port)
        save_class(record.with_person(person))  # before it starts: the keeper removes what is known
        try:
            lab = start_and_break(fresh, choice.variant, say).lab
        except UnexpectedState:
            if not left:
                raise
            continue
        record = record.with_person(replace(person, host_key=_host_key(lab)))
        save_class(record)
        return record
    raise AssertionError("unreachable")


def _host_key(lab: Lab) -> str:
    """Return the fingerprint that ssh shows at the first login."""
    shown = lab.run_in("web", ["ssh-keygen", "-lf", "/etc/ssh/ssh_host_ed25519_key.pub"]).text
    return shown.split()[1]


def _remove_interrupted(name: str) -> None:
    """Remove a class after an interrupted start; ignore further interrupts."""
    handler = signal.signal(signal.SIGINT, signal.SIG_IGN)
    try:
        record = load_class(name)
        if record is not None:
            class_down(record)
    finally:
        signal.signal(signal.SIGINT, handler)


def _require_own_address(bind: str) -> None:
    """Raise UsageError unless it is one address of this machine: people type it, and nothing else is exposed."""
    try:
        with socket.socket(socket.AF_INET) as tried:
            tried.bind((socket.inet_ntoa(socket.inet_aton(bind)) if bind.count(".") == 3 else "", 0))
    except OSError as error:
        raise UsageError(f"{bind} is no IPv4 address of this machine", "`ip -4 -brief address` lists them") from error
    if bind.count(".") != 3 or bind == "0.0.0.0":  # noqa: S104  refused
        raise UsageError(f"--bind {bind}: name one IPv4 address of this machine", "`ip -4 -brief address` lists them")


def entrances_of(record: ClassRecord) -> tuple[Entrance, ...]:
    """Return the entrances of all people whose lab is up."""
    found = []
    for person in record.people:
        kept = load_record(person.lab_id)
        if kept is None:
            continue
        lab, variant = Lab(kept), scenario_named(kept.scenario).variant(kept.variant)
        story = translate.scenario_text(kept.scenario, "story", variant.story, variant.name)
        found.append(entrance(
            person.name, story, page=lab.url, account=(lab.deployment.login, lab.deployment.password),
            ssh=f"ssh -p {person.ssh_port} root@{record.bind}", token=person.token, host_key=person.host_key,
            until=record.until, own_page=page_address(record, person.token)))
    return tuple(found)


def write_sheets(record: ClassRecord) -> None:
    """Write the sheet as Markdown and as HTML; only their owner may read them."""
    entrances = entrances_of(record)
    title = translate.say("console/your-machines", "{name}: your machines", name=record.name)
    write_private(class_file(record.name, "md"), markdown_sheet(title, entrances))
    write_private(class_file(record.name, "html"), html_sheet(title, entrances))
