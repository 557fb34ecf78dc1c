"""A page that sends visitors on is well, and what it leads to was not asked: that is said, with the way to ask."""

from __future__ import annotations

from dataclasses import replace

import pytest

from fixer.diagnose import notes
from fixer.diagnose.notes import NOTES, _is_disabled_site
from fixer.diagnose.run_causes import diagnose
from fixer.model.diagnosis import RuledOut
from fixer.model.facts import Evidence, Known
from fixer.model.nginx_config import UnloadedSite
from fixer.model.snapshot import UnitSetting
from fixer.model.target import TargetRef
from tests.analysis.ownership.unloaded_site_owner_builders import LEFT, judged
from tests.causes.nginx_down.nginx_down_builders import SLOW_START
from tests.causes.snapshot_builders import (
    Scene,
    container_service,
    failed_service,
    finding_of,
    healthy_scene,
    listener,
    log_lines,
    probe,
    process,
    roots,
    service,
    stopped_service,
    verdict_of,
    wrong_port_scene,
)


def _notes(location: str, status: int = 303) -> tuple[str, ...]:
    return diagnose(healthy_scene().answers(probe(status, location=location)).snapshot()).notes


def test_the_page_that_visitors_are_sent_on_to_was_not_asked() -> None:
    [note] = _notes("/login?next=%2F")
    assert note == "redirect targets not probed: http://127.0.0.1/login. Add --url to probe one of them"


def test_where_a_person_asked_for_a_page_of_theirs_nothing_is_left_to_ask() -> None:
    asked = healthy_scene().answers(probe(200), probe(303, location="/login"))
    assert diagnose(asked.snapshot()).notes == ()


@pytest.mark.parametrize("location", [
    "", "/", "/?a=b", "https://127.0.0.1/login", "http://other.example/login", "//other.example/", "login", "/a b",
    "/$(id)", "/`id`", "/;reboot", "/\x1b[31m", "/a\nb", "/" + "a" * 90,
])
def test_what_leads_elsewhere_or_would_need_quoting_is_not_repeated(location: str) -> None:
    assert _notes(location) == ()


@pytest.mark.parametrize(("statuses", "said"), [
    ((404,), "404"), ((403,), "403"), ((404, 403), "403 or 404"), ((404, 200), ""), ((404, 303), ""), ((401,), ""),
])
def test_a_site_on_which_no_page_is_found_or_allowed_is_named_though_it_is_healthy(
        statuses: tuple[int, ...], said: str) -> None:
    scene = healthy_scene()
    if len(statuses) > 1:
        scene = Scene("127.0.0.1:8000", "127.0.0.1:8000").with_service(service(), listener(8000, 200))
    for number, status in enumerate(statuses):
        scene.answers(probe(status), route=number)
    diagnosis = diagnose(scene.snapshot())
    assert diagnosis.verdict == "healthy"
    found = [note for note in diagnosis.notes if "each probed page" in note]
    assert len(found) == (1 if said else 0)
    assert not said or f"each probed page of the site answers {said}: http://127.0.0.1/" in found[0]


# A site that nginx does not load: its backend is no other site's, and a request for its name falls to the default.
FILE = "/etc/nginx/sites-enabled/other"
PATTERN = "/etc/nginx/sites-enabled/*.conf"


def test_a_request_for_its_name_is_told_and_left_to_a_person() -> None:
    diagnosis = judged(wrong_port_scene(), LEFT, asked="other.example")
    assert roots(diagnosis) == ["wrong-server-block"]
    found = diagnosis.findings[0]
    assert (found.confidence, found.repairs[0].risk) == ("likely", "manual")
    assert PATTERN in found.summary and FILE in found.repairs[0].manual


def test_it_is_named_also_where_nobody_asked_for_it() -> None:
    assert any(FILE in note and PATTERN in note for note in judged(wrong_port_scene(), LEFT).notes)
    assert not any(FILE in note for note in judged(wrong_port_scene(), replace(LEFT, file=f"{FILE}.disabled")).notes)


def test_an_unhealthy_container_that_answers_is_advice_and_no_fault() -> None:
    scene = Scene("app:8000", node="web", back="app").with_service(
        container_service(box={"health": "unhealthy", "health_exit": 7}), listener(8000, 7, "0.0.0.0", "app"))
    diagnosis = diagnose(scene.snapshot())
    found = finding_of(diagnosis, SLOW_START)
    assert (found.variant, found.role, found.repairs, diagnosis.verdict) == ("container-unhealthy", "advice", (), "healthy")
    assert "exit code 7" in found.evidence[0].text
    for health in ("healthy", None):
        well = Scene("app:8000", node="web", back="app").with_service(
            container_service(box={"health": health}), listener(8000, 7, "0.0.0.0", "app"))
        assert isinstance(verdict_of(diagnose(well.snapshot()), SLOW_START), RuledOut)


