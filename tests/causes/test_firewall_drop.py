"""firewall-drop: the rule that fits this very connection, and how nginx's packets get through again."""

from __future__ import annotations

from typing import Any

import pytest

from fixer.diagnose.run_causes import diagnose
from fixer.model.diagnosis import Found, RuledOut, Undetermined
from fixer.model.facts import Known, Unknown
from fixer.model.firewall import Firewall, Match
from fixer.model.plan import ChangeRule
from fixer.redaction.masked_steps import describe_step
from tests.causes.firewall_drop_builders import found
from tests.causes.packet_filter_builders import dropping_scene, nft_chain, port_match, rule, saved_firewall
from tests.causes.snapshot_builders import (
    GOOD,
    SLOW,
    Scene,
    causes_of,
    container,
    container_service,
    failed_service,
    finding_of,
    healthy_scene,
    listener,
    log_lines,
    probe,
    process,
    roots,
    stopped_service,
    verdict_of,
    wrong_port_scene,
)

DROP = "firewall-drop"
PORT = "INPUT -p tcp -m tcp --dport 8000 -j DROP"


@pytest.mark.parametrize("filters", [
    saved_firewall("INPUT -p tcp -m tcp --dport 22 -j ACCEPT", PORT),
    saved_firewall("INPUT -i lo -p tcp -m multiport --dports 8000 -j DROP"),
    saved_firewall("OUTPUT -o lo -p tcp -m tcp --dport 8000 -j DROP"),
    saved_firewall("OUTPUT -p tcp -m tcp --sport 8000 -j DROP"),
    saved_firewall("INPUT -j MINE", "MINE ! -s 10.0.0.0/8 -p tcp --dport 8000 -j DROP"),
    nft_chain(rule("accept", port_match(22)), rule("drop", Match("proto", ("tcp",)), port_match(), index=1)),
    nft_chain(rule("drop", Match("proto", ("tcp",)), Match("sport", ("8000",))), hook="output"),
])
def test_hit(filters: Known[Firewall]) -> None:
    shown = found(dropping_scene(filters))
    assert (shown.variant, shown.confidence, shown.is_seen_directly) == (DROP, "certain", True)
    repair = shown.repairs[0]
    (step,) = repair.steps
    assert isinstance(step, ChangeRule) and (repair.id, step.action, repair.risk) == ("remove-rule", "remove", "disruptive")
    assert step.before[step.index] == step.rule and shown.evidence[0].source == "kernel"
    assert shown.repairs[1].id == "allow-connection"


@pytest.mark.parametrize(("filters", "rule_text"), [
    (saved_firewall("INPUT -p tcp -m tcp --dport 8000 -j DROP"), "-s 127.0.0.1/32 -d 127.0.0.1/32 -i lo -p tcp -m tcp --dport 8000 -j ACCEPT"),
    (saved_firewall("INPUT -p tcp -m multiport --dports 8000,8001 -j DROP"),
     "-s 127.0.0.1/32 -d 127.0.0.1/32 -i lo -p tcp -m tcp --dport 8000 -j ACCEPT"),
    (saved_firewall("INPUT -j DROP"), "-s 127.0.0.1/32 -d 127.0.0.1/32 -i lo -p tcp -m tcp --dport 8000 -j ACCEPT"),
    (saved_firewall(policy="DROP"), "-s 127.0.0.1/32 -d 127.0.0.1/32 -i lo -p tcp -m tcp --dport 8000 -j ACCEPT"),
    (nft_chain(rule("drop", Match("dport", ("8000-8010",)))), 'iifname "lo" ip daddr 127.0.0.1 tcp dport 8000 accept'),
    (nft_chain(rule("drop", Match("sport", ("1-9000",))), hook="output"), 'oifname "lo" ip saddr 127.0.0.1 tcp sport 8000 accept'),
])
def test_a_rule_that_keeps_others_out_stays(filters: Known[Firewall], rule_text: str) -> None:
    """Others could come in at 0.0.0.0:8000 without it: only nginx's own connection is let through, before it."""
    repair = found(dropping_scene(filters, address="0.0.0.0")).repairs[0]
    (step,) = repair.steps
    assert isinstance(step, ChangeRule) and (repair.id, step.action) == ("allow-connection", "add")
    assert (step.rule, step.index) == (rule_text, 0)


