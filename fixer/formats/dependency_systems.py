"""The systems that applications depend on (databases, caches, brokers): one row for each, with all its names."""

from __future__ import annotations

import re
from collections.abc import Mapping

from fixer.lazy.dataclass import dataclass
from fixer.lazy.regex import regex


@dataclass(frozen=True, slots=True)
class DependencySystem:
    """One kind of system: its usual port, and what names it.

    `schemes` are those of URLs; `variables` are parts of a variable's name, in upper case; `modules` are Python's.
    `words` finds it in log lines, `units` matches its units; an exporter of its figures is none.
    """

    name: str
    port: int
    schemes: tuple[str, ...]
    variables: tuple[str, ...]
    modules: tuple[str, ...]
    programs: tuple[str, ...]
    images: tuple[str, ...]
    words: re.Pattern[str]
    units: re.Pattern[str]
    is_database: bool = False


SYSTEMS = (
    DependencySystem(
        "postgresql", 5432, ("postgres", "postgresql", "psql", "pgsql", "postgis"), ("PG", "POSTGRES", "POSTGRESQL"),
        ("psycopg", "asyncpg"), ("postgres", "pg_ctlcluster", "pg_ctl"), ("postgres", "postgis", "timescaledb"),
        regex(r"(?i)\b(?:psycopg|asyncpg)|postgres|pgsql|pg_hba|\bpsql\b|translate host name"
              r"|connection to server (?:at|on) "),
        regex(r"^postgres(?!\S*exporter)[-\w]*(?:@\S*)?\.service$"), is_database=True),
    DependencySystem(
        "mysql", 3306, ("mysql", "mariadb"), ("MYSQL", "MARIADB"), ("MySQLdb", "pymysql"), ("mysqld", "mariadbd"),
        ("mysql", "mariadb", "percona"), regex(r"(?i)mysql|maria|Access denied for user|Unknown database"),
        regex(r"^(?:mysql|mariadb)(?!\S*exporter)[-\w]*(?:@\S*)?\.service$"), is_database=True),
    DependencySystem(
        "redis", 6379, ("redis", "rediss", "valkey"), ("REDIS", "VALKEY"), ("redis",),
        ("redis-server", "valkey-server"), ("redis", "valkey", "keydb"), regex(r"(?i)redis|valkey|WRONGPASS|NOAUTH"),
        regex(r"^(?:redis|valkey|keydb)(?!\S*exporter)[-\w]*(?:@\S*)?\.service$")),
    DependencySystem(
        "mongodb", 27017, ("mongodb",), ("MONGO", "MONGODB"), ("pymongo",), ("mongod",), ("mongo",),
        regex(r"(?i)mongo|ServerSelectionTimeout"), regex(r"^mongo(?!\S*exporter)[-\w]*(?:@\S*)?\.service$"),
        is_database=True),
    DependencySystem(
        "rabbitmq", 5672, ("amqp", "amqps", "pyamqp"), ("AMQP", "RABBITMQ"), ("pika",), ("rabbitmq-server",),
        ("rabbitmq",), regex(r"(?i)\bpika|rabbit|amqp|\bbroker\b"),
        regex(r"^rabbitmq(?!\S*exporter)[-\w]*(?:@\S*)?\.service$")),
    DependencySystem(
        "memcached", 11211, ("memcached",), ("MEMCACHE", "MEMCACHED"), ("pymemcache",), ("memcached",),
        ("memcached",), regex(r"(?i)memcache"), regex(r"^memcached(?!\S*exporter)[-\w]*(?:@\S*)?\.service$")),
)

BY_PORT: Mapping[int, DependencySystem] = {system.port: system for system in SYSTEMS}
BY_SCHEME: Mapping[str, DependencySystem] = {name: system for system in SYSTEMS for name in system.schemes}
BY_PROGRAM: Mapping[str, DependencySystem] = {name: system for system in SYSTEMS for name in system.programs}
BY_IMAGE: Mapping[str, DependencySystem] = {name: system for system in SYSTEMS for name in system.images}

_WORD = regex(r"\w+")

_NAMES = tuple(name for system in SYSTEMS for name in system.variables)
VARIABLE_PATTERN = (r"(?:\w+_)?(?:DATABASE|DB|SQL|SQLALCHEMY|CACHE|BROKER|CELERY_BROKER|" + "|".join(_NAMES)
                    + r")(?:_\w+)?_?")
"""Names of variables about a dependency, without what follows: URL, HOST, PORT, …"""
SETTING_PATTERN = r"db|databases?|sql\w*|cache|broker|" + "|".join(rf"{name.lower()}\w*" for name in _NAMES)
"""Names of settings about a dependency, in small letters."""
ADDRESS_VARIABLE = regex(rf"^{VARIABLE_PATTERN}(?:URL|URI|DSN|HOST|SERVER|ADDRESS)$")
ACCOUNT_VARIABLE = regex(rf"^{VARIABLE_PATTERN}(?:URL|URI|DSN|PASSWORD|PASSWD|PASS|PW|USER|USERNAME|NAME|DATABASE|DB)$")
SECRET_VARIABLE = regex(r"(?:URL|URI|DSN|PASSWORD|PASSWD|PASS|PW)$")


def port_of(name: str) -> int:
    """Return the usual port of that kind of system, 0 if the kind is unknown."""
    return next((system.port for system in SYSTEMS if system.name == name), 0)


def system_at_port(port: int) -> str:
    """Return the kind of system that usually listens at that port, empty if none does."""
    return BY_PORT[port].name if port in BY_PORT else ""


def system_in_text(text: str) -> str:
    """Return the first kind of system whose words stand in a text, empty if there is none."""
    return next((system.name for system in SYSTEMS if system.words.search(text)), "")


def is_named_in(text: str, name: str) -> bool:
    """Return whether a text names that kind of system, also in short (`pg`), which may be a host's name."""
    named = {word.upper() for word in _WORD.findall(text)}
    return any(system.words.search(text) or not named.isdisjoint(system.variables)
               for system in SYSTEMS if system.name == name)


def system_of_variable(name: str) -> str:
    """Return the kind of system in the name of a variable (upper case), empty if there is none."""
    parts = name.split("_")
    return next((s.name for s in SYSTEMS if any(part.startswith(s.variables) for part in parts)), "")


def system_of_unit(name: str) -> str:
    """Return the kind of system that a unit of that name runs, empty if it is none."""
    return next((system.name for system in SYSTEMS if system.units.match(name)), "")
