"""The comparison with what is frozen: it can fail, and a number of an input depends on values alone."""

from __future__ import annotations

import json
from dataclasses import dataclass, make_dataclass
from pathlib import Path

import pytest

from fixer.diagnose.run_causes import diagnose
from fixer.model.facts import Known, Unknown
from fixer.observe.evidence_bundle import unpack_bundle
from tests.causes.snapshot_builders import Scene, healthy_scene, wrong_port_scene
from tests.frozen import captures, comparing, recorder, same
from tests.frozen.answers import answer_of
from tests.frozen.recorder import FOLDER, recorded
from tests.frozen.values import number_of
from tests.observe.capture_builders import DATA


def answer(scene: Scene) -> str:
    seen = scene.snapshot()
    return json.dumps(answer_of(seen, diagnose(seen)), sort_keys=True)


def test_an_altered_record_is_reported(tmp_path: Path) -> None:
    path = tmp_path / "a.jsonl.xz"
    comparing.write(path, {"causes/1": answer(wrong_port_scene()), "causes/2": answer(healthy_scene()), "causes/3": "{}"})
    frozen = comparing.read(path)
    present = {"causes/1": answer(wrong_port_scene(9000)), "causes/2": answer(healthy_scene()), "causes/4": "{}"}
    found = comparing.compare(frozen, present)
    assert (found.compared, found.differ, found.new, found.missing, found.rekeyed) == (
        2, ("causes/1",), ("causes/4",), ("causes/3",), 1)
    assert not found.is_same and comparing.compare(frozen, frozen).is_same
    told = "\n".join(comparing.shown(found, frozen, present, {"causes/1": "test_x"}, full=True))
    assert "causes/1  (test_x)" in told and "-" in told and "9000" in told and "missing: causes/3" in told
    assert list(found.listed()) == ["differs causes/1", "new causes/4", "missing causes/3"]


@pytest.mark.slow
def test_the_command_fails_where_a_frozen_answer_is_another(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str],
) -> None:
    for key in ("backend-down~stopped~host~1", "backend-down~stopped~host~2"):
        (tmp_path / f"{key}.broken.tgz").write_bytes((DATA / "machine.tgz").read_bytes())
    (tmp_path / "backend-down~stopped~host~1.json").write_text("{}")       # the other one is not at its end
    monkeypatch.setattr(captures, "ARCHIVE", tmp_path / "captures.tar.xz")
    monkeypatch.setattr(same, "HERE", tmp_path)
    assert same.main(["--pack", str(tmp_path), "--refuse", "nginx"]) == 1 and not captures.ARCHIVE.exists()
    assert same.main(["--pack", str(tmp_path)]) == 0
    assert same.main(["--captures", "--freeze"]) == 0
    assert same.main(["--captures"]) == 0
    path = tmp_path / "captures.jsonl.xz"
    ((key, told),) = comparing.read(path).items()
    comparing.write(path, {key: told.replace('"verdict":"', '"verdict":"not ', 1)})
    capsys.readouterr()
    assert same.main(["--captures"]) == 1
    said = capsys.readouterr().out
    assert "1 compared, 1 differ" in said and f"{key}\n" in said and '"not ' in said
    assert key.startswith("captures/backend-down/stopped/host/1/broken@")
    assert same.main(["--only", "captures/other/*"]) == 0


def test_a_capture_comes_back_as_it_was_and_a_word_is_refused(tmp_path: Path) -> None:
    bundle = (DATA / "machine.tgz").read_bytes()
    (tmp_path / "a~b~host~1.repaired.tgz").write_bytes(bundle)
    (tmp_path / "a~b~host~1.json").write_text("{}")
    captures.pack(tmp_path, ["no such word in it"], tmp_path / "x")
    ((_, again),) = captures.unpacked(tmp_path / "x")
    assert unpack_bundle(again) == unpack_bundle(bundle)
    with pytest.raises(captures.Refused, match=r"a~b~host~1\.repaired\.tgz: NGINX in "):
        captures.pack(tmp_path, ["NGINX"], tmp_path / "y")
    (tmp_path / "a~b~host~1.broken.tgz").write_bytes(b"torn")
    with pytest.raises(captures.Refused, match=r"a~b~host~1\.broken\.tgz: the file is not a bundle"):
        captures.pack(tmp_path, [], tmp_path / "y")
    assert not (tmp_path / "y").exists()


