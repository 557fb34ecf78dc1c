"""Tests of fixer/repairs/upstream_address.py."""

from __future__ import annotations

from dataclasses import replace

import pytest

from fixer.diagnose.run_causes import diagnose
from fixer.model.facts import Known, Unknown
from fixer.model.nginx_config import Span, UpstreamServer
from fixer.model.plan import WriteFile
from tests.causes.snapshot_builders import (
    NOW,
    SITE,
    Scene,
    container_service,
    file,
    finding_of,
    listener,
    probe,
    service,
    stat,
    wrong_port_scene,
)
from tests.causes.wrong_port.wrong_port_builders import containers


def test_the_digits_may_stand_in_a_variable() -> None:
    text = "server {\n  set $port 8001;\n  location / { proxy_pass http://127.0.0.1:$port; }\n}\n"
    start = text.index("127.0.0.1:$port")
    scene = wrong_port_scene().endpoint(written="127.0.0.1:$port", start=start, end=start + 15, line=3)
    scene.files[0] = file(SITE, text)
    spot = Span(SITE, 3, start, start + 15)
    digits = text.index("8001")
    server = UpstreamServer("127.0.0.1:$port", "127.0.0.1", 8001, None, spot, port_span=Span(SITE, 2, digits, digits + 4))
    scene.route[0] = {"servers": (server,)}
    write = finding_of(diagnose(scene.snapshot()), "wrong-port").repairs[0].steps[0]
    assert isinstance(write, WriteFile) and write.after == text.replace("8001", "8000").encode()
    scene.files[0] = file(SITE, text.replace("8001", "8009"))
    assert finding_of(diagnose(scene.snapshot()), "wrong-port").repairs[0].risk == "manual"
    scene.files[0] = file(SITE, text)
    scene.route[0] = {"servers": (replace(server, port_span=Span("/gone", 2, 1, 2)),)}
    assert finding_of(diagnose(scene.snapshot()), "wrong-port").repairs[0].risk == "manual"


CAUSE = "wrong-port"


def test_every_place_that_names_the_address_is_edited_in_one_write() -> None:
    scene = Scene("127.0.0.1:8001", "127.0.0.1:8001").with_service(service(), listener(8000, 200)).refused().refused(1)
    found = finding_of(diagnose(scene.snapshot()), CAUSE)
    assert found.routes == ("r1", "r2")
    writes = [step for step in found.repairs[0].steps if isinstance(step, WriteFile)]
    assert len(writes) == 1 and writes[0].after is not None and writes[0].after.count(b"127.0.0.1:8000") == 2


NGINX = 100


def test_a_file_in_the_layer_is_for_a_person() -> None:
    scene = containers()
    scene.services[-1] = scene.nginx["service"] = container_service("web", 80, pid=NGINX, is_app_server=False)
    repair = finding_of(diagnose(scene.snapshot()), CAUSE).repairs[0]
    assert repair.risk == "manual" and "layer" in repair.manual and "8000" in repair.manual


@pytest.mark.parametrize(("age", "words"), [
    (3590, "from {} and its variables: change the template"),
    (7200, "did not make {real} of {}, which it has: its entry point may not write to that folder (docker logs"),
])
def test_a_file_that_the_container_makes_at_each_start_is_for_a_person(age: float, words: str) -> None:
    """Edited behind its mount it would serve until the next start. One that is older than the start, no start made."""
    scene = containers()
    scene.files[0] = replace(scene.files[0], stat=stat(mtime=NOW - age))
    template = f"/etc/nginx/templates/{scene.files[0].real_path.rpartition('/')[2]}.template"
    scene.node_changes["web"] = {"files": ((template, stat()),)}
    repair = finding_of(diagnose(scene.snapshot()), CAUSE).repairs[0]
    assert repair.risk == "manual" and words.format(template, real=scene.files[0].real_path) in repair.manual


def test_a_managed_file_says_who_overwrites_it() -> None:
    scene = wrong_port_scene()
    scene.files[0] = replace(scene.files[0], managed_by="Ansible")
    repair = finding_of(diagnose(scene.snapshot()), CAUSE).repairs[0]
    assert repair.risk == "disruptive" and "Ansible manages" in repair.summary


def test_a_port_that_is_not_written_is_added() -> None:
    scene = Scene("localhost").with_service(service(), listener(8000, 200)).refused(port=81)
    write = finding_of(diagnose(scene.snapshot()), CAUSE).repairs[0].steps[0]
    assert isinstance(write, WriteFile) and write.after is not None and b"http://localhost:8000;" in write.after


@pytest.mark.slow
def test_thousands_of_places_are_edited_in_one_go() -> None:
    many = 3000
    scene = Scene(*["127.0.0.1:8001"] * many).with_service(service(), listener(8000, 200))
    for index in range(many):
        scene.endpoint(index, listener=Known(None), tcp=Known(probe(error="refused")), http=Known(probe(error="refused")))
        scene.probes[index] = Unknown("not more than 50 are asked")
    scene.probes[0] = Known((probe(502),))
    found = finding_of(diagnose(scene.snapshot()), CAUSE)
    write = found.repairs[0].steps[0]
    assert len(found.routes) == many and isinstance(write, WriteFile)
    assert write.before is not None and write.after == write.before.replace(b":8001;", b":8000;")
    assert len(found.evidence) < 20
