"""unit-misconfigured, containers: what the engine or a shell could not start, and who has to correct which line."""

from __future__ import annotations

from dataclasses import replace

import pytest

from fixer.diagnose.run_causes import diagnose
from fixer.model.diagnosis import Finding
from fixer.model.facts import Known
from fixer.model.plan import ContainerAction, WriteFile
from fixer.model.snapshot import CommandArgument, Compose, ComposeSetting
from fixer.model.target import TargetKind, TargetRef
from tests.causes.snapshot_builders import NOW, Scene, container_service, file, finding_of, log_lines, roots, stat
from tests.repairs.container_start_builders import START, dead

CAUSE = "unit-misconfigured"


def test_the_line_of_the_compose_file_is_named() -> None:
    finding = finding_of(diagnose(dead(START + 'exec: "hypercorn": executable file not found in $PATH').snapshot()), CAUSE)
    assert "/srv/compose.yaml:3" in finding.repairs[0].manual
    assert any(e.where == "/srv/compose.yaml:3" for e in finding.evidence)


def test_the_line_of_another_setting_is_named_too() -> None:
    text = "services:\n  app:\n    command: hypercorn app.main:app\n    user: web-office\n"
    scene = dead("unable to find user web-office: no matching entries in passwd file")
    scene.services[-1] = replace(scene.services[-1], files_node="engine",
                                 compose_settings=(ComposeSetting("user", "web-office", "/srv/compose.yaml", 4),))
    scene.files[-1] = file("/srv/compose.yaml", text, "engine")
    finding = finding_of(diagnose(scene.snapshot()), CAUSE)
    assert "correct /srv/compose.yaml:4, or the image" in finding.repairs[0].manual
    assert any((e.where, e.text) == ("/srv/compose.yaml:4", "user: web-office") for e in finding.evidence)


@pytest.mark.parametrize(("code", "line"), [(127, "sh: 1: exec: hypercorn: not found"), (126, "sh: 1: ./run: Permission denied")])
def test_a_shell_that_finds_no_command(code: int, line: str) -> None:
    finding = finding_of(diagnose(dead("", code, "exited", line).snapshot()), CAUSE)
    assert finding.variant == "container-cannot-start" and "command" in finding.summary


@pytest.mark.parametrize(("code", "line", "said"), [
    (255, "exec /app/entry.sh: no such file or directory", "CR LF"), (255, "exec /app/serve: exec format error", "another architecture"),
    (1, "exec /app/serve: permission denied", "may not be executed"),
    (127, "[FATAL tini (7)] exec /app/entry.sh failed: No such file or directory", "CR LF"),
    (127, "[FATAL tini (7)] exec uvicornn failed: No such file or directory", "uvicornn is not in its image"),
    (126, "[FATAL tini (8)] exec /app/serve failed: Permission denied", "/app/serve may not be executed"),
    (2, "[dumb-init] gunicorn: No such file or directory", "gunicorn is not in its image"),
])
def test_what_runc_leaves_in_the_log_of_a_program_that_cannot_be_run(code: int, line: str, said: str) -> None:
    diagnosis = diagnose(dead("", code, "exited", line).snapshot())
    assert roots(diagnosis) == [CAUSE] and said in finding_of(diagnosis, CAUSE).summary


@pytest.mark.parametrize(("word", "new"), [("hypercron", "hypercorn"), ("uvicron", "uvicorn"), ("serve-shop", ""), ("./uvicron", "")])
def test_a_slip_of_the_hand_in_the_name_of_a_server(word: str, new: str) -> None:
    text = f"services:\n  app:\n    command: {word} app.main:app\n"
    at = text.index(word)
    scene = dead(START + f'exec: "{word}": executable file not found in $PATH: unknown')
    scene.services[-1] = replace(scene.services[-1], files_node="engine", command=(
        CommandArgument(word, "/srv/compose.yaml", 3, at, at + len(word)),))
    scene.files[-1] = file("/srv/compose.yaml", text, "engine")
    scene.extra = {"target": TargetRef("compose", "p"),
                   "compose": Compose("p", "/srv", ("/srv/compose.yaml",), (), (("app", True),), Known(True))}
    repairs = finding_of(diagnose(scene.snapshot()), CAUSE).repairs
    assert [r.id for r in repairs] == [*(["correct-program"] if new else []), "mend-container"]
    if new:
        write = repairs[0].steps[0]
        assert isinstance(write, WriteFile) and f"command: {new} app.main:app".encode() in (write.after or b"")


TAKEN = "driver failed programming external connectivity on endpoint p-app-1 (x): Bind for 127.0.0.1:8080 failed: port is already allocated"


