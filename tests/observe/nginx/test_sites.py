"""Tests of fixer/observe/nginx/sites.py."""

from __future__ import annotations

import json

import pytest

from fixer.lazy import parse_cache
from fixer.lazy.dataclass import replace
from fixer.model.facts import Known
from fixer.model.query import Answer, Command, ReadFile
from fixer.model.snapshot import Container
from fixer.observe.build_snapshot import build_snapshot
from fixer.observe.look import look_at
from fixer.observe.nginx.sites import places_of, sites_of
from fixer.observe.view.docker_inspect import parse_inspect
from fixer.observe.view.node_view import containers_of, node_of, views_of
from fixer.observe.view.observe_options import ObserveOptions
from tests.observe.capture_builders import capture, file, node, process
from tests.observe.docker.compose_service_builders import inspect

SITE = "server { listen 80; location / { proxy_pass http://api:8000; } }"

UVICORN = ["uvicorn", "a:b", "--port", "8000"]


def test_stopped_copies_of_a_service_go_by_their_own_names() -> None:
    items = [inspect(f"api{n}", UVICORN, ip="", status="exited", labels={"com.docker.compose.service": "api"}) for n in (1, 2)]
    engine = node({Command("docker-project", ("shop",)): Answer("ok", json.dumps(items).encode())}, name="engine", nginx=False)
    views = views_of(capture(engine))
    made: tuple[Container, ...] = containers_of(views)
    assert [node_of(c, views) for c in made] == ["shop-api1-1", "shop-api2-1"]


@pytest.mark.parametrize(("link", "expected"), [("shop-api-1:backend", "api"), ("shop-gone-1:backend", None), ("shop-api-1:other", None)])
def test_a_stopped_container_goes_by_the_name_that_nginx_alone_calls_it(link: str, expected: str | None) -> None:
    """Docker forgets a link's name while its container is down; what it was made with stays."""
    web = inspect("web", ["nginx", "-g", "daemon off;"], ip="10.9.0.2")
    web["NetworkSettings"]["Networks"]["net"]["Links"] = [link]       # type: ignore[index]
    items = [web, inspect("api", UVICORN, ip="", status="exited")]
    engine = node({Command("docker-project", ("shop",)): Answer("ok", json.dumps(items).encode())}, name="engine", nginx=False)
    seen = build_snapshot(capture(node(site=SITE.replace("api:", "backend:"), name="web", kind="container"), engine,
                            kind="compose", address="shop"))
    service = next(iter(seen.endpoints)).configured_service
    assert (service or "").rpartition("/")[2] == (expected or "")


def copies(*items: tuple[str, str, dict[str, object]], host: str = "api", said: str = "10.9.0.3\n") -> list[tuple[str | None, str, tuple[str, ...]]]:
    """What nginx's endpoints are: the service, the address that each stands for, and its addresses."""
    made = [inspect("web", ["nginx", "-g", "daemon off;"], ip="10.9.0.2")]
    for name, ip, state in items:
        made.append(inspect(name, UVICORN, ip=ip, labels={"com.docker.compose.service": "api"}))
        networks = {"net": {"IPAddress": ip, "Aliases": ["api"]}}
        made[-1] |= {"State": {"Status": "running", **state}, "RestartCount": 3, "NetworkSettings": {"Networks": networks}}
    engine = node({Command("docker-project", ("shop",)): Answer("ok", json.dumps(made).encode())}, name="engine", nginx=False)
    told = "".join(f"{host} {line}\n" for line in said.split())
    site = f"server {{ listen 80; location / {{ proxy_pass http://{host}:8000; }} }}"
    web = node({Command("resolve", (host,)): Answer("ok", told.encode())}, site=site, name="web", kind="container")
    seen = build_snapshot(capture(web, engine, kind="compose", address="shop"))
    return [((e.configured_service or "").partition("/")[0], e.single_address, e.addresses.value if isinstance(e.addresses, Known) else ("?",)) for e in seen.endpoints]


UP, LOOPS = ("api1", "10.9.0.3", {}), ("api2", "", {"Status": "restarting", "ExitCode": 1})


@pytest.mark.parametrize(("last", "more"), [
    (LOOPS, ("shop-api2-1", "", ())),
    (("api2", "", {"Status": "exited", "ExitCode": 3}), ("shop-api2-1", "", ())),       # given up after some starts
    (("api2", "", {"Status": "exited", "ExitCode": 143}), None),                         # stopped
])
def test_a_copy_that_ends_again_and_again_is_a_place_that_the_name_stands_for(
    last: tuple[str, str, dict[str, object]], more: tuple[str, str, tuple[str, ...]] | None,
) -> None:
    found = copies(UP, last)
    assert found == ([("shop-api1-1", "10.9.0.3", ("10.9.0.3",)), more] if more else [("shop-api1-1", "", ("10.9.0.3",))])


def test_no_copy_is_missed_where_another_address_may_be_its_own() -> None:
    assert [name for name, _, _ in copies(UP, LOOPS, said="10.9.0.3 10.9.0.7")] == ["shop-api1-1"]
    assert [at for _, at, _ in copies(LOOPS, said="")] == [""]


NGINX_MASTERS_SITE = "server { listen 80; location / { proxy_pass http://127.0.0.1:8000; } }"


