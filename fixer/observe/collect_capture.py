"""Collecting a capture: rounds of queries to all nodes at once until none is left. The only IO of observing."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence

from fixer.errors import CannotObserve, NoNginx, Unreachable
from fixer.formats.server_names import is_nginx
from fixer.hosts.bundle import BundleTarget
from fixer.hosts.machine.look_budget import one_look
from fixer.lazy.lazy_imports import lazy_imports
from fixer.model.capture import Capture, NodeCapture
from fixer.model.facts import Unknown
from fixer.model.host import Asker, DockerHost, Project, Target, is_docker_host, is_project
from fixer.model.query import CUT_OFF, LOOK_MEGABYTES, NOT_ASKED, TOO_LONG, Command, ListProcesses
from fixer.model.snapshot import Container
from fixer.observe.next_queries import first_queries, follow_up_queries
from fixer.observe.nginx.nginx_masters import containers_with_nginx
from fixer.observe.nginx.sites import sites_of
from fixer.observe.question_round import AskedNodes
from fixer.observe.view.node_view import ENGINE, View, containers_of, target_machine, views_of
from fixer.observe.view.observe_options import ObserveOptions

with lazy_imports():
    from fixer.observe.docker.published_ports import addresses_without_listener, published_query  # as below
    from fixer.observe.nginx.unlisted_containers import named_container_query  # only needed with containers
    from fixer.observe.view.docker_inspect import parse_inspect

__all__ = ["MOST_ROUNDS", "ObserveOptions", "collect"]

MOST_TARGET_HINTS = 3        # containers of a machine that the hint names as targets
_SIZE_HINT = f"fixer takes at most {LOOK_MEGABYTES} MB of memory: look for huge files in /etc/nginx"
_BUSY_HINT = "try again when the node is less busy"
MOST_ROUNDS = 8       # survey, its follow-ups, nested includes, repeats; few observations need a fourth


def collect(target: Target, options: ObserveOptions) -> Capture:
    """Query the target's nodes until no answer leads to another query. Raise NoNginx if no node has an nginx.

    A bundle already holds the answers: it is the capture, whatever the options are. All rounds share one budget of
    time and bytes.
    """
    if target.ref.kind == "bundle":
        return capture_in_bundle(target)
    with one_look() as budget:
        return _collect(target, AskedNodes(target.askers(), options, budget))


def _collect(target: Target, asked: AskedNodes) -> Capture:
    asked.ask({name: first_queries(name, asker.kind, target.ref) for name, asker in asked.askers.items()})
    if all(node.unreachable for node in asked.nodes.values()):
        _require_answers(asked.nodes.values())
        raise Unreachable(next(iter(asked.nodes.values())).unreachable if asked.nodes else "the target has no nodes")
    here = _docker_host(target)
    if here is not None:
        _add_containers_with_nginx(here, asked, _make_capture(target, asked))
    _require_nginx(_make_capture(target, asked), asked.askers)
    project = target if is_project(target) else None
    called: list[Command | None] = []
    for _ in range(MOST_ROUNDS - 1):
        if project is not None and _add_named_containers(project, asked, _make_capture(target, asked), called):
            project = None
        if here is not None and _add_published_containers(here, asked, _make_capture(target, asked)):
            here = None
        questions = follow_up_queries(_make_capture(target, asked), asked.options)
        if not questions:
            break
        asked.ask(questions)
    return _make_capture(target, asked)


def _docker_host(target: Target) -> DockerHost | None:
    """Return the target if it is a machine that may have a Docker engine."""
    return target if is_docker_host(target) and target.has_docker() else None


def _add_containers_with_nginx(target: DockerHost, asked: AskedNodes, capture: Capture) -> None:
    """Add the machine's containers in which nginx runs, with their projects; stopped ones if nothing else is nginx."""
    views = views_of(capture)
    home = target_machine(views)
    ids = () if home is None else containers_with_nginx(home)
    if home is None or (not ids and sites_of(views, ())):
        return
    try:
        more, queries = target.with_nginx(ids)
    except Unreachable:               # without Docker's answers only the hint can name them
        return
    if more:
        asked.add(more)
        first = {asker.name: first_queries(asker.name, asker.kind, capture.target) for asker in more}
        asked.ask({**first, ENGINE: queries})


def _add_published_containers(target: DockerHost, asked: AskedNodes, capture: Capture) -> bool:
    """Add containers as nodes if nginx's addresses on this machine may lead to them and to no host program.
    Return False while nginx's configuration is not read yet."""
    views = views_of(capture)
    sites = sites_of(views, ())
    home = target_machine(views)
    if home is None or any(isinstance(site.config, Unknown) for site in sites):
        return False
    places = addresses_without_listener(home, [(a.server, a.ips) for site in sites for a in site.addresses])
    try:
        more = target.beside(places) if places else ()
    except Unreachable as error:      # its containers stay unknown, and the capture reports why
        why = NOT_ASKED if asked.is_late else error.message
        asked.nodes[ENGINE] = NodeCapture(ENGINE, "machine", 0.0, False, {}, unreachable=why)
        return True
    if more:
        asked.add(more, anew={asker.name for asker in more})
        first = {asker.name: first_queries(asker.name, asker.kind, capture.target) for asker in more}
        asked.ask({**first, ENGINE: [published_query(places)]})
    return True


