"""Servers that no manager watches: whether the file that their output goes to shows a failed start."""

from __future__ import annotations

from dataclasses import replace

import pytest

from fixer.diagnose.run_causes import diagnose
from fixer.model.deployment import BootEntry
from fixer.model.diagnosis import Diagnosis
from fixer.model.facts import Known
from fixer.model.snapshot import LogLine
from tests.causes.snapshot_builders import NOW, Scene, service, stopped_service, unit

LOG = "/var/log/shop.log"
ENTRY = BootEntry("local", "cron", "/etc/cron.d/shop", 2, "/opt/shop/start.sh", "shop", 8000, None)
TRACE = ("Traceback (most recent call last):", '  File "/opt/shop/web.py", line 3, in <module>', "    import pdfs",
         "ModuleNotFoundError: No module named 'pdfs'")
DENIED = ("Traceback (most recent call last):", '  File "/opt/shop/web.py", line 9, in <module>',
          "    open('/etc/shop.json')", "PermissionError: [Errno 13] Permission denied: '/etc/shop.json'")
UVICORN = ("INFO:     Started server process [9]", "INFO:     Application startup complete.",
           "INFO:     Uvicorn running on http://127.0.0.1:8000 (Press CTRL+C to quit)")
UVICORN_END = ("INFO:     Shutting down", "INFO:     Finished server process [9]")
CAUGHT = ("ERROR:    Exception in ASGI application", *TRACE)
GUNICORN = ("[2026-11-29 07:08:53 +0000] [281] [INFO] Starting gunicorn 23.0.0",
            "[2026-11-29 07:08:53 +0000] [281] [INFO] Listening at: http://127.0.0.1:8000 (281)",
            "[2026-11-29 07:08:53 +0000] [299] [INFO] Booting worker with pid: 299")
WORKER = ("[2026-11-29 07:08:53 +0000] [299] [ERROR] Exception in worker process",)
HALTED = ("[2026-11-29 07:08:53 +0000] [299] [INFO] Worker exiting (pid: 299)",
          "[2026-11-29 07:08:53 +0000] [281] [ERROR] Worker (pid:299) exited with code 3",
          "[2026-11-29 07:08:53 +0000] [281] [INFO] Shutting down: Master",
          "[2026-11-29 07:08:53 +0000] [281] [ERROR] Reason: Worker failed to boot.")
HYPERCORN = ("[2026-11-29 07:12:28 +0000] [192] [INFO] Running on http://127.0.0.1:8000 (CTRL + C to quit)",)
TERMINATED = ("[2026-11-29 11:10:33 +0000] [234] [INFO] Booting worker with pid: 234",)
OLDER_HALTED = ("[2026-11-29 11:10:33 +0000] [234] [INFO] Worker exiting (pid: 234)",     # gunicorn 20: no error level
                "[2026-11-29 11:10:34 +0000] [232] [WARNING] Worker with pid 234 was terminated due to signal 15",
                "[2026-11-29 11:10:34 +0000] [232] [INFO] Shutting down: Master",
                "[2026-11-29 11:10:34 +0000] [232] [INFO] Reason: Worker failed to boot.")
UWSGI = ("*** Starting uWSGI 2.0.28-debian (64bit) on [Sat Nov 29 07:00:00 2026] ***",)
UWSGI_UP = ("WSGI app 0 (mountpoint='') ready in 1 seconds on interpreter 0x5571 pid: 12 (default app)",)
UWSGI_DOWN = ("unable to load app 0 (mountpoint='') (callable not found or import error)", "*** no app loaded. GAME OVER ***")


def diagnosed(*texts: str, ago: float = 60.0, entry: BootEntry = ENTRY, missing_file: str = "") -> Diagnosis:
    log = Known(tuple(LogLine(NOW - ago, text, LOG) for text in texts))
    made = replace(service(pid=None), name="start.sh", id="local/start.sh", manager="none", unit=None, log=log, boot_entry=entry,
                   missing_file=missing_file)
    scene = Scene().with_service(made).refused()
    scene.extra["boot_entries"] = (entry,)
    return diagnose(scene.snapshot())


@pytest.mark.parametrize("texts", [
    TRACE,
    (*UVICORN, *UVICORN_END, *TRACE),                          # after a stop on request
    (*UVICORN, *TRACE),                                        # after a kill: nothing introduces the exception
    (*HYPERCORN, *TRACE),
    (*GUNICORN, *WORKER, *TRACE, *HALTED),
    (*GUNICORN, "[…] [281] [INFO] Shutting down: Master", *GUNICORN, *WORKER, *TRACE, *HALTED),
    (*UWSGI, *UWSGI_UP, *UWSGI, *TRACE, *UWSGI_DOWN),
])
def test_a_start_that_failed_has_its_own_cause(texts: tuple[str, ...]) -> None:
    (found,) = diagnosed(*texts).findings
    assert (found.cause, found.confidence) == ("crash-code-error", "likely")
    assert any(e.where.startswith(LOG) and "pdfs" in e.text for e in found.evidence)
    assert all(repair.risk == "manual" for repair in found.repairs)


