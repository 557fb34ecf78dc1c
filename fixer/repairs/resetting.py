"""The repair that sets another value where it is written and begins the service with it, or says how a person does."""

from __future__ import annotations

from fixer.lazy.dataclass import dataclass
from fixer.model.diagnosis import Need, Repair
from fixer.model.plan import Step
from fixer.repairs.file_edits import NoPlace
from fixer.repairs.write_variables import Written


@dataclass(frozen=True, slots=True)
class Setting:
    """What is set. `does` says it as a thing to be (`--backlog 64 instead of 8`), `by_hand` as a thing to do."""

    repair: str
    title: str
    need: Need
    does: str
    by_hand: str
    then: str


def set_and_begin(setting: Setting, written: Written | NoPlace, begin: tuple[Step, ...] | NoPlace) -> Repair:
    """Disruptive where both can be done; else by hand, with what stands in the way."""
    for part in (written, begin):
        if isinstance(part, NoPlace):
            manual = f"{setting.by_hand}: {part.why}"
            return Repair(setting.repair, "manual", setting.title, (), (setting.need,), manual)
    assert not isinstance(written, NoPlace) and not isinstance(begin, NoPlace)
    summary = f"{setting.does}, set in {written.where}, then {setting.then}"
    if written.managed_by:
        summary += f" ({written.managed_by} manages that file and will overwrite the edit)"
    return Repair(setting.repair, "disruptive", summary, (*written.steps, *begin), (setting.need,))
