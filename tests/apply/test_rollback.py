"""What was cut off in the middle of a command, whose end nobody saw."""

from __future__ import annotations

import contextlib
import errno
import os
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import pytest

from fixer.app.repair import _recover
from fixer.app.request import DiagnoseRequest, RepairRequest
from fixer.apply import rollback
from fixer.apply.file_change import FileRestore
from fixer.apply.journal_folder import Journal, create_run
from fixer.apply.repair_run import RepairRun, history, undo, unfinished_run
from fixer.apply.rollback import recover, wait_for_commands
from fixer.apply.run_history import incomplete_run_notes
from fixer.apply.steps.node_access import Nodes
from fixer.errors import NeedsPerson, StepFailed, Unreachable
from fixer.hosts.machine.local_files import LocalFiles
from fixer.model.host import CommandResult
from fixer.model.journal import Record
from fixer.model.plan import (
    ContainerAction,
    FileMeta,
    NetworkAction,
    ProgramAction,
    ReloadNginx,
    Step,
    UnitAction,
)
from fixer.redaction.masked_steps import step_to_json
from fixer.render.outcome_text import undo_text
from fixer.terminal import Terminal
from tests.apply.folder_target import NEW, NOW, OLD, FolderTarget, KilledError, make_plan, read_tree, write_step


@pytest.mark.parametrize(("grace", "waited"), [(25.0, 40.0), (None, 15.0)])
def test_a_container_that_stops_slowly_is_given_more(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, grace: float | None, waited: float,
) -> None:
    """As it is set up to; where Docker does not say, the usual."""
    target = FolderTarget(tmp_path)
    writer, folder = target.journal_location()
    journal = create_run(writer.files, folder, "20260101-000000-abcd", Record(0, 0.0, "begin", home="local"))
    journal.append(Record(0, 0.0, "round", 1))
    journal.append(Record(0, 0.0, "intent", 1, 0, step_to_json(ContainerAction("c" * 64, "shop-web-1", "restart", "running")), "restart it"))
    slept: list[float] = []
    last = journal.records[-1].at
    monkeypatch.setattr(Nodes, "engine", lambda self: writer)
    monkeypatch.setattr(writer, "run", lambda *_, **__: CommandResult((), 0, b"" if grace is None else b"35\n", b""), raising=False)
    monkeypatch.setattr(rollback.time, "time", lambda: last)
    monkeypatch.setattr(rollback.time, "sleep", slept.append)
    wait_for_commands(journal, Nodes(target, writer, "local"))
    assert slept == [waited]


