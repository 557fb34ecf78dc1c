"""The collect script and what is made of its output: run here with this machine's sh and awk."""

from __future__ import annotations

import json
import re
import shutil
import subprocess
from dataclasses import replace
from pathlib import Path

import pytest

from fixer.errors import CannotObserve
from fixer.model.facts import Known
from fixer.model.query import Command, ListProcesses, ListSockets, Probe, ReadFile, ReadGlob
from fixer.observe.files.log_files import log_file_query
from fixer.observe.managed import managed_queries, managed_services
from fixer.observe.script_bundle import _read_run, _ScriptRun, is_script_bundle, load_script_bundle, script_text
from fixer.observe.view.node_view import view_of
from tests.observe.managed.openrc_builders import machine

pytestmark = pytest.mark.skipif(shutil.which("awk") is None, reason="the script needs awk")


@pytest.fixture(scope="module")
def taken() -> bytes:
    return subprocess.run(["sh"], input=script_text().encode(), capture_output=True, check=True).stdout


def test_every_question_of_a_first_look_is_answered(taken: bytes) -> None:
    assert is_script_bundle(taken)
    capture = load_script_bundle(taken)
    node = capture.nodes[0]
    assert node.answers[ListProcesses()].files and node.answers[ListSockets()].files
    assert node.now > 1_700_000_000
    assert capture.notes[0].startswith("written by a collect script")


def test_what_is_no_bundle_of_a_script(taken: bytes) -> None:
    assert not is_script_bundle(b"") and not is_script_bundle(b"\x1f\x8bjunk") and not is_script_bundle(b"PK")
    plain = b"badgateway-collect 1\n"
    for damaged in (plain, plain + b"{}\n\n", plain + b"[]\nx\n", taken[:60], plain + b'{"queries": [5]}\nx'):
        with pytest.raises(CannotObserve) as caught:
            load_script_bundle(damaged)
        assert caught.value.exit_code == 3 and caught.value.hint


def frames(*parts: str) -> bytes:
    import json

    head = json.dumps({"nonce": "n" * 32, "prefix": "/./", "queries": []})
    text = "\n".join(f"{'n' * 32} {part}" for part in parts)
    return f"badgateway-collect 1\n{head}\n\n{text}\n".encode()


WEB = frames("clock 0 7\n1800000000.5 +0100", "journal out desk.service\n1799999999.0 h desk[1]: hello", "nginx-test out\nno", "nginx-test end 1",
             "resolve out db\n10.0.0.9 STREAM db", "spec 1 80 /api shop.example", "probe done 1 0 1 2\nHTTP/1.1 502 Bad Gateway\r\n\r\nx",
             "looked list\n/srv/gone", "end")


def answer(query: object):
    import json
    from dataclasses import replace

    from fixer.hosts.sh.round_script import build_round_script

    head, output = WEB.split(b"\n", 2)[1:]
    assert json.loads(head)["queries"] == []
    return _ScriptRun(replace(build_round_script([]), nonce=b"n" * 32, prefix=b"/./"), b"\n" + output, b"n" * 32)._answer(query)  # type: ignore[arg-type]


def test_later_questions_find_what_the_script_foresaw() -> None:
    assert b"hello" in answer(Command("journal", ("desk.service", "200"))).data
    assert (answer(Command("nginx-test", ("nginx", "/c", "/"))).returncode, answer(Command("nginx-test", ("a", "b", "c"))).stderr) == (1, b"no")
    assert answer(Command("resolve", ("db",))).data == b"db 10.0.0.9\n"
    assert b'"status": 502' in answer(Probe("127.0.0.1", 80, "/api", host_header="shop.example")).data
    assert answer(Probe("127.0.0.1", 80, None, host_header="other")).status == "ok"     # a connect is one, whoever is meant
    by_uwsgi = json.loads(answer(Probe("127.0.0.1", 80, "/", host_header="other", uwsgi=True)).data)
    assert (by_uwsgi["status"], by_uwsgi["error"], by_uwsgi["phase"]) == (None, None, "done"), "the script asked by HTTP"
    assert answer(ReadFile("/srv/gone", 0)).files[0].status == "absent"


@pytest.mark.parametrize("query", [
    Command("journal", ("other.service", "200")), Command("resolve", ("db", "cache")), ReadFile("/srv/x"), ReadFile("/srv/x", 9, tail=True),
    ReadGlob(("/srv/*",)), Command("systemctl-show", ("x.service",)), Probe("127.0.0.1", 80, "/other", host_header="shop.example"),
    Probe("127.0.0.1", 80, "/api", host_header="other"), Probe("10.0.0.1", 80, "/api", host_header="shop.example"),
    Probe("127.0.0.1", 443, "/api", tls=True), Probe("", 0, "/", unix="/run/x.sock"),
])
def test_what_it_did_not_foresee_is_unknown_never_absent(query: object) -> None:
    assert answer(query).status == "failed"


