"""A site that nginx does not load: its backend is no other site's, and a request for its name falls to the default."""

from __future__ import annotations

from dataclasses import replace

from fixer.diagnose.run_causes import diagnose
from fixer.model.diagnosis import Diagnosis
from fixer.model.facts import Known
from fixer.model.nginx_config import Listen, ServerBlock, Span, UnloadedSite
from tests.causes.snapshot_builders import SITE, Scene, finding_of, roots, wrong_port_scene

FILE = "/etc/nginx/sites-enabled/other"
PATTERN = "/etc/nginx/sites-enabled/*.conf"
LEFT = UnloadedSite(FILE, 5, ("other.example",), "127.0.0.1", 8000, None, PATTERN)


def judged(scene: Scene, *left: UnloadedSite, asked: str = "") -> Diagnosis:
    made = scene.snapshot()
    nginx = replace(made.nginxes[0], unloaded_sites=left)
    assert isinstance(nginx.config, Known) and isinstance(nginx.errors, Known)
    block = ServerBlock((Listen("0.0.0.0", 80, False, True, False, Span(SITE, 2, 0, 0)),), ("_",), Span(SITE, 1, 0, 6), None)
    raw = f', host: "{asked}"' if asked else ""
    events = tuple(replace(e, raw=e.raw + raw) for e in nginx.errors.value)
    nginx = replace(nginx, config=Known(replace(nginx.config.value, servers=(block,))), errors=Known(events))
    return diagnose(replace(made, nginxes=(nginx,)))


def test_the_one_left_over_is_a_choice_where_a_site_that_is_not_loaded_names_it() -> None:
    found = finding_of(judged(wrong_port_scene(), LEFT), "wrong-port")
    assert (found.confidence, found.repairs[0].steps) == ("possible", ())
    assert any(e.where == f"{FILE}:5" and "not loaded" in e.text for e in found.evidence)


def test_a_copy_of_the_very_site_proves_nothing_against_it() -> None:
    found = finding_of(judged(wrong_port_scene(), replace(LEFT, names=("_",))), "wrong-port")
    assert found.confidence == "certain" and found.repairs[0].steps


def test_one_that_leads_elsewhere_does_not_count() -> None:
    assert finding_of(judged(wrong_port_scene(), replace(LEFT, port=8123)), "wrong-port").confidence == "certain"


def test_a_request_for_its_name_is_told_and_left_to_a_person() -> None:
    diagnosis = judged(wrong_port_scene(), LEFT, asked="other.example")
    assert roots(diagnosis) == ["wrong-server-block"]
    found = diagnosis.findings[0]
    assert (found.confidence, found.repairs[0].risk) == ("likely", "manual")
    assert PATTERN in found.summary and FILE in found.repairs[0].manual


def test_it_is_named_also_where_nobody_asked_for_it() -> None:
    assert any(FILE in note and PATTERN in note for note in judged(wrong_port_scene(), LEFT).notes)
    assert not any(FILE in note for note in judged(wrong_port_scene(), replace(LEFT, file=f"{FILE}.disabled")).notes)
