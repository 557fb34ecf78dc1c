"""Edits of unit files: the bytes of one value in an administrator's file, a drop-in for a package's file."""

from __future__ import annotations

import posixpath

from fixer.analysis.case import Case
from fixer.analysis.exits.exec_step import StepExplanation
from fixer.analysis.exits.failed_run import FailedRun
from fixer.analysis.service_state import run_state_of
from fixer.formats.unit_file import SANDBOX_SETTINGS
from fixer.lazy.dataclass import dataclass, replace
from fixer.lazy.lazy_imports import lazy_imports
from fixer.model.diagnosis import Need, Repair
from fixer.model.facts import Evidence
from fixer.model.plan import DaemonReload, Step, WriteFile
from fixer.model.snapshot import Service, Snapshot, UnitValue
from fixer.repairs.file_edits import NotEditable

with lazy_imports():  # not needed in most looks
    from fixer.managers.systemd_steps import unit_action
    from fixer.repairs.start_service import start_or_restart_steps, start_steps, wait_for_listener_step
    from fixer.repairs.write_variables import EditSteps, write_drop_in

UNIT_DROP_IN = "50-badgateway-unit.conf"
_LIST_SETTINGS = frozenset({"ExecStart", "ExecStartPre"})      # lists: a drop-in would add a second one


@dataclass(frozen=True, slots=True)
class ValueEdit:
    """Bytes `start` to `end` of the setting's file become `new`."""

    setting: UnitValue
    start: int
    end: int
    new: str


def complete_value_edit(setting: UnitValue, new: str) -> ValueEdit:
    """Return the edit of the complete value."""
    return ValueEdit(setting, setting.start, setting.end, new)


def write_edit(snapshot: Snapshot, service: Service, edit: ValueEdit) -> EditSteps | NotEditable:
    """Write the edit in place below /etc. Any other file belongs to a package or is lost at a reboot, and other
    services may share it: use a drop-in. A path that becomes optional hurts none of them."""
    setting = edit.setting
    inner = setting.value[: edit.start - setting.start] + edit.new + setting.value[edit.end - setting.start:]
    of_unit = service.program is None and setting.key
    if of_unit and (not setting.file.startswith("/etc/") or _is_shared_drop_in(setting, service)):
        reset = f"{setting.key}=\n" if setting.key in _LIST_SETTINGS else ""
        return write_drop_in(snapshot, service, f"{reset}{setting.key}={inner}\n", UNIT_DROP_IN)
    file = snapshot.file(service.files_node or service.node, setting.file)
    if file is None:
        return NotEditable(f"{setting.file} could not be read")
    old = setting.value.encode("latin-1", "replace")
    if file.data[setting.start:setting.end].rstrip() != old:
        return NotEditable(f"{setting.file} does not hold {setting.key}= where it was read")
    data = file.data[:edit.start] + edit.new.encode("utf-8", "surrogateescape") + file.data[edit.end:]
    step = WriteFile(file.node, file.real_path, file.data, data, f"{setting.key}={inner}" if setting.key else inner,
                     in_place=file.single_file_mount)
    return EditSteps((step, DaemonReload(service.node)) if of_unit else (step,), file.real_path, file.managed_by)


def _is_shared_drop_in(setting: UnitValue, service: Service) -> bool:
    """Return whether other services share the drop-in (`service.d`, `shop-.service.d`): an edit would change them all,
    except for an optional path. A template's drop-ins belong to its instances."""
    name = service.unit.name if service.unit is not None else ""
    folder = posixpath.basename(posixpath.dirname(setting.file))
    template = f"{name.partition('@')[0]}@.service" if "@" in name else name
    return setting.key not in SANDBOX_SETTINGS and folder.endswith(".d") and folder not in (f"{name}.d",
                                                                                            f"{template}.d")


def write_edits(snapshot: Snapshot, service: Service, edits: tuple[ValueEdit, ...]) -> EditSteps | NotEditable:
    """Write several edits at once, each in place: one step a file."""
    steps: dict[str, WriteFile] = {}
    last: EditSteps | None = None
    for edit in sorted(edits, key=lambda one: -one.start):      # from the end: earlier offsets stay valid
        written = write_edit(snapshot, service, edit)
        if isinstance(written, NotEditable) or len(edits) == 1:
            return written
        step = written.steps[0]
        if not isinstance(step, WriteFile):
            return NotEditable(f"{edit.setting.file} is not written in place")
        known = steps.get(step.path)
        if known is not None:
            data = known.after or b""
            data = data[:edit.start] + edit.new.encode("utf-8", "surrogateescape") + data[edit.end:]
            step = replace(known, after=data, summary=f"{step.summary}; {known.summary}")
        steps[step.path] = step
        last = written if last is None or written.managed_by else last
    assert last is not None
    return replace(last, steps=(*steps.values(), *last.steps[1:]))


