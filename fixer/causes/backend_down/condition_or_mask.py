"""Masks and unmet conditions that keep a unit from starting, and their repairs."""

from __future__ import annotations

import posixpath
from collections.abc import Sequence

from fixer.analysis.case import Case, FailingAddress
from fixer.analysis.evidence import find_node, log_evidence, shorten
from fixer.analysis.run_log import event_of, has_kind, lines_of, message_of
from fixer.lazy.dataclass import dataclass
from fixer.lazy.lazy_imports import lazy_imports
from fixer.model.diagnosis import Need, Repair
from fixer.model.facts import Evidence
from fixer.model.plan import DaemonReload, FileMeta, Step, WriteFile
from fixer.model.snapshot import LogLine, Service, UnitSetting
from fixer.repairs.boot_enablement import enable_at_boot_text
from fixer.repairs.file_edits import NotEditable

with lazy_imports():  # not needed in most looks
    from fixer.managers.systemd_steps import unit_action
    from fixer.repairs.start_service import start_steps, wait_for_listener_step
    from fixer.repairs.write_variables import write_drop_in

UNMASK_REPAIR_ID = "unmask-service"
CONDITION_REPAIR_ID = "meet-condition"
MASK_KEY, CONDITION_KEY = "unmask", "condition"
_VOLATILE_FOLDERS = ("/run/", "/tmp/", "/var/run/", "/dev/", "/proc/", "/sys/")   # noqa: S108  no writes there


@dataclass(frozen=True, slots=True)
class UnmetCondition:
    """A condition that kept a unit from starting, as systemd's log or the unit files state it."""

    key: str
    value: str
    setting: UnitSetting | None
    line: LogLine | None

    @property
    def text(self) -> str:
        """The condition as a unit file writes it."""
        return f"{self.key}={self.value}"

    @property
    def is_met_now(self) -> bool:
        """Whether the required path exists now, or the forbidden one (`!`) does not."""
        if self.setting is None or self.key != "ConditionPathExists" or self.setting.present is None:
            return False
        return self.setting.present is not self.value.startswith("!")

    @property
    def wanted_path(self) -> str:
        """The missing file that the condition requires, or "" if creating it would not last or not help."""
        plain = self.key == "ConditionPathExists" and self.value.startswith("/")
        missing = self.setting is not None and self.setting.present is False
        return self.value if plain and missing and not self.value.startswith(_VOLATILE_FOLDERS) else ""


def unmet_condition(service: Service) -> UnmetCondition | None:
    """Return the condition that prevented the last start, or None if it is unknown."""
    conditions = [s for s in service.settings if s.key.startswith("Condition")]
    for line in reversed(lines_of(service)):
        event = event_of(line)
        if event is not None and event.kind == "started":
            break
        if event is not None and event.kind == "condition-unmet" and event.subject:
            key, value = event.subject, event.detail
            mine = next((s for s in conditions if (s.key, s.value) == (key, value)), None)
            return UnmetCondition(key, value, mine, line)
    lacking = [s for s in conditions if s.present is s.value.startswith("!") and not s.value.startswith("|")]
    return UnmetCondition(lacking[0].key, lacking[0].value, lacking[0], None) if len(lacking) == 1 else None


def failed_assertion(service: Service) -> LogLine | None:
    """Return systemd's line if an `Assert…=` of the unit failed at the last start."""
    for line in reversed(lines_of(service)):
        if has_kind(line, "assertion-failed"):
            return line
        if has_kind(line, "started"):
            break
    return None


def assertion_repair(service: Service, line: LogLine) -> Repair:
    """Return a manual repair: the assertion may need a file, a mount or another machine."""
    said = shorten(message_of(line).strip(), 200)
    text = (f"an Assert…= condition of its unit is not met ({said}). Find it with systemctl cat {service.name}, "
            "meet it, then start the unit")
    return Repair(CONDITION_REPAIR_ID, "manual", f"start {service.name}", (), manual=text)


def condition_evidence(unmet: UnmetCondition | None) -> tuple[Evidence, ...]:
    """Return the line of the unit file and systemd's log line."""
    if unmet is None:
        return ()
    said = (unmet.setting.source,) if unmet.setting is not None else ()
    return (*said, *((log_evidence(unmet.line.text, unmet.line.where),) if unmet.line is not None else ()))