def test_a_docker_that_does_not_answer_gives_no_more(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    target = FolderTarget(tmp_path)
    writer, _ = target.journal_location()

    def lost(*_: object) -> float:
        raise Unreachable("no daemon")

    monkeypatch.setattr(Nodes, "engine", lambda self: writer)
    monkeypatch.setattr(rollback, "stop_seconds", lost)
    assert rollback._stop_seconds(ContainerAction("c" * 64, "shop-web-1", "restart", "running"), Nodes(target, writer, "local")) == 0.0


@pytest.mark.parametrize(("ago", "done", "waited"), [(0.0, False, 15.0), (5.0, False, 10.0), (60.0, False, 0.0), (0.0, True, None)])
def test_a_command_whose_end_nobody_saw_is_given_its_time(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, ago: float, done: bool, waited: float | None,
) -> None:
    """Taken back while it is still at work, it would be done all the same."""
    target = FolderTarget(tmp_path)
    writer, folder = target.journal_location()
    step = UnitAction("local", "no-such-unit-here.service", "enable", "inactive", "enabled")
    journal = create_run(writer.files, folder, "20260101-000000-abcd", Record(0, 0.0, "begin", home="local"))
    journal.append(Record(0, 0.0, "round", 1))
    journal.append(Record(0, 0.0, "intent", 1, 0, step_to_json(step), "start it"))
    if done:
        journal.append(Record(0, 0.0, "done", 1, 0))
    slept: list[float] = []
    last = journal.records[-1].at
    monkeypatch.setattr(rollback.time, "time", lambda: last + ago)
    monkeypatch.setattr(rollback.time, "sleep", slept.append)
    recover(journal, Nodes(target, writer, "local"))
    assert slept[:1] == ([] if waited is None else [waited])


# A file that a run writes twice, in one round or in two: a way back that was cut off behind both goes on without a
# word of somebody else, who never was there.
LAST = NEW + b"# and more\n"


def rounds_for(site: Path, way: str) -> Sequence[Sequence[Step]]:
    """The steps of each round."""
    first, second = write_step(site / "shop", OLD, NEW), write_step(site / "shop", NEW, LAST)
    return [(first, second)] if way == "one round" else [(first,), (second,)]


@pytest.mark.parametrize("way", ["one round", "two rounds"])
@pytest.mark.parametrize("at", [1, 2, 3])
def test_an_undo_that_was_cut_off_goes_on(site: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, way: str, at: int) -> None:
    before, target = read_tree(site), FolderTarget(tmp_path / "state")
    monkeypatch.setattr(rollback, "COMMAND_SECONDS", 0.0)
    with RepairRun.open(target, cause="wrong-port", now=NOW) as run:
        for steps in rounds_for(site, way):
            run.round(make_plan(*steps))
            run.commit()
    assert (site / "shop").read_bytes() == LAST
    append, seen = Journal.append, list[str]()

    def cut_off(self: Journal, record: Record) -> Record:
        seen.append(record.phase)
        if sum(phase in ("restored", "undone") for phase in seen) == at:
            raise KilledError
        return append(self, record)

    with monkeypatch.context() as patch:
        patch.setattr(Journal, "append", cut_off)
        with pytest.raises(KilledError):
            undo(target, None)
    result = undo(target, None)
    assert result.conflicts == () and (at < 3 or "was interrupted after it had restored everything" in result.notes[0])
    assert read_tree(site) == before and history(target)[0].state == "undone"


def test_what_somebody_put_back_while_a_later_round_was_open_is_theirs(site: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The round before it is kept: its own before is no state that the second goes back to."""
    target = FolderTarget(tmp_path / "state")
    first, second = rounds_for(site, "two rounds")
    with RepairRun.open(target, cause="wrong-port", now=NOW) as run:
        run.round(make_plan(*first))
        run.commit()
        run.round(make_plan(*second))
        (site / "shop").write_bytes(OLD)
        assert "changed by somebody else" in run.roll_back().conflicts[0]
    assert (site / "shop").read_bytes() == OLD


# A disk that takes nothing in the middle of the way back: no hand edit, so the journal stays open until it does
# again.


class StuckFiles(LocalFiles):
    """This machine's files; from the rename on the disk takes nothing more."""

    def __init__(self, code: int) -> None:
        self.code, self.stuck = code, False

    def _take(self, path: str) -> None:
        if self.stuck and "/etc/" in path:
            raise OSError(self.code, os.strerror(self.code), path)

    def create(self, path: str, data: bytes, meta: FileMeta) -> None:
        self._take(path)
        super().create(path, data, meta)

    def rename(self, old: str, new: str) -> None:
        self.stuck |= "/etc/" in new
        self._take(new)
        super().rename(old, new)

    def unlink(self, path: str) -> None:
        self._take(path)
        super().unlink(path)


class FullFiles(LocalFiles):
    """This machine's files; what is written in place over what a repair wrote stops half way."""

    def overwrite(self, path: str, data: bytes) -> None:
        if "/etc/" in path and data == OLD:
            super().overwrite(path, data[:7])
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC), path)
        super().overwrite(path, data)


def open_run(target: FolderTarget) -> RepairRun:
    return RepairRun.open(target, cause="wrong-port", now=NOW)


def left_over(site: Path, state: Path, code: int) -> FolderTarget:
    """A repair that could neither go on nor tidy up."""
    target = FolderTarget(state, StuckFiles(code))
    with open_run(target) as run, pytest.raises(StepFailed) as raised:
        run.round(make_plan(write_step(site / "shop", OLD, NEW)))
    assert "not everything could be rolled back" in raised.value.hint and "the next repair or undo" in raised.value.hint
    assert len(list(site.iterdir())) == 2       # its temp file
    return target


