"""Observation of a target (observe, parse, diagnose), and the use cases `diagnose` and `verify`."""

from __future__ import annotations

import os
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from typing import TYPE_CHECKING

from fixer.app.cause_catalogue import all_judges
from fixer.app.policy_files import policy_notes
from fixer.app.request import DiagnoseRequest
from fixer.causes import LazyCause
from fixer.diagnose.run_causes import diagnose as judge
from fixer.diagnose.triggers import TRIGGERS
from fixer.errors import CannotObserve, NeedsPerson, UsageError
from fixer.hosts.machine import state_root
from fixer.hosts.machine.look_budget import is_over, one_look
from fixer.hosts.machine.state_root import ignore_list_path
from fixer.hosts.open_target import open_target, parse_target
from fixer.lazy.dataclass import replace
from fixer.lazy.lazy_imports import lazy_imports
from fixer.model.capture import Capture
from fixer.model.diagnosis import IgnoredFinding, Inputs
from fixer.model.facts import Known, Unknown
from fixer.model.host import Target
from fixer.model.learned import LEARNED_FILE
from fixer.model.query import NOT_ASKED, Command
from fixer.model.report import Report, VerifyResult
from fixer.model.snapshot import Snapshot
from fixer.model.target import TargetRef
from fixer.observe.build_snapshot import build_snapshot
from fixer.observe.collect_capture import capture_in_bundle, collect
from fixer.observe.nginx.nginx_masters import TEST_NEVER_ENDS, TEST_NOT_ALLOWED
from fixer.observe.view.observe_options import ObserveOptions
from fixer.render.build_report import build_report
from fixer.verify import Observation, failing_marks, proofs, url_notes

with lazy_imports():
    from fixer.app.bundle_policy import add_bundle_policy  # only script bundles need it
    from fixer.app.cause_catalogue import is_page  # loads every cause: for a wrong target only
    from fixer.app.ignore_list import load
    from fixer.apply.run_history import history
    from fixer.hosts.ssh import host_of
    from fixer.observe.evidence_bundle import unpack_bundle
    from fixer.observe.script_bundle import is_script_bundle, load_script_bundle

if TYPE_CHECKING:
    from fixer.model.journal import RunSummary

_MAX_NAMES = 3


@contextmanager
def open_named_target(word: str) -> Iterator[Target]:
    """Yield the target that `word` names, and close it at the end."""
    target = open_target(_named_target(word), load_bundle=_load_bundle)
    try:
        yield target
    finally:
        target.close()


def _named_target(word: str) -> TargetRef:
    """Return the target that `word` names. The name of a cause is none: whoever types it has read it in a report."""
    try:
        return parse_target(word)
    except UsageError as error:
        if is_page(word):
            raise UsageError(error.message, f"to read about it: fixer explain {word}") from None
        raise


def _load_bundle(data: bytes) -> Capture:
    if not is_script_bundle(data):
        return unpack_bundle(data)
    return add_bundle_policy(load_script_bundle(data))


def _no_repair() -> float:
    return 0.0


def observe_and_diagnose(
    target: Target, looking: DiagnoseRequest, inputs: Inputs | None = None, *, quiet: Callable[[], float] = _no_repair,
) -> Observation:
    """Observe the target once and diagnose it.
    `quiet` returns the seconds since a repair last changed something; it is called after the observation."""
    beside = threading.Thread(target=_load_untriggered, daemon=True)  # while answers arrive
    beside.start()
    with one_look():
        seen = build_snapshot(collect(target, observe_options(looking, target.ref)))
        since = quiet()
    beside.join()
    if since:
        seen = replace(seen, seconds_since_repair=since)
    return diagnose_snapshot(target.ref, seen, inputs or {})


def _load_untriggered() -> None:
    """Import the causes that every diagnosis asks."""
    for cause in all_judges():
        if isinstance(cause, LazyCause) and cause.id not in TRIGGERS:
            cause.load()


def diagnose_snapshot(ref: TargetRef, seen: Snapshot, inputs: Inputs) -> Observation:
    """Diagnose a snapshot, with the findings that the target's operators ignore."""
    return Observation(seen, judge(seen, inputs, causes=all_judges(), accepted=(*ignored_on(ref), *seen.ignored)))


def ignored_on(ref: TargetRef) -> tuple[IgnoredFinding, ...]:
    """Return the ignored findings of a target, from the list on this machine."""
    if not os.path.exists(ignore_list_path(ref)):  # noqa: PTH110  importing pathlib costs more than this function
        return ()
    return load(ref)


def observe_options(looking: DiagnoseRequest, ref: TargetRef) -> ObserveOptions:
    """Return the options of the observers. What was learned of a machine lies in the folder of its target `local`."""
    here = ref.kind == "local"
    try:
        root = state_root.private_root() if here else state_root.ROOT_STATE
    except NeedsPerson:
        root = ""  # others may write to that folder: use nothing from it
    folder = state_root.target_folder(root, TargetRef("local", ""))
    return ObserveOptions(
        probe=not looking.no_probe, url=looking.url or None, wait=looking.wait, requests=looking.requests,
        learned=f"{folder}/{LEARNED_FILE}" if root and ref.kind in ("local", "docker", "ssh") else "",
    )


def diagnose(word: str, looking: DiagnoseRequest) -> Report:
    """Return the report of one observation."""
    started = time.monotonic()
    with open_named_target(word) as target, one_look():
        state = StateNotes(target)
        look = observe_and_diagnose(target, looking, quiet=state.quiet)
        notes = (*url_notes(look, looking.url), *state.read())
        host = _host_name(target.ref)
    return build_report(look.snapshot, look.diagnosis, duration_ms=(time.monotonic() - started) * 1000, notes=notes,
                        host=host)


