"""Whether the failure that a scenario promises is there: statuses through the published port, nginx's log line."""

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

REPEAT_SECONDS = 15.0     # seconds within which a fault that comes and goes shows again


@dataclass(frozen=True, slots=True)
class StatusCounts:
    """What a round of requests got: how many of each status."""

    statuses: Counter[int]

    def count(self, wanted: Sequence[int]) -> int:
        """How many got one of these."""
        return sum(self.statuses[status] for status in wanted)

    @property
    def text(self) -> str:
        """For a message: `502 on 10 of 10 requests`."""
        total = self.statuses.total()
        names = {REFUSED: "connection refused", SLOW: "no answer"}
        parts = [f"{names.get(status, status)} on {number}" for status, number in self.statuses.most_common()]
        return f"{', '.join(parts)} of {total} request{'s' if total != 1 else ''}"


def log_in(lab: Lab) -> str:
    """A session of the lab's own account, made while the stack is well; empty where login fails."""
    place = urlsplit(lab.url)
    connection = connection_to(place, 10.0)
    body = json.dumps({"user": lab.params["login"], "password": lab.params["password"]})
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
    """Ask the page as often, and as many at once, as the symptom says."""
    if symptom.get("post"):
        return _post_round(lab, symptom)
    url, path, patience = lab.url, str(symptom.get("path", "/login")), _patience(symptom)
    with ThreadPoolExecutor(int(symptom.get("at_once", 1))) as pool:
        asked = [pool.submit(get_status, url, path, host=lab.visit_name, cookie=cookie, timeout=patience)
                 for _ in range(int(symptom.get("requests", 10)))]
        return StatusCounts(Counter(answer.result() for answer in asked))


def _post_round(lab: Lab, symptom: Table) -> StatusCounts:
    """The same with the login form, and a note of that many bytes in it."""
    note = "x" * int(symptom["post"])
    with ThreadPoolExecutor(int(symptom.get("at_once", 1))) as pool:
        asked = [pool.submit(send_form, lab, note, _patience(symptom)) for _ in range(int(symptom.get("requests", 10)))]
        return StatusCounts(Counter(answer.result() for answer in asked))


def send_form(lab: Lab, note: str, timeout: float) -> int:
    """The status that the login form gets."""
    place = urlsplit(lab.url)
    connection = connection_to(place, timeout)
    body = urlencode({"user": lab.params["login"], "password": lab.params["password"], "note": note})
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


def matches_symptom(seen: StatusCounts, symptom: Table) -> bool:
    """Whether a round shows the symptom."""
    total = seen.statuses.total()
    if symptom.get("healthy"):
        return sum(number for status, number in seen.statuses.items() if 200 <= status < 400) == total
    if symptom.get("refused"):
        return seen.statuses[REFUSED] == total
    if symptom.get("silent"):
        return seen.statuses[SLOW] == total
    return seen.count(symptom["statuses"]) >= float(symptom.get("share", 1.0)) * total


def wait_for_symptom(lab: Lab, symptom: Table, mark: LogPosition, cookie: str) -> StatusCounts:
    """Wait until requests fail as promised and nginx has logged why; NotBroken says what was seen instead."""
    within = float(symptom.get("within", 30.0))
    until = time.monotonic() + within
    pattern = str(symptom.get("log", ""))
    while True:
        probe = get_status(lab.url, str(symptom.get("path", "/login")), host=lab.visit_name, cookie=cookie,
                    timeout=_patience(symptom))
        partly = symptom.get("healthy") or symptom.get("post") or float(symptom.get("share", 1.0)) < 1
        worth_it = (partly or not 200 <= probe < 400) and symptom.get("requests") != 1     # then that was the one
        seen = ask_round(lab, symptom, cookie) if worth_it else StatusCounts(Counter([probe]))
        logged = not pattern or re.search(pattern, lab.log_since(mark)) is not None
        if logged and matches_symptom(seen, symptom):
            return seen
        if time.monotonic() > until:
            missing = "" if logged else f", and nginx did not log /{pattern}/"
            raise UnexpectedState(f"not broken as it should be within {within:.0f} s: {seen.text}{missing}\n"
                            + lab.failure_text())
        time.sleep(0.1)


def has_symptom_again(lab: Lab, variant: Variant) -> bool:
    """Whether a fault that leaves the oracle's pages well goes on: long forms fail once more, or nginx logs the same
    once more within a while. False where the oracle sees the fault by itself."""
    symptom = symptom_of(lab, variant)
    if symptom.get("post"):
        return matches_symptom(ask_round(lab, symptom, ""), symptom)
    if not symptom.get("healthy") or not symptom.get("log"):
        return False
    mark, until = lab.log_position(), time.monotonic() + REPEAT_SECONDS
    while time.monotonic() < until:
        if re.search(str(symptom["log"]), lab.log_since(mark)) is not None:
            return True
        time.sleep(0.2)
    return False


def symptom_of(lab: Lab, variant: Variant) -> dict[str, Any]:
    """The symptom on a lab's stack, its parameters filled in."""
    where = f"{lab.record.scenario}/scenario.toml: variants.{variant.name}.symptom"
    symptom = fill_deep(dict(variant.symptom_on(lab.stack)), lab.params, where)
    assert isinstance(symptom, dict)
    return symptom
