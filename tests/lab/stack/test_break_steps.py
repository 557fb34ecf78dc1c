"""Steps of a break on the files of a lab's folder, in order, where they apply."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from lab.errors import ScenarioError
from lab.scenario import catalog
from lab.scenario.scenario_file import Variant
from lab.stack import break_steps
from lab.stack.break_steps import break_lab, read_file, repair_by_hand, run_again_steps
from lab.stack.lab_records import LabRecord
from lab.stack.running_lab import Lab
from lab.web_socket import SocketEnd


@pytest.fixture
def lab(record: LabRecord, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Lab:
    monkeypatch.setenv("BADGATEWAY_LAB_STATE", str(tmp_path / "state"))
    made = Lab(replace(record, stack="containers", parameters={**record.parameters, "port": 8000, "tls": True, "colour": "red"}))
    made.folder.mkdir(parents=True)
    (made.folder / "app.conf").write_text("listen 8000;\nlisten 8000;\n")
    return made


def variant(**steps: Any) -> Variant:
    return replace(catalog.scenario_named("wrong-port").variant("wrong-port"), **{"breaks": (), **steps})


def text(lab: Lab) -> str:
    return read_file(lab, "app.conf").decode()


def test_an_edit_changes_the_first_place_alone(lab: Lab) -> None:
    break_lab(lab, variant(breaks=({"edit": "app.conf", "old": "{{port}}", "new": "9000"},)))
    assert text(lab) == "listen 9000;\nlisten 8000;\n"


def test_an_edit_of_what_does_not_stand_there_names_it(lab: Lab) -> None:
    with pytest.raises(ScenarioError, match=r"edit app\.conf: 'gone' is not in the file"):
        break_lab(lab, variant(breaks=({"edit": "app.conf", "old": "gone", "new": "x"},)))
    assert text(lab) == "listen 8000;\nlisten 8000;\n"


def test_files_are_written_linked_and_removed_in_order(lab: Lab) -> None:
    break_lab(lab, variant(breaks=(
        {"write": "more/secret.env", "text": "PORT={{port}}\n", "mode": "600"}, {"link": "current", "to": "more"},
        {"remove": "app.conf"}, {"remove": "never-there"})))
    assert (lab.folder / "current" / "secret.env").read_text() == "PORT=8000\n"
    assert (lab.folder / "more" / "secret.env").stat().st_mode & 0o777 == 0o600
    assert not (lab.folder / "app.conf").exists()


@pytest.mark.parametrize(("when", "runs"), [
    ("colour=red", True), ("colour=blue", False), ("colour=blue|red", True), ("tls=true", True), ("tls=false", False),
    ("port=8000", True), ("", True),
])
def test_a_step_runs_where_what_was_drawn_fits(lab: Lab, when: str, runs: bool) -> None:
    break_lab(lab, variant(breaks=({"remove": "app.conf", "when": when},)))
    assert (lab.folder / "app.conf").exists() is not runs


@pytest.mark.parametrize(("step", "said"), [
    ({"fly": "home"}, r"breaks\[0\]: unknown step"), ({"remove": "app.conf", "when": "size=1"}, "no parameter is called 'size'"),
])
def test_a_step_that_is_none_is_told_with_its_place(lab: Lab, step: dict[str, str], said: str) -> None:
    with pytest.raises(ScenarioError, match=said):
        break_lab(lab, variant(breaks=(step,)))


def test_steps_of_the_other_stack_and_of_other_moments_are_left_out(lab: Lab) -> None:
    made = variant(breaks=({"remove": "app.conf", "stacks": ["host"]},), by_hand=({"write": "a", "text": "hand"},),
                   again=({"write": "b", "text": "again"},))
    break_lab(lab, made)
    assert sorted(path.name for path in lab.folder.iterdir()) == ["app.conf"]
    repair_by_hand(lab, made)
    assert sorted(path.name for path in lab.folder.iterdir()) == ["a", "app.conf"]
    run_again_steps(lab, made)
    assert (lab.folder / "b").read_text() == "again"


@pytest.mark.parametrize(("step", "said"), [
    ({"write": "../pwned", "text": "x"}, r"breaks\[0\]\.write: .* leaves the lab's folder"),
    ({"remove": "../victim"}, r"breaks\[0\]\.remove"), ({"link": "../pwned", "to": "/etc"}, r"breaks\[0\]\.link"),
    ({"link": "more", "to": "/etc"}, r"breaks\[0\]\.to: '/etc' leads out"), ({"docker": ["run", "-v", "/:/h", "x"]}, r"\.docker: -v"),
])
def test_a_step_that_leaves_the_folder_is_refused(lab: Lab, step: dict[str, Any], said: str) -> None:
    victim = lab.folder.parent / "victim"
    victim.write_text("kept")
    before = sorted(lab.folder.parent.iterdir())
    with pytest.raises(ScenarioError, match=said):
        break_lab(lab, variant(breaks=(step,)))
    assert sorted(lab.folder.parent.iterdir()) == before and victim.read_text() == "kept"


def test_a_link_that_a_container_made_is_not_followed(lab: Lab) -> None:
    (lab.folder / "out").symlink_to(lab.folder.parent)
    for step in ({"write": "out/pwned", "text": "x"}, {"remove": "out/victim"}, {"edit": "out/victim", "old": "a", "new": "b"}):
        with pytest.raises(ScenarioError, match="follows none"):
            break_lab(lab, variant(breaks=(step,)))


@pytest.mark.parametrize(("answers", "closed", "said"), [
    ([101], True, ""), ([404], True, "a socket at /board got 101, and was closed"),
    ([101], False, r"a socket at /board got 101, and was not closed within 3 s"),
])
def test_sockets_must_end_as_the_step_says(
    lab: Lab, monkeypatch: pytest.MonkeyPatch, answers: list[int], closed: bool, said: str,
) -> None:
    asked = []

    def end(url: str, path: str, *, host: str, patience: float) -> SocketEnd:
        asked.append((path, patience))
        return SocketEnd(101, closed=closed)

    monkeypatch.setattr(break_steps, "hold_socket", end)
    monkeypatch.setattr(Lab, "url", "http://127.0.0.1:1")      # no engine is asked for its port
    step = {"sockets": 2, "path": "/board", "answers": answers, "within": 3}
    if said:
        with pytest.raises(ScenarioError, match=said):
            break_lab(lab, variant(breaks=(step,)))
    else:
        break_lab(lab, variant(breaks=(step,)))
    assert asked == [("/board", 3.0)] * 2