def test_an_environment_file_of_the_system_feeds_the_unit_that_names_it() -> None:
    """Its values say where the application listens; a glob of a capture holds nginx's files, which feed no unit."""
    folder = Path(__file__).parent / "data"
    made = load_script_bundle((folder / "script_defaults.gz").read_bytes())
    from fixer.observe.build_snapshot import build_snapshot

    desk = next(s for s in build_snapshot(made).services if s.name == "summit.service")
    assert isinstance(desk.bindings, Known) and [b.port for b in desk.bindings.value] == [8013]


def test_what_its_own_requests_met_is_read_after_them() -> None:
    """Of a host whose log was empty before: the only line that says why nginx was denied is that of the script's own
    request."""
    from fixer.diagnose.run_causes import diagnose
    from fixer.observe.build_snapshot import build_snapshot

    made = load_script_bundle((Path(__file__).parent / "data" / "script_later.gz").read_bytes())
    found = diagnose(build_snapshot(made)).findings
    assert [(f.cause, f.confidence) for f in found][:1] == [("mac-denied", "certain")]


def test_its_requests_end_where_a_request_ends() -> None:
    """A byte more made servers reset what they had answered."""
    ask = script_text().partition("\nask() {")[2].partition("\n}\n")[0]
    text = f'c=0; item() {{ :; }}; plain() {{ printf %s "$5"; }}\nask() {{{ask}\n}}\nask 80 /api shop.example; wait'
    sent = subprocess.run(["sh", "-c", text], capture_output=True, check=True).stdout
    assert sent.startswith(b"GET /api HTTP/1.1\r\nHost: shop.example\r\n") and sent.endswith(b"Connection: close\r\n\r\n")


def test_a_script_that_was_cut_off_says_so() -> None:
    cut = WEB.rsplit(b"\n" + b"n" * 32, 1)[0]
    assert any("interrupted before its end" in note for note in load_script_bundle(cut).notes)


OPENRC_SHOP = """#!/sbin/openrc-run
supervisor=supervise-daemon
command="/srv/shop/venv/bin/gunicorn"
command_args="--bind 127.0.0.1:8001 shop.wsgi:application"
export SHOP_KEY="hunter2-hunter2"
output_log="/var/log/shop.log"
error_log="/var/log/shop.log"
"""


def test_the_services_of_openrc_are_read(tmp_path: Path) -> None:
    """The script runs on a folder that stands for the machine's root: its marks, scripts, process ids and logs."""
    for path, data in {"etc/init.d/shop": OPENRC_SHOP, "etc/conf.d/shop": "TOKEN=hunter2-hunter2\nSHOP_PORT=8001\n",
                       "run/openrc/options/shop/child_pid": "90\n", "run/nginx/nginx.pid": "40\n", "run/a.pid": "hunter2\n",
                       "var/log/shop.log": "ModuleNotFoundError: No module named 'requests'\n"}.items():
        (tmp_path / path).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / path).write_text(data, "utf-8")
    for mark in ("run/openrc/failed/shop", "etc/runlevels/default/shop"):
        (tmp_path / mark).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / mark).symlink_to(tmp_path / "etc/init.d/shop")
    script = script_text()
    prefix = re.search(r"^N=\w+ P=(\S+)$", script, re.MULTILINE)
    assert prefix is not None
    script = script.replace(prefix[1], f"{tmp_path}{prefix[1]}")
    run = _read_run(subprocess.run(["sh"], input=script.encode(), capture_output=True, check=True).stdout)
    view = machine([])
    for _ in range(3):
        new = {query: run._answer(query) for query in (*managed_queries(view), log_file_query("/var/log/shop.log"))}
        view = view_of(replace(view.node, answers={**view.node.answers, **new}))
    (service,) = managed_services(view)
    assert (service.name, service.managed and (service.managed.state, service.managed.boot)) == ("shop", ("failed", ("default",)))
    assert [binding.port for binding in service.bindings.or_else(())] == [8001]
    assert [line.text for line in service.log.or_else(())] == ["ModuleNotFoundError: No module named 'requests'"]
    said = {file.path: file.data for answer in view.node.answers.values() for file in answer.files}
    assert (said["/run/openrc/options/shop/child_pid"], b"SHOP_PORT=8001" in said["/etc/conf.d/shop"]) == (b"90\n", True)
    assert run._answer(ReadFile("/run/nginx/nginx.pid", 64)).files[0].data == b"40\n"
    assert run._answer(ReadFile("/srv/shop/venv/bin/gunicorn", 512)).status == "absent"
    assert not any(b"hunter2" in data for data in (*said.values(), run._answer(ReadFile("/run/a.pid", 64)).files[0].data))
