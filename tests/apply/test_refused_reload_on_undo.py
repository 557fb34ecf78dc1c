"""An undo whose reload is refused: for what goes back, or for a file of somebody else's. A script stands for the
master: it takes HUP as nginx does, and refuses a configuration that holds `bad`. (With a real nginx: test_machine.)
"""

from __future__ import annotations

import subprocess
import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from fixer.apply import rollback
from fixer.apply.file_change import FileRestore
from fixer.apply.repair_run import RepairRun, history, undo
from fixer.apply.steps.node_access import Nodes
from fixer.model.plan import NetworkAction, ReloadNginx
from tests.apply.folder_target import NOW, FolderTarget, KilledError, make_plan, write_step

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
    assert result.conflicts == () and "the earlier configuration is itself refused" in result.notes[0]
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
    assert first.conflicts == () and len(first.notes) == 1 and "the earlier configuration is itself refused" in first.notes[0]
    assert (place.folder / "site").read_bytes() == b"bad\n" and (place.folder / "third").read_bytes() == b"old\n"
    assert history(place.target)[0].state == "undone"


def test_a_file_that_was_refused_long_before_is_what_goes_back(place: Place, monkeypatch: pytest.MonkeyPatch) -> None:
    """What goes back brings a file in that nobody could load."""
    (place.folder / "site").write_bytes(b"bad\n")
    (place.folder / "other").write_bytes(b"\n")
    place.kept(b"bad\n")
    monkeypatch.setattr("fixer.apply.rollback.age_of_refused_file", lambda *_: 3600.0)
    result = undo(place.target, None)
    assert result.conflicts == () and "the earlier configuration is itself refused" in result.notes[0]


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
    return "" if known else "disconnected container shop-api-1, network front"
