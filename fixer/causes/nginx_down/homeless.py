"""An address that nginx is to listen on and that the machine does not have (any more): nginx does not start without."""

from __future__ import annotations

from fixer.analysis.evidence import address_text, find_node
from fixer.analysis.run_log import lines_of, message
from fixer.lazy.regex import regex
from fixer.model.facts import Evidence, Known
from fixer.model.nginx_config import Listen
from fixer.model.snapshot import LogLine, Nginx, Snapshot

_SAID = regex(r"\[emerg\].* bind\(\) to (\S{1,80}) failed \(99: ")
_LAST = 12     # lines of the journal that hold its last try


def homeless_listen(snapshot: Snapshot, nginx: Nginx) -> tuple[str, LogLine, tuple[Evidence, ...]] | None:
    """The address as a person writes it, the line in which nginx said so, and what else shows it: it stands in the
    configuration, and the kernel does not have it."""
    node = find_node(snapshot, nginx.node)
    if nginx.service is None or node is None or not node.addresses or not isinstance(nginx.config, Known):
        return None
    wanted = {_text(x): x for route in nginx.config.value.routes for x in route.listens if x.port}
    for line in reversed(lines_of(nginx.service)[-_LAST:]):
        said = _SAID.search(message(line))
        listen = wanted.get(said[1]) if said is not None else None
        if listen is not None and listen.address.strip("[]") not in node.addresses:
            return _text(listen), line, (
                Evidence("nginx-config", f"{listen.span.file}:{listen.span.line}", f"listen {_text(listen)};"),
                Evidence("kernel", f"addresses of {node.name}", ", ".join(node.addresses[:12])),
            )
    return None


def _text(listen: Listen) -> str:
    return address_text(listen.address, listen.port)
