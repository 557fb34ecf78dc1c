"""Tests of fixer/observe/collect_capture.py."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping, Sequence

import pytest

from fixer.errors import CannotObserve, NoNginx, Unreachable
from fixer.hosts.bundle import BundleTarget, ReplayAsker
from fixer.model.capture import Capture, NodeCapture
from fixer.model.facts import Unknown
from fixer.model.host import NodeClock
from fixer.model.query import Answer, Command, ListProcesses, Query, ReadGlob
from fixer.model.target import NodeKind, TargetRef
from fixer.observe.build_snapshot import build_snapshot
from fixer.observe.collect_capture import MOST_ROUNDS, ObserveOptions, _no_nginx_hint, collect
from fixer.observe.view.node_view import views_of
from tests.observe.capture_builders import MASTER, capture, file, node, process, processes, recorded_capture
from tests.observe.next_queries_builders import SITE, WELL

UNLISTED_CONTAINERS_SITE = "server {{ listen 80; location / {{ proxy_pass {}; }} }}"

ITEMS = [{"Id": name * 16, "Name": f"/{name}", "Path": "nginx" if name == "web1" else "uvicorn", "State": {"Status": "running"},
          "Config": {}, "HostConfig": {"NetworkMode": "net"},
          "NetworkSettings": {"Networks": {"net": {"IPAddress": address, "Aliases": [name, *also]}}}}
         for name, address, also in (("web1", "10.9.0.2", ()), ("till", "10.9.0.3", ("app",)))]


class Answering:
    """A node that has answered all of it before."""

    def __init__(self, node: NodeCapture) -> None:
        self.name, self.kind, self._answers = node.name, node.kind, node.answers

    name: str
    kind: NodeKind

    def clock(self) -> NodeClock:
        return NodeClock(now=1_800_000_000.0, root=True, utc_offset=0)

    def ask(self, queries: Sequence[Query]) -> Mapping[Query, Answer]:
        return {query: self._answers.get(query, Answer("absent")) for query in queries}


class Shared:
    """A project whose nginx asks for a name that a container of somebody else has too."""

    notes: tuple[str, ...] = ()
    ref = TargetRef("docker", "web1")

    def __init__(self) -> None:
        self.asked: list[Command] = []

    def askers(self) -> tuple[Answering, ...]:
        told = {Command("docker-container", ("web1",)): Answer("ok", json.dumps(ITEMS).encode())}
        known = {Command("resolve", ("app",)): Answer("ok", b"app 10.9.0.3\napp 10.9.0.8\n")}
        web = node(known, site=UNLISTED_CONTAINERS_SITE.format("http://app:8000"), name="web1", kind="container")
        return Answering(web), Answering(node(name="till", kind="container", nginx=False)), Answering(
            node(told, name="engine", nginx=False))

    def called(self, query: Command) -> tuple[Answering, ...]:
        self.asked.append(query)
        return ()


def test_what_a_name_leads_to_is_known_a_round_later() -> None:
    target = Shared()
    collect(target, ObserveOptions())      # type: ignore[arg-type]
    assert target.asked == [Command("docker-called", ("net", "10.9.0.8"))]


class Scripted:
    """An asker that has every answer of a capture, counts its rounds and can fail."""

    def __init__(self, seen: NodeCapture, *, fails: bool = False) -> None:
        self.inner, self.fails, self.rounds = ReplayAsker(seen), fails, 0
        self.name, self.kind = seen.name, seen.kind

    def ask(self, queries: Sequence[Query]) -> Mapping[Query, Answer]:
        self.rounds += 1
        if self.fails:
            raise Unreachable("gone")
        return self.inner.ask(queries)

    def clock(self) -> NodeClock:
        return self.inner.clock()


class Scene(BundleTarget):
    """A target made of such askers."""

    def __init__(self, seen: Capture, *, failing: Sequence[str] = ()) -> None:
        super().__init__(seen.target, seen)
        self.made = tuple(Scripted(n, fails=n.name in failing) for n in seen.nodes)

    def askers(self) -> tuple[Scripted, ...]:  # type: ignore[override]
        return self.made


@pytest.mark.parametrize("name", ["machine", "compose"])
def test_collecting_again_gives_the_same_capture(name: str) -> None:
    seen = recorded_capture(name)
    scene = Scene(seen)
    again = collect(scene, ObserveOptions())
    assert build_snapshot(again) == build_snapshot(seen)
    assert max(a.rounds for a in scene.made) <= 4


class Endless(Scripted):
    """A node each of whose files includes one more, which is there too."""

    def ask(self, queries: Sequence[Query]) -> Mapping[Query, Answer]:
        more = {q: Answer("ok", files=tuple(file(path, f"include /srv/{int(path[5:-5]) + 1}.conf;") for path in q.patterns))
                for q in queries if isinstance(q, ReadGlob) and all(path[5:6].isdigit() for path in q.patterns)}
        return {**super().ask(queries), **more}


def test_the_rounds_are_bounded_and_what_was_not_read_is_no_absence() -> None:
    scene = Scene(capture(node(WELL, site="include /srv/1.conf;" + SITE)))
    scene.made = (Endless(scene.capture.nodes[0]),)
    config = build_snapshot(collect(scene, ObserveOptions())).nginxes[0].config
    assert scene.made[0].rounds == MOST_ROUNDS
    assert isinstance(config, Unknown) and "/srv/" in config.reason


def test_a_bundle_is_what_it_is() -> None:
    seen = recorded_capture("machine")
    assert collect(BundleTarget(TargetRef("bundle", "x"), seen), ObserveOptions(probe=False)) is seen


def test_a_node_that_fails_does_not_stop_the_others() -> None:
    seen = recorded_capture("compose")
    found = build_snapshot(collect(Scene(seen, failing=["backend"]), ObserveOptions()))
    assert "backend: gone" in found.notes and [n.name for n in found.nodes] == ["web"]
    with pytest.raises(Unreachable, match="gone"):
        collect(Scene(seen, failing=["backend", "web", "engine"]), ObserveOptions())


def test_no_nginx_anywhere() -> None:
    with pytest.raises(NoNginx) as raised:
        collect(Scene(capture(node(nginx=False))), ObserveOptions())
    assert raised.value.exit_code == 3 and "no /etc/nginx/nginx.conf" in raised.value.hint
    with pytest.raises(NoNginx) as raised:
        collect(Scene(capture(node(nginx=False, root=False))), ObserveOptions())
    assert "not root" in raised.value.hint


def test_a_stopped_container_is_named_where_no_nginx_was_found() -> None:
    item = [{"Id": "c" * 64, "Name": "/front", "State": {"Status": "exited"}}]
    engine = node({Command("docker-project", ("shop",)): Answer("ok", json.dumps(item).encode())}, name="engine", nginx=False)
    with pytest.raises(NoNginx) as raised:
        collect(Scene(capture(node(nginx=False, name="app", kind="container"), engine, kind="compose", address="shop")), ObserveOptions())
    assert "container front is exited" in raised.value.hint


def test_a_node_that_did_not_finish_answering_is_not_without_nginx() -> None:
    with pytest.raises(CannotObserve) as raised:
        collect(Scene(capture(node({ListProcesses(): Answer("timeout", message="the node did not finish answering")}, nginx=False))), ObserveOptions())
    assert not isinstance(raised.value, NoNginx) and "did not finish answering" in raised.value.message


@pytest.mark.parametrize(("labels", "root", "hint"), [
    ({"com.docker.compose.project": "shop"}, True, "fixer diagnose compose://shop"), ({}, True, "fixer diagnose docker://web"),
    (None, True, "fixer diagnose docker://" + "c" * 12), ({}, False, "fixer diagnose docker://web"),
    (None, False, "sudo fixer diagnose docker://" + "c" * 12),      # Docker refuses this account
])
def test_nginx_only_in_a_container_names_the_right_target(labels: dict[str, str] | None, root: bool, hint: str) -> None:
    inner = "c" * 64
    own = processes(process(1, ["init"]), process(40, MASTER, comm="nginx", cgroup=f"/docker/{inner}"))
    item = [{"Id": inner, "Name": "/web", "Config": {"Labels": labels}}] if labels is not None else []
    seen = node({ListProcesses(): own, Command("docker-container", (inner,)): Answer("ok", json.dumps(item).encode())}, root=root)
    with pytest.raises(NoNginx) as raised:
        collect(Scene(capture(seen)), ObserveOptions())
    assert raised.value.hint == f"try: {hint}"


def test_a_container_that_starts_nginx_and_cannot_be_started_is_named_with_its_reason() -> None:
    """A file that it mounts became a folder: it does not start, and nothing of its image can be copied out."""
    error = "runc create failed: unable to start container process: error during container init: error mounting \"/srv/a.conf\""
    boxes = [{"Id": "a" * 64, "Name": "/app", "Path": "uvicorn", "State": {"Status": "exited"}},
             {"Id": "b" * 64, "Name": "/web", "Path": "nginx", "State": {"Status": "exited", "Error": error}}]
    engine = node({Command("docker-project", ("shop",)): Answer("ok", json.dumps(boxes).encode())}, name="engine", nginx=False)
    with pytest.raises(NoNginx) as raised:
        collect(Scene(capture(node(nginx=False, name="app", kind="container"), engine, kind="compose", address="shop")), ObserveOptions())
    assert "the command of container web is nginx" in raised.value.hint and "error mounting" in raised.value.hint


def test_several_containers_are_all_named() -> None:
    first, second = "c" * 64, "d" * 64
    own = processes(process(1, ["init"]), process(40, MASTER, comm="nginx", cgroup=f"/docker/{first}"),
                    process(50, MASTER, comm="nginx", cgroup=f"/docker/{second}"))
    seen = node({
        ListProcesses(): own,
        Command("docker-container", (first,)): Answer("ok", json.dumps([{"Id": first, "Name": "/web"}]).encode()),
        Command("docker-container", (second,)): Answer("ok", json.dumps([{
            "Id": second, "Name": "/box", "Path": "/sbin/init",
            "Config": {"Labels": {"com.docker.compose.project": "shop"}}}]).encode()),
    })
    with pytest.raises(NoNginx) as raised:
        collect(Scene(capture(seen)), ObserveOptions())
    assert raised.value.hint == "try: fixer diagnose docker://web or fixer diagnose docker://box"


# A container whose processes nobody here can list: that is said, and nothing is said of what runs there.
UNSEEN = Answer("no-tool", message="the container has no shell, and only root sees it")


def test_that_no_nginx_is_there_is_known_only_to_who_saw_what_runs() -> None:
    seen, unseen = (views_of(capture(node(answers, kind="container", nginx=False))) for answers in ({}, {ListProcesses(): UNSEEN}))
    assert _no_nginx_hint((), seen).startswith("no running process is nginx")
    assert _no_nginx_hint((), unseen) == "the processes there were not observed: the container has no shell, and only root sees it"


# A machine whose nginx runs in containers: the machine itself is the target, and each of them is judged.

def inner(name: str, project: str, program: str, address: str) -> dict[str, object]:
    labels = {"com.docker.compose.project": project, "com.docker.compose.service": name.split("-")[1]}
    return {"Id": hashlib.sha256(name.encode()).hexdigest(), "Name": f"/{name}", "Path": program, "State": {"Status": "running"},
            "Config": {"Labels": labels}, "HostConfig": {"NetworkMode": project},
            "NetworkSettings": {"Networks": {project: {"IPAddress": address, "Gateway": "10.0.0.5", "Aliases": [name]}}}}


SHOP = [inner("shop-web-1", "shop", "nginx", "10.9.0.2"), inner("shop-api-1", "shop", "uvicorn", "10.9.0.3")]
BLOG = [inner("blog-web-1", "blog", "nginx", "10.8.0.2")]


class DockerMachine:
    """A machine with Docker; `with_nginx` answers as the real target does."""

    notes: tuple[str, ...] = ()
    ref = TargetRef("local", "")

    def __init__(self, *own: NodeCapture, groups: Mapping[str, Sequence[Mapping[str, object]]], host: str = "app") -> None:
        self.own, self.groups, self.host, self.asked = own, groups, host, list[tuple[str, ...]]()

    def askers(self) -> tuple[Answering, ...]:
        return tuple(map(Answering, self.own))

    def has_docker(self) -> bool:
        return True

    def beside(self, places: Sequence[str]) -> tuple[Answering, ...]:
        return ()

    def with_nginx(self, ids: Sequence[str]) -> tuple[tuple[Answering, ...], tuple[Command, ...]]:
        self.asked.append(tuple(ids))
        told = {Command("docker-project", (name,)): Answer("ok", json.dumps(items).encode()) for name, items in self.groups.items()}
        boxes = [node(site=UNLISTED_CONTAINERS_SITE.format(f"http://{self.host}:8000") if "web" in str(item["Name"]) else "",
                      name=str(item["Name"])[1:], kind="container", nginx="web" in str(item["Name"]))
                 for items in self.groups.values() for item in items]
        return (*map(Answering, boxes), Answering(node(told, name="engine", nginx=False))), tuple(told)


def machine_with(*inside: Sequence[Mapping[str, object]], **more: object) -> NodeCapture:
    own = [process(100 + n, MASTER, comm="nginx", cgroup=f"/docker/{items[0]['Id']}") for n, items in enumerate(inside)]
    answers = {ListProcesses(): processes(process(1, ["init"]), *own), Command("ip-addresses"): Answer("ok", b"127.0.0.1\n172.17.0.1\n")}
    return node(answers, nginx=False, **more)  # type: ignore[arg-type]


def test_a_machine_whose_nginx_runs_in_containers_is_the_target_itself() -> None:
    target = DockerMachine(machine_with(SHOP, BLOG), groups={"shop": SHOP, "blog": BLOG})
    seen = build_snapshot(collect(target, ObserveOptions()))     # type: ignore[arg-type]
    assert target.asked == [tuple(str(items[0]["Id"]) for items in (SHOP, BLOG))]
    assert [n.node for n in seen.nginxes] == ["shop-web-1", "blog-web-1"] and len(seen.routes) == 2


def test_the_machine_is_the_node_of_its_own_addresses() -> None:
    """nginx in a container asks a program of the machine: its sockets are known, as the machine is a node."""
    target = DockerMachine(machine_with(BLOG), groups={"blog": BLOG}, host="172.17.0.1")
    (endpoint,) = build_snapshot(collect(target, ObserveOptions())).endpoints     # type: ignore[arg-type]
    assert (endpoint.node, endpoint.port) == ("local", 8000)


def test_an_idle_nginx_of_the_machine_hides_none_in_a_container() -> None:
    idle = machine_with(BLOG, site="server { listen 80; root /var/www; }")
    seen = build_snapshot(collect(DockerMachine(idle, groups={"blog": BLOG}), ObserveOptions()))     # type: ignore[arg-type]
    assert [n.node for n in seen.nginxes] == ["blog-web-1"]


def test_an_nginx_of_the_machine_that_should_run_is_judged_beside_those_in_containers() -> None:
    unit = ("Id=nginx.service\nLoadState=loaded\nActiveState=failed\nSubState=failed\nUnitFileState=enabled\n"
            "ExecStart={ path=/usr/sbin/nginx ; argv[]=/usr/sbin/nginx -g x ; ignore_errors=no }\n")
    down = machine_with(BLOG, site=UNLISTED_CONTAINERS_SITE.format("http://127.0.0.1:8000"), show=unit)
    seen = build_snapshot(collect(DockerMachine(down, groups={"blog": BLOG}), ObserveOptions()))     # type: ignore[arg-type]
    assert [n.node for n in seen.nginxes] == ["local", "blog-web-1"]


def test_stopped_containers_are_asked_for_only_if_nothing_else_is_nginx() -> None:
    target = DockerMachine(node(nginx=False), groups={"blog": BLOG})
    assert [n.node for n in build_snapshot(collect(target, ObserveOptions())).nginxes] == ["blog-web-1"]     # type: ignore[arg-type]
    assert target.asked == [()]
    own = DockerMachine(node(site=SITE), groups={"blog": BLOG})
    collect(own, ObserveOptions())     # type: ignore[arg-type]
    assert own.asked == []
