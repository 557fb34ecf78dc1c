"""Which names a site and a service have in common, and which of them say nothing since everybody has them."""

from __future__ import annotations

import re
from collections.abc import Iterator

from fixer.analysis.case import Trouble
from fixer.lazy.regex import regex
from fixer.model.snapshot import Container, Service

_EVERYWHERE = frozenset((
    "etc", "usr", "bin", "lib", "opt", "srv", "var", "home", "www", "root", "local", "localhost", "nginx", "conf",
    "angie", "openresty", "tengine",
    "default", "sites", "enabled", "available", "http", "https", "com", "net", "org", "example", "main", "py", "python",
    "python3", "uvicorn", "gunicorn", "service", "default_server", "run", "exec", "host", "port", "workers",
))

_GENERIC = _EVERYWHERE | frozenset((
    "app", "apps", "api", "application", "backend", "back", "front", "frontend", "web", "webapp", "webapps", "site",
    "server", "upstream", "proxy", "asgi", "wsgi", "django", "fastapi", "flask", "starlette", "node", "npm", "daemon",
    "prod", "production", "staging", "stage", "dev", "test", "live", "new", "my", "deploy", "svc", "share", "data",
    "user", "users", "admin", "runner", "html", "public", "internal", "intern", "corp", "lan", "src", "code", "venv",
    "env", "current", "release", "releases", "start", "manage", "serve", "index", "io", "co", "dev", "eu", "uk", "de",
    "js", "mjs", "cjs", "ts", "sh", "jar", "worker", "uvicornworker", "gthread", "gevent", "asyncio", "info", "unix",
    "sock", "socket", "false", "true", "lib64", "sbin",
))
_ASIDE = frozenset(("exporter", "metrics", "prometheus", "statsd", "monitor", "monitoring", "telemetry", "healthcheck"))
_SAYS_NOTHING = _EVERYWHERE | frozenset((
    "app", "apps", "application", "backend", "back", "upstream", "upstreams", "server", "servers", "svc", "site",
    "proxy", "web", "webapp", "to", "the", "pool", "cluster",
))
_TELLING = 4     # letters from which on one name inside another is no accident


def is_foreign(trouble: Trouble, service: Service) -> bool:
    """Both have names of their own, and these have nothing in common: an application that is not used by any site is
    not a site's backend because it is the only one that runs."""
    site, ours = _site_words(trouble, locations=False) - _GENERIC, service_words(service) - _GENERIC
    return bool(site and ours) and not any(_akin(one, other) for one in site for other in ours)


def is_named_otherwise(trouble: Trouble, service: Service) -> bool:
    """Its unit and its program bear a telling name, and the site another: two applications of one folder or one user,
    of which that of the site may be gone. What a compose project calls its services are roles, no names."""
    if service.container is not None:
        return False
    site = _site_words(trouble, locations=False) - _GENERIC
    unit, program = (words - _GENERIC for words in _called(service))
    telling = {word for word in unit if len(word) >= _TELLING}
    return bool(site and telling) and not any(_akin(one, other) for one in site for other in unit | program)


def is_aside(trouble: Trouble, service: Service) -> bool:
    """It speaks HTTP for other programs, as its own name says, and the site's names do not."""
    unit, program = _called(service)
    return bool(_ASIDE & (unit | program) - _site_words(trouble))


def _called(service: Service) -> tuple[frozenset[str], frozenset[str]]:
    """What a person called it: the words of the unit, and those of the program that its command is told to run."""
    return _words([service.name.partition("@")[0]]), _words(
        [word for word in service.argv[1:] if "/" not in word and not word.startswith("-")])


def is_named_for(trouble: Trouble, service: Service) -> bool:
    """Site and service share a name of their own, one that others would not have too."""
    site, ours = _site_words(trouble, locations=False) - _GENERIC, service_words(service) - _GENERIC
    return any(_akin(one, other) for one in site for other in ours)


def is_called(trouble: Trouble, service: Service) -> bool:
    """What the configuration calls the address is the container's own name, and no other's besides: its upstream, else
    its location, else its site and file. `shop_admin` is not `shop`, and what all of a project have in common is no
    name of one of them."""
    box = service.container
    own = _split(box.service or box.name if box is not None else service.name)
    for texts in _callings(trouble):
        named = [words for text in texts if (words := _split(text))]
        if any(words - _SAYS_NOTHING for words in named):
            return any(_same(words, own) for words in named)
        if own in named:
            return True
    return False


