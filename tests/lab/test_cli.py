"""The lab's command line without Docker: lists, wrong words, no engine, records and hints."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import pytest

from lab.errors import UsageError
from lab.scenario import catalog
from lab.stack import lab_records
from lab.stack.find_lab import find_lab
from lab.stack.lab_records import LabRecord
from lab.stack.running_lab import Lab
from lab.verbs.hint import next_hint
from lab.verbs.shell import logs_argv, shell_argv

LAB = Path(sys.executable).with_name("lab")


def lab(*words: str, **environment: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run([LAB, *words], capture_output=True, text=True, check=False, timeout=60,
                          env={**os.environ, **environment})


def test_list_names_every_scenario() -> None:
    listed = json.loads(lab("list", "--json").stdout)
    names = {entry["name"] for entry in listed["scenarios"]}
    assert {"healthy", "wrong-port"} <= names
    assert listed["aliases"]["down"] == ["backend-down"]
    text = lab("list").stdout
    assert all(name in text for name in names)


def test_show_tells_the_story() -> None:
    shown = lab("show", "wrong-port")
    assert shown.returncode == 0
    assert "502 Bad Gateway, for everybody" in shown.stdout.replace("\n", " ")


def test_an_engine_that_we_may_not_use_is_not_called_absent(tmp_path: Path) -> None:
    said = "permission denied while trying to connect to the Docker daemon socket at unix:///var/run/docker.sock"
    (tmp_path / "docker").write_text(f"#!/bin/sh\necho '{said}' >&2\nexit 1\n")
    (tmp_path / "docker").chmod(0o755)
    ended = lab("status", PATH=f"{tmp_path}:{os.environ['PATH']}", BADGATEWAY_LAB_STATE=str(tmp_path))
    assert (ended.returncode, ended.stderr.splitlines()) == (3, [
        "lab: this user may not use Docker", "  run it as root, or as one of the group docker"])


def test_validate_names_file_and_key(tmp_path: Path) -> None:
    (tmp_path / "odd").mkdir()
    (tmp_path / "odd" / "scenario.toml").write_text('title = "x"\n')
    found = lab("validate", BADGATEWAY_SCENARIOS=str(tmp_path))
    assert found.returncode == 1
    assert "odd/scenario.toml: top level: 'story' is a required property" in found.stdout
    listed = lab("list", BADGATEWAY_SCENARIOS=str(tmp_path))
    assert (listed.returncode, listed.stderr.count("\n")) == (2, 1), "the same line, though a list checks nothing else"
    assert "odd/scenario.toml: top level: 'story' is a required property" in listed.stderr


@pytest.mark.parametrize(("words", "said"), [
    (("up", "wrng-port"), "did you mean wrong-port?"),
    (("up", "wrong-port", "--stack", "vm"), "'vm' is not one of"),
    (("up", "wrong-port", "--seed", "x"), "'x' is not a valid"),
    (("up", "wrong-port", "--seed"), "see: lab up --help"),
    (("show", "nope"), "no scenario is called 'nope'"),
    (("show", "crash"), "stands for crash-killed, "),
    (("down",), "name a lab, or --all"),
    (("fly",), "No such command 'fly'"),
])
def test_wrong_words_end_with_2(words: tuple[str, ...], said: str) -> None:
    ended = lab(*words)
    assert ended.returncode == 2
    assert said in ended.stderr
    assert ended.stderr.startswith("lab: ") and len(ended.stderr.splitlines()) <= 2


def test_without_a_word_the_commands_are_shown() -> None:
    shown = lab()
    assert shown.returncode == 0 and "Usage: lab" in shown.stdout and not shown.stderr


@pytest.mark.parametrize("words", [("up", "healthy"), ("status",), ("down", "--all"), ("shell", "x")])
def test_no_engine_ends_with_3_and_one_line(words: tuple[str, ...], tmp_path: Path) -> None:
    for environment in ({"DOCKER_HOST": f"unix://{tmp_path}/none.sock"}, {"PATH": str(tmp_path)}):
        ended = lab(*words, BADGATEWAY_LAB_STATE=str(tmp_path), **environment)
        assert ended.returncode == 3, ended.stderr
        assert ended.stderr.startswith("lab: no ")
        assert len(ended.stderr.splitlines()) <= 2
        assert list(tmp_path.iterdir()) == []


def test_a_new_scenario_is_valid_and_never_overwrites(tmp_path: Path) -> None:
    made = lab("new", "late-start", BADGATEWAY_SCENARIOS=str(tmp_path))
    assert made.stdout.strip() == str(tmp_path / "late-start" / "scenario.toml")
    assert lab("validate", BADGATEWAY_SCENARIOS=str(tmp_path)).returncode == 0
    assert lab("new", "late-start", BADGATEWAY_SCENARIOS=str(tmp_path)).returncode == 2
    assert lab("new", "../x", BADGATEWAY_SCENARIOS=str(tmp_path)).returncode == 2


def test_scenarios_of_ones_own_stand_beside_the_others(tmp_path: Path) -> None:
    assert lab("--scenarios", str(tmp_path), "new", "late-start").stdout.strip() == str(tmp_path / "late-start" / "scenario.toml")
    listed = lab("--scenarios", str(tmp_path), "list").stdout
    assert "late-start" in listed and "wrong-port" in listed and "late-start" not in lab("list").stdout
    assert lab("--scenarios", str(tmp_path), "show", "late-start").returncode == 0
    (tmp_path / "wrong-port").mkdir()
    (tmp_path / "wrong-port" / "scenario.toml").write_text('title = "x"\n')
    twice = lab("--scenarios", str(tmp_path), "list")
    assert twice.returncode == 2 and "there is a scenario of that name already" in twice.stderr
    gone = lab("--scenarios", str(tmp_path / "nowhere"), "list")
    assert gone.returncode == 2 and "does not exist" in gone.stderr


def test_a_lab_remembers_where_its_scenario_came_from(record: LabRecord, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    own = tmp_path / "own"
    assert lab("--scenarios", str(tmp_path), "new", "late-start").returncode == 0
    own.mkdir()
    (tmp_path / "late-start").rename(own / "late-start")
    monkeypatch.setattr("lab.stack.find_lab.require_docker", lambda: None)
    monkeypatch.delenv("BADGATEWAY_FURTHER_SCENARIOS", raising=False)
    lab_records.save_record(replace(record, scenario="late-start", variant="late-start", beside=str(own)))
    catalog.scenario_folders.cache_clear()
    try:
        found = find_lab(record.id)
        assert catalog.scenario_named(found.record.scenario).name == "late-start"
    finally:
        os.environ.pop("BADGATEWAY_FURTHER_SCENARIOS")      # monkeypatch would put back what find_lab has set
        for known in (catalog.scenario_folders, catalog.scenario_named, catalog.all_scenarios):
            known.cache_clear()


@pytest.mark.parametrize("call", ["", "lab.verbs.show.list_text()"])
def test_help_and_list_start_without_what_is_slow(call: str) -> None:
    slow = "[m for m in ('rich', 'httpx', 'jsonschema', 'docker') if m in sys.modules]"
    code = f"import sys, lab.cli, lab.verbs.show; {call}; print({slow})" if call else f"import sys, lab.cli; print({slow})"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


@pytest.fixture
def record(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> LabRecord:
    monkeypatch.setenv("BADGATEWAY_LAB_STATE", str(tmp_path))
    parameters: dict[str, str | int | float | bool] = {
        "web": "edge", "backend": "api", "second": "crew", "second_site": False, "port": 8001, "other_port": 8002,
        "site_file": "edge/conf.d/x.conf",
    }
    return LabRecord("shop-3f2a", "wrong-port", "wrong-port", "container-wrong-port", "containers", 7, parameters)


def test_a_record_is_kept_for_its_owner_alone(record: LabRecord) -> None:
    lab_records.save_record(record)
    assert lab_records.load_record("shop-3f2a") == record
    assert [kept.id for kept in lab_records.all_records()] == ["shop-3f2a"]
    path = next(Path(os.environ["BADGATEWAY_LAB_STATE"]).rglob("shop-3f2a.json"))
    assert path.stat().st_mode & 0o777 == 0o600
    assert path.parent.stat().st_mode & 0o077 == 0
    lab_records.delete_lab_files("shop-3f2a")
    assert lab_records.load_record("shop-3f2a") is None


def test_hints_come_one_at_a_time_and_the_last_stays(record: LabRecord) -> None:
    given = [next_hint(Lab(record)) for _ in range(4)]
    assert [hint.partition(":")[0] for hint in given] == ["hint 1 of 3", "hint 2 of 3", "hint 3 of 3", "hint 3 of 3"]
    assert "8001 and 8002" in given[2]


def test_where_a_shell_opens(record: LabRecord) -> None:
    assert "shop-3f2a-edge-1" in shell_argv(Lab(record), "")
    assert "shop-3f2a-api-1" in shell_argv(Lab(record), "backend")
    assert "shop-3f2a-api-1" in logs_argv(Lab(record), "api", follow=False)
    with pytest.raises(UsageError, match="no part called 'db'"):
        shell_argv(Lab(record), "db")


def test_logs_of_a_machine_are_those_of_the_part_that_is_named(record: LabRecord) -> None:
    """The application may write beside the journal; a slip of the pen is told, not answered with everything."""
    machine = Lab(replace(record, stack="host", parameters={**record.parameters, "unit": "till", "second_unit": "crew", "word": "till"}))
    whole, web, backend = (logs_argv(machine, part, follow=True)[-1] for part in ("", "web", "till"))
    for told in ("/var/log/nginx/*.log", "/var/log/supervisor/*.log", "/var/log/till.log", "/tmp/till.log", "journalctl"):
        assert told in whole
    assert "-u nginx" in web and "supervisor" not in web
    assert "-u till" in backend and "nginx" not in backend
    with pytest.raises(UsageError, match="no part called 'db'"):
        logs_argv(machine, "db", follow=True)
    with pytest.raises(UsageError, match="no part called 'db'"):
        shell_argv(machine, "db")


def test_show_of_a_variant_is_about_that_one() -> None:
    done = lab("show", "wrong-port/docker-proxy-no-listener")
    assert "runs on: containers\n" in done.stdout and "lab up wrong-port/docker-proxy-no-listener --stack containers" in done.stdout
    assert "variants:" not in done.stdout
    done = lab("show", "wrong-port/wrongport")
    assert done.returncode == 2 and "has no variant 'wrongport'" in done.stderr
