"""What a unit's restrictions answer its program with: a family of sockets, a call, memory that is executed."""

from __future__ import annotations

from typing import Any

import pytest

from fixer.diagnose.run_causes import diagnose
from fixer.model.diagnosis import Finding
from fixer.model.facts import Evidence
from fixer.model.plan import WriteFile
from fixer.model.service import UnitSetting
from fixer.model.snapshot import UnitValue
from tests.causes.snapshot_builders import Scene, failed_service, finding_of, log_lines, roots, service
from tests.formats.test_run_output import REQUESTS

DENIED = "sandbox-denied"
FILE = "/etc/systemd/system/backend.service.d/hardening.conf"
LOCAL = ("Traceback (most recent call last):", '  File "/srv/shop/main.py", line 4, in <module>',
         "    log.addHandler(Handler(socket.socket(socket.AF_UNIX)))",
         "OSError: [Errno 97] Address family not supported by protocol")
CALL = ("Traceback (most recent call last):", '  File "/usr/lib/python3.13/subprocess.py", line 1895, in _posix_spawn',
        "    self.pid = _fork_exec(", "PermissionError: [Errno 1] Operation not permitted")
MAP = ("Traceback (most recent call last):", '  File "/srv/shop/main.py", line 3, in <module>',
       "    mmap.mmap(-1, 4096, prot=mmap.PROT_READ | mmap.PROT_WRITE | mmap.PROT_EXEC)",
       "PermissionError: [Errno 13] Permission denied")
BIND = ("INFO:     Application startup complete.", "ERROR:    [Errno 1] error while attempting to bind on address "
        "('127.0.0.1', 8000): operation not permitted")
FFI = ("MemoryError: Cannot allocate write+execute memory for ffi.callback(). You might be running on a system that",)


def limited(*lines: str, scene: Scene | None = None, runs: bool = False, **values: str) -> Scene:
    told = tuple(UnitSetting(key, value, Evidence("unit", f"{FILE}:2", f"{key}={value}"))
                 for key, value in values.items() if key in ("RestrictAddressFamilies", "SystemCallFilter"))
    given = tuple(UnitValue(key, value, FILE, 2, 10, 10 + len(value)) for key, value in values.items())
    more: dict[str, Any] = {"log": log_lines("Started backend.service - Office.", *lines), "settings": told,
                            "unit_values": given}
    return (scene or Scene()).with_service(service(**more) if runs else failed_service(**more)).refused()


def lines_of(finding: Finding) -> str:
    write = finding.repairs[0].steps[0]
    assert isinstance(write, WriteFile) and finding.repairs[0].risk == "disruptive"
    return (write.after or b"").decode()


@pytest.mark.parametrize(("lines", "values", "variant", "confidence", "allows"), [
    (LOCAL, {"RestrictAddressFamilies": "AF_INET AF_INET6"}, "no-listener-address-family-restricted", "certain",
     "RestrictAddressFamilies=AF_UNIX"),
    (LOCAL, {"RestrictAddressFamilies": "~AF_UNIX"}, "no-listener-address-family-restricted", "certain",
     "RestrictAddressFamilies="),
    (CALL, {"SystemCallFilter": "~@process", "SystemCallErrorNumber": "EPERM"}, "call-refused", "likely",
     "SystemCallFilter="),
    (CALL, {"SystemCallFilter": "~@process", "SystemCallErrorNumber": "1"}, "call-refused", "likely",
     "SystemCallFilter="),
    (MAP, {"MemoryDenyWriteExecute": "yes"}, "memory-denied", "certain", "MemoryDenyWriteExecute=no"),
    (BIND, {"SocketBindDeny": "any"}, "call-refused", "certain", "SocketBindAllow=tcp:8000"),
    (FFI, {"MemoryDenyWriteExecute": "true"}, "memory-denied", "certain", "MemoryDenyWriteExecute=no"),
])
def test_hit(lines: tuple[str, ...], values: dict[str, str], variant: str, confidence: str, allows: str) -> None:
    diagnosis = diagnose(limited(*lines, **values).snapshot())
    assert roots(diagnosis) == [DENIED]
    shown = diagnosis.findings[0]
    assert (shown.variant, shown.confidence) == (variant, confidence)
    assert lines_of(shown) == f"[Service]\n{allows}\n"
    assert any(e.text.startswith(lines[-1][:40]) for e in shown.evidence if e.source != "unit")


def test_what_asyncio_logs_of_a_callback_is_not_the_end() -> None:
    scene = limited(*CALL, "Exception in callback Loop.close()", SystemCallFilter="~@process", SystemCallErrorNumber="EPERM")
    assert finding_of(diagnose(scene.snapshot()), DENIED).variant == "call-refused"


def test_hit_of_its_unix_socket() -> None:
    scene = Scene().endpoint(unix="/run/shop/web.sock", port=0)
    said = "[ERROR] connection to /run/shop/web.sock failed: [Errno 97] Address family not supported by protocol"
    for runs in (True, False):
        shown = diagnose(limited(said, scene=scene, runs=runs, RestrictAddressFamilies="AF_INET").snapshot())
        assert roots(shown) == [DENIED] and lines_of(shown.findings[0]) == "[Service]\nRestrictAddressFamilies=AF_UNIX\n"


@pytest.mark.parametrize(("lines", "values"), [
    (LOCAL, {"RestrictAddressFamilies": "AF_UNIX AF_INET AF_INET6"}),     # it allows what was refused: another reason
    (LOCAL, {}),
    (CALL, {"SystemCallFilter": "~@process"}),                          # this one kills, and answers nothing
    (CALL, {"SystemCallFilter": "~@process", "SystemCallErrorNumber": "EACCES"}),
    (CALL, {"SystemCallErrorNumber": "EPERM"}),
    ((*CALL[:-1], f"{CALL[-1]}: '/srv/shop/x'"), {"SystemCallFilter": "~@mount", "SystemCallErrorNumber": "EPERM"}),
    (MAP, {"MemoryDenyWriteExecute": "no"}),
    (CALL, {"MemoryDenyWriteExecute": "yes"}),
    ((*CALL, "Exception: no helper"), {"SystemCallFilter": "~@process", "SystemCallErrorNumber": "EPERM"}),
    *(((request.format("[Errno 1] operation not permitted"),), {"SocketBindDeny": "any"}) for request in REQUESTS.values()),
])
def test_refused_system_calls_miss(lines: tuple[str, ...], values: dict[str, str]) -> None:
    assert DENIED not in roots(diagnose(limited(*lines, **values).snapshot()))