def _host_name(ref: TargetRef) -> str:
    """Return the name of the machine that was observed; empty for a bundle, which does not hold it."""
    if ref.kind == "ssh":
        return host_of(ref.address)
    return "" if ref.kind == "bundle" else os.uname().nodename


def verify(word: str, looking: DiagnoseRequest) -> VerifyResult:
    """Return only the proofs of health, and the verdict of the diagnosis, which also knows what `nginx -t` says."""
    started = time.monotonic()
    with open_named_target(word) as target, one_look():
        state = StateNotes(target)
        first = observe_and_diagnose(target, looking, quiet=state.quiet)
        tested = _with_nginx_test(target, first.snapshot)
        ignored = (*ignored_on(target.ref), *tested.ignored)
        # an ignored fault is still one for whoever asks whether the target is well
        same = not ignored and tested == first.snapshot
        look = first if same else Observation(tested, judge(tested, {}, causes=all_judges()))
        notes = (*url_notes(look, looking.url), *state.read())
        if look.diagnosis.verdict in ("degraded", "broken"):
            notes += state.in_force(failing_marks(look))
    found = proofs(look)
    report = build_report(look.snapshot, look.diagnosis, duration_ms=(time.monotonic() - started) * 1000, notes=notes)
    return VerifyResult(replace(report, findings=(), checks=()), found)


def _with_nginx_test(target: Target, seen: Snapshot) -> Snapshot:
    """Return the snapshot with the result of `nginx -t`, which a diagnosis runs only when in doubt."""
    askers = {} if is_over() else {asker.name: asker for asker in target.askers()}
    tested = []
    for nginx in seen.nginxes:
        asker = askers.get(nginx.node)
        if not askers and isinstance(nginx.test, Unknown):
            tested.append(replace(nginx, test=Unknown(NOT_ASKED)))
            continue
        if isinstance(nginx.test, Known) or asker is None or nginx.test.reason in (TEST_NEVER_ENDS, TEST_NOT_ALLOWED):
            tested.append(nginx)
            continue
        query = Command("nginx-test", (nginx.binary, nginx.conf_path, nginx.prefix))
        answer = asker.ask([query])[query]
        said = (answer.data + answer.stderr).decode("utf-8", "replace")
        code = answer.returncode
        unknown = Unknown(answer.message or answer.status)
        tested.append(replace(nginx, test=unknown if code is None else Known((code, said))))
    return replace(seen, nginxes=tuple(tested))


class StateNotes:
    """Notes on what binds a repair: the policy, and an interrupted run, which only repair and undo roll back.
    A remote journal is read in parallel with the observation, since each connection takes time."""

    def __init__(self, target: Target) -> None:
        self._target = target
        self._notes: tuple[str, ...] = ()
        self._kept: RunSummary | None = None
        self._unmeasured: tuple[RunSummary, ...] = ()
        self._is_read = False
        self._thread: threading.Thread | None = None
        if target.ref.kind in ("docker", "ssh"):
            self._thread = threading.Thread(target=self._read, daemon=True)
            self._thread.start()

    def read(self) -> tuple[str, ...]:
        """Return the notes."""
        if self._thread is not None:
            self._thread.join()
        elif not self._is_read:
            self._read()
        return self._notes

    def quiet(self) -> float:
        """Return the seconds since the last repair in force changed something; 0 if there is none.
        Services that it woke were late for all requests before."""
        self.read()
        return max(0.001, time.time() - self._kept.last) if self._kept is not None else 0.0

    def in_force(self, failing: Mapping[str, str] | None = None) -> tuple[str, ...]:
        """Return the last repair in force and how to undo it, for whoever learns that it did not last. `failing` maps
        marks of failing routes to their names: a repair that only its mechanism proved may not have helped them."""
        self.read()
        refuted = {run.id: names for run in self._unmeasured
                   if (names := [failing[mark] for mark in run.unmeasured if mark in failing] if failing else [])}
        notes = tuple(
            f"Requests to {', '.join(refuted[run.id][:_MAX_NAMES])} fail, so repair {run.id} for {run.cause} (proof: "
            f"mechanism) may not have helped; undo it with `fixer undo{self._target_word()} --id {run.id}`."
            for run in self._unmeasured if run.id in refuted)
        if self._kept is None or self._kept.id in refuted:
            return notes
        return (*notes, f"Repair {self._kept.id} for {self._kept.cause} is in force. If it did not help, undo it: "
                f"fixer undo{self._target_word()} --id {self._kept.id}",)

    def _target_word(self) -> str:
        return "" if self._target.ref.kind == "local" else f" {self._target.ref}"

    def _read(self) -> None:
        self._is_read = True
        if self._target.ref.kind == "bundle":
            self._notes = capture_in_bundle(self._target).said
            return
        try:
            self._notes = policy_notes(self._target)
            writer, folder = self._target.journal_location()
            here = self._target.ref.kind == "local"  # a local state folder with no runs needs one check only
            if (here and not os.path.exists(f"{folder}/runs")) or not writer.files.listdir(f"{folder}/runs"):  # noqa: PTH110
                return
            runs = history(self._target)
        except (NeedsPerson, CannotObserve, OSError):
            if is_over():  # else an observation needs no journal
                self._notes += (f"earlier repairs were {NOT_ASKED}",)
            return
        kept = sorted((run for run in runs if run.state == "committed"), key=lambda run: run.last, reverse=True)
        self._kept = kept[0] if kept else None
        self._unmeasured = tuple(run for run in kept if run.unmeasured)
        run = next((run for run in reversed(runs) if run.state == "unfinished"), None)
        if run is not None:
            word = self._target_word()
            again = f"fixer undo{word}, or the next fixer repair{word}"
            self._notes += (f"Repair {run.id} was interrupted. Roll it back: {again}",)
