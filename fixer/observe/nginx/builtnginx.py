"""An nginx that was built by hand: where its binary lies, and what it was built to read."""

from __future__ import annotations

import posixpath
from collections.abc import Iterator

from fixer.lazy.dataclass import replace
from fixer.lazy.regex import regex
from fixer.model.facts import Fact, Unknown
from fixer.model.nginx_config import NginxConfig
from fixer.model.query import Command, Query, ReadFile
from fixer.observe.nginx.nginx_place import NginxPlace
from fixer.observe.view.node_view import View

BUILT = "/usr/local/nginx/sbin/nginx"       # where `make install` puts it unless told otherwise
PREFIX = "/usr/local/nginx"
_PACKAGED = ("/usr/sbin/", "/usr/bin/", "/sbin/", "/bin/")
_OPTION = regex(r"--(prefix|conf-path|error-log-path)=['\"]?([^\s'\"]+)")


def is_packaged(binary: str) -> bool:
    """Where packages put it: what it reads is known."""
    return binary.startswith(_PACKAGED)


def built_queries(place: NginxPlace, config: Fact[NginxConfig], view: View) -> Iterator[Query]:
    """What one that does not run was built to read; beside a packaged one that serves nothing, whether there is one.

    Of one that runs the same where its file is not where it should be. The binary is only run where it is root's.
    """
    if view.node.kind != "machine":
        return
    ours = place.master is None or place.master.uid == 0
    if not is_packaged(place.binary):
        if not place.is_told and ours and (place.master is None or isinstance(config, Unknown)):
            yield Command("nginx-version", (place.binary,))
    elif place.master is None and (isinstance(config, Unknown) or not config.value.routes):
        yield ReadFile(BUILT, 0)


def is_there(view: View) -> bool:
    """Whether somebody built one where it goes by default."""
    file = view.files.get(BUILT)
    return file is not None and file.stat is not None and file.stat.end.kind == "file"


def as_built(place: NginxPlace, view: View) -> NginxPlace:
    """The place with what `nginx -V` of its binary says, for what its command leaves open."""
    answer = view.node.answers.get(Command("nginx-version", (place.binary,)))
    if answer is None or place.is_told or answer.status != "ok":
        return place
    said = dict(_OPTION.findall((answer.stderr + answer.data).decode("utf-8", "replace")))
    if not said:
        return place
    home = posixpath.join("/", said.get("prefix", PREFIX))
    conf = posixpath.normpath(posixpath.join(home, said.get("conf-path", "conf/nginx.conf")))
    log = posixpath.normpath(posixpath.join(home, said.get("error-log-path", "logs/error.log")))
    return replace(place, conf=conf, prefix=place.prefix if place.explicit else home,
                   log_option=place.log_option or log)


def is_idle(config: NginxConfig | None) -> bool:
    """Whether a configuration that was read hands nothing on."""
    return config is not None and not config.routes and not config.problems