@dataclass(frozen=True, slots=True)
class RepairWording:
    """A repair as text: its id, its effect, what an operator does if fixer cannot, and what an operator chooses."""

    id: str
    does: str
    by_hand: str
    need: Need | None = None

    @property
    def needs(self) -> tuple[Need, ...]:
        """The choice, if there is one."""
        return () if self.need is None else (self.need,)


def manual_repairs(repair_id: str, text: str) -> tuple[Repair, ...]:
    """Return a repair that only an operator can do."""
    return (Repair(repair_id, "manual", text, (), manual=text),)


def edit_and_start_repair(case: Case, crash: FailedRun, doing: RepairWording, edit: ValueEdit | None,
                          *more: ValueEdit) -> Repair:
    """Return the edit and the start; without an edit, the operator has still to choose. Several are all below /etc."""
    if edit is None:
        return Repair(doing.id, "disruptive", doing.does, (), doing.needs)
    written = write_edits(case.snapshot, crash.service, (edit, *more))
    if isinstance(written, NotEditable):
        manual = f"{doing.by_hand}; fixer cannot do this: {written.reason}"
        return Repair(doing.id, "manual", doing.does, (), doing.needs, manual)
    return written_and_start_repair(case, crash, doing, written)


def written_and_start_repair(case: Case, crash: FailedRun, doing: RepairWording, written: EditSteps) -> Repair:
    """Return the written files, then the start (or restart) that applies them."""
    service = crash.service
    unit = service.unit
    begin: tuple[Step, ...] | NotEditable = start_or_restart_steps(case.snapshot, service,
                                                                   crash.failing_addresses[0].endpoint)
    if unit is not None and unit.active_state == "activating" and unit.sub_state in ("start", "auto-restart"):
        # a start would join the present one, which waits for what never comes
        first = () if unit.sub_state == "start" else (unit_action(service, unit, "reset-failed"),)
        again = unit_action(service, unit, "restart")
        begin = (*first, again, *wait_for_listener_step(case.snapshot, service, crash.failing_addresses[0].endpoint))
    if isinstance(begin, NotEditable):
        return Repair(doing.id, "manual", doing.does, (), doing.needs,
                      f"{doing.by_hand}, then start it; fixer cannot do this: {begin.reason}")
    summary = f"{doing.does}, in {written.where}, then start {service.name}"
    if written.managed_by:
        summary += f" ({written.managed_by} manages that file and will overwrite the edit)"
    return Repair(doing.id, "disruptive", summary, (*written.steps, *begin), doing.needs)


def reload_and_start_repair(case: Case, crash: FailedRun) -> Repair:
    """Return a repair that makes systemd read its files again, then starts or restarts the unit."""
    service, endpoint = crash.service, crash.failing_addresses[0].endpoint
    reload: Step = DaemonReload(service.node)
    if service.unit is not None and run_state_of(service) == "running":
        again = unit_action(service, service.unit, "restart")
        steps: tuple[Step, ...] = (reload, again, *wait_for_listener_step(case.snapshot, service, endpoint))
    else:
        steps = (reload, *start_steps(case.snapshot, service, endpoint))
    summary = f"make systemd reload its unit files, then restart {service.name}"
    return Repair("reload-units", "disruptive", summary, steps)


def mended_explanation(case: Case, crash: FailedRun, variant: str, what: str,
                       evidence: tuple[Evidence, ...]) -> StepExplanation:
    """Explain a step that failed and would succeed now: the unit was not started since."""
    service = crash.service
    steps = start_steps(case.snapshot, service, crash.failing_addresses[0].endpoint)
    repair = Repair("start-service", "safe", f"start {service.name}", steps)
    summary = f"{service.name} could not be started: {what}; this is fixed, but the service was not started again"
    return StepExplanation(variant, summary, evidence, (repair,), "likely")
