"""Requests land in another server block than the one that is intended for them.
nginx hands them to a dead address (502), or shows a 403, a 404, the wrong site. Correct server_name, then reload nginx.

By hand
  nginx -T 2>/dev/null | grep -nE 'configuration file|server_name|listen'  # which blocks have the name, in which order?
  nginx -t                            # conflicting server name "…" on 0.0.0.0:80, ignored
  server_name NAME;                   # add the name to the intended block, or take out the site that hides it:
  rm /etc/nginx/sites-enabled/LINK    # a file that is no link: move it out of that folder
  nginx -t && nginx -s reload

What it is
  nginx picks a `server` by address and name. A name that no block lists falls to the default server of that address:
  the one that says so, else simply the first. And of two blocks with the same name on the same address only the first
  counts: nginx -t passes with a warning, and the second block, often the right one, is never used.

Why nginx says 502
  The block that takes the request hands it to an address where nothing listens (an old release, a site that was moved).
  With other contents it would be a 403, a 404, or the wrong site.

How it is told apart
  Two blocks with one name: both stand in the configuration; the first one's address is empty and the second one's
  answers, and no service that belongs to the first address is down (then it is that). If the second one does not
  answer, a service that is configured for its address, and none for the first one's, makes it likely: also where a name
  of the first address is a service's that its files put at another port. A name that no
  block lists: nginx's log shows the name that was asked for, no block has it, and other blocks of the same address
  answer. With wrong-port there is one block, and it is the right one.

The repair and its safety
  remove-shadowing-site (safe): a person names the file to keep (`--set keep=FILE`); the other one, where it holds
  nothing but that one server, is taken out of nginx's sight (a link is removed, a file renamed), then nginx -t and a
  reload.
  add-server-name (safe): a person gives the name (`--set server_name=NAME`), since a log holds what visitors wrote; it
  is added to the block that is meant.
  load-site (manual): the site with the name that was asked for lies beside the configuration, and no include matches
  its file. Whether it is to be served is a person's to say.

Variants
  default-server-catches  no block has the name, or an earlier block has it too
"""

from __future__ import annotations

import posixpath

from fixer.analysis.case import Case, FailingAddress, accepts_connections, is_answering
from fixer.analysis.cause import Cause, conclude, for_each_failing_address, join_by
from fixer.analysis.evidence import (
    address_text,
    bindings_of,
    config_evidence,
    file_line_text,
    find_node,
    line_text,
    no_listener_evidence,
)
from fixer.analysis.nginx_errors import connect_symptoms, routes_text
from fixer.analysis.ownership.configured import configured_owner, is_configured_at
from fixer.analysis.route_verdict import is_closed, recent_events
from fixer.analysis.service_state import state_evidence
from fixer.errors import StepFailed
from fixer.lazy.lazy_imports import lazy_imports
from fixer.lazy.regex import regex
from fixer.model.diagnosis import Finding, Need, Repair, Verdict
from fixer.model.facts import Evidence, Known
from fixer.model.nginx_config import NginxConfig, ServerBlock
from fixer.model.plan import FileMeta, Step, WriteFile
from fixer.model.snapshot import Endpoint, ErrorEvent, Nginx
from fixer.nginx.error_kinds import CONNECT_FAILED
from fixer.nginx.lexer import tokenize
from fixer.nginx.listen import is_listed_name
from fixer.repairs.file_edits import (
    NotEditable,
    check_and_reload_steps,
    edit_risk,
    insert_block,
    locate_editable_file,
    overwriters_text,
)

with lazy_imports():
    from fixer.analysis.ownership.resolve import candidate_owners, only_owner

_HOST_IN_LOG = regex(r", host: \"([A-Za-z0-9](?:[A-Za-z0-9-]*[A-Za-z0-9])?(?:\.[A-Za-z0-9-]+)+)(?::\d+)?\"")
_ADDRESS = regex(r"^[\d.]+$")
_MAX_SERVERS = 500        # servers of one nginx, at most, that are compared


def judge(case: Case) -> Verdict:
    """Judge each failing route: does its server block hide another one that would answer?"""
    found, missing, ruled = for_each_failing_address(case, _judge_address)
    findings = join_by(found, lambda one: f"{one.node}/{one.routes[0]}")
    for nginx in case.snapshot.nginxes:
        if isinstance(nginx.config, Known) and len(nginx.config.value.servers) <= _MAX_SERVERS:
            served = {facts.route.server_index for facts in case.snapshot.routes if nginx.serves(facts)}
            for index in sorted(nginx.config.value.nameless_servers() & served):     # a catch-all block is intended
                findings.append(_lost_default_finding(case, nginx, nginx.config.value, index))
    return conclude(findings, missing, ruled)


