"""What a manual repair says beside its change: the command that starts the service, and files on the Docker host."""

from __future__ import annotations

import pytest

from fixer.analysis.case import open_case
from fixer.model.diagnosis import Finding, Repair
from fixer.model.facts import Evidence
from fixer.repairs.manual_steps import complete_manual_steps
from tests.causes.snapshot_builders import Scene, container_service, service

FAILED = {"active_state": "failed", "sub_state": "failed"}


def completed(scene: Scene, manual: str, name: str, *, after: str = "", node: str = "local") -> str:
    """What the only manual repair of a finding about that service says."""
    found = Finding("crash-code-error", None, "root", "certain", "it ends", (), ("r1",), name, node,
                    (Evidence("process", "x", "x"),), (Repair("mend-code", "manual", "mend it", (), manual=manual, after=after),))
    (done,) = complete_manual_steps(open_case(scene.snapshot(), {}), [found])
    return done.repairs[0].manual


def machine(**unit: object) -> Scene:
    return Scene().refused().with_service(service("office.service", pid=None, unit_changes=unit or FAILED))


@pytest.mark.parametrize(("manual", "said"), [
    ("correct x; then start office.service", "correct x; then start office.service (systemctl start office.service)"),
    ("correct x, then start it", "correct x, then start it (systemctl start office.service)"),
    ("correct x. Then run systemctl restart office.service", "correct x. Then run systemctl restart office.service"),
    ("start office.service elsewhere", "start office.service elsewhere"),
])
def test_a_start_by_hand_names_the_command_of_the_manager(manual: str, said: str) -> None:
    assert completed(machine(), manual, "office.service") == said


def test_what_runs_or_waits_for_another_service_is_not_started() -> None:
    running = Scene().with_service(service("office.service"))
    assert completed(running, "correct x, then start it", "office.service") == "correct x, then start it"
    assert completed(machine(), "point there, then start it", "office.service", after="other") == "point there, then start it"


def test_a_path_of_a_mount_is_told_as_the_docker_host_has_it() -> None:
    made = container_service("app", box={"mounts": (("/srv/shop/code", "/srv/app", True), ("/srv/shop/x", "/srv/app/deep", True))})
    scene = Scene("app:8000", node="web", back="app").refused().with_service(made)
    assert completed(scene, "correct /srv/app/main.py:5.", "app", node="app") == (
        "correct /srv/app/main.py:5. On the Docker host /srv/app/main.py is /srv/shop/code/main.py")
    assert completed(scene, "correct app:/srv/app/deep/a.py and /opt/b.py", "other", node="web") == (
        "correct app:/srv/app/deep/a.py and /opt/b.py. On the Docker host /srv/app/deep/a.py is /srv/shop/x/a.py")
    assert completed(scene, "correct /srv/application/main.py", "app", node="app") == "correct /srv/application/main.py"
