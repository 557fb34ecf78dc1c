"""What somebody changed between a repair and its undo is kept and said, on every kind of target: a file with a line more,
replaced by a link, gone, with another mode or owner, and a container that is another of that name. Where it is as the
repair left it again, the undo that is asked for once more takes it back.
"""

from __future__ import annotations

import json
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from lab.scenario.scenario_file import Stack
from lab.stack.docker_command import docker
from tests.contract import test_ssh_repair
from tests.crash.broken_targets import BrokenTarget
from tests.crash.crash_draw import ALL
from tests.crash.test_concurrent_runs import placed
from tests.crash.test_sigkill import Killing, began, raised, told

pytestmark = [pytest.mark.docker, pytest.mark.timeout(7200 if ALL else 600)]

box = test_ssh_repair.box

KEPT = "/var/tmp/as-repaired"     # where no comparison looks
EDITS = {
    "a line": "echo '# own' >>{path}",
    "a link": f"cp -p {{path}} {KEPT}.theirs; ln -sfn {KEPT}.theirs {{path}}",
    "gone": "rm {path}",
    "mode": "chmod 604 {path}",
    "owner": "chown 7:7 {path}",
}
# By rename only where another file lies there: an nginx in a container holds the file itself.
PUT_RIGHT = f"if test -L {{path}} || ! test -e {{path}}; then rm -f {{path}}; cp -p {KEPT} {{path}}; else cat {KEPT} >{{path}}; chmod --reference={KEPT} {{path}}; chown --reference={KEPT} {{path}}; fi"
WORDS: dict[str, tuple[str, Stack]] = {"project": ("wrong-port/container-wrong-port", "containers"), "unit": ("crash-missing-env/start-env-var-missing", "host"),
         "variable": ("crash-missing-env/start-env-var-missing", "containers")}


@pytest.fixture(params=["machine", "inside", "ssh", "project", "unit", "variable"])
def place(request: pytest.FixtureRequest) -> Iterator[BrokenTarget]:
    """A place whose repair writes a file."""
    with placed(request, WORDS.get(request.param, ("wrong-port/wrong-port", "host"))) as found:
        yield found


def shell(place: BrokenTarget) -> Callable[[str], str]:
    """Where the files are."""
    if place.box is not None:
        return place.box.sh
    if place.lab is not None and place.lab.stack == "host":
        return place.run_script
    return lambda script: subprocess.run(["sh", "-ec", script], capture_output=True, text=True, check=True).stdout


def test_hand_edits_of_a_file(place: BrokenTarget, tmp_path: Path) -> None:
    killing, _ = began(place, tmp_path)
    sh = shell(place)
    for edit, script in EDITS.items():
        killing.forward()
        path = changed(killing)
        look = f"for look in 'stat -c %F/%a/%u:%g' readlink cat; do $look {path} || true; done"
        sh(f"cp -p {path} {KEPT}; {script.format(path=path)}")
        mine = sh(look)
        done = killing.fixer("undo", "--json")
        said = json.loads(done.stdout)
        where = f"{place.target} {edit}: exit {done.returncode}: {said.get('conflicts')}"
        told(f"  {where}")
        assert done.returncode == 1 and any(path in line for line in said["conflicts"]), where
        assert killing.last_state() == "undone-with-conflicts", where
        assert sh(look) == mine, where
        taken_back_after_all(killing, path)


def changed(killing: Killing) -> str:
    """The file that the repair wrote."""
    paths = [key for key in killing.new if killing.new[key] != killing.old.get(key) and key.startswith("/")]
    [path] = [path for path in paths if shell(killing.place)(f"test -f {path} && echo file || true")]
    return path


def taken_back_after_all(killing: Killing, path: str) -> None:
    """The run itself can be asked for again once the file is right."""
    place = killing.place
    shell(place)(PUT_RIGHT.format(path=path) + f"; rm -f {KEPT} {KEPT}.theirs")
    if place.lab is not None and place.lab.stack == "containers":
        docker("restart", "-t", "1", place.lab.container("web"))      # it holds the file that lay there before
    run = json.loads(killing.fixer("history", "--json").stdout)["runs"][0]["id"]
    done = killing.fixer("undo", "--id", run, "--json")
    assert done.returncode == 0, done.stdout
    killing.is_old()
    place.forget(killing.folder / "state")


@pytest.mark.parametrize("word", ["backend-down/container-stopped", "crash-missing-env/start-env-var-missing"])
def test_another_container_of_that_name(word: str, tmp_path: Path) -> None:
    with raised(word, "containers") as place:
        assert place.lab is not None
        killing, _ = began(place, tmp_path)
        killing.forward()
        name = place.lab.container("backend")
        image = docker("inspect", "-f", "{{.Config.Image}}", name).text
        docker("rm", "-f", name)
        docker("run", "-d", "--name", name, "--label", "badgateway.test=hand", image, "sleep", "infinity")
        try:
            look = ("inspect", "-f", "{{.Id}} {{.State.Status}} {{.State.StartedAt}}", name)
            theirs = docker(*look).text
            done = killing.fixer("undo", "--json")
            said = json.loads(done.stdout)
            told(f"  another container, {word}: exit {done.returncode}: {said['conflicts']}")
            assert done.returncode == 1 and any(name in line or "conflict" in line.lower() for line in said["conflicts"]), said
            assert docker(*look).text == theirs, said
            assert killing.last_state() == "undone-with-conflicts"
        finally:
            docker("rm", "-f", name)
