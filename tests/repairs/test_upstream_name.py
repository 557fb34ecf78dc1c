"""Tests of fixer/repairs/upstream_name.py."""

from __future__ import annotations

import re
from dataclasses import replace

import pytest

from fixer.analysis.case import open_case
from fixer.model.facts import Known, Unknown
from fixer.model.plan import CheckNginx, ReloadNginx, WriteFile
from fixer.repairs.upstream_name import other_address_repair, other_resolver_repair
from tests.causes.dns_unresolved.dns_unresolved_builders import NOWHERE, boxes, found
from tests.causes.snapshot_builders import REFUSED, Scene, container_service, file, listener, stopped_service


def test_an_upstream_that_is_called_nearly_so_is_named_and_may_be_chosen() -> None:
    scene = Scene("shop_pol").endpoint(**NOWHERE)
    text = 'nginx: [emerg] host not found in upstream "shop_pol" in /etc/nginx/sites-enabled/shop:3\n'
    scene.nginx |= {"master_pid": None, "worker_pids": (), "test": Known((1, text)),
                    "service": stopped_service("nginx.service", 80, is_app_server=False)}
    scene.probes[0] = Unknown("nginx does not run")
    scene.files.append(file("/etc/nginx/nginx.conf", "http {\nupstream other { server a; }\nupstream shop_pool { server b; }\n}\n"))
    need = found(scene).repairs[0].needs[0]
    assert need.why.endswith("; the upstream shop_pool is defined at /etc/nginx/nginx.conf:3")
    assert re.fullmatch(need.pattern, "shop_pool") and re.fullmatch(need.pattern, "10.0.0.1")
    assert not re.fullmatch(need.pattern, "other_pool")
    edit = found(scene, address="shop_pool").repairs[0].steps[0]
    assert isinstance(edit, WriteFile) and b"http://shop_pool;" in (edit.after or b"")


def variable(*sets: str) -> Scene:
    """The pass is a variable, which a `set` of the site gives a name that does not resolve."""
    scene = Scene("shop_pol").endpoint(**NOWHERE, written="$back:8000", host="shop_pol")
    text = 'nginx: [emerg] host not found in upstream "shop_pol" in /etc/nginx/sites-enabled/shop:3\n'
    scene.nginx |= {"master_pid": None, "worker_pids": (), "test": Known((1, text)),
                    "service": stopped_service("nginx.service", 80, is_app_server=False)}
    scene.probes[0] = Unknown("nginx does not run")
    page = "".join(f"    set {one};\n" for one in sets)
    scene.files[0] = replace(scene.files[0], data=f"server {{\n{page}    proxy_pass http://$back:8000;\n}}\n".encode())
    return scene


@pytest.mark.parametrize(("sets", "after"), [
    (("$back shop_pol",), ("$back 10.0.0.7",)),
    (("$other shop_pol", "$back shop_pol"), ("$other shop_pol", "$back 10.0.0.7")),
    (("$back shop_pol:8000",), ("$back 10.0.0.7:8000",)),
])
def test_the_name_in_a_variable_changes_where_the_variable_is_set(sets: tuple[str, ...], after: tuple[str, ...]) -> None:
    repair = found(variable(*sets), address="10.0.0.7").repairs[0]
    edit = repair.steps[0]
    assert isinstance(edit, WriteFile) and edit.after == variable(*after).files[0].data and repair.risk == "safe"


@pytest.mark.parametrize("sets", [
    ("$back shop_pol", "$back shop_pol"), ("$back shop_pol.example",), ("$back $name",), (),
])
def test_a_variable_that_is_set_twice_or_otherwise_is_for_an_operator(sets: tuple[str, ...]) -> None:
    repair = found(variable(*sets), address="10.0.0.7").repairs[0]
    assert (repair.risk, repair.steps) == ("manual", ()) and "shop_pol" in repair.manual


@pytest.mark.parametrize(("written", "risk"), [
    (b"resolver 10.0.0.1;", "safe"), (b'resolver "10.0.0.1";', "manual"), (b"resolver 10.0.0.1; resolver 10.0.0.2;", "manual"),
    (b"set $x resolver;", "manual"),
])
def test_one_plain_resolver_becomes_dockers(written: bytes, risk: str) -> None:
    """The edit may not change how nginx reads the rest of the line, and with two resolvers nothing says which is meant."""
    scene = Scene("app:8000", node="web", back="app").with_service(container_service("app"), listener(8000, 7, "0.0.0.0", "app"))
    scene.refused()
    page = scene.files[0]
    scene.files[0] = replace(page, data=written + b"\n" + page.data)
    scene.nginx["service"] = container_service("web", 80, box={
        "networks": (("p_default", "172.18.0.3", ()),), "mounts": (("/srv/site", page.real_path, False),)})
    case = open_case(scene.snapshot(), {})
    repair = other_resolver_repair(case, case.failing_addresses[0])
    assert (repair.id, repair.risk) == ("point-resolver", risk)
    if risk == "safe":
        edit, *after = repair.steps
        assert isinstance(edit, WriteFile) and edit.after == b"resolver 127.0.0.11;\n" + page.data
        assert [type(step) for step in after] == [CheckNginx, ReloadNginx]
    else:
        assert repair.steps == () and "app" in repair.manual


def test_a_container_whose_own_name_is_nearly_so_is_named_by_its_service() -> None:
    """Compose numbers containers and names them after the project: the name of the service outlasts both."""
    scene = boxes("app", "p-app-1").endpoint(host="p-app-2", written="p-app-2:8000").answers(REFUSED)
    case = open_case(scene.snapshot(), {})
    assert "write app instead of p-app-2" in other_address_repair(case, [case.failing_addresses[0]]).summary
    alone = boxes("p-app-1").endpoint(host="p-app-2", written="p-app-2:8000").answers(REFUSED)
    case = open_case(alone.snapshot(), {})
    assert "write p-app-1 instead of p-app-2" in other_address_repair(case, [case.failing_addresses[0]]).summary


@pytest.mark.parametrize(("written", "said"), [
    ("web:8000", True), ("web:8001", False), ("ap:8000", False),        # another port, and a name that is nearly so
])
def test_a_container_with_that_port_and_another_name_is_named(written: str, said: bool) -> None:
    """Its service may have been renamed: which one is meant is asked, and nothing is chosen."""
    host, _, port = written.partition(":")
    scene = boxes("app", "p-app-1").endpoint(host=host, written=written, port=int(port)).answers(REFUSED)
    case = open_case(scene.snapshot(), {})
    repair = other_address_repair(case, [case.failing_addresses[0]])
    asked = " ".join((repair.manual, *(need.why for need in repair.needs)))
    assert ("app, which no route leads to, listens on that port" in asked) is said
    assert repair.steps == ()
