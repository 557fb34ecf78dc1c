"""What is asked, when, and what is not; probes within their bounds; the loop that asks."""

from __future__ import annotations

from fixer.model.query import Command, ListProcesses, Probe, ReadTree
from fixer.model.target import TargetRef
from fixer.observe.next_queries import first_queries

ROUTE = Probe("127.0.0.1", 80, "/", host_header="a.example")
BACK = Probe("127.0.0.1", 8000, "/", host_header="a.example")


def test_the_first_round() -> None:
    first = first_queries("web", "machine", TargetRef("compose", "shop"))
    assert ListProcesses() in first and ReadTree("/etc/nginx") in first and Command("systemctl-show") in first
    assert Command("systemctl-show") not in first_queries("web", "container", TargetRef("compose", "shop"))
    assert first_queries("engine", "machine", TargetRef("compose", "shop")) == [Command("docker-project", ("shop",))]
    assert first_queries("engine", "machine", TargetRef("docker", "web")) == [Command("docker-container", ("web",))]
