"""What a service relies on besides its own program: an address or a file that its variables or start script name."""

from __future__ import annotations

from fixer.lazy.dataclass import dataclass
from fixer.model.facts import Evidence

# How variables are called that say where such a system is.
SYSTEM = (r"(?:\w+_)?(?:DATABASE|DB|PG|POSTGRES(?:QL)?|SQL|SQLALCHEMY|MYSQL|MARIADB|REDIS|MONGO(?:DB)?|CACHE|BROKER|"
          r"AMQP|RABBITMQ|VALKEY|MEMCACHED?|CELERY_BROKER)(?:_\w+)?_?")


@dataclass(frozen=True, slots=True)
class Reliance:
    """One address (`host`, `ip` where a name leads to one, `port`), or one `path`: a file, or a socket of that system.

    `engine` is the kind of system, empty where nothing tells it. Of a script that waits: `wanted` is false where it
    waits until that is gone, `is_looped` true where it waits for as long as it takes. `present` tells whether the path
    is there, None where nobody looked.
    """

    source: Evidence
    host: str = ""
    ip: str = ""
    port: int = 0
    path: str = ""
    engine: str = ""
    wanted: bool = True
    is_looped: bool = False
    present: bool | None = None

    @property
    def address(self) -> str:
        """For people."""
        if self.path:
            return self.path
        host = f"[{self.host}]" if ":" in self.host else self.host
        return f"{host}:{self.port}" if self.port else host
