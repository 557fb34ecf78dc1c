"""A compiled file of an older release: Python runs it in the place of a source that is gone."""

from __future__ import annotations

import posixpath

from fixer.analysis.case import Case
from fixer.analysis.evidence import find_node, host_path_of
from fixer.analysis.exits.code_error import application_files
from fixer.analysis.exits.failed_run import FailedRun
from fixer.analysis.service_state import start_text_of
from fixer.lazy.dataclass import dataclass
from fixer.model.diagnosis import Repair
from fixer.model.facts import Evidence
from fixer.model.query import FileStat


@dataclass(frozen=True, slots=True)
class StaleModule:
    """The source that the traceback names and that is gone, and its compiled file: where that is on its machine."""

    source: str
    compiled: str
    stat: FileStat

    @property
    def text(self) -> str:
        """What runs, to follow the fault in a summary."""
        return f"{self.source} is gone, and Python runs {self.compiled}, which is left of an older release"

    @property
    def evidence(self) -> tuple[Evidence, ...]:
        """The absence of the source, and the compiled file."""
        size = f"compiled, {self.stat.size} bytes"
        return (Evidence("file", self.source, "no such file"), Evidence("file", self.compiled, size))


def find_stale_module(case: Case, crash: FailedRun) -> StaleModule | None:
    """Return the innermost file of the traceback that has only a compiled file beside its place. Python takes such a
    file only where no source is; those in __pycache__ it never takes alone."""
    service, box = crash.service, crash.service.container
    node = find_node(case.snapshot, service.node)
    for source in application_files(crash.end.texts):
        if not source.endswith(".py"):
            continue
        if box is not None:
            place, stats = host_path_of(box, source), dict(case.snapshot.engine_files)
            absent = place != "" and place not in stats
        else:
            place, stats = source, dict(node.files) if node is not None else {}
            absent = node is not None and source in node.missing_paths
        stat = stats.get(f"{place}c")
        if absent and stat is not None and stat.end.kind == "file":
            return StaleModule(source, f"{place}c", stat.end)
    return None


def remove_compiled_repair(crash: FailedRun, stale: StaleModule) -> Repair:
    """Return what an operator does: whether that release was meant to have no sources, only a person knows."""
    folder = posixpath.dirname(stale.compiled)
    manual = (f"if {stale.source} was removed on purpose: rm {stale.compiled} (find {folder} -name '*.pyc' -not -path "
              f"'*/__pycache__/*' shows others), and remove what imports it; else restore the source; then "
              f"{start_text_of(crash.service)}")
    return Repair("remove-compiled", "manual", f"remove the compiled file {stale.compiled}", (), manual=manual)
