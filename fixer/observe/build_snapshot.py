"""Snapshot of a capture: pure, so that the same capture always gives the same facts."""

from __future__ import annotations

from fixer.formats.socket_tables import parse_connections
from fixer.lazy.lazy_imports import lazy_imports
from fixer.model.capture import Capture
from fixer.model.query import FileStat, ListSockets
from fixer.model.snapshot import Container, Node, Snapshot
from fixer.observe.boot.boot_entries import boot_entries_of
from fixer.observe.boot.learned_services import learned_of
from fixer.observe.build_endpoints import address_candidates, build_endpoints, with_loaded_marks
from fixer.observe.build_nginx import build_nginx, route_facts
from fixer.observe.compose_project import compose_of
from fixer.observe.editable_files import contents_of
from fixer.observe.files.log_files import unmanaged_log_of
from fixer.observe.kernel.network_tables import (
    is_loopback_down,
    kernel_routes_of,
    local_ports_of,
    unanswered_addresses,
)
from fixer.observe.kernel.oom_log import KERNEL_LOG, kernel_log_of
from fixer.observe.kernel.packet_filters import engine_firewall, firewall_of
from fixer.observe.kernel.security_modules import policy_of
from fixer.observe.look import look_at
from fixer.observe.snapshot_notes import is_cut, snapshot_notes
from fixer.observe.view.node_view import ENGINE, View, container_of, unreachable_namesakes

with lazy_imports():  # only needed with containers
    from fixer.observe.file_origins import files_made_at_start


def build_snapshot(capture: Capture) -> Snapshot:
    """Return the typed facts of a capture."""
    look = look_at(capture)
    views, containers, services, sites = look.views, look.containers, look.services, look.sites
    options = look.options
    plans = {id(site): look.plan(site) for site in sites}
    nginxes = tuple(build_nginx(site, look) for site in sites)
    endpoints = [e for site, nginx in zip(sites, nginxes, strict=True)
                 for e in with_loaded_marks(build_endpoints(site, plans[id(site)], look), site, nginx)]
    boxed = any(not box.is_machine for box in containers)      # a machine's files are made of no templates
    generated, templates, origins = files_made_at_start(sites, views, containers) if boxed else ((), (), ())
    return Snapshot(
        target=capture.target, taken_at=max((n.now for n in capture.nodes), default=0.0),
        nodes=tuple(_build_node(view, container_of(view.name, containers)) for view in views.values()
                    if view.name != ENGINE),
        nginxes=nginxes, services=services,
        endpoints=tuple(endpoints), routes=tuple(r for s in sites for r in route_facts(s, plans[id(s)], options)),
        files=contents_of(views, sites, services, containers, options.learned),
        notes=(*capture.notes, *snapshot_notes(capture, views, plans.values(), containers)),
        compose=compose_of(sites, containers, views),
        engine_firewall=engine_firewall(views.get(ENGINE)),
        learned=tuple(learned for view in views.values() if (learned := learned_of(view, options.learned)) is not None),
        kernel_logs=tuple(kernel_log_of(view) for view in views.values() if KERNEL_LOG in view.node.answers),
        ignored=capture.accepted, seconds_since_repair=options.quiet,
        engine_files=_file_stats(views[ENGINE]) if ENGINE in views else (),
        named_containers=unreachable_namesakes(views),
        address_candidates=address_candidates(look),
        boot_entries=tuple(s for view in views.values() for s in boot_entries_of(
            view, container_of(view.name, containers))),
        is_cut=any(map(is_cut, capture.nodes)), generated_files=generated, templates=templates,
        file_origins=origins,
        hand_started_logs=tuple(words for view in views.values() if (words := unmanaged_log_of(view)) is not None),
    )


def _file_stats(view: View) -> tuple[tuple[str, FileStat], ...]:
    return tuple((path, file.stat) for path, file in view.files.items() if file.stat is not None)


def _build_node(view: View, box: Container | None) -> Node:
    stats = _file_stats(view)
    absent = tuple(path for path, file in view.files.items() if file.status == "absent")
    return Node(view.name, view.node.kind, view.node.now, view.node.root, view.process_table.boot_at, view.addresses,
                view.process_table.processes, view.listeners, files=stats, init=view.init, firewall=firewall_of(view),
                connections=parse_connections(view.node.answers.get(ListSockets())), policy=policy_of(view),
                ip_routes=kernel_routes_of(view), is_loopback_down=is_loopback_down(view),
                missing_paths=absent, unanswered_addresses=unanswered_addresses(view),
                local_ports=local_ports_of(view), name_servers=view.name_servers,
                mounts=box.mounts if box is not None else (),
                kept_paths=tuple(at for _, at in box.shares) if box is not None else ())
