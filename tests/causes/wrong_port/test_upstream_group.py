"""A container that listens elsewhere than nginx asks while its own settings side with nginx."""

from __future__ import annotations

from fixer.diagnose.run_causes import diagnose
from fixer.model.diagnosis import Finding
from fixer.model.facts import Evidence, Known
from fixer.model.plan import WriteFile
from fixer.model.snapshot import Binding, Compose
from fixer.model.target import TargetRef
from tests.causes.snapshot_builders import Scene, container_service, finding_of, listener, roots, service
from tests.causes.wrong_port.wrong_port_builders import group

WRITTEN = Binding("0.0.0.0", 8000, None, Evidence("file", "/srv/p/compose.yaml:8", "--port ${PORT:-8000}"))
RUNS = Binding("0.0.0.0", 8011, None, Evidence("process", "pid 7", "uvicorn app.main:app --port 8011"))


def found(*bindings: Binding, matches: bool = False, **box: object) -> Finding:
    made = container_service(port=8011, box=box, bindings=Known(bindings))
    scene = Scene("app:8000", node="web", back="app").with_service(made, listener(8011, 7, "0.0.0.0", "app"))
    scene.refused(configured_service="app/p-app-1")
    scene.extra = {"target": TargetRef("compose", "p"),
                   "compose": Compose("p", "/srv/p", ("/srv/p/compose.yaml",), (), (("app", matches),), Known(True))}
    diagnosis = diagnose(scene.snapshot())
    assert roots(diagnosis) == ["wrong-port"]
    return diagnosis.findings[0]


def test_made_with_other_settings_than_its_files_hold() -> None:
    shown = found(WRITTEN, RUNS)
    assert shown.repairs[0].risk == "manual" and "docker compose up -d --no-deps app" in (shown.repairs[0].manual or "")
    assert "created with other settings" in shown.summary


def test_as_its_files_say_nginx_is_what_is_wrong() -> None:
    assert "files" not in found(WRITTEN, RUNS, matches=True).summary
    assert "files" not in found(RUNS).summary


def test_its_own_health_check_asks_where_nginx_does() -> None:
    shown = found(RUNS, matches=True, health="unhealthy", health_port=8000)
    assert shown.repairs[0].risk == "manual" and "health check" in shown.summary
    for other in ({"health": "healthy", "health_port": 8000}, {"health": "unhealthy", "health_port": 8011}):
        assert "health check" not in found(RUNS, matches=True, **other).summary


def test_a_unit_that_was_told_so_until_the_next_boot_is_a_persons_to_decide() -> None:
    for folder, lasting in (("/run/systemd/system", False), ("/etc/systemd/system", True)):
        where = f"{folder}/backend.service.d/override.conf:3"
        made = service(bindings=Known((Binding("127.0.0.1", 8000, None, Evidence("unit", where, "--port 8000")),)))
        scene = Scene("127.0.0.1:8001").with_service(made, listener(8000, 200)).refused()
        shown = diagnose(scene.snapshot()).findings[0]
        assert shown.cause == "wrong-port" and (shown.repairs[0].risk == "safe") is lasting
        assert ("until the next boot" in shown.summary) is not lasting


CAUSE = "wrong-port"


def test_hit_each_server_of_a_group_gets_a_socket_of_its_own() -> None:
    diagnosis = diagnose(group(8001, 8002, 8003, told=(8011, 8012, 8013)).snapshot())
    assert roots(diagnosis) == [CAUSE]
    first = finding_of(diagnosis, CAUSE)
    assert "127.0.0.1:8001, 127.0.0.1:8002, 127.0.0.1:8003" in first.summary and first.repairs[0].risk == "safe"
    write = first.repairs[0].steps[0]
    assert isinstance(write, WriteFile) and len([s for s in first.repairs[0].steps if isinstance(s, WriteFile)]) == 1
    assert all(f"http://127.0.0.1:801{n};".encode() in (write.after or b"") for n in (1, 2, 3))


def test_where_their_numbers_differ_a_person_says_which() -> None:
    first = finding_of(diagnose(group(8001, 8002, 8003, told=(8011, 8012)).snapshot()), CAUSE)
    assert first.confidence == "possible" and first.repairs[0].steps == ()
    assert first.repairs[0].needs[0].choices == ("127.0.0.1:8011", "127.0.0.1:8012")
