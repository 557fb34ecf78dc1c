"""The start of a lab: render, start, record the healthy baseline, break, wait for the failure."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass

from lab.errors import UnexpectedState
from lab.http_get import get_status
from lab.oracle import NotHealthy, Site, baseline_to_json, record
from lab.scenario.noise import send_scan
from lab.scenario.render import database_sql, render
from lab.scenario.scenario_file import Variant
from lab.stack import lab_records, service_control
from lab.stack.break_steps import break_lab
from lab.stack.disk import fill_machine, write_folder
from lab.stack.docker_engine import start, state_of
from lab.stack.lab_records import LabRecord
from lab.stack.running_lab import Lab, wait_for, wait_until_booted
from lab.stack.seat import open_door, seat_of
from lab.stack.symptoms import StatusCounts, log_in, symptom_of, wait_for_symptom
from lab.stack.visitors import start_visitors
from lab.verbs.down import remove_interrupted_lab

FILE_AGE = 3 * 86400.0  # seconds; files of the machine are some days old: a deployment is older than its fault


@dataclass(frozen=True, slots=True)
class StartedLab:
    """A lab that started and broke: what was observed, and how long the parts took."""

    lab: Lab
    variant: Variant
    seen: StatusCounts


def sites_of(lab: Lab) -> tuple[Site, ...]:
    """Return the oracle's sites: the office, and the second site if there is one."""
    url, deployment = lab.url, lab.deployment
    hosts = [deployment.visit_name, *([deployment.second_name] if deployment.second_site else [])]
    return tuple(Site(url, host=host, user=deployment.login, password=deployment.password) for host in hosts)


def start_healthy(lab: Lab) -> None:
    """Render, start, wait until every site answers, and record the healthy baseline."""
    rendering = render(lab.deployment)
    write_folder(lab.folder, [entry for entry in rendering.files.values() if not entry.path.startswith("/")])
    if lab.stack == "host":
        lab.compose("create", "--pull", "never")
        on_disk = [entry for entry in rendering.files.values() if entry.path.startswith("/")]
        fill_machine(lab.container(), [*on_disk, *rendering.initial.values()], time.time() - FILE_AGE)
        if lab.record.beside:   # a scenario of somebody else: its mounts are judged once more
            lab.compose("start")
        else:
            start(lab.container())
        wait_until_booted(lab)
        if (seat := seat_of(lab)) is not None:
            open_door(lab, seat)
        if lab.deployment.manager == "nohup":
            service_control.start(lab, "backend")  # nothing else does
        if lab.deployment.database:
            _load_database(lab)
    else:
        if inside := [entry for entry in rendering.files.values() if entry.path.startswith("/")]:
            lab.compose("create", "--pull", "never")  # its volumes too
            fill_machine(lab.container(), inside, time.time() - FILE_AGE)
        came = lab.compose("up", "-d", "--wait", "--wait-timeout", "60", "--pull", "never", check=False)
        if came.code != 0:
            raise UnexpectedState(f"{lab.id} did not start: {came.error_line}\n{lab.failure_text()}")
        if lab.deployment.noise_job:
            _run_nightly_job(lab)
    sites = sites_of(lab)
    for site in sites:
        wait_for(lambda site=site: get_status(site.url, "/login", host=site.host) == 200, 60.0,  # type: ignore[misc]
                 f"{lab.id}: {site.name} does not answer", lab)
    try:
        lab.record.baseline = {site.host: baseline_to_json(record(site)) for site in sites}
    except NotHealthy as error:
        raise UnexpectedState(f"{lab.id} is not healthy before the break: {error}\n{lab.failure_text()}") from error
    lab_records.save_record(lab.record)


def _run_nightly_job(lab: Lab) -> None:
    """Run the nightly job once; it fails."""
    job = lab.deployment.noise_job_name
    lab.compose("--profile", "nightly", "up", "-d", "--no-deps", "--pull", "never", job)
    container = f"{lab.id}-{job}-1"
    wait_for(lambda: state_of(container) == "exited", 30.0,
             f"{lab.id}: {job} did not end", lab)


def _load_database(lab: Lab) -> None:
    """Fill the empty database of a new machine: the application cannot start before."""
    psql = ["runuser", "-u", "postgres", "--", "psql", "-q", "-v", "ON_ERROR_STOP=1"]
    wait_for(lambda: lab.run_in("web", [*psql, "-c", "SELECT 1"], check=False).code == 0, 60.0,
             f"{lab.id}: PostgreSQL does not answer", lab)
    lab.run_in("web", psql, stdin=database_sql(lab.deployment))
    lab.run_in("web", ["systemctl", "reset-failed", lab.unit("backend")], check=False)
    lab.run_in("web", ["systemctl", "restart", lab.unit("backend")])


def break_and_wait(lab: Lab, variant: Variant) -> StatusCounts:
    """Break a healthy lab and wait until the failure shows."""
    cookie = log_in(lab)
    start_visitors(lab)
    noisy = lab.deployment.noise_scan
    if noisy:
        send_scan(lab.url, lab.deployment)
    mark = lab.log_position()
    break_lab(lab, variant)
    if noisy:
        send_scan(lab.url, lab.deployment)
    seen = wait_for_symptom(lab, symptom_of(lab, variant), mark, cookie)
    lab.record.ready = True
    lab_records.save_record(lab.record)
    return seen


def start_and_break(fresh: LabRecord, variant: Variant, say: Callable[[str], None]) -> StartedLab:
    """Save the record, start, then break; leave nothing on an early end."""
    lab_records.save_record(fresh)
    lab = Lab(fresh)
    try:
        start = time.monotonic()
        start_healthy(lab)
        say(f"✔ stack up in {time.monotonic() - start:.1f} s")
        seen = break_and_wait(lab, variant)
    except BaseException:
        say(f"removing {lab.id}")
        remove_interrupted_lab(lab.id)
        raise
    say(f"✔ {'broken' if variant.expect.cause else 'as promised'}: {seen.text}")
    return StartedLab(lab, variant, seen)