def _lost_default_finding(case: Case, nginx: Nginx, config: NginxConfig, index: int) -> Finding:
    """Return the finding on a nameless block without requests: another block is now the default server."""
    block = config.servers[index]
    first = next((config.servers[number] for number in sorted(config.default_servers())
                  if config.servers[number].addresses & block.addresses), block)
    return Finding(
        cause=CAUSE.id, variant="default-server-catches", role="advice", confidence="certain",
        summary=(
            f"no request reaches the server at {_block_location(case, nginx, block)}: it has no name that clients ask "
            f"for, and {_block_location(case, nginx, first)} is the default server there. If it should be the default, "
            "add default_server to its listen"),
        detail=(), routes=_routes_of(case, nginx, index), service=None, node=nginx.node,
        evidence=(_block_evidence(case, nginx, block), _block_evidence(case, nginx, first)),
    )


def _judge_address(case: Case, trouble: FailingAddress) -> Finding | str | Evidence:
    nginx, endpoint = trouble.nginx, trouble.endpoint
    shown = config_evidence(case.snapshot, nginx, endpoint)
    if not isinstance(nginx.config, Known):
        return f"the configuration of nginx on {nginx.node}"
    config = nginx.config.value
    closed, index = is_closed(endpoint), trouble.routes[0].route.server_index
    compared = 0 <= index < len(config.servers) <= _MAX_SERVERS
    is_left = closed is not False and _is_left_by_owner(case, endpoint)
    hidden = _find_hidden_block(case, nginx, config, index) if compared and (closed or is_left) else None
    if hidden is not None and (is_left or (not _is_service_down(case, endpoint) and (
            accepts_connections(hidden[1]) or configured_owner(case, endpoint) is None))):
        return _shadowed_finding(case, trouble, index, hidden)
    if closed is None and len(config.servers) > 1:
        return f"whether anything listens at {endpoint.written}"
    # If the default server has its own service, that one is stopped or listens elsewhere. Names in the log come from
    # clients and never outweigh that; which service it is, is for other causes to say.
    if not closed or not compared or endpoint.configured_service is not None:
        return shown
    caught = None if candidate_owners(case, trouble) else _default_block_finding(case, trouble, config, index)
    return caught or (None if only_owner(case, trouble) else _unloaded_site_finding(case, trouble, config)) or shown


def _is_service_down(case: Case, endpoint: Endpoint) -> bool:
    """Return whether the address's service is stopped: that is the fault, whichever block is older. A disabled one may
    be an old release of the other."""
    owner = configured_owner(case, endpoint)
    if owner is None or owner.service.running:
        return False
    unit = owner.service.unit
    return unit is None or unit.active_state == "failed" or unit.unit_file_state not in ("disabled", "masked")


def _is_left_by_owner(case: Case, endpoint: Endpoint) -> bool:
    """Return whether only the name of the address is a service's: its files put it at another port or socket. It would
    not listen there if it ran."""
    owner = configured_owner(case, endpoint)
    return owner is not None and bool(bindings_of(owner.service)) and not is_configured_at(owner.service, endpoint)


def _find_hidden_block(case: Case, nginx: Nginx, config: NginxConfig, index: int) -> tuple[int, Endpoint] | None:
    """Return a later block with the same address and name whose endpoint answers, else one whose endpoint takes
    connections, else one whose endpoint a service is configured for."""
    first = config.servers[index]
    names = set(first.names or ("",))
    same = [later for later, other in enumerate(config.servers[index + 1:], index + 1)
            if names & set(other.names or ("",)) and first.addresses & other.addresses]
    ends = [(later, end) for later in same for end in _endpoints_of(case, nginx, later)]
    return next((one for one in ends if is_answering(one[1])), None) or next(
        (one for one in ends if accepts_connections(one[1])), None) or next(
        (one for one in ends if configured_owner(case, one[1]) and not _is_left_by_owner(case, one[1])), None)


def _endpoints_of(case: Case, nginx: Nginx, index: int) -> list[Endpoint]:
    wanted = {name for facts in case.snapshot.routes
              if nginx.serves(facts) and facts.route.server_index == index for name in facts.endpoints}
    return [end for end in case.snapshot.endpoints if end.id in wanted]