@pytest.mark.parametrize("runs", [True, False])
def test_an_nginx_that_only_lies_in_an_applications_image_is_not_meant_to_run(runs: bool) -> None:
    """Two containers of one image: the one serves by nginx, or would, the other is the application."""
    app = node(site=NGINX_MASTERS_SITE, name="app", kind="container", nginx=False, running=[process(1, ["python3", "-m", "uvicorn", "a:b"], ppid=0)])
    web = node(site=NGINX_MASTERS_SITE, name="web", kind="container", nginx=runs)
    sites = sites_of(views_of(capture(app, web, kind="compose", address="shop")), ())
    assert [site.view.name for site in sites] == ["web"]
    assert [site.view.name for site in sites_of(views_of(capture(app, kind="docker", address="app")), ())] == ["app"]


@pytest.mark.parametrize(("asked", "main", "serves", "meant"), [
    (["sleep", "900"], ["sleep", "900"], True, False),
    (["/docker-entrypoint.sh", "crond", "-f"], ["crond", "-f"], True, False),       # a script that hands over
    (["bash", "-c", "exec sleep 900"], ["sleep", "900"], True, False), (["sh", "-c", "sleep 900"], ["sleep", "900"], True, False),
    (["/data-entry.sh", "redis-server"], ["redis-server *:6379"], True, False),     # which rewrites its words
    (["sleep", "900"], ["sleep", "900"], False, True),                              # that may be what is down
    (["sh", "-c", "nginx && tail -f /log"], ["tail", "-f", "/log"], True, True),    # which started one before
    (["supervisord", "-n"], ["supervisord", "-n"], True, True), (["/start"], ["/start"], True, True),
])
def test_a_container_that_was_made_for_another_program_lacks_no_nginx(asked: list[str], main: list[str], serves: bool, meant: bool) -> None:
    """Two containers of one image, and the nginx of the other runs."""
    other = node(site=NGINX_MASTERS_SITE, name="other", kind="container", nginx=False, running=[process(1, main, ppid=0)])
    web = node(site=NGINX_MASTERS_SITE, name="web", kind="container", nginx=serves)
    for words, names in (["/start"], meant), (["nginx", "-g", "daemon off;"], meant and serves):     # what web was made with
        told = [inspect("other", asked, ip="10.9.0.7"), inspect("web", words, ip="10.9.0.8")]
        boxes = tuple(parse_inspect(Answer("ok", json.dumps(told).encode())))
        sites = sites_of(views_of(capture(other, web, kind="compose", address="shop")), boxes)
        assert ("other" in [site.view.name for site in sites]) is names


def test_many_locations_before_one_backend_are_one_place_in_every_round() -> None:
    parse_cache._cache.clear()      # a full cache is emptied, which could happen in between
    routes = " ".join(f"location /{n}/ {{ proxy_pass http://127.0.0.1:8000; }}" for n in range(60))
    seen = node(site=f"server {{ listen 80; {routes} }}")
    look = look_at(capture(seen), ObserveOptions())
    (site,) = look.sites
    assert len(site.addresses) == 60 and places_of(site) == site.addresses[:1]
    plan = look.plan(site)
    assert len(plan.each) == 1 and plan.asked_places(site.addresses) == ((site.addresses[0], plan.each[0]),)
    (again,) = look_at(capture(replace(seen, answers={**seen.answers, plan.each[0]: Answer("failed")})), ObserveOptions()).sites
    assert again.addresses is site.addresses and again.view is not site.view


@pytest.mark.parametrize(("texts", "asked", "meant"), [
    ({"/start.sh": "until nc -z db 5432; do sleep 1; done\nexec gunicorn app"}, ["/start.sh"], False),
    ({"/start.sh": "exec gunicorn app", "/init.sh": "exec \"$@\""}, ["/init.sh", "/start.sh"], False),
    ({"/start.sh": "exec gunicorn app"}, ["/init.sh", "/start.sh"], True),                       # the first one was not read
    ({"/start.sh": "until nc -z db 5432; do sleep 1; done\nexec nginx"}, ["/start.sh"], True),
    ({"/start.sh": "exec supervisord -n"}, ["/start.sh"], True), ({"/start.sh": ". /lib.sh\nrun"}, ["/start.sh"], True),
    ({}, ["/start.sh"], True),
])
def test_a_start_script_that_was_read_and_starts_no_nginx_lacks_none(texts: dict[str, str], asked: list[str], meant: bool) -> None:
    """Two containers of one image: the script of one has not come to its server, and the nginx of the other runs."""
    read = {ReadFile(path): Answer("ok", files=(file(path, text),)) for path, text in texts.items()}
    other = node(read, site=NGINX_MASTERS_SITE, name="other", kind="container", nginx=False,
                 running=[process(1, ["/bin/sh", "/start.sh"], ppid=0), process(9, ["sleep", "1"])])
    web = node(site=NGINX_MASTERS_SITE, name="web", kind="container")
    told = [inspect("other", asked, ip="10.9.0.7"), inspect("web", ["nginx"], ip="10.9.0.8")]
    boxes = tuple(parse_inspect(Answer("ok", json.dumps(told).encode())))
    sites = sites_of(views_of(capture(other, web, kind="compose", address="shop")), boxes)
    assert ("other" in [site.view.name for site in sites]) is meant