def test_a_recorded_diagnosis_is_the_same_and_written_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(FOLDER, str(tmp_path))
    monkeypatch.setattr(recorder, "_test", ["test_it"])
    scene = wrong_port_scene(9123)
    assert recorded(scene.snapshot()) == diagnose(scene.snapshot())
    recorded(wrong_port_scene(9123).snapshot())
    answers, names = same.gathered(tmp_path)
    assert list(map(json.loads, answers.values())) == [json.loads(answer(scene))] and len(names) == 1
    (path,) = tmp_path.iterdir()
    line = json.loads(path.read_text())
    path.write_text(json.dumps(line) + "\n" + json.dumps([line[0], "test_other", "{}"]) + "\n")
    with pytest.raises(same.ReplayFailed, match="test_other"):
        same.gathered(tmp_path)


def test_of_tests_whose_diagnoses_are_not_frozen_nothing_is_written(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """So all tests can run under the recorder."""
    monkeypatch.setenv(FOLDER, str(tmp_path))
    monkeypatch.setattr(recorder, "_test", [""])
    assert recorded(wrong_port_scene(9124).snapshot()) == diagnose(wrong_port_scene(9124).snapshot())
    assert not list(tmp_path.iterdir())
    assert recorder.is_source("tests/causes/test_x.py::test_y") and recorder.is_source("tests/test_planner.py::test_y")
    assert not recorder.is_source("tests/causes_of/test_x.py::test_y") and not recorder.is_source("tests/app/test_x.py::test_y")


def test_what_a_run_of_the_tests_has_recorded_is_compared(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.setattr(same, "HERE", tmp_path)
    comparing.write(tmp_path / "causes.jsonl.xz", {"causes/1": answer(wrong_port_scene())})
    records = tmp_path / "records"
    records.mkdir()
    (records / "7").write_text(json.dumps(["1", "test_x", answer(wrong_port_scene())]) + "\n")
    assert same.main(["--recorded", str(records)]) == 0
    (records / "8").write_text(json.dumps(["2", "test_y", answer(wrong_port_scene(9000))]) + "\n")
    assert same.main(["--recorded", str(records)]) == 1
    assert "causes/2" in capsys.readouterr().out


def test_a_number_depends_on_values_alone() -> None:
    one = make_dataclass("One", [("a", int), ("b", str, "x")], frozen=True)
    two = make_dataclass("Two", [("first", int), ("second", str, "x"), ("third", bool, False)], frozen=True)
    assert number_of(one(1)) == number_of(two(1)) == number_of(one(1, "x"))
    assert len({number_of(made) for made in (one(1), one(2), one(1, "y"), two(1, "x", True))}) == 4
    assert number_of({"a": 1, "b": 2}) == number_of({"b": 2, "a": 1})
    assert number_of(frozenset("abc")) == number_of(frozenset("cba"))


def test_what_is_not_alike_has_another_number() -> None:
    unlike: list[object] = [None, "", b"", (), frozenset(), {}, 0, False, "1", 1, b"1", ("1",), Known("1"), Unknown("1"), ("a", "b"), ("ab",)]
    assert len({number_of(made) for made in unlike}) == len(unlike)
    assert number_of(("a", ("b",))) != number_of((("a",), "b"))

    @dataclass(frozen=True)
    class Odd:
        held: object

    with pytest.raises(TypeError):
        number_of(Odd(object()))