def by_undo(target: FolderTarget) -> None:
    assert undo(target, None).conflicts == ()


def by_repair(target: FolderTarget) -> None:
    with open_run(target) as run:
        assert run.recovered is not None and run.recovered.conflicts == []


@pytest.mark.parametrize("code", [errno.EROFS, errno.ENOSPC, errno.EDQUOT, errno.EIO])
@pytest.mark.parametrize("way", [by_undo, by_repair])
def test_what_a_stuck_disk_keeps_is_taken_back_later(site: Path, tmp_path: Path, code: int, way: Callable[[FolderTarget], None]) -> None:
    before = read_tree(site)
    left_over(site, tmp_path / "state", code)
    target = FolderTarget(tmp_path / "state")
    assert history(target)[0].state == "unfinished"
    way(target)
    assert read_tree(site) == before and history(target)[0].state == "rolled-back"


def test_no_repair_begins_before_that(site: Path, tmp_path: Path) -> None:
    target = left_over(site, tmp_path / "state", errno.EROFS)
    options = RepairRequest(DiagnoseRequest(), False, True, None, None, {})
    with pytest.raises(NeedsPerson, match=r"cannot be rolled back yet: edit .*Read-only") as raised:
        _recover(target, options, Terminal())
    assert "then run fixer repair or fixer undo" in raised.value.hint and unfinished_run(target) is not None
    assert _recover(FolderTarget(tmp_path / "state"), options, Terminal())[0].endswith("was interrupted: rolled back")


class KillsAtTheSecond(LocalFiles):
    """fixer is killed before the second file lies in its place."""

    def rename(self, source: str, destination: str) -> None:
        if destination.endswith("/other"):
            raise KilledError
        super().rename(source, destination)


def test_of_a_run_that_was_cut_off_the_earlier_rounds_are_in_force_and_that_is_said(site: Path, tmp_path: Path) -> None:
    """"Rolled back" was said of the run, although what its first round had repaired stays."""
    (site / "other").write_bytes(OLD)
    with pytest.raises(KilledError), open_run(FolderTarget(tmp_path / "state", KillsAtTheSecond())) as run:
        run.round(make_plan(write_step(site / "shop", OLD, NEW)))
        run.commit()
        run.round(make_plan(write_step(site / "other", OLD, NEW)))
    target = FolderTarget(tmp_path / "state")
    (note,) = _recover(target, RepairRequest(DiagnoseRequest(), False, True, None, None, {}), Terminal())
    assert note.endswith(f"was interrupted: its last round was rolled back, fixer undo --id {run.id} undoes the others")
    assert ((site / "shop").read_bytes(), (site / "other").read_bytes()) == (NEW, OLD)


def test_what_was_torn_on_the_way_back_is_still_known(site: Path, tmp_path: Path) -> None:
    """A mount is written in place: the half of it that fitted is no hand edit."""
    target, before = FolderTarget(tmp_path / "state", FullFiles()), read_tree(site)
    with open_run(target) as run:
        run.round(make_plan(write_step(site / "shop", OLD, NEW, in_place=True)))
        assert "No space left" in run.roll_back().conflicts[0]
    assert (site / "shop").read_bytes() == OLD[:7]
    by_undo(FolderTarget(tmp_path / "state"))
    assert read_tree(site) == before


class ClosedJournal(LocalFiles):
    """This machine's files; from the word on the journal's disk takes nothing."""

    def __init__(self, word: bytes) -> None:
        self.word, self.stuck = word, False

    def _take(self, path: str) -> None:
        if self.stuck and "/state/" in path:
            raise OSError(errno.EROFS, os.strerror(errno.EROFS), path)

    def append(self, path: str, data: bytes) -> None:
        self.stuck |= self.word in data
        self._take(path)
        super().append(path, data)

    def unlink(self, path: str) -> None:
        self._take(path)
        super().unlink(path)