def _add_named_containers(target: Project, asked: AskedNodes, capture: Capture, called: list[Command | None]) -> bool:
    """Add containers of other projects that nginx refers to as nodes. `called` lists the queries made.
    Return False while nginx's configuration is not read, and once more: its names resolve a round later."""
    views = views_of(capture)
    containers = containers_of(views)
    sites = sites_of(views, containers)
    if any(isinstance(site.config, Unknown) for site in sites):
        return False
    query = named_container_query(sites, containers, views)
    if query in called:
        return True
    called.append(query)
    try:
        more = target.called(query) if query is not None else ()
    except Unreachable:               # Docker stopped answering: its earlier answers count
        return True
    more = tuple(asker for asker in more if asker.name == ENGINE or asker.name not in asked.nodes)
    if more and query is not None:
        asked.add(more)
        first = {asker.name: first_queries(asker.name, asker.kind, capture.target) for asker in more}
        asked.ask({**first, ENGINE: [query]})
    return len(called) > 1


def capture_in_bundle(target: Target) -> Capture:
    """Return the capture inside a bundle."""
    assert isinstance(target, BundleTarget)
    return target.capture


def _make_capture(target: Target, asked: AskedNodes) -> Capture:
    return Capture(target.ref, tuple(asked.nodes.values()), tuple(target.notes), asked.options.pairs())


def _require_answers(nodes: Iterable[NodeCapture]) -> None:
    """Raise CannotObserve if a node had no time to answer: nginx may run there."""
    for node in nodes:
        if node.unreachable in (NOT_ASKED, CUT_OFF):
            raise CannotObserve(f"{node.name}: {node.unreachable}", _BUSY_HINT)


def _require_nginx(capture: Capture, askers: Mapping[str, Asker]) -> None:
    views = views_of(capture)
    containers = containers_of(views)
    if sites_of(views, containers):
        return
    inner = {view.name: ids for view in views.values() if view.name != ENGINE and (ids := containers_with_nginx(view))}
    if inner:
        name, ids = next(iter(inner.items()))
        words = dict.fromkeys(_target_of_container(askers[name], found) for found in ids[:MOST_TARGET_HINTS])
        # whoever is not told their names may not use Docker, which would refuse the command too
        nameless = words.keys() <= {f"docker://{found[:12]}" for found in ids}
        sudo = "sudo " if nameless and capture.target.kind == "local" and not views[name].node.root else ""
        said = " or ".join(f"{sudo}fixer diagnose {word}" for word in words)
        raise NoNginx(f"nginx runs only inside a container of {name}", f"try: {said}")
    _require_answers(capture.nodes)
    for view in views.values():
        told = view.node.answers.get(ListProcesses())
        if view.name != ENGINE and told is not None and told.status in ("timeout", "failed"):
            message = f"the processes of {view.name} could not be read: {told.message or told.status}"
            raise CannotObserve(message, _SIZE_HINT if told.message == TOO_LONG else _BUSY_HINT)
    raise NoNginx(f"no nginx on {capture.target}", _no_nginx_hint(containers, views))


def _target_of_container(asker: Asker, container_id: str) -> str:
    """Return the target argument for a container in this machine's process table."""
    query = Command("docker-container", (container_id,))
    for container in parse_inspect(asker.ask([query])[query]):
        if container.id == container_id:
            if container.is_machine:
                return f"docker://{container.name}"
            return f"compose://{container.project}" if container.project else f"docker://{container.name}"
    return f"docker://{container_id[:12]}"


def _no_nginx_hint(containers: Sequence[Container], views: Mapping[str, View]) -> str:
    down = [box for box in containers if box.status not in ("running", "restarting")]
    own = next((box for box in down if any(is_nginx(word) for word in box.argv[:3])), None)
    stopped = own or next(iter(down), None)
    if own is not None and own.error:       # a mounted file is missing: nothing can be copied out
        said = own.error.rpartition("container process: ")[2][:240]
        return f"the command of container {own.name} is nginx, but the engine cannot start it: {said}"
    if stopped is not None:
        return f"container {stopped.name} is {stopped.status}; if it runs nginx, start it, or read its log"
    denied = [view.name for view in views.values() if not view.node.root and view.name != ENGINE]
    if denied:
        return f"not root on {', '.join(denied)}: nginx's configuration may exist but be unreadable (sudo fixer …)"
    if unseen := next(filter(None, (view.no_processes_reason() for view in views.values())), ""):
        return f"the processes there were not observed: {unseen}"
    return "no running process is nginx, and there is no /etc/nginx/nginx.conf"