@pytest.mark.parametrize(("filters", "text"), [
    (nft_chain(rule("drop", Match("dport", ("7000-9000",)), Match("skuid", ("0",), True)), hook="output"),
     'oifname "lo" ip daddr 127.0.0.1 tcp dport 8000 meta skuid 33 accept'),
    (saved_firewall("OUTPUT -p tcp -m multiport --dports 8000,8001 -m owner ! --uid-owner 0 -j DROP"),
     "-s 127.0.0.1/32 -d 127.0.0.1/32 -o lo -p tcp -m tcp --dport 8000 -m owner --uid-owner 33 -j ACCEPT"),
    (saved_firewall("OUTPUT -p tcp -m tcp --dport 8000 -m owner --uid-owner 0 -j ACCEPT",
           "OUTPUT -p tcp -m tcp --dport 8000 -j DROP"),
     "-s 127.0.0.1/32 -d 127.0.0.1/32 -o lo -p tcp -m tcp --dport 8000 -m owner --uid-owner 33 -j ACCEPT"),
])
def test_where_a_rule_goes_by_accounts_only_that_of_nginx_may_pass(filters: Known[Firewall], text: str) -> None:
    scene = dropping_scene(filters, address="0.0.0.0")
    scene.processes.append(process(101, "nginx: worker process", uid=33))
    (step,) = found(scene).repairs[0].steps
    assert isinstance(step, ChangeRule) and (step.action, step.rule) == ("add", text)


def test_a_rule_for_every_port_stays_where_others_come_in() -> None:
    scene = dropping_scene(saved_firewall("INPUT -p tcp -m tcp --tcp-flags PSH PSH -j DROP"))
    scene.endpoint(tcp=Known(probe()), http=Known(SLOW))
    scene.events.clear()
    assert [r.id for r in found(scene).repairs] == ["allow-connection"]


def test_nginxs_packets_end_there_whatever_is_at_fault_behind() -> None:
    """The service that they would reach ends at its start, too: once it runs, nginx fails as before."""
    scene = dropping_scene(saved_firewall(PORT))
    ended = failed_service(log=log_lines("Traceback (most recent call last):", "ModuleNotFoundError: No module named 'pdfs'"))
    scene.services = [ended]
    scene.listeners = [line for line in scene.listeners if line.port != 8000]
    assert roots(diagnose(scene.snapshot()))[0] == DROP


@pytest.mark.parametrize(("held", "causes"), [(Known(None), [DROP, "backend-down"]), (Unknown("no permission"), [DROP])])
def test_a_rule_hides_no_empty_port_from_the_kernels_table(held: Known[None] | Unknown, causes: list[str]) -> None:
    scene = dropping_scene(saved_firewall(PORT))
    scene.services = [stopped_service()]
    scene.listeners = [line for line in scene.listeners if line.port != 8000]
    scene.endpoint(listener=held, listening_service=None)
    assert roots(diagnose(scene.snapshot())) == causes


def test_hit_only_data_is_dropped() -> None:
    scene = dropping_scene(saved_firewall("INPUT -p tcp -m tcp --dport 8000 --tcp-flags PSH PSH -j DROP"))
    scene.endpoint(tcp=Known(probe()), http=Known(SLOW))
    scene.events.clear()
    assert found(scene).variant == "firewall-drops-data"
    assert found(scene).repairs[0].id == "remove-rule"


def test_hit_the_kernel_gave_up_first() -> None:
    scene = dropping_scene(saved_firewall(PORT))
    scene.events.clear()
    scene.logs("connect() failed (110: Connection timed out)", 110, "connecting to upstream")
    assert found(scene).variant == "kernel-syn-timeout"