def test_what_the_journal_cannot_keep_is_taken_back(site: Path, tmp_path: Path) -> None:
    before, target = read_tree(site), FolderTarget(tmp_path / "state", ClosedJournal(b'"committed"'))
    with open_run(target) as run:
        run.round(make_plan(write_step(site / "shop", OLD, NEW)))
        with pytest.raises(StepFailed, match="the journal cannot be written: Read-only"):
            run.commit()
        assert run.taken_back is not None and not run.kept
    assert read_tree(site) == before and history(target)[0].state == "unfinished"
    by_repair(FolderTarget(tmp_path / "state"))
    assert read_tree(site) == before and history(target)[0].state == "rolled-back"


def test_an_image_that_cannot_be_removed_is_removed_later(site: Path, tmp_path: Path) -> None:
    """It was stored for a write whose intent the journal did not take any more."""
    before, state = read_tree(site), tmp_path / "state"
    with open_run(FolderTarget(state, ClosedJournal(b'"intent"'))) as run, pytest.raises(StepFailed, match="Read-only"):
        run.round(make_plan(write_step(site / "shop", OLD, NEW, in_place=True)))
    assert read_tree(site) == before and list(state.rglob("*.image"))
    by_undo(FolderTarget(state))
    assert read_tree(site) == before and not list(state.rglob("*.image"))


def test_nobody_is_blamed_for_what_a_disk_refuses(site: Path, tmp_path: Path) -> None:
    said = " ".join(undo_text(undo(left_over(site, tmp_path / "state", errno.EROFS), None)).split())
    assert "Not undone" in said and "Read-only file system" in said and "continues from here" in said
    assert "somebody" not in said


# An undo whose reload is refused: for what goes back, or for a file of somebody else's. A script stands for the
# master: it takes HUP as nginx does, and refuses a configuration that holds `bad`. (With a real nginx: test_machine.)
MASTER = """#!{python} -S
import os, signal, subprocess, sys
os.chdir(os.path.dirname(os.path.abspath(__file__)))
if sys.argv[1:] == ["-t"]:
    for name in ("other", "site"):
        if os.path.exists(name) and b"bad" in open(name, "rb").read():
            sys.exit('x [emerg] 1#1: unknown directive "bad" in %s/%s:1' % (os.getcwd(), name))
    if os.path.exists("nameless"):
        sys.exit('x [emerg] 1#1: host not found in upstream "api:9000" in %s/site:1' % os.getcwd())
    sys.exit(0)
def begin(*_):
    global worker
    old, worker = worker, subprocess.Popen(["sleep", "300"])
    if old is not None:
        old.kill(), old.wait()
def end(*_):
    worker.kill()
    sys.exit(0)
worker = None
begin()
signal.signal(signal.SIGHUP, begin)        # also where the tests themselves were started to ignore it
signal.signal(signal.SIGTERM, end)
print("ready", flush=True)
while True:
    signal.pause()
"""


@dataclass(frozen=True)
class Place:
    """The folder of a site, and the reload of its master."""

    folder: Path
    reload: ReloadNginx
    target: FolderTarget

    def kept(self, before: bytes) -> str:
        """A repair that was kept."""
        with RepairRun.open(self.target, cause="wrong-port", now=NOW) as run:
            run.round(make_plan(write_step(self.folder / "site", before, b"new\n"), self.reload))
            run.commit()
            assert run.id is not None
            return run.id


@pytest.fixture
def place(tmp_path: Path) -> Iterator[Place]:
    binary, log = tmp_path / f"master{time.monotonic_ns() % 10**6}", tmp_path / "error.log"
    binary.write_text(MASTER.format(python=sys.executable))
    binary.chmod(0o755)
    log.touch()
    with subprocess.Popen([binary], stdout=subprocess.PIPE) as master:
        try:
            assert master.stdout is not None and master.stdout.readline() == b"ready\n"
            reload = ReloadNginx("local", master.pid, str(binary), "/c", "/", str(log))
            yield Place(tmp_path, reload, FolderTarget(tmp_path / "state"))
        finally:
            master.terminate()


