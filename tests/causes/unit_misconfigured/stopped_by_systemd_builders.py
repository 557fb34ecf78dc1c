"""What the tests of fixer/causes/unit_misconfigured/stopped_by_systemd.py and others are built of."""

from __future__ import annotations

from fixer.diagnose.run_causes import diagnose
from fixer.model.diagnosis import Finding
from fixer.model.snapshot import UnitValue
from tests.causes.snapshot_builders import Scene, failed_service, file, finding_of, listener, log_lines, roots, service

CAUSE = "unit-misconfigured"
STOPPED_BY_SYSTEMD_UNIT = "/etc/systemd/system/backend.service"


def value(text: str) -> tuple[UnitValue, str]:
    """The one setting of a unit file, and the file's text."""
    key, _, wanted = text.partition("=")
    at = len("[Service]\n" + key + "=")
    return UnitValue(key, wanted, STOPPED_BY_SYSTEMD_UNIT, 2, at, at + len(wanted)), f"[Service]\n{text}\n"


def unit_with(text: str, line: str, *, now_well: bool = False, **changes: object) -> Scene:
    setting, content = value(text)
    about = {"unit_values": (setting,), "log": log_lines(line, line), **changes}
    if now_well:
        scene = Scene().with_service(service(**about), listener(8000, 200))   # type: ignore[arg-type]
    else:
        scene = Scene().with_service(failed_service(**about)).refused()   # type: ignore[arg-type]
    scene.files.append(file(STOPPED_BY_SYSTEMD_UNIT, content))
    return scene


def found(scene: Scene, **inputs: str) -> Finding:
    diagnosis = diagnose(scene.snapshot(), inputs)
    assert roots(diagnosis) == [CAUSE]
    return finding_of(diagnosis, CAUSE)
