"""Folders that nginx could not write a request or a response to, as its log says lately: they are looked at."""

from __future__ import annotations

import posixpath

from fixer.lazy.regex import regex
from fixer.model.facts import Known
from fixer.model.query import Answer
from fixer.observe.nginx.nginx_masters import events_of
from fixer.observe.nginx.sites import Site

LATELY = 600.0
_TEMP = regex(r"^(?:(?:open|pwritev?|writev?)\(\) \"(?P<path>/[^\"\n]+)/\d{10}|"
              r"mkdir\(\) \"(?P<above>/[^\"\n]+)/\d{1,2})\" failed \((?:2|13|28|30): ")
_LEVELS = regex(r"(?:/\d{1,2})+$")


def temp_folders(site: Site, logs: Answer | None) -> tuple[str, ...]:
    """The folders, without the numbered ones below them. Only read: what is done about them is nginx's own reload.

    `logs` are what nginx's container writes to the engine."""
    errors = events_of(site.place, site.config, site.view, logs)
    if not isinstance(errors, Known):
        return ()
    since = site.view.node.now - LATELY
    matches = (_TEMP.match(e.message) for e in errors.value if e.level == "crit" and e.at >= since)
    paths = (match["path"] or match["above"] for match in matches if match is not None)
    found = (posixpath.normpath(_LEVELS.sub("", path)) for path in paths)
    return tuple(dict.fromkeys(found))