def _callings(trouble: Trouble) -> Iterator[list[str]]:
    """The names of an address, the most telling ones first."""
    routes = [facts.route for facts in trouble.routes]
    yield [route.upstream for route in routes]
    yield [route.location for route in routes]
    files = [span.file for route in routes for span in (route.source, *(listen.span for listen in route.listens))]
    yield [*(name.removeprefix("www.").partition(".")[0] for route in routes for name in route.server_names),
           *(file.rsplit("/", 1)[-1].partition(".")[0] for file in files)]


def _same(words: frozenset[str], own: frozenset[str]) -> bool:
    telling = words - _SAYS_NOTHING
    return words == own or (bool(telling) and telling == own - _SAYS_NOTHING)


def _split(text: str) -> frozenset[str]:
    return frozenset(word for word in re.split(r"[^a-z0-9]+", text.lower()) if word)


def _akin(one: str, other: str) -> bool:
    short, long = sorted((one, other), key=len)
    return short == long or (len(short) >= _TELLING and short in long)


def shared_names(trouble: Trouble, service: Service) -> int:
    """How many names the site and the service have in common."""
    return len(_site_words(trouble) & service_words(service))


def _site_words(trouble: Trouble, *, locations: bool = True) -> frozenset[str]:
    texts: list[str] = []
    for facts in trouble.routes:
        route = facts.route
        places = (route.source.file, *(listen.span.file for listen in route.listens))    # a snippet, and its user
        texts += [*route.server_names, route.upstream, *(place.rsplit("/", 1)[-1] for place in places)]
        texts += [route.location] if locations else []
    return _words(texts)


def service_words(service: Service) -> frozenset[str]:
    """The words of its names, its command, its folder and its user, without those that everybody has."""
    unit, box = service.unit, service.container
    texts = [service.name, *(word for word in service.argv if not word.startswith("-"))]
    if unit is not None:
        texts += [unit.working_directory, unit.user]
    if box is not None:
        texts += [box.name, box.service or ""]
    return _words(texts)


def _words(texts: list[str]) -> frozenset[str]:
    words = {word for text in texts for word in re.split(r"[^a-z0-9]+", text.lower())}
    return frozenset(word for word in words if len(word) > 1 and not word.isdigit() and word not in _EVERYWHERE)


# The kinds of systems that applications need: databases, caches, brokers; by the unit or the program of a service.
_UNITS = {
    "postgresql": regex(r"^postgres"), "mysql": regex(r"^(?:mysql|mariadb)"),
    "redis": regex(r"^(?:redis|valkey|keydb)"),
    "mongodb": regex(r"^mongo"), "rabbitmq": regex(r"^rabbitmq"), "memcached": regex(r"^memcached"),
}
_PROGRAMS = {
    "postgres": "postgresql", "pg_ctlcluster": "postgresql", "pg_ctl": "postgresql", "mysqld": "mysql",
    "mariadbd": "mysql", "redis-server": "redis", "valkey-server": "redis", "mongod": "mongodb",
    "rabbitmq-server": "rabbitmq", "memcached": "memcached",
}
PORTS = {5432: "postgresql", 3306: "mysql", 6379: "redis", 27017: "mongodb", 5672: "rabbitmq", 11211: "memcached"}
_IMAGES = {
    "postgres": "postgresql", "postgis": "postgresql", "timescaledb": "postgresql", "mysql": "mysql",
    "mariadb": "mysql", "percona": "mysql", "redis": "redis", "valkey": "redis", "keydb": "redis", "mongo": "mongodb",
    "rabbitmq": "rabbitmq", "memcached": "memcached",
}


def engine_of(service: Service) -> str:
    """The kind of system that a service is, empty where it is none that is known."""
    if service.unit is not None:
        for engine, pattern in _UNITS.items():
            if pattern.match(service.unit.name):
                return engine
    for word in service.argv[:2]:
        name = word.rsplit("/", 1)[-1]
        if name in _PROGRAMS:
            return _PROGRAMS[name]
    return _of_container(service.container) if service.container is not None else ""


def _of_container(box: Container) -> str:
    """By its image: its name, or the one port that it says it listens on."""
    image = box.image.rpartition("/")[2].partition("@")[0].partition(":")[0]
    return _IMAGES.get(image) or (PORTS.get(box.exposes[0], "") if len(box.exposes) == 1 else "")