# What a repair writes inside a container that holds everything lasts as long as that container.


@pytest.mark.parametrize(("kind", "first", "told"), [
    ("docker", "supervisord", True), ("compose", "sh", True), ("docker", "systemd", False), ("local", "supervisord", False),
])
def test_it_is_said_that_a_new_container_has_it_not(kind: str, first: str, told: bool) -> None:
    scene = wrong_port_scene()
    scene.extra["target"] = TargetRef(kind, "web" if kind != "local" else "")      # type: ignore[arg-type]
    made = scene.snapshot().nodes[0].processes
    assert isinstance(made, Known)
    scene.node_changes["local"] = {"processes": Known((process(1, first), *made.value))}
    diagnosis = diagnose(scene.snapshot())
    assert diagnosis.findings[0].repairs[0].steps
    assert any("unless it is mounted" in note for note in diagnosis.notes) is told


# A drop-in of a type, or of a row of names, that breaks one service holds for others too.
TYPE = "/etc/systemd/system/service.d/hardening.conf"


def broken(path: str = TYPE, *others: tuple[str, str], name: str = "backend.service") -> tuple[str, ...]:
    limit = UnitSetting("LimitAS", "20M", Evidence("unit", f"{path}:3", "LimitAS=20M"))
    scene = Scene().with_service(failed_service(
        name, log=log_lines("Started backend.service.", "MemoryError"), settings=(limit,),
        unit_changes={"drop_in_paths": (path,)})).refused()
    for number, (other, shared) in enumerate(others):
        paths = {"drop_in_paths": (shared,)}
        if number:
            scene.services.append(stopped_service(other, 9000 + number, unit_changes=paths))
        else:
            scene.with_service(service(other, 9000, 300, unit_changes=paths), listener(9000, 300))
    diagnosis = diagnose(scene.snapshot())
    assert diagnosis.findings[0].cause == "crash-killed"
    return tuple(note for note in diagnosis.notes if "next start" in note)


def test_who_else_is_hit_is_told_with_their_number() -> None:
    rest = tuple((f"s{n}.service", TYPE) for n in range(5))
    (note,) = broken(TYPE, *rest)
    assert "at least 5 more services here (s0.service, s1.service, s2.service and 2 more)" in note
    assert "1 of them runs with the settings loaded before" in note and note.startswith(TYPE)


@pytest.mark.parametrize(("path", "other"), [
    (TYPE, ()), (TYPE, (("mail.service", "/etc/systemd/system/mail.service.d/x.conf"),)),
    ("/etc/systemd/system/backend.service.d/x.conf", (("mail.service", "/etc/systemd/system/backend.service.d/x.conf"),)),
])
def test_a_file_of_its_own_or_that_nobody_shares(path: str, other: tuple[tuple[str, str], ...]) -> None:
    assert broken(path, *other) == ()


def test_a_row_of_names() -> None:
    path = "/etc/systemd/system/shop-.service.d/x.conf"
    (note,) = broken(path, ("shop-mail.service", path), name="shop-web.service")
    assert "at least 1 more service here (shop-mail.service)" in note


@pytest.mark.parametrize(("name", "aside"), [
    ("shop.conf.disabled", True), ("shop.conf~", True), ("shop.conf.dpkg-dist", True), ("#shop.conf#", True),
    ("_shop.conf", True), ("shop", False), ("shop.example.com", False), ("old-shop", False), ("shop.cnf", False),
])
def test_what_its_name_puts_aside(name: str, aside: bool) -> None:
    assert _is_disabled_site(UnloadedSite(f"/etc/nginx/conf.d/{name}", 1, (), "127.0.0.1", 1, None)) is aside


def test_every_function_that_writes_notes_is_asked() -> None:
    written = {name for name, made in vars(notes).items() if name.endswith("_notes") and made.__module__ == notes.__name__}
    assert written == {made.__name__ for made in NOTES}


@pytest.mark.parametrize(("kept", "told"), [((), True), (("/etc/nginx",), False), (("/etc/nginx/ssl",), True)])
def test_what_a_mount_holds_is_not_said_to_be_lost_with_the_container(kept: tuple[str, ...], told: bool) -> None:
    scene = wrong_port_scene()
    scene.extra["target"] = TargetRef("compose", "shop")
    scene.processes.append(process(1, "supervisord", "-n"))
    scene.node_changes["local"] = {"kept_paths": kept}
    said = diagnose(scene.snapshot()).notes
    assert any("survives restarts" in note for note in said) == told