@pytest.mark.parametrize("link", [False, True])
def test_what_goes_back_was_refused_itself(place: Place, link: bool) -> None:
    """nginx names the link, the step what it leads to."""
    (place.folder / "site").write_bytes(b"bad\n")
    place.kept(b"bad\n")
    if link:
        (place.folder / "other").symlink_to("site")
    result = undo(place.target, None)
    assert result.conflicts == () and "because it refuses the earlier configuration" in result.notes[0]
    assert (place.folder / "site").read_bytes() == b"bad\n" and history(place.target)[0].state == "undone"


def test_somebody_elses_file_is_no_part_of_what_goes_back(place: Place) -> None:
    """What was put back is told; the reload is a conflict until that file is mended and the undo tried again."""
    (place.folder / "site").write_bytes(b"old\n")
    run = place.kept(b"old\n")
    (place.folder / "other").write_bytes(b"bad\n")
    for _ in range(2):
        result = undo(place.target, run)
        assert len(result.conflicts) == 1 and 'unknown directive "bad"' in result.conflicts[0] and result.notes == ()
        assert history(place.target)[0].state == "undone-with-conflicts"
    (place.folder / "other").unlink()
    assert undo(place.target, run).conflicts == () and history(place.target)[0].state == "undone"
    assert (place.folder / "site").read_bytes() == b"old\n"


def test_a_plain_undo_tries_a_reload_again_that_failed(place: Place) -> None:
    """A master that was stopped took no signal; it was said for ever that nothing could be undone any more."""
    (place.folder / "site").write_bytes(b"old\n")
    run = place.kept(b"old\n")
    (place.folder / "other").write_bytes(b"bad\n")
    for _ in range(2):
        assert [undo(place.target, None).id] == [run]
        (note,) = incomplete_run_notes(place.target, history(place.target))
        assert note.startswith(f"run {run}: reload nginx") and note.endswith(f"; fixer undo --id {run} tries again")
    (place.folder / "other").unlink()
    result = undo(place.target, None)
    assert (result.id, result.conflicts, len(result.restored)) == (run, (), 1)
    assert history(place.target)[0].state == "undone" and incomplete_run_notes(place.target, history(place.target)) == ()
    assert undo(place.target, None).id is None


def test_a_file_that_somebody_breaks_while_ours_go_back_is_no_part_of_it(place: Place, monkeypatch: pytest.MonkeyPatch) -> None:
    (place.folder / "site").write_bytes(b"old\n")
    run, restore = place.kept(b"old\n"), FileRestore.run

    def broken_meanwhile(self: FileRestore) -> bool:
        (place.folder / "other").write_bytes(b"bad\n")
        return restore(self)

    with monkeypatch.context() as patch:
        patch.setattr(FileRestore, "run", broken_meanwhile)
        result = undo(place.target, run)
    assert len(result.conflicts) == 1 and 'unknown directive "bad"' in result.conflicts[0] and result.notes == ()
    (place.folder / "other").unlink()
    assert undo(place.target, run).conflicts == () and history(place.target)[0].state == "undone"


def test_of_two_rounds_the_later_one_may_bring_a_refused_file_back(place: Place) -> None:
    """The earlier one's reload has the same to say, and nobody else has done anything."""
    (place.folder / "site").write_bytes(b"bad\n")
    (place.folder / "third").write_bytes(b"old\n")
    with RepairRun.open(place.target, cause="wrong-port", now=NOW) as run:
        (place.folder / "site").write_bytes(b"fair\n")
        run.round(make_plan(write_step(place.folder / "third", b"old\n", b"new\n"), place.reload))
        run.commit()
        (place.folder / "site").write_bytes(b"bad\n")
        run.round(make_plan(write_step(place.folder / "site", b"bad\n", b"good\n"), place.reload))
        run.commit()
    first = undo(place.target, None)
    assert first.conflicts == () and len(first.notes) == 1 and "because it refuses the earlier configuration" in first.notes[0]
    assert (place.folder / "site").read_bytes() == b"bad\n" and (place.folder / "third").read_bytes() == b"old\n"
    assert history(place.target)[0].state == "undone"