def test_hit_between_two_containers() -> None:
    web = container("web", networks=(("p_default", "172.18.0.3", ("web",)),))
    scene = Scene("app:8000", node="web", back="app").with_service(container_service(), listener(8000, 7, "0.0.0.0", "app"))
    scene.endpoint(tcp=Known(SLOW), http=Known(SLOW), addresses=Known(("172.18.0.2",))).answers(SLOW)
    scene.nginx["service"] = container_service("web", 80, box={"networks": web.networks})
    scene.extra["engine_firewall"] = saved_firewall(
        "FORWARD -j DOCKER-USER", "DOCKER-USER -d 172.18.0.2/32 -p tcp -m tcp --dport 8000 -j DROP")
    shown = found(scene)
    accept = shown.repairs[0].steps[0]      # the rule also keeps others away from that container
    assert isinstance(accept, ChangeRule) and accept.node == "engine"
    assert shown.variant == "docker-user-chain-block" and shown.repairs[0].id == "allow-connection"
    assert accept.rule == "-s 172.18.0.3/32 -d 172.18.0.2/32 -p tcp -m tcp --dport 8000 -j ACCEPT"
    scene.extra["engine_firewall"] = saved_firewall(
        "FORWARD -j DOCKER-USER", "DOCKER-USER -s 172.18.0.3/32 -p tcp -m tcp --dport 8000 -j DROP")
    assert found(scene).repairs[0].id == "remove-rule"
    scene.node_changes["web"] = {"firewall": saved_firewall()}
    scene.extra["engine_firewall"] = saved_firewall("FORWARD -j DOCKER-ISOLATION-STAGE-1", "DOCKER-ISOLATION-STAGE-1 -j DROP")
    assert isinstance(verdict_of(diagnose(scene.snapshot()), DROP), RuledOut)
    scene.extra["engine_firewall"] = Unknown("neither nft nor iptables is installed there")
    assert isinstance(verdict_of(diagnose(scene.snapshot()), DROP), Undetermined)


IN_BOXES = {"networks": (("p_default", "172.18.0.3", ("web",)),), "subnets": (("p_default", "172.18.0.0/16"),)}


def between_containers(filters: object, node: str, **box: Any) -> Scene:
    """Both containers run; the packet filter in the network of one of them holds rules."""
    scene = Scene("app:8000", node="web", back="app").with_service(container_service(box=box), listener(8000, 7, "0.0.0.0", "app"))
    scene.endpoint(tcp=Known(SLOW), http=Known(SLOW), addresses=Known(("172.18.0.2",))).answers(SLOW)
    scene.nginx["service"] = container_service("web", 80, box=IN_BOXES)
    scene.node_changes |= {name: {"firewall": filters if name == node else saved_firewall()} for name in ("web", "app")}
    scene.extra["engine_firewall"] = saved_firewall()
    return scene


@pytest.mark.parametrize(("node", "rule_text", "offered"), [
    ("web", "OUTPUT -p tcp -m tcp --dport 8000 -j DROP", "remove-rule"),          # nginx's own side keeps nobody else away
    ("app", "INPUT -p tcp -m tcp --dport 8000 -j DROP", "-s 172.18.0.0/16 -p tcp -m tcp --dport 8000 -j ACCEPT"),
    ("app", "INPUT -i eth0 -p tcp -m tcp --dport 8000 -j DROP", "-s 172.18.0.0/16 -p tcp -m tcp --dport 8000 -j ACCEPT"),
    ("app", "OUTPUT -p tcp -m tcp --sport 8000 -j DROP", "-d 172.18.0.0/16 -p tcp -m tcp --sport 8000 -j ACCEPT"),
])
def test_a_filter_in_the_network_of_a_container(node: str, rule_text: str, offered: str) -> None:
    shown = found(between_containers(saved_firewall(rule_text), node))
    (step,) = shown.repairs[0].steps
    assert (shown.variant, shown.node) == ("firewall-drop", node)
    assert isinstance(step, ChangeRule) and step.node == node and step.container and step.container_id
    assert offered in (shown.repairs[0].id, step.rule)
    assert "of container" in describe_step(step)


