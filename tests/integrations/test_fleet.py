"""The collection with real ansible-core over real ssh: twenty machines (forty at night), as a fleet is: some broken, some gone."""

from __future__ import annotations

import json
import os
import shutil
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from fixer.start import main
from tests.integrations.fleet_machines import INOTIFY, Fleet, running_fleet

TIMES = 2 if os.environ.get("BADGATEWAY_NIGHTLY") else 1
pytestmark = [pytest.mark.docker, pytest.mark.slow, pytest.mark.timeout(900 * TIMES)]

LIMITS = {name: (INOTIFY / name).read_text() for name in ("max_user_instances", "max_user_watches")} if INOTIFY.is_dir() else {}
FILES = "cd /etc; find . -printf '%p %m %u %g %l\\n' | sort | sha256sum; find . -type f -print0 | sort -z | xargs -0 sha256sum | sha256sum"
REASONS = ["there is no route to it", "nothing listens at its ssh port (connection refused)", "its host key has changed"]


@pytest.fixture(scope="module")
def fleet(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Fleet]:
    broken = {"wrong-port": 2 * TIMES, "missing-env": 2 * TIMES}
    with running_fleet(tmp_path_factory.mktemp("fleet"), 11 * TIMES + 3 * (TIMES - 1), broken, 2 * TIMES) as made:
        yield made
    assert {name: (INOTIFY / name).read_text() for name in LIMITS} == LIMITS


def test_each_host_has_its_own_result(fleet: Fleet, capsys: pytest.CaptureFixture[str]) -> None:
    results = fleet.results("fleet")
    assert len(results) == 20 * TIMES
    for name in fleet.kinds["healthy"]:
        assert (results[name]["verdict"], results[name]["changed"], results[name]["via"]) == ("healthy", False, "fixer")
    for kind, cause in (("wrong-port", "wrong-port"), ("missing-env", "crash-missing-env")):
        for name in fleet.kinds[kind]:
            found = results[name]
            assert (found["verdict"], found["cause"], found["exit_code"], found["via"]) == ("broken", cause, 1, "fixer")
            assert "failed" not in found and found["report"]["findings"][0]["evidence"]
    for place, name in enumerate(fleet.kinds["no-python"]):
        assert results[name]["via"] == "collect-script"
        assert results[name]["cause"] == (None if place % 2 else "wrong-port")
    for name, reason in zip(fleet.kinds["unreachable"], REASONS, strict=True):
        assert results[name]["unreachable"] is True and results[name]["msg"].startswith(reason)
        assert "\n" not in results[name]["msg"]
    # the callback's file, grouped
    assert set(fleet.reports()) == set(results)
    capsys.readouterr()
    assert main(["fleet", "report", str(fleet.lines), "--json"]) == 1
    grouped = json.loads(capsys.readouterr().out)
    assert {group["cause"]: set(group["hosts"]) for group in grouped["groups"]} == {
        "wrong-port": {*fleet.kinds["wrong-port"], *fleet.kinds["no-python"][::2]}, "crash-missing-env": set(fleet.kinds["missing-env"])}
    assert {group["reason"] for group in grouped["unseen"]} == set(REASONS)
    assert set(grouped["healthy"]) == {*fleet.kinds["healthy"], *fleet.kinds["no-python"][1::2]}


def test_fixer_is_copied_once(fleet: Fleet) -> None:
    host = fleet.kinds["healthy"][-1]
    fleet.sh(host, "rm -rf /var/cache/badgateway")
    assert [fleet.results(host)[host]["copied"] for _ in range(2)] == [True, False]


def test_the_playbook_prints_the_fleet_by_cause(fleet: Fleet) -> None:
    """Half of these hosts cannot be reached: the rest is reported."""
    named = [*fleet.kinds["unreachable"], fleet.kinds["healthy"][0], fleet.kinds["wrong-port"][0], "sudo-asks"]
    shown = fleet.playbook("badgateway.fixer.diagnose", "-e", f"badgateway_hosts={':'.join(named)}", code=None)
    assert "6 hosts: 1 healthy - 1 wrong-port" in shown and "4 could not be looked at" in shown
    assert "sudo asks for a password there: sudo-asks" in shown
    for reason in REASONS:
        assert f"{reason}: web-" in shown


def test_sudo_is_become(fleet: Fleet) -> None:
    results = fleet.results("odd")
    assert results["sudo-asks"]["exit_code"] == 3 and results["sudo-asks"]["msg"].startswith("sudo asks for a password there (")
    assert results["sudo-works"]["verdict"] == "healthy" and not any("not root" in note for note in results["sudo-works"]["report"]["notes"])