def _shadowed_finding(case: Case, trouble: FailingAddress, index: int, hidden: tuple[int, Endpoint]) -> Finding:
    nginx, (later, endpoint) = trouble.nginx, hidden
    assert isinstance(nginx.config, Known)
    servers = nginx.config.value.servers
    first, second = servers[index], servers[later]
    shared = next((name for name in first.names or ("",) if name in (second.names or ("",))), "")
    said = shared or "the empty name"
    answer = endpoint.http.or_else(None) if is_answering(endpoint) else None
    heard = "accepts connections" if answer is None else f"answers {answer.status} when asked directly"
    owner = None if accepts_connections(endpoint) else configured_owner(case, endpoint)
    moved = configured_owner(case, trouble.endpoint) if is_closed(trouble.endpoint) is None else None
    nothing = "where nothing listens" if moved is None else f"where {moved.service.name} is not configured to listen"
    evidence = (
        _block_evidence(case, nginx, first), _block_evidence(case, nginx, second), *_ignored_evidence(nginx, shared),
        config_evidence(case.snapshot, nginx, trouble.endpoint), *no_listener_evidence(trouble.endpoint),
        *((b.source for b in bindings_of(moved.service)[:1]) if moved is not None else ()),
        config_evidence(case.snapshot, nginx, endpoint),
        Evidence("probe", endpoint.written, heard) if owner is None else state_evidence(owner.service),
        *connect_symptoms(case, trouble),
    )
    routes = tuple(dict.fromkeys((*trouble.route_ids, *_routes_of(case, nginx, later))))
    return Finding(
        cause=CAUSE.id, variant="default-server-catches", role="root",
        confidence="certain" if answer is not None else "likely",
        summary=(
            f"two server blocks share {said}: nginx uses the first ({_block_location(case, nginx, first)}), never "
            f"{_block_location(case, nginx, second)}. The first leads to {trouble.endpoint.written}, {nothing}"
        ),
        detail=(), routes=routes, service=None, node=nginx.node, evidence=tuple(dict.fromkeys(evidence)),
        repairs=(keep_one_repair(case, nginx, first, second, is_first_dead=_is_dead(case, nginx, index, endpoint)),),
        effects=("nothing-listens", "stale-config"),
        is_met_first=nginx.master_pid is not None,
    )


def _is_dead(case: Case, nginx: Nginx, index: int, other: Endpoint) -> bool:
    """Return whether nothing listens wherever the block leads, and something does at the other block's address."""
    return is_closed(other) is False and all(map(is_closed, _endpoints_of(case, nginx, index)))


def _ignored_evidence(nginx: Nginx, name: str) -> tuple[Evidence, ...]:
    """Return nginx's own line that it ignores the name in a later block, of its last start or reload."""
    said = next((event for event in reversed(nginx.errors.or_else(()))
                 if event.kind == "name-ignored" and f'"{name}"' in event.raw), None)
    return () if said is None else (Evidence("nginx-log", said.where, said.raw),)


def _routes_of(case: Case, nginx: Nginx, index: int) -> tuple[str, ...]:
    return tuple(j.facts.route.id for j in case.verdicts.values()
                 if nginx.serves(j.facts) and j.facts.route.server_index == index and j.state != "ok")


def _block_location(case: Case, nginx: Nginx, block: ServerBlock) -> str:
    return file_line_text(case.snapshot, nginx.node, block.span.file, block.span.line)


def _block_evidence(case: Case, nginx: Nginx, block: ServerBlock) -> Evidence:
    span = block.names_span or block.span
    text = line_text(case.snapshot, nginx.node, span.file, span.line) or "server"
    return Evidence("nginx-config", file_line_text(case.snapshot, nginx.node, span.file, span.line), text)


def _default_block_finding(case: Case, trouble: FailingAddress, config: NginxConfig, index: int) -> Finding | None:
    """Return the finding on recent requests for unlisted names that this default block received."""
    nginx, block = trouble.nginx, config.servers[index]
    if index not in config.default_servers():
        return None
    others = [other for number, other in enumerate(config.servers)
              if number != index and other.addresses & block.addresses and _is_healthy(case, nginx, number)]
    strange = _unlisted_names(case, trouble, config)
    if not others or not strange:
        return None
    host, event = next(reversed(strange.items()))
    return Finding(
        cause=CAUSE.id, variant="default-server-catches", role="root", confidence="likely",
        summary=(
            f"requests for a name that no server block lists (as {host!r}) go to the default server at "
            f"{_block_location(case, nginx, block)}. It hands {routes_text(trouble)} to {trouble.endpoint.written}, "
            "where nothing listens"
        ),
        detail=(), routes=trouble.route_ids, service=None, node=nginx.node,
        evidence=tuple(dict.fromkeys((
            Evidence("nginx-log", event.where, event.raw), _block_evidence(case, nginx, block),
            *(_block_evidence(case, nginx, other) for other in others[:3]),
            config_evidence(case.snapshot, nginx, trouble.endpoint), *no_listener_evidence(trouble.endpoint),
        ))),
        repairs=(add_name_repair(case, nginx, others),),
    )