@pytest.mark.parametrize(("host", "kind", "said", "risk"), [
    ("127.0.0.1", "compose", "in use by container p-thief-1", "manual"), ("0.0.0.0", "docker", "in use by container p-thief-1", "manual"),
    ("10.0.0.1", "compose", "No container publishes it now", "safe"), ("10.0.0.1", "local", "in use by something else", "manual"),
])
def test_whose_the_port_is_that_a_container_was_refused(host: str, kind: TargetKind, said: str, risk: str) -> None:
    scene = dead(TAKEN, 128, "exited")
    box = scene.services[-1].container
    assert box is not None
    scene.services[-1] = replace(scene.services[-1], container=replace(box, published=(("127.0.0.1", 8080, 8000),)))
    scene.with_service(container_service("thief", 80, is_app_server=False, box={"published": ((host, 8080, 80),)}))
    scene.extra = {"target": TargetRef(kind, "p")}
    found = finding_of(diagnose(scene.snapshot()), CAUSE)
    assert said in found.summary and found.repairs[0].risk == risk


GONE, DENIED = START + "exec /app/entry.sh: no such file or directory", START + 'exec: "/app/entry.sh": permission denied'


def entered(error: str, script: str | bytes, mode: int = 0o100755) -> Finding:
    """The program is a script that is mounted from the Docker host."""
    scene = dead(error)
    box = scene.services[-1].container
    assert box is not None
    mounted = replace(box, mounts=(("/srv/shop/entry.sh", "/app/entry.sh", False),))
    scene.services[-1] = replace(scene.services[-1], container=mounted)
    data = script.encode() if isinstance(script, str) else script
    scene.files.append(file("/srv/shop/entry.sh", data, "engine", stat=stat(mode=mode, size=len(data)), single_file_mount=True))
    return finding_of(diagnose(scene.snapshot()), CAUSE)


def test_a_mounted_script_with_carriage_returns_is_mended() -> None:
    finding = entered(GONE, "#!/bin/sh\r\nexec \"$@\"\r\n")
    assert (finding.variant, finding.confidence) == ("container-cannot-start", "certain") and "CR LF" in finding.summary
    (repair,) = finding.repairs
    write, start = repair.steps[:2]
    assert isinstance(write, WriteFile) and write.after == b'#!/bin/sh\nexec "$@"\n' and write.in_place
    assert isinstance(start, ContainerAction) and (repair.risk, start.verb) == ("disruptive", "start")


def test_a_mounted_script_without_its_execute_bit_is_given_it() -> None:
    finding = entered(DENIED, "#!/bin/sh\n", 0o100644)
    (repair,) = finding.repairs
    write = repair.steps[0]
    assert isinstance(write, WriteFile) and write.meta is not None and write.meta.mode == 0o755
    assert "no execute bit" in finding.summary


@pytest.mark.parametrize(("error", "script", "said"), [
    (GONE, "#!/usr/bin/bash5\n", "/app/entry.sh names /usr/bin/bash5, which is not in its image"), (GONE, "echo hello\n", "has no #!"),
    (GONE, b"\x7fELF\0", "/app/entry.sh cannot run"), (DENIED, "#!/bin/sh\n", "/app/entry.sh may not be executed"),
])
def test_a_mounted_program_that_only_a_person_can_mend(error: str, script: str | bytes, said: str) -> None:
    finding = entered(error, script)
    assert said in finding.summary and finding.repairs[0].risk == "manual"


def test_miss_a_program_that_ran_and_ended() -> None:
    scene = dead("", 1, "exited", "Traceback (most recent call last):", "ValueError: no")
    assert CAUSE not in roots(diagnose(scene.snapshot()))
    quiet = dead("", 127, "exited", "nothing of the kind")
    assert CAUSE not in roots(diagnose(quiet.snapshot()))


@pytest.mark.parametrize(("last", "told"), [
    ("sh: 1: exec: hypercorn: not found", True), ("bash: line 1: hypercorn: command not found", True),
    ("/srv/shop/start.sh: 3: exec: /opt/venv/bin/gunicorn: not found", True), ("run: line 7: gunicorn: command not found", True),
    ("user daphne: not found", False), ("INFO:     Started server process [1]", False),
])
def test_caught_in_the_moment_of_one_more_try(last: str, told: bool) -> None:
    made = container_service(log=log_lines(last, ago=3), box={"restart_count": 4, "restart_policy": "always", "started_at": NOW - 0.5})
    scene = Scene("app:8000", node="web", back="app").with_service(made).refused()
    assert (CAUSE in roots(diagnose(scene.snapshot()))) is told