def test_bundles_of_hosts_with_and_without_python(fleet: Fleet, capsys: pytest.CaptureFixture[str]) -> None:
    hosts = [fleet.kinds["wrong-port"][0], fleet.kinds["no-python"][0]]
    results = fleet.results(":".join(hosts), "-a", f"dest={fleet.folder}/bundles/", module="collect", code=0)
    assert [results[host]["via"] for host in hosts] == ["fixer", "collect-script"]
    for host in hosts:
        assert main(["diagnose", f"bundle:{results[host]['bundle']}", "--json"]) == 1
        assert json.loads(capsys.readouterr().out)["findings"][0]["cause"] == "wrong-port"
        assert Path(results[host]["bundle"]).stat().st_mode & 0o777 == 0o600 and not results[host]["changed"]
    fleet.results(hosts[1], "-a", "target=docker://web", code=2)


def test_check_repair_and_undo(fleet: Fleet) -> None:
    host = fleet.kinds["wrong-port"][0]
    before = fleet.sh(host, FILES)
    shown = fleet.run("ansible", host, "-m", "badgateway.fixer.repair", "--check", "--diff")
    assert "\n+" in shown and "proxy_pass" in shown and '"changed": true' in shown
    assert fleet.sh(host, FILES) == before
    assert fleet.results(host, "--check", module="undo", code=0)[host]["changed"] is False
    repaired = fleet.results(host, module="repair", code=0)[host]
    assert (repaired["changed"], repaired["outcome"], repaired["verdict"]) == (True, "repaired", "healthy")
    assert fleet.results(host, module="repair", code=0)[host]["outcome"] == "nothing-to-do"
    planned = fleet.results(host, "--check", module="undo", code=0)[host]
    undone = fleet.results(host, module="undo", code=0)[host]
    assert (planned["id"], undone["id"], undone["changed"], undone["conflicts"]) == (repaired["journal"], repaired["journal"], True, [])
    assert fleet.sh(host, FILES) == before
    bare = fleet.results(fleet.kinds["no-python"][0], module="repair", code=2)
    assert bare[fleet.kinds["no-python"][0]]["msg"].startswith("it has no Python; fixer needs 3.11 or newer")


def test_a_secret_input_is_in_no_output_and_no_argument(fleet: Fleet) -> None:
    host = fleet.kinds["missing-env"][0]
    key, _, value = fleet.inputs[0].partition("=")
    needed = fleet.results(host, module="repair", code=0)[host]
    assert (needed["outcome"], needed["changed"]) == ("needs-input", False)
    arguments = json.dumps({"max_risk": "disruptive", "inputs": {key: value}})
    shown = fleet.run("ansible", host, "-vvvv", "-m", "badgateway.fixer.repair", "-a", arguments)
    assert '"outcome": "repaired"' in shown and "--set-from" in shown and value not in shown
    assert fleet.results(host, module="undo", code=0)[host]["conflicts"] == []


def test_a_rolling_repair_stops_where_a_finding_comes_back_and_undo_takes_all_back(fleet: Fleet) -> None:
    canary, second = fleet.kinds["wrong-port"][:2]
    bystander, last = fleet.kinds["healthy"][:2]
    before = {host: fleet.sh(host, FILES) for host in (canary, second)}
    order = f"badgateway_hosts={canary}:{second}:{bystander}:{last}"
    words = ["badgateway.fixer.rolling_repair", "-e", order, "-e", "badgateway_serial=1", "-e", "badgateway_settle=10",
             "-e", f"badgateway_record={fleet.folder}/rolling"]
    fleet.sh(second, "cp -a /etc/nginx /root/wanted")
    fleet.playbook(*words)
    assert len(list((fleet.folder / "rolling").iterdir())) == 2
    assert {fleet.reports()[host]["verdict"] for host in (canary, second)} == {"healthy"}
    fleet.run("ansible-playbook", "badgateway.fixer.rolling_undo", "-e", f"badgateway_record={fleet.folder}/rolling")
    assert {host: fleet.sh(host, FILES) for host in (canary, second)} == before
    assert list((fleet.folder / "rolling").iterdir()) == []
    # something on the second one puts the old file back after each repair, as a configuration management does
    over = threading.Event()

    def put_back() -> None:
        known: set[Path] = set()
        while not over.wait(0.2):
            ended = {*(fleet.folder / "rolling").glob(f"{second}@*")} - known
            if ended:
                fleet.sh(second, "cp -a /root/wanted/. /etc/nginx/; nginx -s reload")
                known |= ended

    configuration_management = threading.Thread(target=put_back)
    configuration_management.start()
    try:
        # half of a batch may fail here, but a finding that comes back ends the play: the last host is not looked at
        shown = fleet.playbook(*words, "-e", "badgateway_serial=2", "-e", "badgateway_max_fail=60", code=2)
    finally:
        over.set()
        configuration_management.join()
    assert "came back after the repair" in shown and f"[{bystander}]" in shown and f"[{last}]" not in shown
    assert fleet.reports()[second]["verdict"] == "broken" and fleet.reports()[canary]["verdict"] == "healthy"
    fleet.run("ansible-playbook", "badgateway.fixer.rolling_undo", "-e", f"badgateway_record={fleet.folder}/rolling", code=None)
    assert fleet.sh(canary, FILES) == before[canary]
    shutil.rmtree(fleet.folder / "rolling", ignore_errors=True)
