"""The actions and the callback in real ansible-core, on this machine, with a small program in the place of fixer.pyz."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
import yaml

from fixer.render.to_json import render
from tests.render import report_samples as r

ROOT = Path(__file__).resolve().parents[2]
BIN = Path(sys.executable).parent
# Prints the report of a broken host, or what the command is for; says on which arguments and input it ran.
PROGRAM = """import json, pathlib, sys
words, folder = sys.argv[1:], pathlib.Path(FOLDER)
with open(folder / "calls.jsonl", "a") as file:
    print(json.dumps([words, sys.stdin.read()]), file=file)
report = json.loads((folder / "broken.json").read_text())
if words[0] == "fleet":
    print(f"{len(open(words[-1]).readlines())} reports")
elif words[0] == "diagnose":
    print(json.dumps(report)); sys.exit(1)
elif words[0] == "repair":
    plan = ["point-route-at-listener for wrong-port: it is safe, and this is a dry run"] if "--dry-run" in words else []
    print(json.dumps({**report, "outcome": "needs-input", "applied": [], "withheld": plan, "journal": None, "before": report, "after": report}))
    sys.exit(4)
elif words[0] == "history":
    print(json.dumps({"runs": [{"id": "r1", "state": "committed"}]}))
elif words[0] == "undo":
    print(json.dumps({"id": "r1", "restored": ["/etc/x"], "conflicts": ["/etc/y was edited"]})); sys.exit(1)
elif "--script" in words:
    print('printf bundle >"$1"')
else:
    pathlib.Path(words[-1]).write_bytes(b"bundle")
"""


class Place:
    """This machine as a host, to a user who is not root: an `id` of its own comes first on PATH."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        (folder / "fixer.pyz").write_text(PROGRAM.replace("FOLDER", repr(str(folder))), encoding="utf-8")
        (folder / "broken.json").write_text(render(r.BROKEN), encoding="utf-8")
        (folder / "bin").mkdir()
        (folder / "bin/id").write_text("#!/bin/sh\necho ../../proc/nobody\n", encoding="ascii")
        (folder / "bin/id").chmod(0o755)
        collections = folder / "ansible_collections/badgateway"
        collections.mkdir(parents=True)
        (collections / "fixer").symlink_to(ROOT / "integrations/ansible")

    def play(self, *tasks: dict, words: tuple[str, ...] = (), code: int = 0) -> str:
        """Run a play of these tasks on the host web-1."""
        for task in tasks:
            for key, options in task.items():
                if key.startswith("badgateway.fixer."):
                    options["fixer"] = str(self.folder / "fixer.pyz")
        book = self.folder / "play.yml"
        book.write_text(yaml.safe_dump([{"hosts": "all", "gather_facts": False, "tasks": [*tasks]}]), encoding="utf-8")
        done = subprocess.run([BIN / "ansible-playbook", "-i", "web-1,", "-c", "local", str(book), *words], capture_output=True, text=True, check=False,
                              cwd=self.folder, stdin=subprocess.DEVNULL, env={
            "PATH": f"{self.folder}/bin:{BIN}:{os.environ['PATH']}", "HOME": str(self.folder), "XDG_CACHE_HOME": str(self.folder / "cache"),
            "LC_ALL": "C.UTF-8", "ANSIBLE_COLLECTIONS_PATH": str(self.folder), "ANSIBLE_CALLBACKS_ENABLED": "badgateway.fixer.report",
            "ANSIBLE_LOCAL_TEMP": str(self.folder / "tmp"), "TMPDIR": str(self.folder)})
        assert done.returncode == code, f"{done.returncode} {done.stdout}{done.stderr}"
        return done.stdout + done.stderr

    def calls(self) -> list[list]:
        """Arguments and standard input of each run of the program."""
        return [json.loads(line) for line in (self.folder / "calls.jsonl").read_text(encoding="utf-8").splitlines()]


@pytest.fixture
def place(tmp_path: Path) -> Place:
    return Place(tmp_path)


def saved(place: Place, name: str) -> dict:
    """A task that writes what was registered into a file."""
    return {"ansible.builtin.copy": {"dest": str(place.folder / name), "content": f"{{{{ {name} | to_json }}}}"},
            "vars": {"ansible_python_interpreter": sys.executable}}


def registered(place: Place, name: str) -> dict:
    made: dict = json.loads((place.folder / name).read_text(encoding="utf-8"))
    return made


