"""Tests of fixer/observe/log_queries.py."""

from __future__ import annotations

import pytest

from fixer.model.query import Answer, Command, ReadFile
from fixer.observe.next_queries import follow_up_queries
from fixer.observe.systemd.unit_journal import journal_query
from fixer.observe.view.observe_options import ObserveOptions
from tests.observe.capture_builders import capture, file, node, process, sockets
from tests.observe.next_queries_builders import LISTENS, SITE, WELL, asked
from tests.observe.nginx.endpoints_builders import SHOW
from tests.observe.nginx.other_proxies_builders import show

OTHER_PROXIES_SITE = "server { listen 80; location / { proxy_pass http://127.0.0.1:9000; } }"


def test_the_log_of_one_that_failed_is_asked_for() -> None:
    told_off = show("relay.service", "/usr/bin/socat TCP-LISTEN:9000 TCP:127.0.0.1:8000", ActiveState="failed", Result="exit-code")
    refused = "2027/01/15 07:59:50 [error] 41#41: *1 connect() failed (111: Connection refused) while connecting to upstream, " \
        'client: 1.2.3.4, server: , request: "GET / HTTP/1.1", upstream: "http://127.0.0.1:9000/", host: "x"\n'
    seen = capture(node(site=OTHER_PROXIES_SITE, show=told_off, log=refused))
    assert journal_query("relay.service") in follow_up_queries(seen, ObserveOptions(probe=False))["local"]


@pytest.mark.parametrize(("told_to", "asked"), [("127.0.0.1 9000", True), ("127.0.0.1 9001", False)])
def test_the_log_of_any_program_that_should_answer_is_asked_for(told_to: str, asked: bool) -> None:
    """A packaged program that is no server known by name: nginx asks where its unit tells it to listen."""
    told_off = show("page.service", f"/usr/bin/python3 /usr/lib/page/page.py {told_to}", ActiveState="failed", Result="exit-code")
    seen = capture(node(site=OTHER_PROXIES_SITE, show=told_off))
    assert (journal_query("page.service") in follow_up_queries(seen, ObserveOptions(probe=False))["local"]) is asked


def test_logs_that_the_configuration_names() -> None:
    site = SITE.replace("server {", "server { error_log /var/log/shop.log;")
    wanted = [q for q in asked(node(site=site, listening=LISTENS)) if isinstance(q, ReadFile)]
    assert all(q.tail for q in wanted)


@pytest.mark.parametrize(("state", "listening", "journal"), [
    ("active", LISTENS, False), ("active", sockets([], {}), True), ("failed", LISTENS, True), ("inactive", LISTENS, True),
])
def test_a_journal_is_read_only_of_services_in_question(state: str, listening: Answer, journal: bool) -> None:
    unit = file("/etc/systemd/system/back.service", "[Service]\nExecStart=/usr/bin/uvicorn a:b\n")
    seen = node(WELL, site=SITE, listening=listening, units=[unit], show=SHOW.format("back.service", state, 0))
    found = [q for q in asked(seen) if isinstance(q, Command) and q.name == "journal"]
    assert bool(found) is journal


def test_the_journal_of_a_stopped_nginx() -> None:
    show = SHOW.format("nginx.service", "failed", 0).strip() + "\nExecStart={ path=/usr/sbin/nginx ; argv[]=/usr/sbin/nginx -g x ; ignore_errors=no }\n"
    found = asked(node(site=SITE, nginx=False, show=show))
    assert any(isinstance(q, Command) and q.name == "journal" and q.args[0] == "nginx.service" for q in found)


def test_the_output_of_a_process_started_by_hand() -> None:
    seen = node(WELL, site=SITE, running=[process(7, ["uvicorn", "a"])])
    assert ReadFile("/proc/7/fd/1", 64 << 10, tail=True) in asked(seen)
