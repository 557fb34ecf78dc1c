"""What fixer asks of each nginx and its sites."""

from __future__ import annotations

import pytest

from fixer.diagnose.run_causes import diagnose
from fixer.model.facts import Known
from fixer.model.query import Answer, Command, FileAnswer, ListProcesses, ReadGlob, ReadTree
from fixer.observe.build_snapshot import build_snapshot
from fixer.observe.nginx.nginx_masters import later_log_query
from tests.observe.capture_builders import capture, file, link, node, probe_answer, process, processes
from tests.observe.next_queries_builders import BACK, LISTENS, ROUTE, SITE, WELL, asked, failure


def test_names_are_resolved_where_nginx_is() -> None:
    site = SITE.replace("127.0.0.1:8000", "api:8000")
    assert Command("resolve", ("api",)) in asked(node(site=site))
    then = node({Command("resolve", ("api",)): Answer("ok", b"api 127.0.0.1\n")}, site=site, listening=LISTENS)
    assert BACK in asked(then)


def test_nginx_itself_is_asked_only_in_doubt() -> None:
    assert Command("nginx-test", ("/usr/sbin/nginx", "", "")) in asked(node(site=SITE, nginx=False))
    assert not [q for q in asked(node(site=SITE, listening=LISTENS)) if isinstance(q, Command)]


def test_includes_outside_of_the_tree() -> None:
    site = SITE + " include /srv/sites/*.conf; include /etc/nginx/none/*.conf;"
    wanted = [q for q in asked(node(site=site, listening=LISTENS)) if isinstance(q, ReadGlob)]
    assert wanted == [ReadGlob(("/srv/sites/*.conf",))]
    linked = Answer("ok", files=(file("/etc/nginx/nginx.conf", "http { include enabled/*; }"), link("/etc/nginx/enabled", "/srv/n")))
    assert ReadGlob(("/etc/nginx/enabled/*",)) in asked(node({ReadTree("/etc/nginx"): linked}, site=SITE))


def test_a_configuration_elsewhere() -> None:
    own = processes(process(40, ["nginx: master process nginx -c /opt/n/n.conf"], comm="nginx", exe="/usr/sbin/nginx"))
    wanted = asked(node({ListProcesses(): own}))
    assert ReadGlob(("/opt/n/n.conf",)) in wanted and ReadTree("/opt/n") in wanted


def test_each_port_that_a_variable_can_stand_for_is_an_address_of_its_own() -> None:
    site = ("map $host $port { default 8000; next.example 8001; }\n"
            "server { listen 80; location / { proxy_pass http://127.0.0.1:$port; } }\n")
    seen = build_snapshot(capture(node(site=site)))
    assert [(e.host, e.port) for e in seen.endpoints] == [("127.0.0.1", 8000), ("127.0.0.1", 8001)]
    assert seen.routes[0].endpoints == tuple(e.id for e in seen.endpoints)


def test_where_an_error_page_hides_failures_the_log_is_read_once_more() -> None:
    """The first reading was before our own request: what that met stands in no other place."""
    masked = SITE.replace("location /", "error_page 502 =200 /sorry.html; location /")
    later = later_log_query("/var/log/nginx/error.log")
    assert asked(node(WELL, site=masked, listening=LISTENS)) == [later]
    assert asked(node({**WELL, ROUTE: probe_answer(502)}, site=masked, listening=LISTENS, log=failure(30))) != [later]
    again = Answer("ok", files=(file("/var/log/nginx/error.log", failure(0)),))
    seen = build_snapshot(capture(node({**WELL, later: again}, site=masked, listening=LISTENS)))
    assert isinstance(seen.nginxes[0].errors, Known) and [e.errno for e in seen.nginxes[0].errors.value] == [110]


def test_whose_error_page_it_is_where_the_backend_has_the_same_only_the_log_tells() -> None:
    later = later_log_query("/var/log/nginx/error.log")
    same = {ROUTE: probe_answer(502), BACK: probe_answer(502)}
    for near, reads in ((same, True), ({**same, BACK: probe_answer(200)}, False)):
        assert (later in asked(node({**WELL, **near}, site=SITE, listening=LISTENS, log=failure(3)))) is reads


def test_a_later_reading_that_could_not_be_made_hides_no_log() -> None:
    """A collect script asks only once."""
    masked = SITE.replace("location /", "error_page 502 =200 /sorry.html; location /")
    later = later_log_query("/var/log/nginx/error.log")
    for none in (Answer("failed"), Answer("ok", files=(FileAnswer("/var/log/nginx/error.log", "absent"),))):
        seen = build_snapshot(capture(node({**WELL, later: none}, site=masked, listening=LISTENS, log=failure(30))))
        assert isinstance(seen.nginxes[0].errors, Known) and [e.errno for e in seen.nginxes[0].errors.value] == [110]


@pytest.mark.parametrize("site", [SITE.replace("proxy_pass", "return 503; proxy_pass"), SITE.replace("location", "return 503; location")])
def test_a_site_that_is_closed_on_purpose_is_asked_and_its_line_is_told(site: str) -> None:
    """Visitors get the error: that no request reaches the pass is no reason to ask nothing."""
    closed = probe_answer(503)
    assert ROUTE in asked(node(site=site, listening=LISTENS))
    seen = diagnose(build_snapshot(capture(node({**WELL, ROUTE: closed}, site=site, listening=LISTENS))))
    assert seen.verdict == "healthy" and [(f.cause, f.role) for f in seen.findings] == [("error-from-config", "advice")]