def _unlisted_names(case: Case, trouble: FailingAddress, config: NginxConfig) -> dict[str, ErrorEvent]:
    """Return names in recent requests that no block lists, with a log line for each."""
    names = {name for server in config.servers for name in server.names}
    events = [e for e in recent_events(trouble.nginx, trouble.routes, case.snapshot) if e.kind in CONNECT_FAILED]
    asked = [(match[1].lower(), e) for e in events if (match := _HOST_IN_LOG.search(e.raw)) is not None]
    return {host: e for host, e in asked if not _ADDRESS.match(host) and not is_listed_name(host, names)}


def _unloaded_site_finding(case: Case, trouble: FailingAddress, config: NginxConfig) -> Finding | None:
    """Return the finding on a site with a recently requested name that nginx does not load."""
    nginx, strange = trouble.nginx, _unlisted_names(case, trouble, config) if trouble.nginx.unloaded_sites else {}
    left = next((x for x in nginx.unloaded_sites if strange.keys() & set(x.names)), None)
    if left is None:
        return None
    host = next(name for name in left.names if name in strange)
    where = file_line_text(case.snapshot, nginx.node, left.file, left.line)
    why = f"{left.pattern} does not match it" if left.pattern else "nothing includes it"
    mend = f"rename it so that {left.pattern} matches it" if left.pattern else "link it into an included folder"
    manual = f"if nginx should serve {left.file}, {mend}, then run nginx -t and reload nginx"
    return Finding(
        cause=CAUSE.id, variant="default-server-catches", role="root", confidence="likely",
        summary=(f"the site of {host!r} is in {left.file}, which nginx does not load ({why}). Requests for it go to "
                 f"the default server, which hands {routes_text(trouble)} to {trouble.endpoint.written}, where nothing "
                 "listens"),
        detail=(), routes=trouble.route_ids, service=None, node=nginx.node,
        evidence=tuple(dict.fromkeys((
            Evidence("nginx-config", where, f"not loaded: {address_text(left.host, left.port, left.unix)}"),
            Evidence("nginx-log", strange[host].where, strange[host].raw),
            config_evidence(case.snapshot, nginx, trouble.endpoint), *no_listener_evidence(trouble.endpoint),
        ))),
        repairs=(Repair("load-site", "manual", "let nginx load the site", (), manual=manual),),
    )


def _is_healthy(case: Case, nginx: Nginx, index: int) -> bool:
    routes = [j for j in case.verdicts.values() if nginx.serves(j.facts) and j.facts.route.server_index == index]
    return bool(routes) and all(j.state == "ok" for j in routes)


CAUSE = Cause(
    id="wrong-server-block",
    title="requests reach another server block than the intended one",
    family="nginx configuration",
    variants=("default-server-catches",),
    verdict=judge,
    page=__doc__,
)

# Repairs of conflicting server blocks: disable one of two, or add a name to one.
KEEP_KEY, NAME_KEY, BLOCK_KEY = "keep", "server_name", "into"
_HOST_NAME = r"(?:\*\.)?[A-Za-z0-9](?:[A-Za-z0-9-]*[A-Za-z0-9])?(?:\.[A-Za-z0-9](?:[A-Za-z0-9-]*[A-Za-z0-9])?)*"


