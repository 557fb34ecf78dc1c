"""disk-full: folders that nginx's workers cannot write to, and a log whose disk is full."""

from __future__ import annotations

from dataclasses import replace

import pytest

from fixer.diagnose.run_causes import diagnose
from fixer.model.diagnosis import Finding, RuledOut, Undetermined
from fixer.model.facts import Known, Unknown
from fixer.model.plan import CheckNginx, ReloadNginx
from fixer.model.snapshot import ComposeSetting
from tests.causes.snapshot_builders import (
    NOW,
    Scene,
    at_level,
    container_service,
    failed_service,
    finding_of,
    healthy_scene,
    log_lines,
    process,
    roots,
    stat,
    verdict_of,
)

CAUSE = "disk-full"
BODY = "/var/lib/nginx/body"
DENIED = f'open() "{BODY}/0000000012" failed (13: Permission denied)'
GONE = f'open() "{BODY}/0000000012" failed (2: No such file or directory)'
FULL = f'pwrite() "{BODY}/0000000012" failed (28: No space left on device)'


def says(message: str = DENIED, *, phase: str = "", ago: float = 5.0, level: str = "crit", **folder: object) -> Scene:
    scene = healthy_scene().logs(message, None, phase, ago=ago, path="/upload")
    scene.events = [at_level(e, level) for e in scene.events]
    scene.processes.append(process(101, "nginx: worker process", uid=33, ppid=100))
    if folder:
        scene.node_changes["local"] = {"files": ((BODY, stat(kind="dir", **folder)),)}
    return scene


def found(scene: Scene) -> Finding:
    return finding_of(diagnose(scene.snapshot()), CAUSE)


@pytest.mark.parametrize("scene", [
    says(uid=0, mode=0o40700), says(uid=33, mode=0o40000), says(), says(GONE), says(ago=500, uid=0, mode=0o40755),
])
def test_hit_a_folder_is_made_right_by_a_reload(scene: Scene) -> None:
    diagnosis = diagnose(scene.snapshot())
    assert roots(diagnosis) == [CAUSE] and diagnosis.verdict == "degraded"
    first = diagnosis.findings[0]
    assert (first.variant, first.confidence) == ("client-body-temp-broken", "certain") and BODY in first.summary
    check, reload = first.repairs[0].steps
    assert isinstance(check, CheckNginx) and isinstance(reload, ReloadNginx)
    assert (first.repairs[0].risk, first.repairs[0].proof) == ("disruptive", "mechanism")      # only uploads fail


def test_hit_a_full_or_read_only_disk_is_for_a_person() -> None:
    first = found(says(FULL, uid=33, mode=0o40700))
    assert first.repairs[0].risk == "manual" and f"df -h {BODY}" in first.repairs[0].manual
    assert "had no space left" in first.summary and "what arrives does not fit there" in first.repairs[0].manual
    assert found(says(FULL.replace("28: No space left on device", "30: Read-only file system"))).repairs[0].risk == "manual"


@pytest.mark.parametrize("message", [
    'open() "/var/lib/nginx/proxy/2/01/0000000012" failed (13: Permission denied)',
    'mkdir() "/var/lib/nginx/proxy/2" failed (2: No such file or directory)',
    'mkdir() "/var/lib/nginx/proxy/2/01" failed (13: Permission denied)',
])
def test_hit_long_answers(message: str) -> None:
    first = found(says(message, phase="reading upstream"))
    assert first.variant == "proxy-temp-unwritable" and "/var/lib/nginx/proxy," in first.summary


def test_a_full_disk_below_the_log_is_advice() -> None:
    message = 'write() to "/var/log/nginx/access.log" failed (28: No space left on device)'
    diagnosis = diagnose(says(message, phase="logging request", level="alert").snapshot())
    assert diagnosis.verdict == "healthy"
    assert [(f.variant, f.role, f.repairs) for f in diagnosis.findings] == [("log-disk-full", "advice", ())]


@pytest.mark.parametrize("scene", [
    healthy_scene(), says(uid=33, mode=0o40700), says(uid=0, mode=0o40777), says(ago=700), says(ago=300), says(GONE, ago=90),
    says(GONE, uid=33, mode=0o40700), says(FULL, ago=90), says(level="error"),
    says('open() "/srv/www/0000000012" failed (24: x)'), says('open() "/srv/www/x.html" failed (2: No such file)'),
])
def test_miss(scene: Scene) -> None:
    assert isinstance(verdict_of(diagnose(scene.snapshot()), CAUSE), RuledOut)


def test_what_was_said_before_a_reload_or_a_repair_is_over() -> None:
    loaded = says(ago=30)
    loaded.nginx["loaded_at"] = Known(loaded.snapshot().taken_at - 10)
    assert isinstance(verdict_of(diagnose(loaded.snapshot()), CAUSE), RuledOut)
    assert isinstance(verdict_of(diagnose(replace(says(ago=9).snapshot(), seconds_since_repair=3.0)), CAUSE), RuledOut)
    seen = replace(says(ago=9, uid=0, mode=0o40700).snapshot(), seconds_since_repair=3.0)      # it is still so, whatever was changed
    assert finding_of(diagnose(seen), CAUSE).variant == "client-body-temp-broken"
    hidden = says()
    hidden.nginx["loaded_at"] = Unknown("not root")
    hidden.processes.pop()
    assert found(hidden).variant == "client-body-temp-broken"


