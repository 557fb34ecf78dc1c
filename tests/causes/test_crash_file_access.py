"""crash-file-access: the last words of a start name a file that the program could not use."""

from __future__ import annotations

import pytest

from fixer.diagnose import diagnose
from fixer.model.diagnosis import RuledOut, Undetermined
from fixer.model.facts import Unknown
from fixer.model.plan import DaemonReload, UnitAction, WriteFile
from fixer.model.snapshot import UnitValue
from tests.causes.building import Scene, failed, finding_of, healthy, log, moved, roots, stopped, verdict_of

CAUSE = "crash-file-access"
STARTED = "Started backend.service - Office."
HEAD = ("Traceback (most recent call last):", '  File "/srv/shop/app/main.py", line 3, in <module>',
        "    open('/var/log/shop/app.log', 'a')")
DENIED = "PermissionError: [Errno 13] Permission denied: '/var/log/shop/app.log'"
END = "backend.service: Failed with result 'exit-code'."


def crashed(*lines: str, **changes: object) -> Scene:
    return Scene().with_service(failed(log=log(STARTED, *lines, END), **changes)).refused()   # type: ignore[arg-type]


@pytest.mark.parametrize(("lines", "variant", "words"), [
    ((*HEAD, DENIED), "start-file-denied", "shop may not use /var/log/shop/app.log"),
    ((*HEAD, "FileNotFoundError: [Errno 2] No such file or directory: '/var/log/shop/app.log'"), "start-file-missing",
     "/var/log/shop/app.log is not there"),
    ((*HEAD, "OSError: [Errno 30] Read-only file system: '/var/log/shop/app.log'"), "start-file-denied", "read-only"),
    (("Error: Error: '/var/log/shop/e.log' isn't writable [FileNotFoundError(2, 'No such file or directory')]",),
     "start-file-missing", "/var/log/shop/e.log is not there"),
    (("Error: EACCES: permission denied, open '/srv/shop/data.json'",), "start-file-denied", "/srv/shop/data.json"),
])
def test_hit(lines: tuple[str, ...], variant: str, words: str) -> None:
    diagnosis = diagnose(crashed(*lines).snapshot())
    assert roots(diagnosis) == [CAUSE]
    first = finding_of(diagnosis, CAUSE)
    assert (first.variant, first.repairs[0].risk) == (variant, "manual") and words in first.summary
    assert "start backend.service" in first.repairs[0].manual and not first.repairs[0].steps


def test_miss_what_is_well_down_or_says_something_else_last() -> None:
    later = crashed(*HEAD, DENIED, "During handling of the above exception, another exception occurred:",
                    "RuntimeError: no settings")
    served = crashed("INFO:     Application startup complete.", "ValueError: x")
    visitor = crashed('10.0.0.9 - "GET /?PermissionError: [Errno 13] Permission denied: \'/etc/x\' HTTP/1.1" 200')
    code = crashed(*HEAD, "ModuleNotFoundError: No module named 'orjson'")
    for scene in (healthy(), moved(), Scene().with_service(stopped()).refused(), later, served, visitor, code):
        assert isinstance(verdict_of(diagnose(scene.snapshot()), CAUSE), RuledOut)


def test_unknown_what_the_log_says() -> None:
    scene = Scene().with_service(failed(log=Unknown("not root"))).refused()
    assert isinstance(verdict_of(diagnose(scene.snapshot()), CAUSE), Undetermined)


def guarded(path: str, value: str = "strict", line: str = "") -> Scene:
    where = "/etc/systemd/system/backend.service.d/hard.conf"
    setting = UnitValue("ProtectSystem", value, where, 2, 24, 24 + len(value))
    said = f"OSError: [Errno 30] Read-only file system: '{path}'"
    return crashed(*HEAD, line or said, unit_values=(setting,))


def test_its_own_folder_is_opened_where_only_the_protection_of_its_unit_forbids_it() -> None:
    first = finding_of(diagnose(guarded("/var/lib/shop/a.lock").snapshot()), CAUSE)
    assert "ProtectSystem=strict" in first.summary and first.evidence[1].where.endswith("hard.conf:2")
    (repair,) = first.repairs
    write, reload_, *rest = repair.steps
    assert (repair.id, repair.risk) == ("open-folder", "disruptive")
    assert isinstance(write, WriteFile) and write.after == b"[Service]\nReadWritePaths=/var/lib/shop\n"
    assert isinstance(reload_, DaemonReload) and [s.verb for s in rest if isinstance(s, UnitAction)][-1] == "start"


@pytest.mark.parametrize(("path", "value"), [
    ("/etc/shop/a.lock", "strict"), ("/var/lib/a.lock", "strict"), ("/var/lib/shop/../../../etc/x/y", "strict"),
    ("/var/lib/shop x/a.lock", "strict"), ("/var/lib/shop/a.lock", "full"), ("/usr/lib/shop/a.lock", "yes"),
    ("/var/lib/shop/a.lock", "no"),
])
def test_what_else_is_read_only_stays_for_a_person(path: str, value: str) -> None:
    (repair,) = finding_of(diagnose(guarded(path, value).snapshot()), CAUSE).repairs
    assert repair.risk == "manual" and not repair.steps
