"""A backend that cron, rc.local or a user's own systemd should have started."""

from __future__ import annotations

from dataclasses import replace

import pytest

from fixer.diagnose.run_causes import diagnose
from fixer.model.deployment import BootEntry, StarterKind
from fixer.model.diagnosis import Diagnosis, Repair
from fixer.model.facts import Unknown
from fixer.model.plan import ContainerAction, WaitForListener
from fixer.model.snapshot import Listener
from tests.causes.snapshot_builders import (
    NOW,
    Scene,
    container_service,
    listener,
    log_lines,
    process,
    roots,
    service,
    wrong_port_scene,
)

LINE = BootEntry("local", "cron", "/var/spool/cron/crontabs/deploy", 4, "uvicorn web:app --port 8001", "deploy", 8001, None)


def judged(scene: Scene, *starters: BootEntry) -> Diagnosis:
    scene.extra["boot_entries"] = starters
    return diagnose(scene.snapshot())


@pytest.mark.parametrize(("idle", "linger"), [("lingering is not enabled for ann", "loginctl enable-linger ann, then "), ("", "")])
def test_a_unit_of_a_user_is_enabled_and_not_made_anew(idle: str, linger: str) -> None:
    """The advice was to create a systemd unit, beside the one that was quoted."""
    unit = replace(LINE, kind="user-unit", file="/home/ann/.config/systemd/user/web.service", user="ann", not_run_reason=idle)
    (repair,) = judged(Scene("127.0.0.1:8001").refused(), unit).findings[0].repairs
    assert repair.manual.startswith(f"{linger}systemctl --user -M ann@ enable --now web.service")


def test_the_line_that_starts_it_is_named() -> None:
    diagnosis = judged(Scene("127.0.0.1:8001").refused(), LINE)
    assert roots(diagnosis) == ["backend-down"]
    found = diagnosis.findings[0]
    assert (found.confidence, found.variant, found.repairs[0].risk) == ("likely", "backend-not-running", "manual")
    assert found.evidence[0].where == f"{LINE.file}:4" and "@reboot" in found.summary
    assert f"{LINE.file}:4 does, as user deploy" in found.repairs[0].manual


def test_a_service_that_is_left_over_is_not_meant_where_a_line_names_the_address() -> None:
    about = {"working_directory": "/srv/blog", "user": "blog"}
    def blog() -> Scene:
        made = service("blog.service", port=8005, unit_changes=about)
        return Scene("127.0.0.1:8001").with_service(made, listener(8005, 200)).refused()

    assert roots(judged(blog())) == ["wrong-port"]
    assert roots(judged(blog(), LINE)) == ["backend-down"]


@pytest.mark.parametrize("other", [8002, 8000])
def test_a_line_for_another_port_tells_nothing(other: int) -> None:
    assert roots(judged(wrong_port_scene(), replace(LINE, port=other))) == ["wrong-port"]


def test_nothing_is_said_while_the_page_answers() -> None:
    scene = Scene("127.0.0.1:8001").with_service(service(port=8001), listener(8001, 200))
    assert judged(scene, LINE).verdict == "healthy"


def test_one_that_is_named_for_the_site_may_be_meant_as_well_and_a_person_chooses() -> None:
    scene = Scene("127.0.0.1:8001").with_service(service("ledger.service", port=8005), listener(8005, 200)).refused()
    scene.route[0] = {"server_names": ("ledger.example",)}
    diagnosis = judged(scene, LINE)
    assert roots(diagnosis) == ["backend-down", "wrong-port"]
    other = diagnosis.findings[1]
    assert (other.confidence, other.repairs[0].steps) == ("possible", ())


@pytest.mark.parametrize(("kind", "command", "idle", "said"), [
    ("runit", "sv up shop", "its wanted state in runsv is down", "start it: sv up shop; its wanted state in runsv is down"),
    ("runit", "sv up shop", "", "it ends after every start. Read its log"),
    ("s6", "s6-svc -u /run/service/shop", "", "start it: s6-svc -u /run/service/shop. If it ends again"),
    ("daemontools", "", "nothing watches shop", "supervise the folder of /etc/service/shop/run:5 again; nothing watches shop"),
])
def test_what_a_watcher_keeps_is_started_by_its_own_command(
        kind: StarterKind, command: str, idle: str, said: str) -> None:
    kept = replace(LINE, kind=kind, file="/etc/service/shop/run", line=5, user="", name="shop", command=command, not_run_reason=idle)
    found = judged(Scene("127.0.0.1:8001").refused(configured_service=None), kept).findings[0]
    assert (found.confidence, found.repairs[0].risk) == ("likely", "manual")
    assert "shop" in found.summary and kind in found.summary and said in found.repairs[0].manual


WENT_WELL = ("[7] [INFO] Starting gunicorn 23.0.0", "INFO: Application startup complete.")
LEFT = ("[7] [ERROR] Worker (pid:9) exited with code 3", "[7] [ERROR] Shutting down: Master")


def from_its_script(*said: str, known: bool = True, nginx: str = "", first: int = 1) -> Repair:
    """The repair for a container whose own script starts the server beside nginx."""
    box = container_service("web", is_app_server=False, bindings=Unknown("its command is inside the image"), log=log_lines(*said) if known else Unknown("docker logs failed"))
    scene = Scene("127.0.0.1:8001", node="web", back="web").with_service(box).refused(configured_service=None)
    scene.nginx["master_pid"] = first
    if nginx:
        scene.logs(nginx, None, "")
    starter = replace(LINE, node="web", kind="entrypoint", file="/entry.sh", line=4, user="", name="p-web-1")
    found = judged(scene, starter).findings[0]
    assert found.cause == "backend-down" and "the entrypoint script of container p-web-1" in found.summary
    (repair,) = found.repairs
    return repair