def keep_one_repair(case: Case, nginx: Nginx, first: ServerBlock, second: ServerBlock, *,
                    is_first_dead: bool) -> Repair:
    """Return the repair that disables one of two blocks: the operator chooses which to keep. If the first is dead, it
    is named as the one to remove."""
    files = tuple(dict.fromkeys(block.span.file for block in (first, second)))
    summary = "disable the server block that is not intended"
    used, unused = (_block_location(case, nginx, block) for block in (first, second))
    spots = f"{used} or {unused}"
    if len(files) < 2:
        manual = (f"remove the first block, {used}: nginx uses it, and nothing listens where it leads. Keep {unused}, "
                  "which leads to a listener" if is_first_dead else f"remove one of the two blocks: {spots}")
        return Repair("remove-shadowing-site", "manual", summary, (),
                      manual=f"{manual}. Then run nginx -t and reload nginx")
    leads = "; nothing listens where the first leads, and something does where the second leads" * is_first_dead
    need = Need(KEEP_KEY, "choice", f"two server blocks have the same name ({spots}{leads}): name the file to keep",
                files)
    chosen = case.inputs.get(KEEP_KEY)
    if chosen not in files:
        return Repair("remove-shadowing-site", "safe", summary, (), (need,))
    other = files[1] if chosen == files[0] else files[0]
    moved = _disable_site_steps(case, nginx, other)
    if isinstance(moved, NotEditable):
        manual = (f"remove the server block in {other}, then run nginx -t and reload nginx; fixer cannot do this: "
                  f"{moved.reason}")
        return Repair("remove-shadowing-site", "manual", summary, (), (need,), manual)
    return Repair("remove-shadowing-site", "safe", f"disable {other}",
                  (*moved, *check_and_reload_steps(case.snapshot, nginx)),
                  (need,))


def _disable_site_steps(case: Case, nginx: Nginx, path: str) -> tuple[Step, ...] | NotEditable:
    """Return the steps: remove a link, or rename a file so that no `*.conf` matches it."""
    file = case.snapshot.file(nginx.node, path)
    if file is None:
        return NotEditable(f"{path} could not be read")
    if sum(t.kind == "word" and t.value == b"server" for t in tokenize(file.data)[0]) != 1:
        return NotEditable(f"{path} contains more than that one server")
    here = locate_editable_file(case.snapshot, nginx.node, path)
    if isinstance(here, NotEditable):
        return here
    node = find_node(case.snapshot, nginx.node)
    stat = dict(node.files).get(path) if node is not None else None
    if stat is not None and stat.kind == "link" and here.node == nginx.node:
        return (WriteFile(nginx.node, path, None, None, f"remove the link {path}", link_target=stat.link_target),)
    if here.in_place or not path.endswith(".conf") or file.managed_by:
        return NotEditable(f"{path} is not a link, and cannot be renamed so that nginx ignores it")
    meta = FileMeta(file.stat.mode & 0o7777, file.stat.uid, file.stat.gid)
    aside = f"{here.path}.off"
    return (
        WriteFile(here.node, aside, None, here.data, f"keep a copy of {posixpath.basename(path)}", meta=meta),
        WriteFile(here.node, here.path, here.data, None, f"remove {path}, so that nginx ignores it"),
    )


def add_name_repair(case: Case, nginx: Nginx, others: list[ServerBlock]) -> Repair:
    """Return the repair that adds a server name: the operator gives the name and, among several, the block."""
    blocks = {file_line_text(case.snapshot, nginx.node, b.names_span.file, b.names_span.line): b
              for b in others if b.names_span is not None}
    summary = "add the name that clients use to the intended server block"
    if not blocks:
        manual = "give the intended server block a server_name"
        return Repair("add-server-name", "manual", summary, (), manual=manual)
    needs = [Need(NAME_KEY, "value", "the name that clients use, as their browser shows it", pattern=_HOST_NAME)]
    if len(blocks) > 1:
        needs.append(Need(BLOCK_KEY, "choice", "the intended server block", tuple(blocks)))
    name = case.inputs.get(NAME_KEY, "")
    into = case.inputs.get(BLOCK_KEY, "") if len(blocks) > 1 else next(iter(blocks))
    block = blocks.get(into)
    if not name or block is None or block.names_span is None:
        return Repair("add-server-name", "safe", summary, (), tuple(needs))
    here = locate_editable_file(case.snapshot, nginx.node, block.names_span.file)
    if isinstance(here, NotEditable):
        return Repair("add-server-name", "manual", summary, (), tuple(needs),
                      f"add {name} at {into}; fixer cannot do this: {here.reason}")
    try:
        step = insert_block(here, block.names_span.start, f" {name}".encode(), f"add {name} to {into}")
    except StepFailed as error:
        return Repair("add-server-name", "manual", summary, (), tuple(needs),
                      f"add {name} at {into}; fixer cannot do this: {error.message}")
    return Repair("add-server-name", edit_risk((here,), "safe"), f"add {name} at {into}{overwriters_text((here,))}",
                  (step, *check_and_reload_steps(case.snapshot, nginx)), tuple(needs))