def test_a_file_that_was_refused_long_before_is_what_goes_back(place: Place, monkeypatch: pytest.MonkeyPatch) -> None:
    """What goes back brings a file in that nobody could load."""
    (place.folder / "site").write_bytes(b"bad\n")
    (place.folder / "other").write_bytes(b"\n")
    place.kept(b"bad\n")
    monkeypatch.setattr("fixer.apply.rollback.age_of_refused_file", lambda *_: 3600.0)
    result = undo(place.target, None)
    assert result.conflicts == () and "because it refuses the earlier configuration" in result.notes[0]


def test_where_the_files_are_somebody_elses_by_now_nginx_is_not_asked_first(place: Place) -> None:
    (place.folder / "site").write_bytes(b"old\n")
    place.kept(b"old\n")
    (place.folder / "site").write_bytes(b"by hand\n")
    result = undo(place.target, None)
    assert len(result.conflicts) == 1 and "site" in result.conflicts[0] and (place.folder / "site").read_bytes() == b"by hand\n"


def test_a_master_that_cannot_be_asked_is_told_by_the_way_back(place: Place) -> None:
    (place.folder / "site").write_bytes(b"old\n")
    place.kept(b"old\n")
    Path(place.reload.binary).unlink()
    result = undo(place.target, None)
    assert (place.folder / "site").read_bytes() == b"old\n" and (result.conflicts or result.notes)


@pytest.mark.parametrize("cut_off", [True, False])
def test_a_name_that_went_with_its_network_is_ours(place: Place, monkeypatch: pytest.MonkeyPatch, cut_off: bool) -> None:
    """The undo has taken the container off nginx's network, and was cut off before it could say so."""
    connect = NetworkAction("f" * 64, "shop-api-1", "front", "connect", ())
    monkeypatch.setattr("fixer.apply.steps.container_step.change_network", lambda *_: (place.folder / "nameless").unlink(missing_ok=True))
    monkeypatch.setattr("fixer.apply.steps.container_step.undo_network", lambda *_: disconnected(place, cut_off))
    monkeypatch.setattr(Nodes, "engine", lambda _: None)
    monkeypatch.setattr(rollback, "COMMAND_SECONDS", 0.0)
    (place.folder / "nameless").touch()
    with RepairRun.open(place.target, cause="network-detached", now=NOW) as run:
        run.round(make_plan(connect, place.reload))
        run.commit()
    if cut_off:
        with pytest.raises(KilledError):
            undo(place.target, None)
    result = undo(place.target, None)
    assert result.conflicts == () and "host not found" in result.notes[0]
    assert history(place.target)[0].state == "undone" and (place.folder / "nameless").exists()


def disconnected(place: Place, cut_off: bool) -> str:
    known = (place.folder / "nameless").exists()
    (place.folder / "nameless").touch()
    if cut_off and not known:
        raise KilledError
    return "" if known else "disconnected container shop-api-1 and network front"


# A way back that failed in part and is tried again: all of it is, and what it then brings back is no conflict any
# more.
RESTART = UnitAction("local", "shop.service", "restart", "active", "enabled")
UPDATE = ProgramAction("local", "shop", "shop", "update", "/etc/supervisord.conf", "STOPPED")


class SecondUndoFullFiles(LocalFiles):
    """This machine's files; its disk is full when the test says so."""

    full = False

    def create(self, path: str, data: bytes, meta: FileMeta) -> None:
        if self.full and "/etc/" in path:
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC), path)
        super().create(path, data, meta)


class Managed(FolderTarget):
    """A machine whose managers do all that they are told, but for one word while `fails` holds it."""

    def __init__(self, state: Path, files: SecondUndoFullFiles | None = None, fails: str = "") -> None:
        super().__init__(state, files)
        self.fails, self.told = fails, list[str]()
        self.journal_location()[0].run = self._run  # type: ignore[method-assign]

    def _run(self, argv: Sequence[str], *, stdin: bytes = b"", timeout: float = 30.0) -> CommandResult:
        words = {"show": b"ActiveState=active\n", "status": b"shop RUNNING pid 7\n"}
        verb = next((word for word in argv[1:] if word.isalpha()), "")
        self.told.append(verb)
        return CommandResult(tuple(argv), int(verb == self.fails), words.get(verb, b""), b"not now" if verb == self.fails else b"")