def condition_repair(case: Case, trouble: FailingAddress, service: Service, unmet: UnmetCondition | None) -> Repair:
    """Start the unit if the condition is met now; else let the operator choose to meet or to drop it."""
    start = start_steps(case.snapshot, service, trouble.endpoint)
    if unmet is None:
        text = f"a condition is not met (`systemctl status {service.name}` names it): systemd would skip a start again"
        if service.unit is not None and service.unit.result == "exec-condition":
            text = (f"a command in ExecCondition= did not allow the start (systemctl cat {service.name} shows it): "
                    "systemd skips a start until the command allows it")
        return Repair(CONDITION_REPAIR_ID, "manual", f"start {service.name}", (), manual=text)
    if unmet.is_met_now:
        also = enable_at_boot_text(service)
        return Repair("start-service", "safe", f"start {service.name}{also}: {unmet.text} is met now", start)
    ways = _steps_by_choice(case, service, unmet)
    if not ways:
        text = f"{unmet.text} prevents the start: meet it, or remove the line from the unit; then start the unit"
        return Repair(CONDITION_REPAIR_ID, "manual", f"start {service.name}", (), manual=text)
    chosen = case.inputs.get(CONDITION_KEY)
    effects = {"create": f"add {unmet.wanted_path} as an empty file", "drop": "override the condition in a drop-in"}
    need = Need(
        CONDITION_KEY, "choice",
        f"{unmet.text} of {service.name} may be intentional; " + ", ".join(f"{w}: {effects[w]}" for w in ways)
        + (f"; or remove {unmet.value[1:]} yourself and start the unit" if unmet.value.startswith("!/") else ""),
        choices=tuple(ways),
    )
    steps = (*ways[chosen], *start) if chosen in ways else ()
    summary = f"{effects.get(chosen or '', f'meet or drop {unmet.text}')}, and start {service.name}"
    return Repair(CONDITION_REPAIR_ID, "disruptive", summary, steps, needs=(need,))


def _steps_by_choice(case: Case, service: Service, unmet: UnmetCondition) -> dict[str, tuple[Step, ...]]:
    ways: dict[str, tuple[Step, ...]] = {}
    path = unmet.wanted_path
    if path:
        ways["create"] = (WriteFile(
            service.node, path, None, b"", f"the file that {unmet.text} requires", meta=FileMeta(0o644, 0, 0),
            create_dirs=(posixpath.dirname(path),),
        ),)
    if unmet.setting is None:
        return ways                 # an empty assignment drops all conditions, and the other ones are unknown
    others = [s for s in service.settings if s.key.startswith("Condition") and s is not unmet.setting]
    lines = f"{unmet.key}=\n" + "".join(f"{s.key}={s.value}\n" for s in others)
    dropped = write_drop_in(case.snapshot, service, lines, "50-badgateway-condition.conf", section="Unit")
    if not isinstance(dropped, NotEditable):
        ways["drop"] = dropped.steps
    return ways


def mask_evidence(case: Case, service: Service) -> tuple[Evidence, ...]:
    """Return the link or empty file that masks the unit."""
    path = mask_path(service)
    node = find_node(case.snapshot, service.node)
    stat = dict(node.files).get(path) if node is not None else None
    if stat is None:
        return ()
    target = f"a link to {stat.link_target}" if stat.link_target else "an empty file"
    return (Evidence("file", path, f"{target}: systemd starts no unit of that name"),)


def mask_path(service: Service) -> str:
    """Return the path of the mask, or "" if the service is no unit."""
    return service.unit.fragment_path if service.unit is not None else ""


def mask_repair(case: Case, trouble: FailingAddress, service: Service) -> Repair:
    """Unmask and start the unit, after the operator has named it as intended to run."""
    name = service.name
    steps = _unmask_steps(case, trouble, service)
    if isinstance(steps, str):
        return Repair(UNMASK_REPAIR_ID, "manual", f"unmask and start {name}", (), manual=steps)
    why = f"somebody masked {name} on purpose; name it here if it should run"
    need = Need(MASK_KEY, "choice", why, choices=(name,))
    given = steps if case.inputs.get(MASK_KEY) == name else ()
    return Repair(UNMASK_REPAIR_ID, "disruptive", f"unmask {name} and start it", given, needs=(need,))


def _unmask_steps(case: Case, trouble: FailingAddress, service: Service) -> tuple[Step, ...] | str:
    unit, path = service.unit, mask_path(service)
    assert unit is not None
    if not any(word.file for word in service.command):
        return (f"the unit is masked, and no unit file exists below the mask: restore the unit file, run systemctl "
                f"unmask {service.name}, then start it")
    node = find_node(case.snapshot, service.node)
    stat = dict(node.files).get(path) if node is not None else None
    if stat is None or (stat.link_target is None and stat.size):
        return f"the unit is masked: if it should run, run systemctl unmask {service.name}, then start it"
    if stat.link_target is not None:
        lift = WriteFile(service.node, path, None, None, "the mask", link_target=stat.link_target)
    else:
        lift = WriteFile(service.node, path, b"", None, "the mask, an empty file")
    wanted: Sequence[UnitSetting] = [s for s in service.settings if s.key == "WantedBy"]
    at_boot = [unit_action(service, unit, "enable")] if wanted and all(s.present is False for s in wanted) else []
    return (
        lift, DaemonReload(service.node), *at_boot, unit_action(service, unit, "start"),
        *wait_for_listener_step(case.snapshot, service, trouble.endpoint),
    )
