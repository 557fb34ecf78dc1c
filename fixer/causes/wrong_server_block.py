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
  answers, and no service that belongs to the first address is down (then it is that). A name that no block lists:
  nginx's log shows the name that was asked for, no block has it, and other blocks of the same address answer. With
  wrong-port there is one block, and it is the right one.

The repair and its safety
  remove-shadowing-site (safe): a person names the file to keep (`--set keep=FILE`); the other one, where it holds
  nothing but that one server, is taken out of nginx's sight (a link is removed, a file renamed), then nginx -t and a
  reload.
  add-server-name (safe): a person gives the name (`--set server_name=NAME`), since a log holds what visitors wrote; it
  is added to the block that is meant.
  load-site (manual): the site with the name that was asked for lies beside the configuration, and no include matches
  its file. Whether it is to be served is a person's to say.
"""

from __future__ import annotations

import posixpath

from fixer.analysis.case import Case, Trouble, is_answering
from fixer.analysis.cause import Cause, conclude
from fixer.analysis.evidence import absent_evidence, address_text, config_evidence, find_node, line_text, place
from fixer.analysis.nginx_errors import is_refused, say_routes, symptom_evidence
from fixer.analysis.ownership.configured import placed_owner
from fixer.analysis.ownership.resolve import sole_owner
from fixer.analysis.route_verdict import fresh_events, is_closed
from fixer.errors import StepFailed
from fixer.lazy.regex import regex
from fixer.model.diagnosis import Finding, Need, Repair, Verdict
from fixer.model.facts import Evidence, Known
from fixer.model.nginx_config import NginxConfig, ServerBlock
from fixer.model.plan import FileMeta, Step, WriteFile
from fixer.model.snapshot import Endpoint, ErrorEvent, Nginx
from fixer.nginx.lexer import tokenize
from fixer.repairs.file_edits import NoPlace, edit_block, nginx_steps, overwriters, risk_of, writable_place

_HOST = regex(r", host: \"([A-Za-z0-9](?:[A-Za-z0-9-]*[A-Za-z0-9])?(?:\.[A-Za-z0-9-]+)+)(?::\d+)?\"")
_ADDRESS = regex(r"^[\d.]+$")
_MOST = 500        # servers of one nginx that are compared


def judge(case: Case) -> Verdict:
    """For every failing route: is its block in the way of another one that would answer?"""
    findings: dict[str, Finding] = {}
    missing: list[str] = []
    ruled: list[Evidence] = [e for j in case.judged.values() if j.state == "ok" for e in j.evidence[:1]][:3]
    for trouble in case.troubles:
        outcome = _judge_trouble(case, trouble)
        if isinstance(outcome, Finding):
            findings.setdefault(f"{outcome.node}/{outcome.routes[0]}", outcome)
        elif isinstance(outcome, str):
            missing.append(outcome)
        else:
            ruled.append(outcome)
    for nginx in case.snapshot.nginxes:
        if isinstance(nginx.config, Known) and len(nginx.config.value.servers) <= _MOST:
            served = {facts.route.server_index for facts in case.snapshot.routes if nginx.serves(facts)}
            for index in sorted(nginx.config.value.nameless_servers() & served):     # a catch-all is meant so
                advice = _nameless(case, nginx, nginx.config.value, index)
                findings.setdefault(f"{nginx.node}/{nginx.conf_path}/{index}", advice)
    return conclude(findings.values(), missing, ruled)


def _nameless(case: Case, nginx: Nginx, config: NginxConfig, index: int) -> Finding:
    """Another block took the place of the default, as a file does that sorts before: nobody gets to this one."""
    block = config.servers[index]
    first = next((config.servers[number] for number in sorted(config.default_servers())
                  if config.servers[number].addresses & block.addresses), block)
    return Finding(
        cause=CAUSE.id, variant="default-server-catches", role="advice", confidence="certain",
        summary=(f"no visitor gets to the server at {_where(case, nginx, block)}: it has no name that anybody asks "
                 f"for, and {_where(case, nginx, first)} is the default server there; where it is to be the default, "
                 "say default_server at its listen"),
        detail=(), routes=_routes_of(case, nginx, index), service=None, node=nginx.node,
        evidence=(_block_evidence(case, nginx, block), _block_evidence(case, nginx, first)),
    )


def _judge_trouble(case: Case, trouble: Trouble) -> Finding | str | Evidence:
    nginx, endpoint = trouble.nginx, trouble.endpoint
    shown = config_evidence(case.snapshot, nginx, endpoint)
    if not isinstance(nginx.config, Known):
        return f"the configuration of nginx on {nginx.node}"
    config = nginx.config.value
    closed = is_closed(endpoint)
    if closed is None and len(config.servers) > 1:
        return f"whether anything listens at {endpoint.written}"
    if not closed or len(config.servers) > _MOST:
        return shown
    index = trouble.routes[0].route.server_index
    if not 0 <= index < len(config.servers):
        return shown
    hidden = _hidden_by(case, nginx, config, index)
    if hidden is not None and not _is_missed(case, endpoint):
        return _shadowed(case, trouble, index, hidden)
    # A service that belongs behind the default server is that block's own trouble: down, or listening elsewhere. Names
    # in the log are what visitors sent, and never outweigh it.
    belongs = endpoint.service is not None or sole_owner(case, trouble) is not None
    return (None if belongs else _caught(case, trouble, config, index) or _not_loaded(case, trouble, config)) or shown


def _is_missed(case: Case, endpoint: Endpoint) -> bool:
    """The service of this address is there and does not run: what is wrong is that, whichever block is the older one.
    One that was put to rest may be the old release of the other."""
    owner = placed_owner(case, endpoint)
    if owner is None or owner.service.running:
        return False
    unit = owner.service.unit
    return unit is None or unit.active_state == "failed" or unit.unit_file_state not in ("disabled", "masked")


def _hidden_by(case: Case, nginx: Nginx, config: NginxConfig, index: int) -> tuple[int, Endpoint] | None:
    """A later block with the same address and name whose own address answers."""
    first = config.servers[index]
    names = set(first.names or ("",))
    for later, other in enumerate(config.servers[index + 1:], index + 1):
        if not names & set(other.names or ("",)) or not first.addresses & other.addresses:
            continue
        answering = _answering(case, nginx, later)
        if answering is not None:
            return later, answering
    return None


def _answering(case: Case, nginx: Nginx, index: int) -> Endpoint | None:
    """An address behind a block that answers when it is asked directly."""
    wanted = {name for facts in case.snapshot.routes
              if nginx.serves(facts) and facts.route.server_index == index for name in facts.endpoints}
    return next((e for e in case.snapshot.endpoints if e.id in wanted and is_answering(e)), None)


def _shadowed(case: Case, trouble: Trouble, index: int, hidden: tuple[int, Endpoint]) -> Finding:
    nginx, (later, endpoint) = trouble.nginx, hidden
    assert isinstance(nginx.config, Known)
    servers = nginx.config.value.servers
    first, second = servers[index], servers[later]
    shared = next((name for name in first.names or ("",) if name in (second.names or ("",))), "")
    said = shared or "no name"
    direct = endpoint.http.value.status if isinstance(endpoint.http, Known) else None
    evidence = (
        _block_evidence(case, nginx, first), _block_evidence(case, nginx, second),
        config_evidence(case.snapshot, nginx, trouble.endpoint), *absent_evidence(trouble.endpoint),
        config_evidence(case.snapshot, nginx, endpoint),
        Evidence("probe", endpoint.written, f"answers {direct} when asked directly"),
        *symptom_evidence(case, trouble, is_refused),
    )
    routes = tuple(dict.fromkeys((*trouble.route_ids, *_routes_of(case, nginx, later))))

    return Finding(
        cause=CAUSE.id, variant="default-server-catches", role="root", confidence="certain",
        summary=(
            f"two server blocks share {said}: nginx uses the first ({_where(case, nginx, first)}), which leads to "
            f"{trouble.endpoint.written} where nothing listens, and never {_where(case, nginx, second)}"
        ),
        detail=(), routes=routes, service=None, node=nginx.node, evidence=tuple(dict.fromkeys(evidence)),
        repairs=(keep_one(case, nginx, first, second),), explains=("wrong-port", "backend-down", "nginx-not-reloaded"),
    )


def _routes_of(case: Case, nginx: Nginx, index: int) -> tuple[str, ...]:
    return tuple(j.facts.route.id for j in case.judged.values()
                 if nginx.serves(j.facts) and j.facts.route.server_index == index and j.state != "ok")


def _where(case: Case, nginx: Nginx, block: ServerBlock) -> str:
    return place(case.snapshot, nginx.node, block.span.file, block.span.line)


def _block_evidence(case: Case, nginx: Nginx, block: ServerBlock) -> Evidence:
    span = block.names_span or block.span
    text = line_text(case.snapshot, nginx.node, span.file, span.line) or "server"
    return Evidence("nginx-config", place(case.snapshot, nginx.node, span.file, span.line), text)


def _caught(case: Case, trouble: Trouble, config: NginxConfig, index: int) -> Finding | None:
    """Names that no block lists were asked for just now, and fell to this block, which is the default."""
    nginx, block = trouble.nginx, config.servers[index]
    if index not in config.default_servers():
        return None
    others = [other for number, other in enumerate(config.servers)
              if number != index and other.addresses & block.addresses and _is_well(case, nginx, number)]
    strange = _asked(case, trouble, config)
    if not others or not strange:
        return None
    host, event = next(reversed(strange.items()))

    return Finding(
        cause=CAUSE.id, variant="default-server-catches", role="root", confidence="likely",
        summary=(
            f"requests for a name that no server block lists (as {host!r}) fall to the default server at "
            f"{_where(case, nginx, block)}, which hands {say_routes(trouble)} to {trouble.endpoint.written}, where "
            "nothing listens"
        ),
        detail=(), routes=trouble.route_ids, service=None, node=nginx.node,
        evidence=tuple(dict.fromkeys((
            Evidence("nginx-log", event.where, event.raw[:300]), _block_evidence(case, nginx, block),
            *(_block_evidence(case, nginx, other) for other in others[:3]),
            config_evidence(case.snapshot, nginx, trouble.endpoint), *absent_evidence(trouble.endpoint),
        ))),
        repairs=(add_name(case, nginx, others),), explains=("wrong-port", "backend-down"),
    )


def _asked(case: Case, trouble: Trouble, config: NginxConfig) -> dict[str, ErrorEvent]:
    """The names that no block lists and that were asked for just now, with a line that shows it."""
    names = {name for server in config.servers for name in server.names}
    events = [e for e in fresh_events(trouble.nginx, trouble.routes, case.snapshot) if is_refused(e)]
    asked = [(match[1].lower(), e) for e in events if (match := _HOST.search(e.raw)) is not None]
    return {host: e for host, e in asked if not _ADDRESS.match(host) and not _is_listed(host, names)}


def _not_loaded(case: Case, trouble: Trouble, config: NginxConfig) -> Finding | None:
    """A site beside the configuration has the very name that was asked for just now, and is not loaded."""
    nginx, strange = trouble.nginx, _asked(case, trouble, config) if trouble.nginx.left_out else {}
    left = next((x for x in nginx.left_out if strange.keys() & set(x.names)), None)
    if left is None:
        return None
    host = next(name for name in left.names if name in strange)
    where = place(case.snapshot, nginx.node, left.file, left.line)
    why = f"{left.pattern} does not match it" if left.pattern else "nothing includes it"
    mend = f"name it so that {left.pattern} matches it" if left.pattern else "link it into a folder that is included"
    manual = f"let nginx load {left.file}, if it is to be served: {mend}, then nginx -t and reload"
    return Finding(
        cause=CAUSE.id, variant="default-server-catches", role="root", confidence="likely",
        summary=(f"the site of {host!r} is in {left.file}, which nginx does not load ({why}); requests for it fall to "
                 f"the default server, which hands {say_routes(trouble)} to {trouble.endpoint.written}, where nothing "
                 "listens"),
        detail=(), routes=trouble.route_ids, service=None, node=nginx.node,
        evidence=tuple(dict.fromkeys((
            Evidence("nginx-config", where, f"not loaded: {address_text(left.host, left.port, left.unix)}"),
            Evidence("nginx-log", strange[host].where, strange[host].raw[:300]),
            config_evidence(case.snapshot, nginx, trouble.endpoint), *absent_evidence(trouble.endpoint),
        ))),
        repairs=(Repair("load-site", "manual", "let nginx load the site", (), manual=manual),),
        explains=("wrong-port", "backend-down"),
    )


def _is_well(case: Case, nginx: Nginx, index: int) -> bool:
    routes = [j for j in case.judged.values() if nginx.serves(j.facts) and j.facts.route.server_index == index]
    return bool(routes) and all(j.state == "ok" for j in routes)


def _is_listed(host: str, names: set[str]) -> bool:
    """Exactly, by a wildcard, or perhaps by an expression, which is not tried here."""
    if host in names or any(name.startswith("~") for name in names):
        return True
    for name in names:
        if name.startswith("*.") and host.endswith(name[1:]):
            return True
        if name.startswith(".") and (host == name[1:] or host.endswith(name)):
            return True
        if name.endswith(".*") and host.startswith(name[:-1]):
            return True
    return False


CAUSE = Cause(
    id="wrong-server-block",
    title="requests land in another server block than the one meant for them",
    family="nginx configuration",
    variants=("default-server-catches",),
    verdict=judge,
    order=36,
    page=__doc__,
)

# Repairs of server blocks that are in each other's way: one of two is put aside, or a name is added to one.
KEEP, NAME, INTO = "keep", "server_name", "into"
_HOST_NAME = r"(?:\*\.)?[A-Za-z0-9](?:[A-Za-z0-9-]*[A-Za-z0-9])?(?:\.[A-Za-z0-9](?:[A-Za-z0-9-]*[A-Za-z0-9])?)*"


def keep_one(case: Case, nginx: Nginx, first: ServerBlock, second: ServerBlock) -> Repair:
    """Put one of two blocks aside: which one is meant, a person says."""
    files = tuple(dict.fromkeys(block.span.file for block in (first, second)))
    summary = "put the server block that is not meant out of nginx's sight"
    spots = " or ".join(place(case.snapshot, nginx.node, b.span.file, b.span.line) for b in (first, second))
    if len(files) < 2:
        return Repair("remove-shadowing-site", "manual", summary, (), manual=f"remove one of the two blocks: {spots}; "
                      "then nginx -t and reload")
    need = Need(KEEP, "choice", f"two server blocks have the same name ({spots}): name the file that is meant", files)
    chosen = case.inputs.get(KEEP)
    if chosen not in files:
        return Repair("remove-shadowing-site", "safe", summary, (), (need,))
    other = files[1] if chosen == files[0] else files[0]
    moved = _put_aside(case, nginx, other)
    if isinstance(moved, NoPlace):
        manual = f"take the server block in {other} out: {moved.why}; then nginx -t and reload"
        return Repair("remove-shadowing-site", "manual", summary, (), (need,), manual)
    return Repair("remove-shadowing-site", "safe", f"put {other} aside", (*moved, *nginx_steps(case.snapshot, nginx)),
                  (need,))


def _put_aside(case: Case, nginx: Nginx, path: str) -> tuple[Step, ...] | NoPlace:
    """A link is removed; a file gets a name that no `*.conf` matches."""
    file = case.snapshot.file(nginx.node, path)
    if file is None:
        return NoPlace(f"{path} could not be read")
    if sum(t.kind == "word" and t.value == b"server" for t in tokenize(file.data)[0]) != 1:
        return NoPlace(f"{path} holds more than that one server")
    here = writable_place(case.snapshot, nginx.node, path)
    if isinstance(here, NoPlace):
        return here
    node = find_node(case.snapshot, nginx.node)
    stat = dict(node.files).get(path) if node is not None else None
    if stat is not None and stat.kind == "link" and here.node == nginx.node:
        return (WriteFile(nginx.node, path, None, None, f"take {path} out", link_target=stat.link_target),)
    if here.in_place or not path.endswith(".conf") or file.managed_by:
        return NoPlace(f"{path} is no link, and cannot be renamed out of nginx's sight")
    meta = FileMeta(file.stat.mode & 0o7777, file.stat.uid, file.stat.gid)
    aside = f"{here.path}.off"
    return (
        WriteFile(here.node, aside, None, here.data, f"keep a copy of {posixpath.basename(path)}", meta=meta),
        WriteFile(here.node, here.path, here.data, None, f"take {path} out of nginx's sight"),
    )


def add_name(case: Case, nginx: Nginx, others: list[ServerBlock]) -> Repair:
    """Another name for the block that is meant; which name and, among several, which block is a person's word."""
    blocks = {place(case.snapshot, nginx.node, b.names_span.file, b.names_span.line): b
              for b in others if b.names_span is not None}
    summary = "add the name that visitors use to the server block that is meant"
    if not blocks:
        manual = "give the server block that is meant a server_name"
        return Repair("add-server-name", "manual", summary, (), manual=manual)
    needs = [Need(NAME, "value", "the name that visitors use, as their browser shows it", pattern=_HOST_NAME)]
    if len(blocks) > 1:
        needs.append(Need(INTO, "choice", "the server block that is meant", tuple(blocks)))
    name = case.inputs.get(NAME, "")
    into = case.inputs.get(INTO, "") if len(blocks) > 1 else next(iter(blocks))
    block = blocks.get(into)
    if not name or block is None or block.names_span is None:
        return Repair("add-server-name", "safe", summary, (), tuple(needs))
    here = writable_place(case.snapshot, nginx.node, block.names_span.file)
    if isinstance(here, NoPlace):
        return Repair("add-server-name", "manual", summary, (), tuple(needs), f"add {name} at {into}: {here.why}")
    try:
        step = edit_block(here, block.names_span.start, f" {name}".encode(), f"add {name} to {into}")
    except StepFailed as error:
        return Repair("add-server-name", "manual", summary, (), tuple(needs), f"add {name} at {into}: {error.message}")
    return Repair("add-server-name", risk_of((here,), "safe"), f"add {name} at {into}{overwriters((here,))}",
                  (step, *nginx_steps(case.snapshot, nginx)), tuple(needs))