def test_what_a_container_may_write_into_its_filter_itself_is_for_a_person() -> None:
    scene = between_containers(saved_firewall("INPUT -p tcp -m tcp --dport 8000 -j DROP"), "app", net_admin=True)
    (repair,) = found(scene).repairs
    assert (repair.risk, repair.steps) == ("manual", ()) and "its start command would add the rule again" in repair.manual


def test_of_several_networks_nobody_knows_which_is_eth0() -> None:
    both = (("p_default", "172.18.0.2", ("app",)), ("p_store", "172.19.0.2", ("app",)))
    scene = between_containers(saved_firewall("INPUT -i eth0 -p tcp -m tcp --dport 8000 -j DROP"), "app", networks=both)
    assert not isinstance(verdict_of(diagnose(scene.snapshot()), DROP), Found)


BRIDGE = "-i br-0123456789ab -o br-0123456789ab"


@pytest.mark.parametrize(("rule_text", "offered"), [
    (f"{BRIDGE} -p tcp -m tcp --dport 8000 -j DROP", "remove-rule"),        # no accept before it would let in fewer
    ("-s 172.18.0.3/32 -p tcp -m tcp --dport 8000 -j DROP", "remove-rule"),
    ("-d 172.18.0.2/32 -p tcp -m tcp --dport 8000 -j DROP", f"-d 172.18.0.2/32 {BRIDGE} -p tcp -m tcp --dport 8000 -j ACCEPT"),
    ("-p tcp -m tcp --dport 8000 -j DROP", f"{BRIDGE} -p tcp -m tcp --dport 8000 -j ACCEPT"),
    (f"{BRIDGE} -p tcp -m multiport --dports 8000,8001 -j DROP", f"{BRIDGE} -p tcp -m tcp --dport 8000 -j ACCEPT"),
    ("-o br-0123456789ab -p tcp -m tcp --dport 8000 -j DROP", f"{BRIDGE} -p tcp -m tcp --dport 8000 -j ACCEPT"),
])
def test_what_lets_two_containers_talk_outlives_their_addresses(rule_text: str, offered: str) -> None:
    """A container that is made anew may get another address: only what the rule itself goes by is named."""
    box = {"networks": (("p_default", "172.18.0.3", ("web",)),), "bridges": (("p_default", "br-0123456789ab"),)}
    scene = Scene("app:8000", node="web", back="app").with_service(container_service(), listener(8000, 7, "0.0.0.0", "app"))
    scene.endpoint(tcp=Known(SLOW), http=Known(SLOW), addresses=Known(("172.18.0.2",))).answers(SLOW)
    scene.nginx["service"] = container_service("web", 80, box=box)
    scene.extra["engine_firewall"] = saved_firewall("FORWARD -j DOCKER-USER", f"DOCKER-USER {rule_text}")
    first = found(scene).repairs[0]
    (step,) = first.steps
    assert isinstance(step, ChangeRule) and step.node == "engine"
    assert offered in (first.id, step.rule)


def to_the_docker_host(*rules: str, policy: str = "ACCEPT", host: str = "host.docker.internal", **box: Any) -> Scene:
    """nginx's container asks a program of the machine that it runs on, and gets no answer."""
    own = {"networks": (("p_default", "172.18.0.3", ("web",)),), "bridges": (("p_default", "br-0123456789ab"),),
           "subnets": (("p_default", "172.18.0.0/16"),), "gateways": ("172.18.0.1",), **box}
    scene = Scene(f"{host}:8000", node="web", back="web")
    scene.endpoint(tcp=Known(SLOW), http=Known(SLOW), addresses=Known(("172.17.0.1",)), node=None,
                   listener=Unknown("the Docker host's sockets were not asked")).answers(SLOW)
    scene.nginx["service"] = container_service("web", 80, box=own)
    scene.node_changes["web"] = {"firewall": saved_firewall()}
    scene.extra["engine_firewall"] = saved_firewall(*rules, policy=policy)
    return scene


