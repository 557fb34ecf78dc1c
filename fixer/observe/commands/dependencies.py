"""The systems that a service's variables name: where its database, its cache and its broker are. Never what else they
hold: accounts and passwords stay behind."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from fixer.formats.numbers import is_number
from fixer.formats.shell_words import Word
from fixer.lazy.dataclass import replace
from fixer.lazy.regex import regex
from fixer.model.facts import Evidence
from fixer.model.reliance import SYSTEM, Reliance
from fixer.observe.view.node_view import View

MOST = 8
_URL = regex(rf"^{SYSTEM}(?:URL|URI|DSN|ADDRESS)$")
_HOST = regex(rf"^(?P<stem>{SYSTEM})(?:HOST|HOSTNAME|SERVER|ADDRESS)$")
_PARTS = regex(
    r"^(?P<scheme>[A-Za-z][A-Za-z0-9+.-]*)://(?P<net>[^/?#]*)(?P<path>/[^?#]*)?(?:\?(?P<query>[^#]*))?")
_PLACE = regex(r"^(?P<host>\[[0-9a-fA-F:]+\]|[A-Za-z0-9.-]*)(?::(?P<port>\d{1,5}))?$")
_PAIR = regex(r"^(?P<host>\[[0-9a-fA-F:]+\]|[A-Za-z0-9][A-Za-z0-9.-]*):(?P<port>\d{1,5})$")
_NAME = regex(r"^(?:[A-Za-z0-9][A-Za-z0-9.-]*|[0-9a-fA-F:]+)$")
_ENGINES: Mapping[str, tuple[str, int]] = {
    **dict.fromkeys(("postgres", "postgresql", "psql", "pgsql", "postgis"), ("postgresql", 5432)),
    **dict.fromkeys(("mysql", "mariadb"), ("mysql", 3306)),
    **dict.fromkeys(("redis", "rediss", "valkey"), ("redis", 6379)),
    "mongodb": ("mongodb", 27017), **dict.fromkeys(("amqp", "amqps", "pyamqp"), ("rabbitmq", 5672)),
    "memcached": ("memcached", 11211),
}
_BY_NAME = (
    (regex(r"(?:^|_)(?:PG|POSTGRES)"), "postgres"), (regex(r"MYSQL|MARIADB"), "mysql"),
    (regex(r"REDIS|VALKEY"), "redis"), (regex(r"MONGO"), "mongodb"), (regex(r"AMQP|RABBIT"), "amqp"),
    (regex(r"MEMCACHE"), "memcached"),
)


def relies_of(env: Mapping[str, Word], fallback: str, view: View) -> tuple[Reliance, ...]:
    """One for each such variable that has an address, in their order."""
    found: dict[tuple[str, int, str], Reliance] = {}
    for name, one in _all(env):
        place = env[name].place()
        where = f"{place.file}:{place.line}" if place.file else fallback
        led = view.hosts.get(one.host.lower(), ())
        said = Evidence("file" if place.file else "unit", where, f"{name}… names {one.address}")
        found.setdefault((one.host, one.port, one.path), replace(one, source=said, ip=led[0] if led else ""))
    return tuple(found.values())[:MOST]


def _all(env: Mapping[str, Word]) -> Iterator[tuple[str, Reliance]]:
    for name, word in env.items():
        upper, value = name.upper(), word.text.strip()
        one = None
        if _URL.match(upper) and "://" in value:
            one = _of_url(value)
        elif (match := _HOST.match(upper)) is not None or _URL.match(upper):
            stem = match["stem"] if match is not None else ""
            port = next((w.text.strip() for n, w in env.items() if stem and n.upper() == f"{stem}PORT"), "")
            one = _of_host(upper, value, port)
        if one is not None:
            yield name, one


def _made(host: str, port: int, engine: str, path: str = "") -> Reliance:
    return Reliance(Evidence("file", "", ""), host=host, port=port, engine=engine, path=path)


def _of_url(value: str) -> Reliance | None:
    """By hand: the library's module for it takes as long to import as a whole look at a unit."""
    match = _PARTS.match(value)
    if match is None:
        return None
    scheme = match["scheme"].partition("+")[0].lower()
    if scheme == "unix" and match["path"]:
        return _made("", 0, "redis", match["path"])
    known = _ENGINES.get(scheme)
    if known is None or "," in match["net"]:      # of several, which of them is down matters to nobody
        return None
    engine, usual = known
    place = _PLACE.match(match["net"].rpartition("@")[2])
    if place is None:
        return None
    host, port = place["host"].strip("[]"), int(place["port"] or usual)
    words = (match["query"] or "").split("&")
    given = next((word[5:].replace("%2F", "/") for word in words if word.startswith("host=")), "")
    if not host and given.startswith("/") and engine == "postgresql":
        return _made("", 0, engine, f"{given.rstrip('/')}/.s.PGSQL.{port}")
    host = host or (given if _NAME.match(given) else "")
    return _made(host, port, engine) if host and 0 < port < 65536 else None


def _of_host(name: str, value: str, port: str) -> Reliance | None:
    scheme = next((scheme for pattern, scheme in _BY_NAME if pattern.search(name)), "")
    engine, usual = _ENGINES.get(scheme, ("", 0))
    pair = _PAIR.match(value)
    if pair is not None:
        value, port = pair["host"].strip("[]"), pair["port"]
    number = int(port) if is_number(port) and 0 < int(port) < 65536 else usual
    if value.startswith("/") and engine == "postgresql":
        return _made("", 0, engine, f"{value.rstrip('/')}/.s.PGSQL.{number or usual}")
    return _made(value, number, engine) if number and _NAME.match(value) else None