def test_unknown() -> None:
    blind = says()
    blind.nginx["errors"] = Unknown("denied")
    assert isinstance(verdict_of(diagnose(blind.snapshot()), CAUSE), Undetermined)
    down = says()
    down.nginx.update({"master_pid": None, "errors": Unknown("denied")})
    assert isinstance(verdict_of(diagnose(down.snapshot()), CAUSE), RuledOut)


LAST = ("Traceback (most recent call last):", '  File "/srv/shop/main.py", line 1, in <module>')


@pytest.mark.parametrize(("words", "where"), [
    ("OSError: [Errno 28] No space left on device", "its output file, which /srv/shop/main.py:1 writes"),
    ("    prices.write(bytes(1 << 20))\nOSError: [Errno 28] No space left on device",
     "its output file, which /srv/shop/main.py:1 writes"),
    ("shop: done\nOSError: [Errno 28] No space left on device", "its output file"),
    ("OSError: [Errno 28] No space left on device: '/var/lib/shop/state'", "/var/lib/shop/state"),
    ("Error: ENOSPC: no space left on device, write", "its output file"),
    ("cp: error writing '/srv/shop/x': No space left on device", "its output file"),
    ("sqlite3.OperationalError: database or disk is full", "its output file, which /srv/shop/main.py:1 writes"),
    ("    open('/var/lib/shop/state', 'wb').write(data)\nOSError: [Errno 28] No space left on device",
     "its output file (its call names /var/lib/shop/state)"),
])
def test_hit_a_backend_that_ends_because_nothing_can_be_written(words: str, where: str) -> None:
    diagnosis = diagnose(Scene().with_service(failed_service(log=log_lines(*LAST, *words.split("\n")))).refused().snapshot())
    assert roots(diagnosis) == [CAUSE] and diagnosis.findings[0].confidence == "certain"
    (repair,) = diagnosis.findings[0].repairs
    assert repair.risk == "manual" and f"free space on the disk of {where} (df -h" in repair.manual


@pytest.mark.parametrize(("words", "told"), [
    ("OSError: [Errno 28] No space left on device", True), ("OSError: [Errno 28] No space left on device: '/scratch/a'", True),
    ("OSError: [Errno 28] No space left on device: '/data/a'", False),
])
def test_a_disk_in_memory_of_the_compose_file_is_named(words: str, told: bool) -> None:
    given = ComposeSetting("tmpfs", "/run/x /scratch:size=1m,mode=1777", "/p/compose.yaml", 9)
    box = {"status": "restarting", "exit_code": 1, "restart_count": 3, "started_at": NOW - 40}
    scene = Scene("app:8000", node="web", back="app").with_service(
        container_service(box=box, log=log_lines(words), pid=None, compose_settings=(given,))).refused()
    (repair,) = finding_of(diagnose(scene.snapshot()), "disk-full").repairs
    assert ("/p/compose.yaml:9 gives it" in repair.manual) is told


@pytest.mark.parametrize("words", ["OSError: [Errno 122] Disk quota exceeded: '/home/shop/x'",
                                   "OSError: [Errno 122] Disk quota exceeded"])
def test_hit_the_quota_of_its_account_is_used_up(words: str) -> None:
    diagnosis = diagnose(Scene().with_service(failed_service(log=log_lines(*LAST, words))).refused().snapshot())
    assert roots(diagnosis) == [CAUSE] and "the disk quota of shop is used up" in diagnosis.findings[0].summary
    assert "raise the quota of shop" in diagnosis.findings[0].repairs[0].manual


def test_hit_a_long_way_above_the_last_line() -> None:
    lines = (*LAST, "OSError: [Errno 28] No space left on device", *("  note",) * 60)
    assert roots(diagnose(Scene().with_service(failed_service(log=log_lines(*lines))).refused().snapshot())) == [CAUSE]


@pytest.mark.parametrize("words", [
    ("OSError: [Errno 28] No space left on device", "NameError: name 'x' is not defined"),
    ('INFO: 10.0.0.9:1 - "GET /: No space left on device HTTP/1.1" 200 OK',),
    ("OSError: [Errno 28] No space left on device", "django.core.exceptions.ImproperlyConfigured: x"),
    ("OSError: [Errno 28] No space left on device", "INFO:     Application startup complete.", "bye"),
    ("OSError: [Errno 28] No space left on device", '  File "/srv/a.py", line 1, in <module>', "zlib.error: odd"),
])
def test_miss_another_end_or_a_visitors_words(words: tuple[str, ...]) -> None:
    diagnosis = diagnose(Scene().with_service(failed_service(log=log_lines(*LAST, *words))).refused().snapshot())
    assert isinstance(verdict_of(diagnosis, CAUSE), RuledOut)


def test_a_folder_that_is_known_to_be_missing_is_so_whenever_the_log_said_it_last() -> None:
    old = says(GONE, ago=500)
    old.node_changes["local"] = {"missing_paths": (BODY,)}
    assert found(old).variant == "client-body-temp-broken"
    repaired = replace(old.snapshot(), seconds_since_repair=3.0)        # and no repair that leaves it missing has helped
    assert finding_of(diagnose(repaired), CAUSE).variant == "client-body-temp-broken"
