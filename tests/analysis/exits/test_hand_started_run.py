"""Tests of fixer/analysis/exits/hand_started_run.py."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from fixer.diagnose.run_causes import diagnose
from fixer.model.deployment import BootEntry
from fixer.model.facts import Known, Unknown
from fixer.model.snapshot import HandStartedLog, LogLine, ProbeResult, Service
from tests.causes.nginx_down.nginx_down_builders import no_nginx
from tests.causes.snapshot_builders import (
    BAD_GATEWAY,
    GOOD,
    NOW,
    REFUSED,
    Scene,
    causes_of,
    file,
    finding_of,
    listener,
    probe,
    process,
    roots,
    service,
    stat,
    stopped_service,
)

GUNICORN = "[2026-01-01 03:00:00 +0000] [88] [INFO] Starting gunicorn 23.0.0"
SERVED = "INFO:     Application startup complete."
LOST_FILE = ("Traceback (most recent call last):", '  File "/srv/shop/app.py", line 11, in <module>',
             "FileNotFoundError: [Errno 2] No such file or directory: '/srv/shop/settings.json'")
LOST_MODULE = ("Traceback (most recent call last):", '  File "/srv/shop/app.py", line 3, in <module>', "    import orjson",
               "ModuleNotFoundError: No module named 'orjson'")
LOST_VARIABLE = ("Traceback (most recent call last):", '  File "/srv/shop/app.py", line 9, in <module>',
                 '    KEY = os.environ["SIGNING_KEY"]', "KeyError: 'SIGNING_KEY'")
DENIED = ("Traceback (most recent call last):", '  File "/srv/shop/app.py", line 11, in <module>',
          "PermissionError: [Errno 13] Permission denied: '/srv/shop/settings.json'")

NODE = ("/srv/shop/office.js:12", '    throw new Error("SIGNING_KEY is not set");', "    ^", "",
        "Error: SIGNING_KEY is not set", "    at Object.<anonymous> (/srv/shop/office.js:12:11)", "", "Node.js v20.19.2")


def by_hand(*texts: str, path: str = "/tmp/shop.log", ago: float = 60.0, **place: object) -> Scene:
    """Nothing listens where nginx asks, nothing is configured there, and a log of an application server lies about."""
    scene = Scene().refused(configured_service=None, **place)
    lines = tuple(LogLine(None, text, path) for text in texts)
    scene.extra["hand_started_logs"] = (HandStartedLog("local", path, NOW - ago, lines),)
    return scene


@pytest.mark.parametrize(("texts", "cause", "said"), [
    (LOST_FILE, "crash-file-access", "/srv/shop/settings.json is not there"),
    (DENIED, "crash-file-access", "its account cannot access /srv/shop/settings.json"),
    (LOST_MODULE, "crash-code-error", "orjson"), (LOST_VARIABLE, "crash-missing-env", "SIGNING_KEY"),
])
def test_hit_its_log_alone_says_why_it_ended(texts: tuple[str, ...], cause: str, said: str) -> None:
    """An earlier run served; the last one did not come so far."""
    seen = diagnose(by_hand(GUNICORN, SERVED, "[88] [INFO] Shutting down: Master", GUNICORN, *texts).snapshot())
    assert roots(seen) == [cause]
    found = finding_of(seen, cause)
    assert said in found.summary and found.confidence == "likely" and "the server that logs to /tmp/shop.log" in found.summary
    assert finding_of(seen, "backend-down").role == "consequence"
    assert [(r.risk, r.steps, r.needs) for r in found.repairs] == [("manual", (), ())], "anybody may have written the log"
    assert any("any user may write" in line for line in found.detail)


@pytest.mark.parametrize(("error", "cause", "said"), [
    ("OSError: [Errno 28] No space left on device: '/dev/shm/shop.sem'", "disk-full", "no space is left on the disk"),
    ("OSError: [Errno 99] error while attempting to bind on address ('10.9.9.9', 8000): cannot assign requested address",
     "wrong-bind-address", "does not have that address"),
    ("OSError: [Errno 24] Too many open files", "fd-exhausted", "open files"),
    ("psycopg.OperationalError: connection failed: connection to server at \"127.0.0.1\", port 5432 failed: Connection refused",
     "crash-dependency-down", "127.0.0.1:5432"),
])
def test_hit_whatever_ends_a_managed_server_ends_this_one(error: str, cause: str, said: str) -> None:
    scene = by_hand(GUNICORN, "Traceback (most recent call last):", '  File "/srv/shop/app.py", line 11, in <module>', error)
    seen = diagnose(scene.snapshot())
    assert roots(seen) == [cause]
    found = finding_of(seen, cause)
    assert said in found.summary and found.confidence == "likely"
    assert all(r.risk == "manual" and not r.steps for r in found.repairs)


@pytest.mark.parametrize(("texts", "path"), [
    (LOST_FILE, "/tmp/shop.log"), (LOST_VARIABLE, "/home/shop/nohup.out"), (NODE, "/tmp/shop.log"),   # named after the site
    (("*** Starting uWSGI 2.0.28-debian (64bit) ***", *LOST_FILE), "/root/nohup.out"),
])
def test_hit_any_server_s_log(texts: tuple[str, ...], path: str) -> None:
    (found,) = roots(diagnose(by_hand(*texts, path=path).snapshot()))
    assert found in ("crash-file-access", "crash-missing-env")


def test_hit_a_socket_of_its_own_and_another_place_of_its_log() -> None:
    seen = diagnose(by_hand(GUNICORN, *LOST_FILE, path="/srv/shop/nohup.out", unix="/srv/shop/s.sock", host="", port=0,
                            addresses=Known(())).snapshot())
    assert roots(seen) == ["crash-file-access"]


@pytest.mark.parametrize("scene", [
    by_hand(GUNICORN, *LOST_FILE, SERVED), by_hand(GUNICORN, SERVED, "[88] [INFO] Shutting down: Master"),    # it came up
    by_hand(*LOST_FILE, path="/root/backup.log"),        # nothing says that a server wrote it
    by_hand(GUNICORN, *LOST_FILE, ago=1e9),     # before this boot
    by_hand(GUNICORN, *LOST_FILE).with_service(service("other.service", 9000, 300)),    # another may be meant
    by_hand(GUNICORN, *LOST_FILE).with_service(stopped_service(port=8000)),
])
def test_miss_a_log_that_need_not_be_about_the_address(scene: Scene) -> None:
    assert not {"crash-file-access", "crash-code-error", "crash-missing-env"} & set(causes_of(diagnose(scene.snapshot())))


def beside_another_site(path: str) -> Scene:
    """A second site of the machine is well; its server is managed."""
    scene = Scene("127.0.0.1:8000", "127.0.0.1:9000").refused(configured_service=None)
    scene.with_service(service("orchard.service", 9000, 300), listener(9000, 300))
    scene.route[1] = {"server_index": 1, "server_names": ("orchard.example",)}
    scene.extra["hand_started_logs"] = by_hand(GUNICORN, *LOST_MODULE, path=path).extra["hand_started_logs"]
    return scene


def test_hit_the_server_of_another_site_is_not_meant() -> None:
    assert roots(diagnose(beside_another_site("/tmp/shop.log").snapshot())) == ["crash-code-error"]


@pytest.mark.parametrize(("answer", "told"), [(GOOD, True), (REFUSED, False)])
def test_hit_also_while_nginx_is_stopped_where_the_other_server_answers_directly(answer: ProbeResult, told: bool) -> None:
    """No page shows then which server belongs to which site; its own address does."""
    scene = beside_another_site("/tmp/shop.log")
    scene.nginx.update(no_nginx().nginx)
    for index in (0, 1):
        scene.probes[index] = Known((REFUSED,))
    scene.endpoint(1, tcp=Known(answer if answer is REFUSED else probe()), http=Known(answer))
    assert ("crash-code-error" in roots(diagnose(scene.snapshot()))) is told


def test_miss_the_server_of_another_site_may_have_written_a_log_without_the_name() -> None:
    assert "crash-code-error" not in causes_of(diagnose(beside_another_site("/tmp/orchard.log").snapshot()))


@pytest.mark.parametrize(("owner", "mode", "said"), [
    (998, 0o100600, "shop cannot access /srv/shop/settings.json (shop may not read /srv/shop/settings.json)"),
    (998, 0o100644, "ended because it could not access /srv/shop/settings.json; it is there now and shop may use it"),
    (0, 0o100600, "its account cannot access /srv/shop/settings.json"), (4, 0o100600, "its account cannot access /srv/shop/settings.json"),
])
def test_the_account_is_that_of_the_log_and_the_file_is_looked_at(owner: int, mode: int, said: str) -> None:
    scene = by_hand(GUNICORN, *DENIED[:2], "    open('/srv/shop/settings.json').read()", DENIED[2])
    scene.extra["hand_started_logs"] = tuple(replace(log, uid=owner) for log in scene.extra["hand_started_logs"])
    way = [("/srv", stat(kind="dir", mode=0o040755)), ("/srv/shop", stat(kind="dir", mode=0o040755)),
           ("/", stat(kind="dir", mode=0o040755)), ("/srv/shop/settings.json", stat(mode=mode))]
    scene.node_changes["local"] = {"files": tuple(way)}
    scene.files += [file("/etc/passwd", "root:x:0:0::/:/bin/sh\nshop:x:998:998::/:/bin/false\n"), file("/etc/group", "root:x:0:\nshop:x:998:\n")]
    found = finding_of(diagnose(scene.snapshot()), "crash-file-access")
    assert found.summary.endswith(said) or said in found.summary
    assert all(repair.risk == "manual" for repair in found.repairs)


def test_miss_one_log_cannot_explain_two_addresses() -> None:
    scene = Scene("127.0.0.1:8000", "127.0.0.1:8001").refused(configured_service=None).refused(1, configured_service=None)
    scene.extra["hand_started_logs"] = by_hand(GUNICORN, *LOST_FILE).extra["hand_started_logs"]
    assert "crash-file-access" not in causes_of(diagnose(scene.snapshot()))


def test_miss_what_fixer_did_not_see_as_root_may_be_another_server() -> None:
    seen = by_hand(GUNICORN, *LOST_FILE).snapshot()
    limited = replace(seen, nodes=tuple(replace(node, root=False) for node in seen.nodes))
    assert "crash-file-access" not in causes_of(diagnose(limited))


def test_miss_while_the_page_is_well() -> None:
    scene = Scene().with_service(service())
    scene.extra["hand_started_logs"] = by_hand(GUNICORN, *LOST_FILE).extra["hand_started_logs"]
    assert "crash-file-access" not in causes_of(diagnose(scene.snapshot()))


PORT_TAKEN = ("*** Starting uWSGI 2.0.28-debian (64bit) ***", "probably another instance of uWSGI is running on the same address",
              "bind(): Address already in use [core/socket.c line 769]")


def taken(*texts: str, error: str = "reset") -> Scene:
    """A program that is no server holds the port; a server that somebody starts by hand wanted it."""
    holder = service("feeder.service", 8000, 300, is_app_server=False, runtime="")
    scene = Scene().with_service(holder, listener(8000, 300)).answers(BAD_GATEWAY)
    scene.endpoint(http=Known(probe(error=error, phase="head")))
    scene.logs("recv() failed (104: Connection reset by peer)", 104, "reading response header from upstream")
    lines = tuple(LogLine(None, text, "/tmp/shop.log") for text in texts)
    scene.extra["hand_started_logs"] = (HandStartedLog("local", "/tmp/shop.log", NOW - 60, lines),)
    return scene


def test_hit_another_program_holds_its_port() -> None:
    seen = diagnose(taken(*PORT_TAKEN).snapshot())
    assert roots(seen) == ["crash-port-in-use"]
    found = finding_of(seen, "crash-port-in-use")
    assert found.confidence == "likely" and "pid 300" in found.summary and found.repairs[0].risk == "manual"
    assert "crash-port-in-use" not in roots(diagnose(taken("*** Starting uWSGI 2.0.28-debian (64bit) ***").snapshot()))


def script(port: int = 8000, **changes: Any) -> Service:
    """What a script would start at a port, if somebody ran it."""
    entry = BootEntry("local", "by-hand", "/usr/local/bin/start-shop", 4, "uvicorn app:app", "", port, None,
                      "nothing starts it at boot")
    made = replace(stopped_service("start-shop", port), unit=None, manager="none", boot_entry=entry,
                   log=Unknown("its output does not go to a file"))
    return replace(made, **changes)


def test_hit_a_script_names_the_server_whose_log_lies_about() -> None:
    scene = by_hand(GUNICORN, *LOST_VARIABLE).with_service(script())
    scene.endpoint(configured_service="local/start-shop")
    seen = diagnose(scene.snapshot())
    found = finding_of(seen, "crash-missing-env")
    assert roots(seen) == ["crash-missing-env"] and found.service == "start-shop" and found.confidence == "likely"
    assert "/usr/local/bin/start-shop:4" in [line.where for line in found.evidence]
    assert [(r.risk, r.steps) for r in found.repairs] == [("manual", ())], "anybody may have written the log"


def test_hit_a_script_whose_server_is_at_another_port_than_nginx_asks() -> None:
    seen = diagnose(by_hand(GUNICORN, *LOST_MODULE).with_service(script(9100)).snapshot())
    assert roots(seen) == ["wrong-port", "crash-code-error"]
    assert [r.risk for r in finding_of(seen, "wrong-port").repairs] == ["manual"]


def test_miss_a_script_that_is_not_named_after_the_site() -> None:
    entry = script(9100).boot_entry
    assert entry is not None
    other = script(9100, name="start-orchard", id="local/start-orchard", argv=("uvicorn", "orchard:app"), boot_entry=replace(
        entry, file="/usr/local/bin/start-orchard"))
    assert roots(diagnose(by_hand(GUNICORN, *LOST_MODULE).with_service(other).snapshot())) == ["crash-code-error"]


def test_hit_a_script_alone_says_what_does_not_run() -> None:
    scene = by_hand(GUNICORN, SERVED).with_service(script())
    scene.endpoint(configured_service="local/start-shop")
    (found,) = diagnose(scene.snapshot()).findings
    assert (found.cause, found.role) == ("backend-down", "root")
    assert found.summary.startswith("the backend that the script /usr/local/bin/start-shop starts at 127.0.0.1:8000 does not")
    assert "run /usr/local/bin/start-shop again" in found.repairs[-1].manual and found.repairs[-1].risk == "manual"


@pytest.mark.parametrize(("message", "expected"), [
    ("recv() failed (104: Connection reset by peer)", ["crash-port-in-use"]),
    ("upstream prematurely closed connection", ["crash-port-in-use"]),
    ("upstream timed out (110: Connection timed out)", []),
])
def test_nginx_says_who_hangs_up_on_what_is_no_http(message: str, expected: list[str]) -> None:
    """Of uwsgi only the connection is tried, so nobody but nginx heard the stranger."""
    scene = taken(*PORT_TAKEN)
    scene.endpoint(http=Unknown("the upstream protocol is not HTTP"), tcp=Known(probe()))
    scene.route[0] = {"kind": "uwsgi_pass"}
    scene.events.clear()
    scene.logs(message, 104 if "104" in message else 110 if "110" in message else None, "reading response header from upstream")
    found = roots(diagnose(scene.snapshot()))
    assert [cause for cause in found if cause == "crash-port-in-use"] == expected


def test_hit_a_script_names_the_port_that_another_program_holds() -> None:
    scene = by_hand(GUNICORN).with_service(script())
    feeder = replace(service("feeder.service", 8000, 300), is_app_server=False, runtime="")
    scene.with_service(feeder, listener(8000, 300))
    scene.processes.append(process(300, "/usr/sbin/feeder"))
    hung_up = Known(probe(error="reset", phase="head"))
    scene.endpoint(configured_service="local/start-shop", listening_service="local/feeder.service",
                   listener=Known(listener(8000, 300)), tcp=Known(probe()), http=hung_up)
    seen = diagnose(scene.answers(BAD_GATEWAY).snapshot())
    assert roots(seen) == ["crash-port-in-use"] and finding_of(seen, "crash-port-in-use").confidence == "likely"