@pytest.mark.parametrize("said", [WENT_WELL, (*WENT_WELL, "INFO: Finished server process [9]")])
def test_what_a_containers_own_script_started_and_did_not_fail_is_started_by_a_restart(said: tuple[str, ...]) -> None:
    repair = from_its_script(*said)
    assert repair.risk == "disruptive"
    restart, wait = repair.steps
    assert isinstance(restart, ContainerAction) and (restart.verb, restart.name) == ("restart", "p-web-1")
    assert isinstance(wait, WaitForListener) and wait.port == 8001


@pytest.mark.parametrize(("said", "words"), [
    ((*WENT_WELL[:1], "KeyError: 'SHOP_KEY'", *LEFT), "KeyError: 'SHOP_KEY'"),
    (("ModuleNotFoundError: No module named 'shop'",), "No module named 'shop'"), ((), "does not show it"),
    (("172.18.0.1 - - GET / 502",), "does not show it"),
    (("INFO: Started server process [7]", "INFO: Waiting for application startup."), "does not show it"),     # not yet there
])
def test_a_container_is_not_restarted_for_a_program_that_fails(said: tuple[str, ...], words: str) -> None:
    repair = from_its_script(*said)
    assert (repair.risk, repair.steps) == ("manual", ()) and words in repair.manual
    assert "could not be read" in from_its_script(known=False).manual


def test_what_was_asked_to_end_is_started_by_a_restart_whatever_its_log_has() -> None:
    """A bare script says neither that it is ready nor goodbye: nginx, whose child it is, says how it ended."""
    asked, killed = (f"unknown process 9 exited on signal {number}" for number in (15, 11))
    assert from_its_script(nginx=asked).risk == "disruptive"
    assert from_its_script("Session terminated, killing shell... ...killed.", nginx=asked).risk == "disruptive"
    assert killed in from_its_script(nginx=killed).manual
    assert "KeyError" in from_its_script("KeyError: 'SHOP_KEY'", nginx=asked).manual
    assert "does not show it" in from_its_script(nginx=asked, first=100).manual      # its parent was another process


COMMAND = ("/usr/bin/python3", "-m", "uvicorn", "a:b", "--port")


@pytest.mark.parametrize(("argv", "found"), [
    (("nginx: master process nginx",), ["backend-down"]), ((*COMMAND, "8002"), ["backend-down"]), ((*COMMAND, "8001"), [])])
def test_a_running_container_whose_script_had_started_the_server(argv: tuple[str, ...], found: list[str]) -> None:
    """The compose file and the script name the server's address: nginx's own socket and other servers are not it. While
    the server runs without a socket, it is starting."""
    box = container_service("web", 8001, argv=argv, log=log_lines(*WENT_WELL, "INFO: Finished server process [9]"))
    scene = Scene("127.0.0.1:8001", node="web", back="web").with_service(box, listener(8002, 7, node="web"))
    scene.refused()
    scene.nginx = {"master_pid": 100}
    starter = replace(LINE, node="web", kind="entrypoint", file="/entry.sh", line=4, user="", name="p-web-1")
    assert [cause for cause in roots(judged(scene, starter)) if cause == "backend-down"] == found


@pytest.mark.parametrize(("idle", "words"), [
    ("monit is not running", "start monit (also at boot): it starts what it monitors. If"), ("", "monit start shop. If"),
])
def test_what_monit_keeps_is_started_by_monit(idle: str, words: str) -> None:
    line = replace(LINE, kind="monit", file="/etc/monit/conf.d/shop", name="shop", command="monit start shop", not_run_reason=idle)
    found = judged(Scene("127.0.0.1:8001").refused(), line).findings[0]
    assert "the backend that the monit check shop starts at 127.0.0.1:8001 does not run" in found.summary
    assert found.repairs[0].risk == "manual" and found.repairs[0].manual.startswith(words)


RUN_LINE = replace(LINE, kind="daemontools", file="/etc/service/shop/run", name="shop", command="svc -u /etc/service/shop")


def between(age: float, *more: Listener) -> Scene:
    """Nobody listens, and the program of a watcher is there."""
    made = service("uvicorn[200]", port=8001, unit=None, manager="none")
    scene = Scene("127.0.0.1:8001").with_service(made, *more).refused()
    scene.processes[-1] = replace(scene.processes[-1], ppid=90, started_at=NOW - age)
    scene.processes.append(process(90, "supervise", "shop", uid=0))
    return scene


def test_a_program_that_ends_again_and_again_is_told_also_while_it_starts() -> None:
    for line in (RUN_LINE, replace(RUN_LINE, kind="s6")):
        found = judged(between(0.4), line)
        assert roots(found) == ["backend-down"]
        assert f"the {line.kind} service shop starts at 127.0.0.1:8001 was started" in found.findings[0].summary
        assert "ends after every start. Read its log" in found.findings[0].repairs[0].manual


def test_what_runs_for_long_or_listens_elsewhere_or_is_watched_by_nobody_is_no_such_program() -> None:
    for scene, line in ((between(400), RUN_LINE), (between(0.4, listener(8000, 200)), RUN_LINE),
                        (between(0.4), replace(RUN_LINE, command=""))):
        assert "backend-down" not in roots(judged(scene, line))
