"""An agent repairs a real machine through `fixer mcp`, is refused, is cut off in the middle, and puts all back."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import time
from pathlib import Path
from typing import Any

import pytest

pytest.importorskip("mcp_types", reason="the extra mcp is not installed")

import anyio
from jsonschema import Draft202012Validator

from fixer.render.json_schema import command_schemas
from lab.pytest_plugin import StartLab
from tests.agent.mcp_client import Agent, run, server
from tests.crash.crash_draw import draw_by_day

pytestmark = [pytest.mark.docker, pytest.mark.timeout(300)]


@pytest.fixture(scope="module")
def machine(module_badgateway_lab: StartLab) -> str:
    """A machine whose nginx asks a port where nothing listens."""
    return module_badgateway_lab("wrong-port", stack="host", seed=41).target


def inside(machine: str, script: str) -> str:
    argv = ["docker", "exec", machine.removeprefix("docker://"), "sh", "-c", script]
    return subprocess.run(argv, capture_output=True, text=True, check=True).stdout


def site_files(machine: str) -> str:
    """Every file below /etc/nginx with its digest, mode and owner."""
    return inside(machine, "cd /etc/nginx && find . -type f -exec sha256sum {} + -exec stat -c '%n %a %u %g' {} + | sort")


async def planned(there: Agent, **arguments: Any) -> dict[str, Any]:
    shown = await there.call("plan", **arguments)
    Draft202012Validator(command_schemas()["plan"]).validate(shown)
    assert shown["plan"] is not None, shown
    return dict(shown["plan"])


@pytest.mark.parametrize("mode", draw_by_day(["auto", "legacy"], "agent's repair", 1))
def test_a_machine_is_repaired_and_put_back(mode: str, machine: str, tmp_path: Path) -> None:
    edited: list[str] = []

    async def session(there: Agent) -> None:
        found = await there.call("diagnose")
        assert found["findings"][0]["cause"] == "wrong-port", json.dumps(found)
        plan = await planned(there)
        inside(machine, "for file in /etc/nginx/sites-enabled/*; do echo '# by hand' >>$file; done; nginx -s reload")
        edited.append(site_files(machine))
        refused = await there.call("repair", plan_id=plan["id"])
        Draft202012Validator(command_schemas()["repair"]).validate(refused)
        assert refused["outcome"] == "needs-input" and refused["plan"]["id"] != plan["id"]
        assert any("has changed since that plan was made" in note for note in refused["notes"])
        assert site_files(machine) == edited[0]

        plan = await planned(there)
        done = await there.call("repair", plan_id=plan["id"])
        Draft202012Validator(command_schemas()["repair"]).validate(done)
        assert done["outcome"] == "repaired" and (await there.call("verify"))["verdict"] == "healthy"
        assert plan["summary"] in there.asked[-1] and all(line in there.asked[-1] for line in plan["diff"].splitlines())

        back = await planned(there, action="undo", run=done["journal"])
        undone = await there.call("undo", plan_id=back["id"])
        Draft202012Validator(command_schemas()["undo"]).validate(undone)
        assert undone["id"] == done["journal"] and undone["conflicts"] == []

    run(session, server(tmp_path, "--target", f"web={machine}", "--allow-repair"), mode=mode, answer="yes")
    assert site_files(machine) == edited[0]


def test_without_a_yes_nothing_changes(machine: str, tmp_path: Path) -> None:
    before = site_files(machine)

    async def session(there: Agent) -> None:
        plan = await planned(there)
        assert (await there.call("repair", plan_id=plan["id"]))["error"]["kind"] == "refused-plan"

    for answer in (None, "decline"):
        run(session, server(tmp_path, "--target", f"web={machine}", "--allow-repair"), answer=answer)
    assert site_files(machine) == before


@pytest.mark.parametrize("how", ["cancelled", "killed"])
def test_a_repair_that_is_cut_off_is_rolled_back(how: str, machine: str, tmp_path: Path) -> None:
    before = site_files(machine)
    runs = "cat /var/lib/badgateway/targets/local/runs/*/journal.jsonl 2>/dev/null | grep -c '\"done\"' || true"
    known = int(inside(machine, runs))

    async def session(there: Agent) -> None:
        plan = await planned(there)
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(lambda: there.call("repair", plan_id=plan["id"]))
            with anyio.fail_after(60):
                while int(inside(machine, runs)) == known:
                    await anyio.sleep(0.05)
            if how == "killed":
                record = json.loads((tmp_path / "state" / "mcp-audit.jsonl").read_text().splitlines()[-1])
                os.kill(record["pid"], signal.SIGKILL)
            tasks.cancel_scope.cancel()

    try:
        run(session, server(tmp_path, "--target", f"web={machine}", "--allow-repair"), answer="yes")
    except* Exception:  # noqa: BLE001 - whatever a client says when its server is gone
        assert how == "killed"
    deadline = time.monotonic() + 60
    while _last_phase(machine) not in ("rolled-back", "end"):
        assert time.monotonic() < deadline, _last_phase(machine)
        time.sleep(0.1)
    assert site_files(machine) == before


def _last_phase(machine: str) -> str:
    lines = inside(machine, "cat $(ls -d /var/lib/badgateway/targets/local/runs/* | tail -1)/journal.jsonl").splitlines()
    return str(json.loads(lines[-1])["phase"])
