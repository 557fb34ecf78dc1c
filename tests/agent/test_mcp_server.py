"""The server as a client of the protocol's own SDK sees it, over stdio."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

pytest.importorskip("mcp_types", reason="the extra mcp is not installed")

import anyio
from jsonschema import Draft202012Validator

from fixer.agent.bounded_answer import MARK
from tests.agent.agent_builders import MACHINE, ORDERS, hostile_bundle
from tests.agent.mcp_client import Agent, run, server
from tests.crash.crash_draw import draw_by_day
from tests.frozen.captures import unpacked

pytestmark = pytest.mark.slow
ROOT = Path(__file__).resolve().parents[2]
LOOKS = {"diagnose", "verify", "explain", "collect", "plan"}
ERAS = pytest.mark.parametrize("mode", ["auto", "legacy"])


def published(name: str) -> Draft202012Validator:
    return Draft202012Validator(json.loads((ROOT / "docs" / "schema" / f"{name}.json").read_text("utf-8")))


@pytest.mark.parametrize(("mode", "options"), [("legacy", ()), ("auto", ("--allow-repair",))])
def test_what_changes_a_host_is_offered_only_if_allowed(mode: str, options: tuple[str, ...], tmp_path: Path) -> None:
    async def session(there: Agent) -> None:
        tools = {tool.name: tool for tool in (await there.client.list_tools()).tools}
        assert set(tools) == (LOOKS | {"repair", "undo"} if options else LOOKS)
        for name, tool in tools.items():
            assert tool.annotations is not None
            assert tool.annotations.read_only_hint is (name in LOOKS)
            assert tool.annotations.destructive_hint is (name not in LOOKS)
            assert tool.output_schema == published(name).schema
            assert tool.input_schema["additionalProperties"] is False
        assert (await there.call("repair", plan_id="0" * 32))["error"]["kind"] == ("refused-plan" if options else "usage")

    run(session, server(tmp_path, *options), mode=mode)


@pytest.mark.parametrize("mode", draw_by_day(["auto", "legacy"], "schemas", 1))
def test_every_tool_answers_what_its_published_schema_says(mode: str, tmp_path: Path) -> None:
    async def session(there: Agent) -> None:
        for tool, arguments in (("diagnose", {"requests": 3}), ("verify", {"target": "m"}), ("explain", {"topic": "502"}),
                                ("collect", {}), ("plan", {}), ("plan", {"action": "undo"})):
            answer = await there.call(tool, **arguments)
            published(tool).validate(answer)
            assert "notes" not in answer or answer["notes"][0] == MARK
        assert (await there.call("diagnose"))["findings"][0]["cause"]
        saved = await there.call("collect")
        assert Path(saved["file"]).stat().st_mode & 0o777 == 0o600 and str(tmp_path) in saved["file"]

    run(session, server(tmp_path, "--target", f"m={MACHINE}"), mode=mode)


WRONG: list[tuple[str, dict[str, Any]]] = [
    ("diagnose", {"target": "ssh://root@evil"}), ("diagnose", {"target": "m; reboot"}), ("diagnose", {"url": "http://evil/"}),
    ("diagnose", {"requests": "--json"}), ("explain", {"topic": "--help"}), ("explain", {"topic": "../../etc/shadow"}), ("explain", {}),
    ("explain", {"topic": "502\n"}), ("plan", {"repair_id": "--yes"}), ("plan", {"run": "x"}), ("plan", {"password": "hunter2"}),
    ("repair", {"plan_id": "x", "yes": True}), ("shell", {"command": "id"}),
]


def test_an_argument_is_a_name_an_id_or_a_number_of_the_servers_own(tmp_path: Path) -> None:
    async def session(there: Agent) -> None:
        for tool, arguments in WRONG:
            answer = await there.call(tool, **arguments)
            assert answer["error"]["kind"] == "usage" and "hunter2" not in json.dumps(answer), (tool, arguments)
        records = (tmp_path / "state" / "mcp-audit.jsonl").read_text().splitlines()
        assert [json.loads(record)["event"] for record in records] == ["refused"] * len(WRONG)
        assert "hunter2" not in "".join(records)

    run(session, server(tmp_path, "--target", f"m={MACHINE}", "--allow-repair"))


def test_orders_in_a_log_are_data(tmp_path: Path) -> None:
    """Visitors wrote them. They stay short texts of evidence, and neither the verdict nor a plan nor a target is another."""
    async def session(there: Agent) -> None:
        plain, hostile = [await there.call("diagnose", target=name) for name in ("plain", "hostile")]
        assert hostile["notes"][0] == MARK and len(json.dumps(hostile)) <= 48_000
        assert hostile["verdict"] == plain["verdict"]
        assert [finding["cause"] for finding in hostile["findings"]] == [finding["cause"] for finding in plain["findings"]]
        assert all(len(each["text"]) < 450 for finding in hostile["findings"] for each in finding["evidence"])
        assert not {"\x1b", "\x07", "\u202e"}.intersection("".join(_texts(hostile)))
        texts = list(_texts({**hostile, "findings": [{**finding, "evidence": []} for finding in hostile["findings"]]}))
        assert not [text for text in texts for order in ORDERS if order in text], "an order stands outside of evidence"
        shown = await there.call("plan", target="hostile")
        assert shown["plan"] == (await there.call("plan", target="plain"))["plan"]
        assert [tool.name for tool in (await there.client.list_tools()).tools] == ["diagnose", "verify", "explain", "collect", "plan"]

    run(session, server(tmp_path, "--target", f"plain={MACHINE}", "--target", f"hostile={hostile_bundle(tmp_path)}"))


def _texts(value: Any) -> Iterator[str]:
    if isinstance(value, str):
        yield value
    elif isinstance(value, dict | list):
        for item in value.values() if isinstance(value, dict) else value:
            yield from _texts(item)


@pytest.fixture(scope="module")
def undecided(tmp_path_factory: pytest.TempPathFactory) -> str:
    """A real machine whose nginx asks an address that no machine has: only a person knows which service is meant."""
    name = "wrong-host/wrong-ip-unassigned-on-the-machine/host/1/broken"
    ((_, bundle),) = unpacked(wanted=lambda _, key: key.startswith(name))
    file = tmp_path_factory.mktemp("undecided") / "machine.tgz"
    file.write_bytes(bundle)
    return f"bundle:{file}"


@pytest.mark.parametrize(("mode", "answer"), [("auto", "yes"), ("legacy", "yes"), ("auto", "decline"), ("legacy", None)])
def test_a_person_chooses_what_a_repair_waits_for(mode: str, answer: str | None, undecided: str, tmp_path: Path) -> None:
    """The model gives no input: the tools take none, and the answer of the form goes from the client to the server."""
    async def session(there: Agent) -> None:
        shown = await there.call("plan")
        published("plan").validate(shown)
        if answer == "yes":
            assert shown["plan"]["cause"] == "wrong-host" and "127.0.0.1:9107" in shown["plan"]["diff"]
            refused = await there.call("repair", plan_id=shown["plan"]["id"])      # a bundle cannot be repaired
            assert refused["error"]["kind"] and len(there.asked) == 2 and shown["plan"]["summary"] in there.asked[1]
        elif answer == "decline":
            assert shown["error"]["kind"] == "refused-plan" and len(there.asked) == 1
        else:
            assert shown["plan"] is None and "--set upstream=" in shown["withheld"][0]
        assert not there.asked or there.asked[0].startswith("wrong-host on m: ")

    run(session, server(tmp_path, "--target", f"m={undecided}", "--allow-repair"), mode=mode, answer=answer)


def test_it_serves_in_800_megabytes_of_address_space(tmp_path: Path) -> None:
    async def session(there: Agent) -> None:
        async with anyio.create_task_group() as tasks:
            for name in ("a", "b", "a", "b"):
                tasks.start_soon(_diagnosed, there, name)

    run(session, server(tmp_path, "--target", f"a={MACHINE}", "--target", f"b={MACHINE}", shell="ulimit -v 800000"))


async def _diagnosed(there: Agent, name: str) -> None:
    assert (await there.call("diagnose", target=name))["verdict"] == "degraded"


def test_stdout_carries_the_protocol_only(tmp_path: Path) -> None:
    """A line that is no message is passed over."""
    hello = {"jsonrpc": "2.0", "id": 1, "method": "initialize", "params": {
        "protocolVersion": "2025-06-18", "capabilities": {}, "clientInfo": {"name": "raw", "version": "1"}}}
    call = {"jsonrpc": "2.0", "id": 2, "method": "tools/call", "params": {"name": "diagnose", "arguments": {}}}
    lines = [hello, {"jsonrpc": "2.0", "method": "notifications/initialized"}, call]
    done = subprocess.Popen([sys.executable, "-m", "fixer", "mcp", "--target", MACHINE], cwd=ROOT, stdin=subprocess.PIPE, text=True,
                            stdout=subprocess.PIPE, stderr=subprocess.PIPE, env={**os.environ, "BADGATEWAY_STATE": str(tmp_path)})
    assert done.stdin is not None and done.stdout is not None
    done.stdin.write("this is no JSON\n" + "".join(json.dumps(line) + "\n" for line in lines))
    done.stdin.flush()
    heard = [json.loads(done.stdout.readline()) for _ in range(2)]
    done.stdin.close()
    assert [message["id"] for message in heard] == [1, 2]
    assert done.wait(60) == 0 and done.stdout.read() == ""
    assert done.stderr is not None
    done.stdout.close()
    done.stderr.close()


@pytest.fixture
def hanging(tmp_path: Path) -> Callable[[], int | None]:
    """An ssh that never answers; the function returns its process once it runs."""
    script = tmp_path / "ssh"
    script.write_text(f"#!/bin/sh\necho $$ >{tmp_path}/ssh.pid\nexec sleep 600\n")
    script.chmod(0o755)

    def process() -> int | None:
        try:
            return int((tmp_path / "ssh.pid").read_text())
        except (OSError, ValueError):
            return None

    return process


def is_running(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except OSError:
        return False


async def until(what: Callable[[], Any]) -> Any:
    with anyio.fail_after(60):
        while not (found := what()):
            await anyio.sleep(0.02)
    return found


@ERAS
def test_a_cancelled_call_ends_its_look(mode: str, tmp_path: Path, hanging: Callable[[], int | None]) -> None:
    async def session(there: Agent) -> None:
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(lambda: there.call("diagnose", target="far"))
            pid = await until(hanging)
            tasks.cancel_scope.cancel()
        await until(lambda: not is_running(pid))
        assert (await there.call("explain", topic="502"))["topic"] == "502"
        ends = [json.loads(line) for line in (tmp_path / "state" / "mcp-audit.jsonl").read_text().splitlines()]
        assert ("diagnose", "interrupted") in [(end["tool"], end.get("outcome")) for end in ends]

    run(session, server(tmp_path, "--target", "far=ssh://root@far", BADGATEWAY_SSH=str(tmp_path / "ssh")), mode=mode)


@pytest.mark.parametrize("how", ["closes", signal.SIGTERM, signal.SIGKILL])
def test_a_lost_client_or_a_killed_server_ends_the_look(how: Any, tmp_path: Path, hanging: Callable[[], int | None]) -> None:
    hello = {"jsonrpc": "2.0", "id": 1, "method": "initialize", "params": {
        "protocolVersion": "2025-06-18", "capabilities": {}, "clientInfo": {"name": "raw", "version": "1"}}}
    call = {"jsonrpc": "2.0", "id": 2, "method": "tools/call", "params": {"name": "diagnose", "arguments": {}}}
    lines = [hello, {"jsonrpc": "2.0", "method": "notifications/initialized"}, call]
    with subprocess.Popen([sys.executable, "-m", "fixer", "mcp", "--target", "ssh://root@far"], cwd=ROOT, stdin=subprocess.PIPE,
                          stdout=subprocess.PIPE, stderr=subprocess.DEVNULL,
                          env={**os.environ, "BADGATEWAY_STATE": str(tmp_path), "BADGATEWAY_SSH": str(tmp_path / "ssh")}) as served:
        assert served.stdin is not None
        served.stdin.write("".join(json.dumps(line) + "\n" for line in lines).encode())
        served.stdin.flush()
        pid = anyio.run(until, hanging)
        if how == "closes":
            served.stdin.close()
        else:
            served.send_signal(how)
        code = served.wait(60)
        anyio.run(until, lambda: not is_running(pid))
    assert code == {"closes": 0, signal.SIGTERM: 128 + 15, signal.SIGKILL: -9}[how]