@pytest.mark.parametrize("rules", [
    ("INPUT -i br-0123456789ab -p tcp -m tcp --dport 8000 -j DROP",),
    ("INPUT -i br-+ -p tcp -j DROP",),
    ("INPUT -s 172.16.0.0/12 -p tcp -m tcp --dport 8000 -j DROP",),
    ("INPUT -i lo -j ACCEPT", "INPUT -m conntrack --ctstate RELATED,ESTABLISHED -j ACCEPT", "INPUT -j DROP"),
])
def test_the_docker_hosts_own_filter_drops_what_comes_from_a_bridge(rules: tuple[str, ...]) -> None:
    shown = found(to_the_docker_host(*rules))
    (step,) = shown.repairs[0].steps
    assert (shown.variant, shown.confidence, shown.node) == ("docker-host-input-block", "certain", "engine")
    assert isinstance(step, ChangeRule) and (step.action, step.node, step.chain) == ("add", "engine", "INPUT")
    assert "-i br-0123456789ab" in step.rule and "--dport 8000 -j ACCEPT" in step.rule and step.index == len(rules) - 1


def test_a_policy_of_the_docker_host_is_met_by_one_rule_for_that_bridge_and_port() -> None:
    shown = found(to_the_docker_host("INPUT -i lo -j ACCEPT", policy="DROP"))
    (step,) = shown.repairs[0].steps
    assert isinstance(step, ChangeRule)
    assert step.rule == "-i br-0123456789ab -p tcp -m tcp --dport 8000 -j ACCEPT"


@pytest.mark.parametrize(("chain", "command"), [
    ("ufw-user-input", "ufw prepend allow in on br-0123456789ab to any port 8000 proto tcp"),
    ("IN_public_deny", "firewall-cmd --permanent"),
])
def test_a_firewall_tool_is_told_the_one_rule(chain: str, command: str) -> None:
    name = "firewalld" if chain.startswith("IN_") else chain
    shown = found(to_the_docker_host(f"INPUT -j {name}", f"{name} -p tcp -m tcp --dport 8000 -j DROP"))
    (repair,) = shown.repairs
    assert (repair.risk, repair.steps) == ("manual", ()) and command in repair.manual


@pytest.mark.parametrize("rules", [
    (), ("INPUT -i br-0123456789ab -p tcp -m tcp --dport 8001 -j DROP",),
    ("INPUT -i br-fedcba987654 -p tcp -m tcp --dport 8000 -j DROP",),
    ("INPUT -s 172.19.0.0/16 -p tcp -m tcp --dport 8000 -j DROP",),
    ("INPUT -i br-+ -j ACCEPT", "INPUT -p tcp -m tcp --dport 8000 -j DROP"),
    ("FORWARD -j DOCKER-USER", "DOCKER-USER -p tcp -m tcp --dport 8000 -j DROP"),    # other packets pass there
])
def test_rules_about_other_packets_of_the_docker_host(rules: tuple[str, ...]) -> None:
    assert not isinstance(verdict_of(diagnose(to_the_docker_host(*rules).snapshot()), DROP), Found)


def test_of_several_bridges_the_gateways_own_is_taken() -> None:
    rule_text = "INPUT -i br-aaaaaaaaaaaa -p tcp -m tcp --dport 8000 -j DROP"
    both = {"networks": (("p_default", "172.18.0.3", ("web",)), ("p_b", "172.20.0.3", ("web",))),
            "bridges": (("p_default", "br-0123456789ab"), ("p_b", "br-aaaaaaaaaaaa"))}
    unknown = to_the_docker_host(rule_text, **both)
    assert not isinstance(verdict_of(diagnose(unknown.snapshot()), DROP), Found)


