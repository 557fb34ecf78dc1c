"""One copy of a scaled service ends again and again: the others answer, and who is sent to it first waits or fails."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from fixer.diagnose.run_causes import diagnose
from fixer.model.facts import Known, Unknown
from fixer.model.snapshot import ProbeResult, Service, Snapshot
from tests.causes.snapshot_builders import (
    GOOD,
    NOW,
    SLOW,
    Scene,
    container_service,
    finding_of,
    listener,
    log_lines,
    roots,
)

SAID = log_lines('  File "/srv/app.py", line 2, in <module>', '    os.environ["SHOP_SALT"]', "KeyError: 'SHOP_SALT'", ago=8.5)


def copy(number: int, **box: Any) -> Service:
    """One container of service `app`; they all go by that name."""
    name = f"p-app-{number}"
    about = {"id": name, "service": "app", "networks": (("p_default", f"172.18.0.{number + 1}", ("app",)),), **box}
    made = container_service("app", pid=70 + number, box=about)
    assert made.container is not None
    return replace(made, id=f"{name}/app", name="app", node=name, container=replace(made.container, name=name))


def looping(number: int = 3, status: str = "restarting", **changes: Any) -> Service:
    made = copy(number, status=status, exit_code=1, restart_count=9, pid=0, started_at=NOW - 9, finished_at=NOW - 8,
                networks=(("p_default", "", ("app",)),))
    return replace(made, **{"pids": (), "log": SAID, **changes})


def scaled(*lost: Service, probes: ProbeResult = GOOD, one_try: str = "", heard: bool = True) -> Snapshot:
    """Two copies that answer, and others whose address is known to nobody but nginx."""
    scene = Scene(*["app:8000"] * (2 + len(lost)), node="web", back="p-app-1").answers(probes)
    for number in (1, 2):
        scene.with_service(copy(number), listener(8000, 70 + number, "0.0.0.0", f"p-app-{number}"))
        scene.endpoint(number - 1, single_address=f"172.18.0.{number + 1}", node=f"p-app-{number}", configured_service=f"p-app-{number}/app",
                       addresses=Known(("172.18.0.2", "172.18.0.3")), http=Known(GOOD if heard else SLOW))
    for index, made in enumerate(lost, 2):
        scene.services.append(made)
        scene.endpoint(index, addresses=Known(()), node=None, configured_service=made.id, listener=Unknown("nowhere"), tcp=Unknown("not asked"),
                       http=Unknown("not asked"), listening_service=None)
    _, start, end = scene.spots[0]
    for index in range(1, 2 + len(lost)):
        scene.endpoint(index, start=start, end=end)
    made = scene.snapshot()
    facts = made.routes[0]
    return replace(made, routes=(replace(facts, route=replace(facts.route, one_try=one_try),
                                         endpoints=tuple(e.id for e in made.endpoints)),))


@pytest.mark.parametrize("status", ["restarting", "exited"])
@pytest.mark.parametrize("probes", [GOOD, SLOW])
def test_hit_the_copy_is_named_with_why_and_what_visitors_see(status: str, probes: ProbeResult) -> None:
    diagnosis = diagnose(scaled(looping(status=status), probes=probes))
    assert (diagnosis.verdict, roots(diagnosis)) == ("degraded", ["crash-missing-env"])
    assert diagnosis.health[0].reason.endswith("but 1 of 3 copies behind the name app is down")
    found = finding_of(diagnosis, "crash-missing-env")
    assert found.summary.startswith("p-app-3 ") and "SHOP_SALT" in found.summary and found.confidence == "certain"
    assert found.detail[0] == ("p-app-3 is one of 3 copies of app: nginx asks the next one where one does not answer, so whoever it "
                               "sends there waits for that first")


def test_hit_where_nginx_asks_no_other() -> None:
    found = finding_of(diagnose(scaled(looping(), one_try="proxy_next_upstream off")), "crash-missing-env")
    assert "(proxy_next_upstream off), so whoever it sends there fails" in found.detail[0]


def test_two_copies_are_said_together() -> None:
    diagnosis = diagnose(scaled(looping(), looping(4)))
    assert roots(diagnosis) == ["crash-missing-env"]
    assert finding_of(diagnosis, "crash-missing-env").detail[0].startswith("p-app-3 (p-app-4 as well) is one of 4 copies of app")
    assert diagnosis.health[0].reason.endswith("2 of 4 copies behind the name app are down")


def test_miss_one_that_was_stopped() -> None:
    """In order, and not to be started again by itself."""
    gone = looping(status="exited")
    assert gone.container is not None
    rest = replace(gone, log=Known(()), container=replace(gone.container, exit_code=0, restart_count=0))
    assert diagnose(scaled(rest)).verdict == "healthy"


def test_miss_one_that_was_made_after_nginx_had_looked_the_name_up() -> None:
    late = looping()
    assert late.container is not None
    diagnosis = diagnose(scaled(replace(late, container=replace(late.container, created_at=NOW - 2000))))
    assert (diagnosis.verdict, roots(diagnosis)) == ("healthy", [])
    known = diagnose(scaled(replace(late, container=replace(late.container, created_at=NOW - 9000))))
    assert known.verdict == "degraded"


def test_a_slow_page_is_none_of_its_doing_where_the_others_do_not_answer_either() -> None:
    assert "copies" not in diagnose(scaled(looping(), probes=SLOW, heard=False)).health[0].reason


def test_its_log_could_not_be_read() -> None:
    diagnosis = diagnose(scaled(looping(log=Unknown("docker logs failed"))))
    found = finding_of(diagnosis, "crash-loop-gave-up")
    assert diagnosis.verdict == "degraded" and "its log could not be read" in found.summary and found.summary.startswith("p-app-3 ")
