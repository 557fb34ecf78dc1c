"""A unit that systemd refused to load: a line that it cannot use, or no command at all; its journal says which."""

from __future__ import annotations

from fixer.analysis.case import Case, Trouble
from fixer.analysis.evidence import log_evidence
from fixer.analysis.exits.exec_step import Told
from fixer.analysis.exits.failed_run import Crash
from fixer.analysis.ownership.resolve import sole_owner
from fixer.analysis.run_log import lines_of, message
from fixer.lazy.regex import regex
from fixer.model.diagnosis import Repair
from fixer.model.facts import Evidence

_REFUSED = frozenset({"bad-setting", "error"})
_LINE = regex(r"^(?P<file>/[^\s:]+):(?P<line>\d+): (?P<what>.+)$")
_WHOLE = regex(r"^\S+: (?P<what>Service has .+Refusing\.|Service .+ Refusing\.)$")
_LAST = 12


def unloaded(case: Case, trouble: Trouble) -> tuple[Crash, Told] | None:
    """The finding for the unit that belongs behind an address, None where systemd has loaded it."""
    owner = sole_owner(case, trouble)
    unit = owner.service.unit if owner is not None else None
    if owner is None or unit is None or unit.load_state not in _REFUSED or unit.need_daemon_reload:
        return None
    service, said, place = owner.service, "", unit.fragment_path
    shown: tuple[Evidence, ...] = (Evidence("unit", unit.name, f"LoadState={unit.load_state} {unit.load_error}"[:200]),)
    for line in reversed(lines_of(service)[-_LAST:]):
        text = message(line)
        match = _LINE.match(text) or _WHOLE.match(text)
        if match is not None:
            named = match.groupdict()
            said, place = match["what"], f"{named['file']}:{named['line']}" if named.get("file") else place
            shown = (log_evidence(line.text, line.where), *shown)
            break
    why = f": {said[:160]} ({place})" if said else ""
    manual = (f"correct {place or 'its files'}{f' ({said[:160]})' if said else ''}; systemd-analyze verify {unit.name} "
              f"shows it; then systemctl daemon-reload and systemctl start {unit.name}")
    return Crash(owner, (trouble,), ()), Told(
        "unit-not-loaded", f"systemd cannot load {service.name}{why}", shown,
        (Repair("correct-unit", "manual", f"correct the files of {unit.name}", (), manual=manual),))