@contextlib.contextmanager
def repaired(target: FolderTarget, *steps: Step) -> Iterator[RepairRun]:
    with RepairRun.open(target, cause="wrong-port", now=NOW) as run:
        run.round(make_plan(*steps))
        yield run


def second_undo_by_repair(target: FolderTarget) -> None:
    with RepairRun.open(target, cause="wrong-port", now=NOW) as run:
        assert run.recovered is not None and run.recovered.conflicts == []


@pytest.mark.parametrize("way", [by_undo, second_undo_by_repair])
def test_what_failed_only_for_now_is_not_told_for_ever(site: Path, tmp_path: Path, way: Callable[[FolderTarget], None]) -> None:
    """A service could not be restarted while its file was not back; the next attempt brings both."""
    before, files = read_tree(site), SecondUndoFullFiles()
    target = Managed(tmp_path / "state", files)
    with repaired(target, write_step(site / "shop", OLD, NEW), RESTART) as run:
        files.full, target.fails = True, "restart"
        assert len(run.roll_back().conflicts) == 2
    target = Managed(tmp_path / "state")
    assert len(history(target)[0].conflicts) == 1 and history(target)[0].state == "unfinished"
    way(target)
    assert read_tree(site) == before and "restart" in target.told and history(target)[0].state == "rolled-back"
    assert history(target)[0].conflicts == () and "not all of it" not in undo(target, None).notes[0]


@pytest.mark.parametrize("fails", ["update", "stop"])
def test_half_of_a_way_back_is_not_the_whole(site: Path, tmp_path: Path, fails: str) -> None:
    """A program was stopped again, but its manager did not read its files, or the other way round."""
    target = Managed(tmp_path / "state")
    with repaired(target, write_step(site / "shop", OLD, NEW), UPDATE) as run:
        run.commit()
    target.fails = fails
    assert undo(target, None).conflicts != () and history(target)[0].state == "undone-with-conflicts"
    target = Managed(tmp_path / "state")
    assert undo(target, run.id).conflicts == ()
    assert fails in target.told and history(target)[0].state == "undone"


@pytest.mark.parametrize("step", [
    RESTART, ProgramAction("local", "shop", "shop", "restart", "/etc/supervisord.conf", "RUNNING"),
])
def test_a_restart_without_a_file_is_not_repeated_on_the_way_back(tmp_path: Path, step: Step) -> None:
    """It was named as irreversible: one more would only interrupt the service."""
    target = Managed(tmp_path / "state")
    with repaired(target, step) as run:
        run.commit()
    target.told.clear()
    result = undo(target, run.id)
    assert "restart" not in target.told and result.conflicts == () and result.restored == () and len(result.irreversible) == 1
    assert history(target)[0].state == "undone"


def test_what_was_restarted_for_a_started_dependency_is_restarted_without_it(tmp_path: Path) -> None:
    """Caught in one of its tries, a service that cannot start is called running: left alone, it would go on serving."""
    target = Managed(tmp_path / "state")
    with repaired(target, UnitAction("local", "database.service", "start", "inactive", "disabled"), RESTART) as run:
        run.commit()
    target.told.clear()
    result = undo(target, run.id)
    assert [word for word in target.told if word in ("stop", "restart")] == ["stop", "restart"]
    assert result.conflicts == () and result.irreversible == () and len(result.restored) == 2
    assert history(target)[0].state == "undone"


def test_the_pause_before_a_unit_s_next_try_is_not_brought_back(tmp_path: Path) -> None:
    """The undo starts it again at once, and what ended it may be over: that is said."""
    target = Managed(tmp_path / "state")
    with repaired(target, replace(RESTART, verb="start", was_active="activating")) as run:
        run.commit()
    result = undo(target, run.id)
    assert len(result.irreversible) == 1 and result.restored == ("shop.service tries to start again, as before",)
