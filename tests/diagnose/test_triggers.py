"""Tests of fixer/diagnose/triggers.py."""

from __future__ import annotations

import subprocess
import sys

import pytest

from fixer.analysis.case import open_case
from fixer.causes import load_causes
from fixer.diagnose.run_causes import diagnose
from fixer.diagnose.triggers import (
    RUN_CAUSES,
    TRIGGERS,
    is_triggered,
    runless_verdict,
    triggers_of,
    untriggered_verdict,
)
from fixer.lazy.dataclass import replace
from fixer.model.diagnosis import RuledOut
from fixer.model.facts import Unknown
from fixer.model.nginx_config import ErrorKind
from fixer.nginx.error_kinds import KINDS
from tests.causes.snapshot_builders import NOW, Scene, healthy_scene, verdict_of, wrong_port_scene

LOADED = """
import sys
from fixer.diagnose.run_causes import diagnose
from tests.causes.snapshot_builders import healthy_scene, wrong_port_scene
assert diagnose({scene}().snapshot()).verdict == "{verdict}"
print(*sorted(name.partition("fixer.causes.")[2] for name in sys.modules if name.startswith("fixer.causes.")))
"""


def stopped_nginx_scene() -> Scene:
    scene = healthy_scene()
    scene.nginx.update(master_pid=None, worker_pids=())
    return scene


def silent_scene() -> Scene:
    """An address that fails, without a line in nginx's log."""
    scene = wrong_port_scene()
    scene.events.clear()
    return scene


def logged_scene(kind: ErrorKind) -> Scene:
    """A host that is well, whose nginx has written such lines just now."""
    scene = healthy_scene()
    lines = ((at, wrong_port_scene().events[0]) for at in (NOW - 9.0, NOW - 6.0, NOW - 3.0))
    scene.events += [replace(line, at=at, kind=kind) for at, line in lines]
    return scene


def untriggered(scene: Scene) -> set[str]:
    present = triggers_of(open_case(scene.snapshot(), {}))
    return {cause for cause in TRIGGERS if not is_triggered(cause, present)}


def test_every_cause_of_the_table_exists_and_has_a_trigger() -> None:
    assert set(TRIGGERS) <= {cause.id for cause in load_causes()} and all(TRIGGERS.values())


def test_a_healthy_host_triggers_nothing() -> None:
    assert untriggered(healthy_scene()) == set(TRIGGERS)


def test_an_address_that_fails_triggers_all_that_look_at_addresses() -> None:
    assert untriggered(silent_scene()) == {
        "backlog-full", "ephemeral-ports-exhausted", "header-too-big", "invalid-upstream-headers", "keepalive-race",
        "localhost-ipv6", "nginx-own-failure", "tls-mismatch", "tls-sni-missing", "tls-verify-failed", "worker-connections-exhausted"}


def test_a_line_triggers_those_that_look_at_its_kind() -> None:
    everyone = untriggered(healthy_scene())
    assert everyone - untriggered(logged_scene("tls-version")) == {"tls-mismatch"}
    assert everyone - untriggered(logged_scene("refused")) == {"crash-loop-gave-up", "localhost-ipv6"}
    assert everyone == untriggered(logged_scene("limit-requests"))


def test_a_log_that_cannot_be_read_may_hold_lines() -> None:
    scene = healthy_scene()
    scene.nginx.update(errors=Unknown("denied"))
    assert "tls-mismatch" not in untriggered(scene) and "wrong-port" in untriggered(scene)


def test_a_cause_of_another_package_is_always_asked() -> None:
    assert is_triggered("moon-phase", frozenset())


def test_answers_rule_out_what_nothing_triggers() -> None:
    seen = healthy_scene().snapshot()
    verdict = verdict_of(diagnose(seen), "wrong-port")
    assert isinstance(verdict, RuledOut) and verdict == untriggered_verdict(open_case(seen, {})) and verdict.evidence


@pytest.mark.parametrize("scene", [healthy_scene(), stopped_nginx_scene(), silent_scene(),
                                   *(logged_scene(kind) for kind in sorted(KINDS))])
def test_a_cause_that_nothing_triggers_would_say_the_same(scene: Scene) -> None:
    case = open_case(scene.snapshot(), {})
    silent = untriggered(scene)
    told = {cause.id: cause.verdict(case) for cause in load_causes() if cause.id in silent}
    assert told == dict.fromkeys(silent, untriggered_verdict(case))


def test_a_healthy_host_loads_no_cause_that_nothing_triggers() -> None:
    loaded = loaded_causes("healthy_scene", "healthy")
    assert loaded and not loaded & set(TRIGGERS)


def test_a_host_whose_services_run_loads_no_cause_of_failed_runs_alone() -> None:
    loaded = loaded_causes("wrong_port_scene", "broken")
    assert "wrong-port" in loaded and not loaded & set(RUN_CAUSES)


def loaded_causes(scene: str, verdict: str) -> set[str]:
    code = LOADED.format(scene=scene, verdict=verdict)
    done = subprocess.run([sys.executable, "-c", code], check=True, capture_output=True, text=True)
    return {name.partition(".")[0].replace("_", "-") for name in done.stdout.split()}


def test_what_a_cause_of_runs_also_looks_at_makes_it_asked() -> None:
    case = open_case(wrong_port_scene().snapshot(), {})
    present = triggers_of(case)
    assert all(runless_verdict(cause, case, present) is not None for cause in RUN_CAUSES)
    assert runless_verdict("wrong-port", case, present) is None
    for cause, triggers in RUN_CAUSES.items():
        assert all(runless_verdict(cause, case, present | {trigger}) is None for trigger in triggers)
