"""Tests of fixer/causes/dns_unresolved/other_names.py."""

from __future__ import annotations

import pytest

from fixer.diagnose.run_causes import diagnose
from fixer.model.diagnosis import RuledOut
from fixer.model.facts import Known, Unknown
from tests.causes.dns_unresolved.dns_unresolved_builders import UNRESOLVED
from tests.causes.snapshot_builders import (
    BAD_GATEWAY,
    NOW,
    Scene,
    finding_of,
    healthy_scene,
    roots,
    stopped_service,
    verdict_of,
)

SAID = 'nginx: [emerg] host not found in upstream "line.internal:6001" in /etc/nginx/sites-enabled/shop:3\nnginx: test failed\n'


def refused(scene: Scene) -> Scene:
    """A running nginx that rejects its files for a name of theirs that no route leads to."""
    scene.nginx |= {"loaded_at": Known(NOW - 600.0), "config_mtime": Known(NOW - 10.0), "test": Known((1, SAID))}
    return scene


def test_a_reload_that_a_name_of_another_block_forbids_is_why_a_page_still_fails() -> None:
    """Both causes that tell of refused files ruled themselves out: no cause was named."""
    diagnosis = diagnose(refused(healthy_scene().answers(BAD_GATEWAY)).snapshot())
    found = finding_of(diagnosis, UNRESOLVED)
    assert roots(diagnosis) == [UNRESOLVED] and (found.variant, found.confidence) == ("dns-name-missing-at-start", "certain")
    assert found.summary == ("the name line.internal (at /etc/nginx/sites-enabled/shop:3) does not resolve: nginx rejects its files and "
                             "runs with an older configuration")
    assert "reload nginx" in found.repairs[0].manual and "host not found" in found.evidence[0].text


def test_where_every_page_answers_it_is_advice() -> None:
    diagnosis = diagnose(refused(healthy_scene()).snapshot())
    found = finding_of(diagnosis, UNRESOLVED)
    assert (diagnosis.verdict, found.role, found.repairs) == ("healthy", "advice", ())


def test_an_nginx_that_cannot_start_is_its_consequence() -> None:
    """The repair was to start nginx, which ended at the same name."""
    scene = Scene("app:8000")
    scene.nginx |= {"master_pid": None, "worker_pids": (), "test": Known((1, SAID)),
                    "service": stopped_service("nginx.service", 80, is_app_server=False)}
    scene.probes[0] = Unknown("nginx does not run")
    diagnosis = diagnose(scene.snapshot())
    assert roots(diagnosis) == [UNRESOLVED] and finding_of(diagnosis, "nginx-down").role == "consequence"
    found = finding_of(diagnosis, UNRESOLVED)
    assert found.summary.endswith("nginx cannot start") and found.repairs[0].risk == "manual"


@pytest.mark.parametrize("test", [Known((0, "nginx: test is successful")), Known((1, "nginx: [emerg] unknown directive")), Unknown("not asked")])
def test_miss(test: object) -> None:
    scene = refused(healthy_scene())
    scene.nginx["test"] = test
    assert isinstance(verdict_of(diagnose(scene.snapshot()), UNRESOLVED), RuledOut)
