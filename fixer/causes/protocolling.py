"""nginx speaks another protocol than its backend takes: the pass and its target, written the other way round."""

from __future__ import annotations

from fixer.analysis.case import Case, Trouble
from fixer.analysis.nginx_errors import say_routes
from fixer.lazy.regex import regex
from fixer.model.diagnosis import Repair
from fixer.model.facts import Known
from fixer.model.snapshot import RouteFacts
from fixer.nginx.lexer import tokenize
from fixer.nginx.span_edit import EditRefused
from fixer.nginx.tree import parse
from fixer.repairs.file_edits import NoPlace
from fixer.repairs.nginx_directives import edit_passes

ID = "speak-its-protocol"
_TARGET = regex(r"^(?:http://)?(?P<to>unix:(?://)?/[^\s:$]+|[\w.\[\]:-]+)(?P<page>:?/?)$")
_HEADERS = ("proxy_set_header Host $http_host;", "proxy_set_header X-Real-IP $remote_addr;",
            "proxy_set_header X-Forwarded-For $proxy_add_x_forwarded_for;",
            "proxy_set_header X-Forwarded-Proto $scheme;")


def pass_as(case: Case, trouble: Trouble, kind: str) -> Repair:
    """Every pass that leads there becomes one of `kind` (`uwsgi_pass`, `proxy_pass`), with what belongs to it."""
    was = trouble.routes[0].route.kind
    summary = f"hand {say_routes(trouble)} on with {kind} instead of {was}"
    broken = trouble.nginx.test
    if isinstance(broken, Known) and broken.value[0] != 0:
        return _by_hand(trouble, kind, summary, "nginx -t refuses the configuration as it is: repair that first")
    repair = edit_passes(case, trouble, Repair(ID, "safe", summary, ()), f"{was} becomes {kind}",
                         lambda data, routes: _edited(data, routes, kind))
    return _by_hand(trouble, kind, summary, repair.why) if isinstance(repair, NoPlace) else repair


def _edited(data: bytes, routes: list[RouteFacts], kind: str) -> bytes:
    """Last first, so that what stands before keeps its place."""
    known = b"uwsgi_params" if kind == "uwsgi_pass" else b"proxy_set_header"
    bare = known not in data and not (kind == "proxy_pass" and b"proxy_params" in data)
    for start, facts in sorted({f.route.source.start: f for f in routes}.items(), reverse=True):
        data = _one(data, start, facts, kind, bare)
    if parse(data).problem is not None:
        raise EditRefused("the edited file would not be a valid configuration any more")
    return data


def _one(data: bytes, start: int, facts: RouteFacts, kind: str, bare: bool) -> bytes:
    route = facts.route
    words = [token for token in tokenize(data[start:start + 4096])[0][:3] if token.kind == "word"]
    match = _TARGET.match(route.pass_text)
    if len(words) != 2 or words[0].value != route.kind.encode() or words[1].value != route.pass_text.encode():
        raise EditRefused(f"{route.kind} {route.pass_text} does not stand there as two words")
    if match is None or (match["page"].strip(":") and route.location != "/"):
        raise EditRefused(f"{route.pass_text} says more than where to (a page, a variable)")
    target = f"http://{match['to']}" if kind == "proxy_pass" else match["to"]
    line = data.rfind(b"\n", 0, start) + 1
    indent = data[line:start]
    gap = b"\n" + indent if not indent.strip() else b" "
    more = [] if not bare else [b"include uwsgi_params;"] if kind == "uwsgi_pass" else [h.encode() for h in _HEADERS]
    before = b"".join(text + gap for text in more)
    return data[:start] + before + f"{kind} {target}".encode() + data[start + words[1].end:]


def _by_hand(trouble: Trouble, kind: str, summary: str, why: str) -> Repair:
    spots = ", ".join(dict.fromkeys(
        f"{facts.route.source.file}:{facts.route.source.line}" for facts in trouble.routes[:3]))
    extra = " with include uwsgi_params" if kind == "uwsgi_pass" else ""
    manual = f"let {kind}{extra} stand at {spots} in place of {trouble.routes[0].route.kind}, then nginx -t and reload"
    return Repair(ID, "manual", summary, (), manual=f"{manual} ({why})")
