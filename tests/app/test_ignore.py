"""`fixer ignore`: a list on disk, strict words, and its effect on a replayed capture."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from jsonschema import Draft202012Validator

from fixer.render.json_schema import command_schemas
from fixer.start import main

BROKEN = f"bundle:{Path(__file__).parent.parent / 'observe/data/machine.tgz'}"
SOON = (datetime.now(UTC).date() + timedelta(days=9)).isoformat()


@pytest.fixture(autouse=True)
def state(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("BADGATEWAY_STATE", str(tmp_path / "state"))
    return tmp_path / "state"


def run(capsys: pytest.CaptureFixture[str], *words: str) -> tuple[int, str, str]:
    code = main(list(words))
    said = capsys.readouterr()
    return code, said.out, said.err


def document(capsys: pytest.CaptureFixture[str], *words: str) -> dict[str, object]:
    code, out, _ = run(capsys, "ignore", *words, "--json")
    value: dict[str, object] = json.loads(out)
    Draft202012Validator(command_schemas()["ignore"]).validate(value)
    assert code == 0
    return value


def test_accepted_listed_withdrawn(capsys: pytest.CaptureFixture[str], state: Path) -> None:
    assert document(capsys)["accepted"] == []
    made = document(capsys, "wrong-port", "--where", "/api", "--because", "moves on Friday", "--until", SOON)
    entry, = made["accepted"]  # type: ignore[misc]
    assert (entry["cause"], entry["where"], entry["until"]) == ("wrong-port", "/api", SOON) and entry["owner"]
    code, out, _ = run(capsys, "ignore")
    assert code == 0 and "wrong-port at /api" in out and "moves on Friday" in out
    path, = state.rglob("accepted.json")
    assert path.stat().st_mode & 0o777 == 0o600
    assert document(capsys, "--forget", entry["id"])["accepted"] == []


def test_the_same_place_again_replaces(capsys: pytest.CaptureFixture[str]) -> None:
    for reason in ("one", "two"):
        made = document(capsys, "backend-down", "--because", reason, "--until", SOON)
    assert [entry["because"] for entry in made["accepted"]] == ["two"]  # type: ignore[attr-defined]


@pytest.mark.parametrize(("words", "said"), [
    (("wrongport", "--because", "x", "--until", SOON), "did you mean wrong-port"),
    (("wrong-prot",), "did you mean wrong-port"),      # before what else is missing
    (("wrong-port", "--until", SOON), "needs a reason"),
    (("wrong-port", "--because", "x"), "needs a last day"),
    (("wrong-port", "--because", "x", "--until", "friday"), "YYYY-MM-DD"),
    (("wrong-port", "--because", "x", "--until", "2001-01-01"), "has passed"),
    (("wrong-port", "--because", "x", "--until", "2999-01-01"), "two years"),
    (("wrong-port", "--because", "x\x1b[2J", "--until", SOON), "one line"),
    (("--because", "x"), "no CAUSE is named"), (("--forget", "zz"), "has the id zz"), (("wrong-port", "--forget", "zz"), "no CAUSE"),
])
def test_wrong_words(capsys: pytest.CaptureFixture[str], words: tuple[str, ...], said: str, state: Path) -> None:
    code, out, err = run(capsys, "ignore", *words)
    assert code == 2 and said in err and out == "" and not list(state.rglob("accepted.json"))


def test_its_effect_and_its_end(capsys: pytest.CaptureFixture[str]) -> None:
    code, out, _ = run(capsys, "diagnose", BROKEN, "--json")
    before = json.loads(out)
    guilty = [f["cause"] for f in before["findings"] if f["role"] in ("root", "contributing")]
    assert code == 1 and guilty
    for cause in guilty:
        assert run(capsys, "ignore", cause, BROKEN, "--because", "known", "--until", SOON)[0] == 0
    code, out, _ = run(capsys, "diagnose", BROKEN, "--json")
    after = json.loads(out)
    assert code == 0 and after["verdict"] == "healthy"
    assert any(f"{guilty[0]} is ignored by" in note for note in after["notes"])
    assert {f["role"] for f in after["findings"]} <= {"advice", "consequence"}
    assert run(capsys, "repair", BROKEN, "--yes", "--json")[0] == 0


def test_a_list_that_was_broken_by_hand_is_never_guessed_at(capsys: pytest.CaptureFixture[str], state: Path) -> None:
    run(capsys, "ignore", "wrong-port", BROKEN, "--because", "x", "--until", SOON)
    next(state.rglob("accepted.json")).write_text("[]")
    code, _, err = run(capsys, "diagnose", BROKEN)
    assert code == 3 and "accepted.json" in err and "Traceback" not in err


def test_a_place_that_is_not_there_is_accepted_and_said(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    words = ("wrong-port", BROKEN, "--because", "x", "--until", SOON, "--where")
    code, out, _ = run(capsys, "ignore", *words, "/appi")
    assert code == 0 and "note: the ignore entry for wrong-port at /appi has no effect" in out and "did you mean /api?" in " ".join(out.split())
    assert "/appi has no effect" in " ".join(run(capsys, "diagnose", BROKEN)[1].split())
    assert document(capsys, *words, "/api")["notes"] == []
    gone = f"bundle:{tmp_path}/gone"
    code, out, _ = run(capsys, "ignore", "wrong-port", gone, "--because", "x", "--until", SOON, "--where", "/api")
    assert code == 0 and "could not check whether /api exists" in " ".join(out.split())
