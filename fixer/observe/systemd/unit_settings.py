"""Settings in a unit's files beyond its command: conditions, limits, and the links that start it at boot."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from fixer.formats.unit_file import UnitLine
from fixer.model.facts import Evidence
from fixer.model.service import UnitSetting
from fixer.model.snapshot import Unit
from fixer.observe.commands.resolved_command import ServiceCommand
from fixer.observe.view.node_view import View

_UNIT_FOLDER = "/etc/systemd/system"
_PATH_CONDITIONS = frozenset({
    "ConditionPathExists", "ConditionPathIsDirectory", "ConditionFileNotEmpty", "ConditionDirectoryNotEmpty",
    "ConditionPathIsSymbolicLink", "ConditionFileIsExecutable", "ConditionPathIsReadWrite", "ConditionPathIsMountPoint",
})
_PLAIN_KEYS = frozenset({
    "NetworkNamespacePath", "PrivateNetwork", "PrivateTmp", "RuntimeDirectory", "RuntimeDirectoryMode",
    "MemoryMax", "MemoryLimit", "TasksMax", "LimitAS", "LimitNPROC", "LimitDATA", "Restart", "RestartSec",
})
_LIST_KEYS = frozenset({"RestrictAddressFamilies", "SystemCallFilter", "IPAddressDeny", "IPAddressAllow"})


def settings_of(unit: Unit, told: ServiceCommand, view: View) -> tuple[UnitSetting, ...]:
    """Return the settings that causes need, each with its line; the last line of a scalar key counts."""
    last = {line.key: line for line in told.lines if line.section == "Service" and line.key in _PLAIN_KEYS}
    return (
        *(_condition_setting(line, view) for line in _conditions(told.lines)),
        *(UnitSetting(line.key, line.value.strip(), _line_evidence(line)) for line in last.values()),
        *(UnitSetting(line.key, line.value.strip(), _line_evidence(line)) for line in _list_settings(told.lines)),
        *_wanted_by_settings(unit, told.lines, view),
    )


def _list_settings(lines: Iterable[UnitLine]) -> list[UnitLine]:
    """Return the list settings in force: an empty value resets all earlier lines of its key."""
    kept: list[UnitLine] = []
    for line in lines:
        if line.section == "Service" and line.key in _LIST_KEYS:
            kept = [*kept, line] if line.value.strip() else [other for other in kept if other.key != line.key]
    return kept


def paths_to_check(unit: Unit, told: ServiceCommand) -> Iterator[str]:
    """Yield paths whose presence decides: of unmet conditions, and of the link that would start the unit at boot."""
    if not unit.condition_result:
        yield from (path for line in _conditions(told.lines) if (path := _condition_path(line)))
    if unit.load_state == "masked":
        yield from (f"{_UNIT_FOLDER}/{target}.wants/{unit.name}" for _, target in _install_targets(told.lines))


def _conditions(lines: Iterable[UnitLine]) -> list[UnitLine]:
    """Return the conditions in force: an empty one of any kind resets all earlier ones."""
    kept: list[UnitLine] = []
    for line in lines:
        if line.section == "Unit" and line.key.startswith("Condition"):
            kept = [*kept, line] if line.value.strip() else []
    return kept


def _condition_setting(line: UnitLine, view: View) -> UnitSetting:
    path = _condition_path(line)
    return UnitSetting(line.key, line.value.strip(), _line_evidence(line), _is_present(path, view) if path else None)


def _condition_path(line: UnitLine) -> str:
    """Return the path that a condition tests; empty for other conditions and for specifiers or globs."""
    value = line.value.strip().lstrip("|!")
    return value if line.key in _PATH_CONDITIONS and value.startswith("/") and not set(value) & set("%*?[") else ""


def _install_targets(lines: Iterable[UnitLine]) -> Iterator[tuple[UnitLine, str]]:
    for line in lines:
        if line.section == "Install" and line.key == "WantedBy":
            yield from ((line, target) for target in line.value.split() if "/" not in target)


def _wanted_by_settings(unit: Unit, lines: Iterable[UnitLine], view: View) -> Iterator[UnitSetting]:
    for line, target in _install_targets(lines):
        yield UnitSetting("WantedBy", target, _line_evidence(line),
                          _is_present(f"{_UNIT_FOLDER}/{target}.wants/{unit.name}", view))


def _is_present(path: str, view: View) -> bool | None:
    """Return whether the path exists; None if it was not read."""
    file = view.files.get(path)
    if file is None:
        return None
    if file.stat is not None:
        return True
    return False if file.status == "absent" else None


def _line_evidence(line: UnitLine) -> Evidence:
    return Evidence("unit", f"{line.file}:{line.line}", f"{line.key}={line.value.strip()}")
