"""The kinds of systems that applications need: databases, caches, brokers; by the unit or the program of a service."""

from __future__ import annotations

from fixer.lazy.regex import regex
from fixer.model.snapshot import Container, Service

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