def test_a_look_and_its_line(place: Place) -> None:
    shown = place.play({"badgateway.fixer.diagnose": {"requests": 3, "url": "http://x/", "wait": 2.5, "probe": False}, "register": "first"}, saved(place, "first"),
                       {"badgateway.fixer.diagnose": {"target": "compose://shop"}, "register": "second"}, saved(place, "second"))
    first, second = registered(place, "first"), registered(place, "second")
    assert (first["cause"], first["exit_code"], first["copied"], first["changed"]) == ("wrong-port", 1, True, False)
    assert second["copied"] is False and second["report"] == json.loads(render(r.BROKEN))
    assert [words for words, _ in place.calls()[:2]] == [
        ["diagnose", "--url", "http://x/", "--wait", "2.5", "--no-probe", "--json", "--requests", "3"], ["diagnose", "compose://shop", "--json"]]
    lines = [json.loads(line) for line in (place.folder / "badgateway-fleet.jsonl").read_text(encoding="utf-8").splitlines()]
    assert [(line["host"], line["verdict"]) for line in lines] == [("web-1", "broken")] * 2
    assert "FIXER FLEET REPORT" in shown and "JSON lines: " in shown


def test_check_mode_and_diff_mode_of_a_repair(place: Place) -> None:
    shown = place.play({"badgateway.fixer.repair": {"max_risk": "disruptive", "only": "x", "inputs": {"KEY": "hunter22"}}, "register": "plan"},
                       saved(place, "plan"), {"badgateway.fixer.undo": {}, "register": "back"}, saved(place, "back"),
                       {"badgateway.fixer.collect": {"dest": "bundles/"}}, words=("--check", "--diff", "-vvv"))
    words, given = place.calls()[0]
    assert words == ["repair", "--yes", "--max-risk", "disruptive", "--json", "--only", "x", "--dry-run", "--set-from", "-"]
    assert given == "KEY=hunter22\n" and "hunter22" not in shown
    assert "+    proxy_pass http://127.0.0.1:8000;" in shown and "skipped=1" in shown
    assert place.calls()[1][0] == ["history", "--json"]


def test_a_repair_that_waits_is_no_failure_and_a_conflict_of_undo_is_one(place: Place) -> None:
    shown = place.play({"badgateway.fixer.repair": {}, "register": "repaired"}, saved(place, "repaired"), {"badgateway.fixer.undo": {"id": "r1"}}, code=2)
    repaired = registered(place, "repaired")
    assert (repaired["outcome"], repaired["changed"], repaired["exit_code"], repaired["failed"]) == ("needs-input", False, 4, False)
    assert "not everything was undone; /etc/y was edited" in shown
    assert place.calls()[1][0] == ["undo", "--json", "--id", "r1"]


def test_bundles_with_and_without_python(place: Place) -> None:
    place.play({"badgateway.fixer.collect": {"dest": "bundles/"}, "register": "one"}, saved(place, "one"),
               {"badgateway.fixer.collect": {"dest": "two.bundle", "python": "python3.none"}, "register": "two"}, saved(place, "two"),
               {"badgateway.fixer.diagnose": {"python": "python3.none", "requests": 3}, "register": "judged"}, saved(place, "judged"))
    for name, via, path in (("one", "fixer", "bundles/web-1.bundle"), ("two", "collect-script", "two.bundle")):
        result = registered(place, name)
        assert (result["via"], result["changed"], result["size"], Path(result["bundle"]).name) == (via, False, 6, Path(path).name)
        assert (place.folder / path).read_bytes() == b"bundle" and (place.folder / path).stat().st_mode & 0o777 == 0o600
    judged = registered(place, "judged")
    assert (judged["via"], judged["verdict"]) == ("collect-script", "broken") and "requests" in judged["warnings"][0]


@pytest.mark.parametrize(("options", "said"), [
    ({"target": "ssh://other"}, "target 'ssh://other' is none of this host"), ({"python": "python3.none", "collect_without_python": False}, "it has no Python"),
    ({"python": "python3.none", "target": "docker://web"}, "it has no Python"), ({"wait": "soon"}, "wait"),
])
def test_what_cannot_be_done_is_one_line(place: Place, options: dict, said: str) -> None:
    shown = place.play({"badgateway.fixer.diagnose": options}, code=2)
    assert said in shown and "Traceback" not in shown


def test_a_missing_file_on_the_controller_is_told(place: Place) -> None:
    (place.folder / "fixer.pyz").unlink()
    assert "install the collection that script/build makes" in place.play({"badgateway.fixer.diagnose": {}}, code=2)


def test_a_host_that_another_task_ended_has_a_line_too(place: Place) -> None:
    place.play({"ansible.builtin.fail": {"msg": "no route\nto it"}}, {"badgateway.fixer.diagnose": {}}, code=2)
    (line,) = (place.folder / "badgateway-fleet.jsonl").read_text(encoding="utf-8").splitlines()
    assert (json.loads(line)["host"], json.loads(line)["verdict"]) == ("web-1", "unknown")
