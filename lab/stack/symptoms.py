"""Symptoms of a scenario: statuses through the published port, and nginx's log line."""

from __future__ import annotations

import http.client
import json
import re
import time
from collections import Counter
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlencode, urlsplit

from lab.errors import UnexpectedState
from lab.http_get import PATIENCE, REFUSED, SLOW, connection_to, get_status
from lab.scenario.scenario_file import Table, Variant
from lab.scenario.templates import fill_deep
from lab.stack.running_lab import Lab, LogPosition

REPEAT_SECONDS = 15.0  # seconds within which an intermittent fault shows again


@dataclass(frozen=True, slots=True)
class StatusCounts:
    """The statuses of a round of requests."""

    statuses: Counter[int]

    def count(self, wanted: Sequence[int]) -> int:
        """Return how many requests got one of these statuses."""
        return sum(self.statuses[status] for status in wanted)

    @property
    def text(self) -> str:
        """Return text for a message: `502 on 10 of 10 requests`."""
        total = self.statuses.total()
        names = {REFUSED: "connection refused", SLOW: "no answer"}
        parts = [f"{names.get(status, status)} on {number}" for status, number in self.statuses.most_common()]
        return f"{', '.join(parts)} of {total} request{'s' if total != 1 else ''}"


def log_in(lab: Lab) -> str:
    """Return a session of the lab's own account, from the healthy stack; empty if login fails."""
    place = urlsplit(lab.url)
    connection = connection_to(place, 10.0)
    body = json.dumps({"user": lab.deployment.login, "password": lab.deployment.password})
    try:
        headers = {"Content-Type": "application/json"} | ({"Host": lab.visit_name} if lab.visit_name else {})
        connection.request("POST", "/api/login", body, headers)
        reply = connection.getresponse()
        reply.read()
        return (reply.getheader("Set-Cookie") or "").split(";")[0]
    except (OSError, http.client.HTTPException):
        return ""
    finally:
        connection.close()


def ask_round(lab: Lab, symptom: Table, cookie: str) -> StatusCounts:
    """Request the page as often and as concurrently as the symptom defines."""
    if symptom.get("post"):
        return _post_round(lab, symptom)
    url, path, patience = lab.url, str(symptom.get("path", "/login")), _patience(symptom)
    with ThreadPoolExecutor(int(symptom.get("at_once", 1))) as pool:
        asked = [pool.submit(get_status, url, path, host=lab.visit_name, cookie=cookie, timeout=patience)
                 for _ in range(int(symptom.get("requests", 10)))]
        return StatusCounts(Counter(answer.result() for answer in asked))


def _post_round(lab: Lab, symptom: Table) -> StatusCounts:
    """Send the login form likewise, with a note of that many bytes."""
    note = "x" * int(symptom["post"])
    with ThreadPoolExecutor(int(symptom.get("at_once", 1))) as pool:
        asked = [pool.submit(send_form, lab, note, _patience(symptom)) for _ in range(int(symptom.get("requests", 10)))]
        return StatusCounts(Counter(answer.result() for answer in asked))


def send_form(lab: Lab, note: str, timeout: float) -> int:
    """Return the status of the login form."""
    place = urlsplit(lab.url)
    connection = connection_to(place, timeout)
    body = urlencode({"user": lab.deployment.login, "password": lab.deployment.password, "note": note})
    headers = {"Content-Type": "application/x-www-form-urlencoded"}
    headers |= {"Host": lab.visit_name} if lab.visit_name else {}
    try:
        connection.request("POST", "/api/login", body, headers)
        reply = connection.getresponse()
        reply.read()
    except TimeoutError:
        return SLOW
    except (OSError, http.client.HTTPException):
        return REFUSED
    finally:
        connection.close()
    return reply.status


def _patience(symptom: Table) -> float:
    return float(symptom.get("patience", PATIENCE))


def _within(symptom: Table) -> float:
    """Return the seconds within which the scenario says that its failure shows."""
    return float(symptom.get("within", 30.0))


def matches_symptom(seen: StatusCounts, symptom: Table) -> bool:
    """Return whether a round shows the symptom."""
    total = seen.statuses.total()
    if symptom.get("healthy"):
        return sum(number for status, number in seen.statuses.items() if 200 <= status < 400) == total
    if symptom.get("refused"):
        return seen.statuses[REFUSED] == total
    if symptom.get("silent"):
        return seen.statuses[SLOW] == total
    return seen.count(symptom["statuses"]) >= float(symptom.get("share", 1.0)) * total


def wait_for_symptom(lab: Lab, symptom: Table, mark: LogPosition, cookie: str) -> StatusCounts:
    """Wait until requests fail as expected and nginx has logged why; else raise UnexpectedState with the result."""
    within = _within(symptom)
    until = time.monotonic() + within
    pattern = str(symptom.get("log", ""))
    while True:
        probe = get_status(lab.url, str(symptom.get("path", "/login")), host=lab.visit_name, cookie=cookie,
                    timeout=_patience(symptom))
        partly = symptom.get("healthy") or symptom.get("post") or float(symptom.get("share", 1.0)) < 1
        worth_it = (partly or not 200 <= probe < 400) and symptom.get("requests") != 1  # then that was the one
        seen = ask_round(lab, symptom, cookie) if worth_it else StatusCounts(Counter([probe]))
        logged = not pattern or re.search(pattern, lab.log_since(mark)) is not None
        if logged and matches_symptom(seen, symptom):
            return seen
        if time.monotonic() > until:
            missing = "" if logged else f", and nginx did not log /{pattern}/"
            raise UnexpectedState(f"the expected failure did not appear within {within:.0f} s: {seen.text}{missing}\n"
                            + lab.failure_text())
        time.sleep(0.1)


def has_symptom_again(lab: Lab, variant: Variant, *, as_at_first: bool = False) -> bool:
    """Return whether a fault that the oracle cannot see goes on: long forms fail again, or nginx logs it again.
    Where only a share of the forms fails, one within a while shows it. False if the oracle sees the fault itself.
    `as_at_first` gives it as long as the scenario gave its first failure: programs that have just started are slow."""
    symptom = symptom_of(lab, variant)
    seconds = max(REPEAT_SECONDS, _within(symptom)) if as_at_first else REPEAT_SECONDS
    if symptom.get("post") and float(symptom.get("share", 1.0)) < 1.0:
        until = time.monotonic() + seconds
        while not (seen := ask_round(lab, symptom, "").count(symptom["statuses"])) and time.monotonic() < until:
            pass
        return seen > 0
    if symptom.get("post"):
        return matches_symptom(ask_round(lab, symptom, ""), symptom)
    if not symptom.get("healthy") or not symptom.get("log"):
        return False
    mark, until = lab.log_position(), time.monotonic() + seconds
    while time.monotonic() < until:
        if re.search(str(symptom["log"]), lab.log_since(mark)) is not None:
            return True
        time.sleep(0.2)
    return False


def symptom_of(lab: Lab, variant: Variant) -> dict[str, Any]:
    """Return the symptom on a lab's stack, with its parameters filled in."""
    where = f"{lab.record.scenario}/scenario.toml: variants.{variant.name}.symptom"
    symptom = fill_deep(dict(variant.symptom_on(lab.stack)), lab.params, where)
    assert isinstance(symptom, dict)
    return symptom
