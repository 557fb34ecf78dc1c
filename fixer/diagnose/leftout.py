"""Sites that nginx does not load: whose backend runs is no other site's, and what they say about a page that fails."""

from __future__ import annotations

import posixpath
from collections.abc import Iterator

from fixer.analysis.case import Case, Trouble
from fixer.analysis.evidence import address_text, place
from fixer.analysis.owner import Owner
from fixer.analysis.ownership.container_network import is_only_left
from fixer.formats.backup_names import is_put_aside
from fixer.lazy.dataclass import replace
from fixer.model.facts import Evidence, Known
from fixer.model.nginx_config import LeftOut
from fixer.model.snapshot import Nginx, Service

SHOWN = 3
_NO_NAME = frozenset(("", "_"))


def contested(case: Case, trouble: Trouble, found: tuple[Owner, ...]) -> tuple[Owner, ...]:
    """The one left over, doubted where only its being left in a network that containers share speaks for it, or where a
    site that nginx does not load names its address, and is another site."""
    found = tuple(replace(o, rule="contested") if is_only_left(case, trouble, o.service) else o for o in found)
    if not trouble.nginx.left_out:
        return found
    made = []
    for owner in found:
        left = _of_another_site(trouble, owner.service)
        made.append(owner if left is None else replace(
            owner, rule="contested", why=(_shown(case, trouble.nginx, left), *owner.why)))
    return tuple(made)


def _of_another_site(trouble: Trouble, service: Service) -> LeftOut | None:
    ours = _names(tuple(name for facts in trouble.routes for name in facts.route.server_names))
    told = service.bindings.value if isinstance(service.bindings, Known) else ()
    places = {(b.unix, 0 if b.unix else b.port) for b in told}
    here = [left for left in trouble.nginx.left_out if (left.unix, 0 if left.unix else left.port) in places]
    if any(_names(left.names) & ours or _names(left.names) == ours for left in here):
        return None       # a copy of this very site: that its old address is taken over proves what is meant
    return here[0] if here else None


def _names(names: tuple[str, ...]) -> frozenset[str]:
    return frozenset(names) - _NO_NAME


def _shown(case: Case, nginx: Nginx, left: LeftOut) -> Evidence:
    where = place(case.snapshot, nginx.node, left.file, left.line)
    return Evidence("nginx-config", where, f"not loaded: {_leads(left)}")


def _leads(left: LeftOut) -> str:
    names = " ".join(left.names) or "the default server"
    return f"{names} is handed to {address_text(left.host, left.port, left.unix)} there"


def left_out_notes(case: Case) -> Iterator[str]:
    """What a person should know of sites that nginx does not load, where no page is judged or one fails."""
    for nginx in case.snapshot.nginxes:
        if not isinstance(nginx.config, Known):
            continue
        meant = [x for x in nginx.left_out if not _is_put_aside(x)]
        shown = meant if not nginx.config.value.routes else [x for x in meant if x.pattern]
        for left in shown[:SHOWN]:
            why = f"{left.pattern} does not match it" if left.pattern else "nothing includes it"
            where = place(case.snapshot, nginx.node, left.file, left.line)
            yield f"nginx does not load {where}: {why}; {_leads(left)}"


def _is_put_aside(left: LeftOut) -> bool:
    """Named as what is not to be loaded."""
    name = posixpath.basename(left.file)
    return is_put_aside(name) or name.startswith(("_", "#"))
