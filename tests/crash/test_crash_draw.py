"""The draw of the crashes on real places: within its time, the same from the same word, and each in its turn."""

from __future__ import annotations

import os
import re
from dataclasses import dataclass
from pathlib import Path

import pytest

from fixer.hosts.machine import run_process
from fixer.hosts.nodes import container_node
from fixer.hosts.nodes.container_node import ContainerWriter
from fixer.hosts.nodes.local_node import LocalWriter
from fixer.hosts.sh.sh_files import ShFiles
from fixer.hosts.ssh import SshWriter
from fixer.model.plan import FileMeta
from tests.crash import crash_draw, killed_fixer
from tests.crash.killed_fixer import distinct_points
from tests.hosts.machine.test_run_process import wait_until

WRITERS = (LocalWriter, ContainerWriter, SshWriter)


@dataclass(frozen=True)
class Named:
    """What the draw looks at of a test."""

    name: str

    @property
    def nodeid(self) -> str:
        return self.name


POOL = [Named(f"{kind}[{number}]") for kind in crash_draw.COSTS for number in range(5)]


def names(monkeypatch: pytest.MonkeyPatch, word: str) -> list[str]:
    monkeypatch.setattr(crash_draw, "DRAW_KEY", word)
    return [item.name for item in crash_draw.draw_tests(POOL)]   # type: ignore[arg-type]


def test_what_is_drawn_fits_and_is_the_same_from_the_same_word(monkeypatch: pytest.MonkeyPatch) -> None:
    drawn = names(monkeypatch, "a")
    assert drawn == names(monkeypatch, "a") != names(monkeypatch, "b")
    assert len(drawn) >= 2 and sum(crash_draw.COSTS[name.partition("[")[0]] for name in drawn) <= crash_draw.SECONDS
    kinds = [name.partition("[")[0] for name in drawn]
    assert len(set(kinds)) == len(kinds)       # one of each kind before a second of any


def test_every_test_has_its_turn(monkeypatch: pytest.MonkeyPatch) -> None:
    drawn = {name for word in range(400) for name in names(monkeypatch, str(word))}
    assert drawn == {item.name for item in POOL}


def test_of_first_crashes_a_share_is_drawn_and_at_night_all(monkeypatch: pytest.MonkeyPatch) -> None:
    for share in (1, 3):
        monkeypatch.setattr(crash_draw, "SHARE", share)
        drawn = {word: list(crash_draw.draw_share(range(90), str(word))) for word in range(40)}
        assert {len(found) for found in drawn.values()} == {90 // share}
        assert {number for found in drawn.values() for number in found} == set(range(90))


def test_by_day_so_many_are_drawn_in_their_order_and_at_night_all(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(crash_draw, "ALL", False)
    monkeypatch.setattr(crash_draw, "NIGHTLY", False)
    drawn = [crash_draw.draw_by_day("abcdef", str(word), 2) for word in range(60)]
    assert all(len(found) == 2 and found == sorted(found) for found in drawn) and {letter for found in drawn for letter in found} == {*"abcdef"}
    monkeypatch.setattr(crash_draw, "NIGHTLY", True)
    assert crash_draw.draw_by_day("abcdef", "x", 2) == [*"abcdef"]


def test_points_are_a_few_unless_all_are_asked_for(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(crash_draw, "ALL", False)
    assert len(crash_draw.draw_point_numbers(40, "x")) == crash_draw.POINTS == len(set(crash_draw.draw_point_numbers(40, "x")))
    assert crash_draw.draw_point_numbers(1, "x") == [0] and crash_draw.draw_point_numbers(0, "x") == []
    monkeypatch.setattr(crash_draw, "ALL", True)
    assert crash_draw.draw_point_numbers(4, "x") == [0, 1, 2, 3]
    monkeypatch.setattr(crash_draw, "STEP", 5)
    assert crash_draw.draw_point_numbers(11, "x") == [2, 7] and crash_draw.draw_point_numbers(2, "x") == [1] and crash_draw.draw_point_numbers(0, "x") == []


def test_of_points_that_leave_the_same_the_first_is_tried() -> None:
    look, changes = "command stat -c %u /proc/1", "command systemctl start x"
    points = ["file create", "record begin", "file append", "record intent", look, look, changes, look, "file append", "record done", "shell add", "record"]
    assert [points[number] for number in distinct_points(points)] == [
        "file create", "record begin", "record intent", changes, look, "record done", "shell add", "record"]
    # behind a change a look is told apart: then the change is over, and no record says so yet


def test_each_change_of_a_file_through_a_shell_is_a_point(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """As ShFiles sends them: a kill that strikes nowhere proves nothing."""
    for name in ("_call", "_exchange"):
        monkeypatch.setattr(ShFiles, name, getattr(ShFiles, name))
    points, files, me = killed_fixer.Points("never", str(tmp_path)), ShFiles(tuple), FileMeta(0o600, os.getuid(), os.getgid())
    killed_fixer.add_shell_points(points)
    root = str(tmp_path)
    files.state(root)      # the first call starts the shell
    for change in (
        lambda: files.create(f"{root}/a", b"x", me), lambda: files.append(f"{root}/b", b"y"), lambda: files.rename(f"{root}/a", f"{root}/c"),
        lambda: files.overwrite(f"{root}/b", b"z"), lambda: files.symlink("b", f"{root}/l"), lambda: files.unlink(f"{root}/l"),
        lambda: files.mkdir(f"{root}/d", 0o700), lambda: files.rmdir(f"{root}/d"), lambda: files.set_meta(f"{root}/b", me),
        lambda: files.copy_attributes(f"{root}/b", f"{root}/c"),
    ):
        change()
        files.read(f"{root}/b") if (tmp_path / "b").exists() else None
    assert (tmp_path / "points").read_text().split() == [word for name in killed_fixer.SHELL_FUNCTIONS for word in ("shell", name)]


def test_each_command_in_a_container_is_a_point_while_it_runs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The shell that waits for commands is none; a command that was sent has begun before the kill."""
    for owner, name in ((run_process, "_start"), (run_process.RoundProcess, "ask"), *((kind, "run") for kind in WRITERS)):
        monkeypatch.setattr(owner, name, getattr(owner, name))
    monkeypatch.setattr(container_node, "docker_exec_prefix", lambda container: ("env",))
    begun: list[bool] = []

    def disturb() -> None:
        begun.append(wait_until((tmp_path / f"begun{len(begun)}").exists))

    monkeypatch.setattr(killed_fixer, "kill_or_disturb", disturb)
    killed_fixer.add_command_points(killed_fixer.Points("command", str(tmp_path)))
    writer = ContainerWriter("web", {"Name": "/web"})
    words = [("sh", "-c", f": >{tmp_path}/begun{number}; printf {number}") for number in range(2)]
    assert [writer.run(each).stdout for each in (*words, *words)] == [b"0", b"1", b"0", b"1"]
    writer.close()
    assert begun == [True, True]
    assert (tmp_path / "points").read_text().splitlines() == [f"command {' '.join(each)[:120]}" for each in words]


def test_each_test_on_a_real_place_says_what_it_costs() -> None:
    files = [path for path in Path(__file__).parent.glob("test_*.py") if "pytestmark = [pytest.mark.docker" in path.read_text() and path.name != Path(__file__).name]
    assert {name for path in files for name in re.findall(r"^def (test_\w+)", path.read_text(), re.MULTILINE)} == set(crash_draw.COSTS)
