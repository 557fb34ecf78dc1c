"""Files on disk as an earlier version wrote them: read, and undone, as that version read and undid them."""

from __future__ import annotations

import gzip
import json
import shutil
from pathlib import Path
from typing import Any

import pytest

from fixer.app.ignore_list import add, parse_ignore_list
from fixer.app.ignore_list import load as load_accepted
from fixer.app.inspect_target import open_named_target
from fixer.apply.journal_records import parse_records, record_line
from fixer.apply.repair_run import history
from fixer.hosts.machine.state_root import POLICY as RULES_FILE
from fixer.hosts.machine.state_root import ROOT_STATE
from fixer.hosts.open_target import parse_target
from fixer.model.learned import learned_from_json, learned_to_json
from fixer.observe.collect_capture import collect
from fixer.observe.evidence_bundle import pack_bundle, unpack_bundle
from fixer.observe.view.observe_options import ObserveOptions
from fixer.redaction.masked_steps import describe_step, step_from_json, step_to_json
from tests.frozen.files import (
    ACCEPTED,
    BUNDLE,
    LEARNED,
    MASKED,
    SAID,
    SCRIPTED,
    again,
    bundled,
    everything,
    scripted,
)
from tests.frozen.journals import DISK, KEPT, PLACE, cases, plant, settle, take_back, tree
from tests.frozen.paper import Machine, PaperTarget

PLACES: dict[str, Any] = json.loads((DISK / "places.json").read_text())
CUT = sorted(set(PLACES) - {KEPT})


def journal(name: str) -> bytes:
    (path,) = (DISK / name).glob("*/journal.jsonl")
    return path.read_bytes()


def placed(name: str, root: Path) -> tuple[Path, Path]:
    """What was on the disk then: the target's folder, and that of the files."""
    plant(root / "site", PLACES[name]["tree"])
    settle(root / "state", DISK / name, root / "site")
    return root / "state", root / "site"


@pytest.mark.parametrize("name", [*CUT, KEPT])
def test_every_record_is_written_as_it_was(name: str) -> None:
    found = parse_records(journal(name))
    assert not found.torn and not found.gaps
    assert b"".join(map(record_line, found.records)) == journal(name)


@pytest.mark.parametrize("name", CUT)
def test_every_step_is_written_as_it_was(name: str) -> None:
    intents = [record for record in parse_records(journal(name)).records if record.phase == "intent"]
    steps = cases(PLACE)[name]
    assert len(intents) == len(steps)
    for intent, step in zip(intents, steps, strict=True):
        assert step_to_json(step_from_json(intent.step)) == intent.step
        assert intent.step == step_to_json(step)
        assert intent.describe == describe_step(step)


@pytest.mark.parametrize("name", [*CUT, KEPT])
def test_a_run_is_listed_and_taken_back(name: str, tmp_path: Path) -> None:
    folder, site = placed(name, tmp_path)
    (listed,) = history(PaperTarget(Machine({}), folder))
    assert (listed.state, listed.cause, listed.target) == ("committed" if name == KEPT else "unfinished", "wrong-port", "local")
    assert take_back(folder, site, PLACES[name]["state"]) == PLACES[name]["undone"]


def test_files_are_as_they_were_before_the_repair(tmp_path: Path) -> None:
    ends = []
    for name in (KEPT, "edit-file", "create-file", "delete-file", "remove-link", "make-link", "edit-in-place", "set-mode"):
        folder, site = placed(name, tmp_path / name)
        take_back(folder, site, PLACES[name]["state"])
        ends.append(tree(site))
        shutil.rmtree(tmp_path / name)
    assert all(end == ends[0] for end in ends) and ends[0]["mounted"][1] == "801\n"


def test_no_kind_of_step_is_missing() -> None:
    kinds = {type(step) for steps in cases(PLACE).values() for step in steps}
    told = {json.loads(record.step)["kind"] for name in CUT for record in parse_records(journal(name)).records
            if record.phase == "intent"}
    assert len(told) == len(kinds) == len(KINDS) and told == KINDS


KINDS = {
    "WriteFile", "CheckNginx", "ReloadNginx", "DaemonReload", "UnitAction", "ContainerAction", "ComposeUp", "SignalProcess",
    "StartNginx", "WaitForListener", "ChangeRule", "NetworkAction", "SetBoolean", "RemoveRoute", "ProgramAction",
}


def test_what_was_learned_accepted_ruled_and_collected_says_the_same() -> None:
    assert json.loads(json.dumps(everything())) == json.loads(SAID.read_text())


def test_the_files_are_written_as_they_were(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    learned = learned_from_json(LEARNED.read_bytes(), "web", "x")
    assert learned is not None and learned_to_json(again(learned)) == LEARNED.read_bytes()
    monkeypatch.setenv("BADGATEWAY_STATE", str(tmp_path))
    here = parse_target("local")
    for entry in parse_ignore_list(ACCEPTED.read_bytes()):
        add(here, entry)
    assert load_accepted(here) == parse_ignore_list(ACCEPTED.read_bytes())
    (path,) = tmp_path.rglob(ACCEPTED.name)
    assert path.read_bytes() == ACCEPTED.read_bytes() and path.parent == tmp_path / "targets" / "local"
    for path in (BUNDLE, MASKED):       # what is masked already stays as it is
        packed = pack_bundle(unpack_bundle(path.read_bytes()))
        assert gzip.decompress(packed) == gzip.decompress(MASKED.read_bytes())


def test_where_files_lie() -> None:
    assert (LEARNED.name, ACCEPTED.name) == ("learned.json", "accepted.json")
    assert (ROOT_STATE, RULES_FILE) == ("/var/lib/badgateway", "/etc/badgateway/policy.toml")


def test_the_bundles_are_opened_by_their_own_kind(tmp_path: Path) -> None:
    for path, capture in ((BUNDLE, bundled()), (SCRIPTED, scripted())):
        with open_named_target(f"bundle:{path}") as target:
            assert collect(target, ObserveOptions()) == capture
    assert len(scripted().accepted) == len(bundled().accepted) == 2