@pytest.mark.parametrize("texts", [
    (*UVICORN, *UVICORN_END, *DENIED),
    (*GUNICORN, *TERMINATED, *WORKER, *DENIED, *OLDER_HALTED),
    (*GUNICORN, *WORKER, *DENIED, *TERMINATED, *WORKER, *DENIED, *OLDER_HALTED),
    (*UVICORN[:1], *DENIED, "ERROR:    Application startup failed. Exiting.", "INFO:     Finished server process [9]"),
])
def test_a_file_that_may_not_be_read_ends_it_too(texts: tuple[str, ...]) -> None:
    (found,) = diagnosed(*texts).findings
    assert found.cause == "crash-file-access" and found.confidence != "certain"


@pytest.mark.parametrize("texts", [
    (),
    UVICORN,
    (*TRACE, *UVICORN),                                        # repaired since: it came up
    (*TRACE, *UVICORN, *UVICORN_END),
    (*UVICORN, *CAUGHT),                                       # of one answer
    (*UVICORN, *CAUGHT, *UVICORN_END),
    (*UWSGI, *TRACE, *UWSGI_DOWN, *UWSGI, *UWSGI_UP),
    ("127.0.0.1 - - \"GET /?q=Traceback HTTP/1.1\" 200", "127.0.0.1 - - \"GET /ModuleNotFoundError: HTTP/1.1\" 200"),
])
def test_a_run_that_served_has_only_ended(texts: tuple[str, ...]) -> None:
    (found,) = diagnosed(*texts).findings
    assert (found.cause, found.variant) == ("backend-down", "backend-not-running")


def test_a_log_of_before_the_boot_shows_nothing_of_this_one() -> None:
    (found,) = diagnosed(*TRACE, ago=1e7).findings
    assert found.cause == "backend-down"


def test_what_a_log_alone_says_is_never_certain_and_names_the_account_of_the_entry() -> None:
    (found,) = diagnosed(*TRACE[:2], '    KEY = os.environ["SIGNING_KEY"]', "KeyError: 'SIGNING_KEY'").findings
    assert (found.cause, found.confidence) == ("crash-missing-env", "likely")
    (denied,) = diagnosed(*DENIED).findings
    assert "shop cannot access /etc/shop.json" in denied.summary


def test_a_file_of_variables_that_its_script_lacks_ends_it_before_any_output() -> None:
    (found,) = diagnosed(*UVICORN, missing_file="/etc/shop.env").findings
    assert (found.cause, found.variant, found.confidence) == ("crash-missing-env", "start-envfile-missing", "likely")
    assert "restore /etc/shop.env" in found.repairs[0].manual and "/etc/cron.d/shop:2" in found.repairs[0].manual


def test_so_it_does_where_a_unit_whose_work_is_done_started_it() -> None:
    """rc-local.service reports success whatever became of the server; the log is of the run before."""
    log = Known(tuple(LogLine(NOW - 60, text, LOG) for text in (*UVICORN, *UVICORN_END)))
    made = stopped_service("rc-local.service", unit=unit("rc-local.service", active_state="inactive", sub_state="dead", type="forking",
                                                         main_pid=0), log=log, missing_file="/etc/shop.env")
    diagnosis = diagnose(Scene().with_service(made).refused().snapshot())
    assert [(f.cause, f.role) for f in diagnosis.findings] == [("crash-missing-env", "root"), ("backend-down", "consequence")]
    there = diagnose(Scene().with_service(replace(made, missing_file="")).refused().snapshot())
    assert [f.cause for f in there.findings] == ["backend-down"]


NODE = ("node:fs:448", "    return binding.readFileUtf8(path, stringToFlags(options.flag));", "                   ^", "",
        "Error: ENOENT: no such file or directory, open '/etc/shop/settings.json'",
        *(f"    at Module.{name} (node:internal/modules/cjs/loader:9:1)" for name in ("_compile", "load", "_load")),
        "    at node:internal/main/run_main_module:28:49 {", "  errno: -2,", "  code: 'ENOENT',", "  syscall: 'open',",
        "  path: '/etc/shop/settings.json'", "}", "", "Node.js v20.19.2")


def test_node_prints_its_stack_behind_the_exception() -> None:
    (found,) = diagnosed(*NODE).findings
    assert (found.cause, found.variant) == ("crash-file-access", "start-file-missing")
    assert "crash-file-access" not in [f.cause for f in diagnosed(*NODE, *UVICORN).findings]