@pytest.mark.parametrize("scene", [
    healthy_scene(), wrong_port_scene(), dropping_scene(saved_firewall()), dropping_scene(saved_firewall("INPUT -p tcp --dport 8001 -j DROP")),
    dropping_scene(saved_firewall("INPUT -i eth0 -p tcp --dport 8000 -j DROP")),
    dropping_scene(saved_firewall("INPUT -i lo -j ACCEPT", "INPUT -p tcp --dport 8000 -j DROP")),
    dropping_scene(saved_firewall("INPUT -p udp --dport 8000 -j DROP")),
    dropping_scene(saved_firewall("INPUT -p tcp --dport 8000 -j REJECT")),
    dropping_scene(saved_firewall(PORT)).endpoint(unix="/run/app.sock", port=0),
    dropping_scene(saved_firewall(PORT)).endpoint(tcp=Known(probe()), http=Known(GOOD)).answers(GOOD),
])
def test_miss(scene: Scene) -> None:
    scene.events = [e for e in scene.events if scene.probes.get(0) != Known((GOOD,))]
    assert isinstance(verdict_of(diagnose(scene.snapshot()), DROP), RuledOut)


@pytest.mark.parametrize("rule_text", [
    "INPUT -m limit --limit 5/sec -p tcp --dport 8000 -j DROP", "INPUT -p tcp --dport 8000 -m mark --mark 7 -j DROP",
])
def test_a_rule_of_which_nobody_can_tell_whom_it_takes_is_named_as_what_is_not_known(rule_text: str) -> None:
    diagnosis = diagnose(dropping_scene(saved_firewall(rule_text)).snapshot())
    verdict = verdict_of(diagnosis, DROP)
    assert isinstance(verdict, Undetermined) and rule_text.partition(" ")[2] in verdict.missing[0]
    assert isinstance(verdict_of(diagnosis, "firewall-reject"), RuledOut) and not causes_of(diagnosis)


@pytest.mark.parametrize("before", [
    "INPUT -i lo -p tcp --sport 80 -j ACCEPT", "INPUT -p tcp --sport 0:1023 -j ACCEPT", "INPUT -p tcp --sport 5432 -j ACCEPT",
    "OUTPUT -p tcp --dport 22 -j ACCEPT",
])
def test_nginxs_own_port_is_none_that_servers_have(before: str) -> None:
    assert found(dropping_scene(saved_firewall(before, "INPUT -p tcp --dport 8000 -j DROP"))).confidence == "certain"


def test_whoever_takes_no_connection_is_told_with_where_it_was_tried() -> None:
    diagnosis = diagnose(dropping_scene(saved_firewall()).snapshot())
    assert diagnosis.verdict == "broken"
    assert "127.0.0.1:8000 (backend.service) without nginx: slow" in " ".join(diagnosis.notes)
    slow = dropping_scene(saved_firewall()).answers(SLOW)
    assert "which gives no answer in time" in " ".join(diagnose(slow.snapshot()).notes)
    assert "127.0.0.1:8000 (backend.service) without nginx: slow" in " ".join(diagnose(slow.snapshot()).notes)


def test_a_connect_without_answer_is_no_hang() -> None:
    diagnosis = diagnose(dropping_scene(saved_firewall()).snapshot())
    assert roots(diagnosis) == []
    assert "backend-hung" in [f.cause for f in diagnose(dropping_scene(saved_firewall(), queued=2).snapshot()).findings]


def test_unknown() -> None:
    verdict = verdict_of(diagnose(dropping_scene(Unknown("not root")).snapshot()), DROP)
    assert isinstance(verdict, Undetermined) and verdict.missing == ("the packet filter of local: not root",)


def test_rules_that_no_tool_shows_are_what_is_not_known() -> None:
    hidden = Known(Firewall(saved_firewall().value.chains, "only iptables-legacy-save shows some rules"))
    verdict = verdict_of(diagnose(dropping_scene(hidden).snapshot()), DROP)
    assert isinstance(verdict, Undetermined) and "iptables-legacy-save" in verdict.missing[0]
    shown = Known(Firewall(saved_firewall(PORT).value.chains, "only iptables-legacy-save shows some rules"))
    assert found(dropping_scene(shown)).confidence == "certain"


def test_a_worker_that_may_not_speak() -> None:
    scene = dropping_scene(nft_chain(rule("drop", Match("skuid", ("33",))), hook="output"))
    scene.processes.append(process(101, "nginx: worker process", uid=33))
    assert found(scene).repairs[0].id == "remove-rule"
    assert finding_of(diagnose(scene.snapshot()), DROP).node == "local"
