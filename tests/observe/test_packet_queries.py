"""What fixer asks where packets of nginx do not arrive."""

from __future__ import annotations

import json

import pytest

from fixer.model.capture import NodeCapture
from fixer.model.query import Answer, Command, Probe
from fixer.observe.next_queries import follow_up_queries
from fixer.observe.view.observe_options import ObserveOptions
from tests.observe.capture_builders import NOW, capture, node, probe_answer
from tests.observe.next_queries_builders import LISTENS


@pytest.mark.parametrize("seen", [True, False])
def test_the_filter_of_a_container_that_an_address_leads_to_is_asked_where_it_is_a_node(seen: bool) -> None:
    """One that ends again and again has an address, and could not be asked itself."""
    networks = {"inside": {"IPAddress": "10.9.0.8", "IPPrefixLen": 24}}
    items = [{"Id": n * 20, "Name": f"/{n}", "Path": p, "State": {"Status": "running"}, "Config": {"Labels": {
                "com.docker.compose.project": "shop", "com.docker.compose.service": n}},
              "NetworkSettings": {"Networks": networks if n == "api" else {}}}
             for n, p in (("web", "nginx"), ("api", "uvicorn"))]
    engine = node({Command("docker-project", ("shop",)): Answer("ok", json.dumps(items).encode())}, name="engine", nginx=False)
    site = "server { listen 80; location / { proxy_pass http://10.9.0.8:8000; } }"
    more = {probe: probe_answer(error="unreachable", errno=113, phase="connect") for port in (8000,)
            for probe in follow_up_queries(capture(node(site=site, name="web", kind="container", listening=LISTENS), engine,
                                           kind="compose", address="shop"), ObserveOptions())["web"]
            if isinstance(probe, Probe) and probe.port == port}
    web = node(more, site=site, name="web", kind="container", listening=LISTENS)
    api = node(name="api", kind="container", nginx=False) if seen else NodeCapture(
        "api", "container", NOW, False, {}, unreachable="container api is restarting")
    wanted = follow_up_queries(capture(web, api, engine, kind="compose", address="shop"), ObserveOptions())
    filters = [name for name, queries in wanted.items() if Command("nft-rules") in queries]
    assert more and sorted(filters) == (["api", "engine", "web"] if seen else ["engine", "web"])
