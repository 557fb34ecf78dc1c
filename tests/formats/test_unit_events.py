"""Tests of fixer/formats/unit_events.py: systemd's sentences, of several versions."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

import fixer
from fixer.formats.unit_events import ROWS, event_in, is_manager_text
from fixer.model.unit_event import UnitEvent

SAID = {
    "Started api.service - The API.": UnitEvent("started"),
    "Starting The API...": UnitEvent("starting"),
    "Stopping api.service - The API...": UnitEvent("stopping"),
    "Stopped The API.": UnitEvent("stopped"),
    "Failed to start api.service - The API.": UnitEvent("start-failed"),
    "Dependency failed for api.service - The API.": UnitEvent("dependency-failed"),
    "api.service: Job api.service/start failed with result 'dependency'.": UnitEvent("dependency-failed", "api.service"),
    "api.service: Main process exited, code=exited, status=203/EXEC": UnitEvent("main-exited", "api.service", "exited", 203),
    "api.service: Main process exited, code=killed, status=9/KILL": UnitEvent("main-exited", "api.service", "killed", 9),
    "api.service: Control process exited, code=exited, status=1/FAILURE": UnitEvent("control-exited", "api.service", "exited", 1),
    "api.service: Failed with result 'oom-kill'.": UnitEvent("failed", "api.service", result="oom-kill"),
    "api.service: Deactivated successfully.": UnitEvent("succeeded", "api.service"),
    "api.service: Succeeded.": UnitEvent("succeeded", "api.service"),                # before 249
    "api.service: Scheduled restart job, restart counter is at 12.": UnitEvent("restart-scheduled", "api.service", count=12),
    "api.service: Start request repeated too quickly.": UnitEvent("start-limit", "api.service"),
    "api.service: A process of this unit has been killed by the OOM killer.": UnitEvent("oom-kill", "api.service"),
    "api.service: Failed at step CHDIR spawning /srv/run: No such file or directory":
        UnitEvent("step-failed", "api.service", subject="CHDIR", reason="missing"),
    "api.service: Failed at step EXEC spawning /srv/run: Permission denied":
        UnitEvent("step-failed", "api.service", subject="EXEC", reason="denied"),
    "api.service: start operation timed out. Terminating.": UnitEvent("start-timeout", "api.service"),
    "api.service: start-post operation timed out. Terminating.": UnitEvent("timeout", "api.service"),
    "api.service: State 'stop-sigterm' timed out. Killing.": UnitEvent("stop-timeout", "api.service"),
    "api.service: Watchdog timeout (limit 5s)!": UnitEvent("watchdog", "api.service"),
    "api.service: Service reached runtime time limit. Stopping.": UnitEvent("runtime-limit", "api.service"),
    "api.service: Can't open PID file '/run/api.pid' (yet?) after start: No such file or directory":
        UnitEvent("pid-file-missing", "api.service", subject="/run/api.pid"),
    "api.service: PID file /run/api.pid not readable (yet?) after start: No such file or directory":
        UnitEvent("pid-file-missing", "api.service", subject="/run/api.pid"),
    "api.service: Failed to load environment files: No such file or directory": UnitEvent("environment-file-missing", "api.service"),
    "api.service: Referenced but unset environment variable evaluates to an empty string: PORT, HOST":
        UnitEvent("variables-unset", "api.service", detail="PORT, HOST"),
    "api.service - The API skipped, unmet condition check ConditionPathExists=/srv/on":
        UnitEvent("condition-unmet", subject="ConditionPathExists", detail="/srv/on"),
    "The API was skipped because of an unmet condition check (ConditionPathExists=/srv/on).":
        UnitEvent("condition-unmet", subject="ConditionPathExists", detail="/srv/on"),
    "Condition check resulted in The API being skipped.": UnitEvent("condition-unmet"),
    "api.service: Starting requested but asserts failed.": UnitEvent("assertion-failed", "api.service"),
    "/etc/systemd/system/api.service:7: Unknown key name 'Execstart' in section 'Service', ignoring.":
        UnitEvent("bad-unit-file", subject="/etc/systemd/system/api.service:7",
                  detail="Unknown key name 'Execstart' in section 'Service', ignoring."),
    "api.service: Service has no ExecStart=, ExecStop=, or SuccessAction=. Refusing.":
        UnitEvent("bad-unit-file", "api.service", detail="Service has no ExecStart=, ExecStop=, or SuccessAction=. Refusing."),
    "api.service: Found ordering cycle on db.service/start": UnitEvent("ordering-cycle", "api.service", subject="db.service"),
    "db.service: Job api.service/start deleted to break ordering cycle starting with db.service/start":
        UnitEvent("start-job-dropped", "db.service"),
}


@pytest.mark.parametrize("text", SAID)
def test_a_sentence(text: str) -> None:
    assert event_in(text) == SAID[text]


@pytest.mark.parametrize("text", [
    "INFO:     Started server process [1]", "connection timed out", "restarting the job", "the OOM score is 3", "",
    "psycopg.OperationalError: connection to server at 127.0.0.1, port 5432 failed: Connection refused",
])
def test_words_of_a_program_mean_nothing(text: str) -> None:
    assert event_in(text) is None and not is_manager_text(text)


def test_what_looks_like_the_managers() -> None:
    assert is_manager_text("api.service: Consumed 1.2s CPU time.") and is_manager_text("Starting The API...")
    assert is_manager_text("1764000000.5 host systemd[1]: anything")


def test_no_other_module_knows_these_sentences() -> None:
    root = Path(fixer.__file__).parent
    needles = [words.strip() for words, *_ in ROWS if len(words.strip()) > 10]
    patterns = [re.compile(rf"(regex\(|startswith\(\(?f?\")(?=.*{re.escape(words)})") for words in (*needles, "Started \\S", "Stopping ", "Stopped ")]
    knowing = {str(path.relative_to(root)): line.strip() for path in root.rglob("*.py") for line in path.read_text().splitlines()
               if any(one.search(line) for one in patterns) and not line.lstrip().startswith(("#", '"""'))}
    assert set(knowing) <= {"formats/unit_events.py"}, knowing
