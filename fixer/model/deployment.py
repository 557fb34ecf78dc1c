"""A compose project: what its files define, what of it has no container, and which of its files are gone."""

from __future__ import annotations

from fixer.lazy.dataclass import dataclass
from fixer.model.facts import Evidence, Fact


@dataclass(frozen=True, slots=True)
class Uncreated:
    """A service of a project's files without a container; others call it by `names`. `profiles`: any turns it on."""

    service: str
    names: tuple[str, ...]
    source: Evidence
    profiles: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class LackedFile:
    """A file that a service of a compose project takes variables from and that is not there. `beside` are copies of it
    and examples, what counts most first."""

    service: str
    source: Evidence
    path: str
    beside: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Compose:
    """A compose project as its containers' labels name it. `hash_matches` per service: config-hash label equals
    `docker compose config --hash`; only then may an `up` be run. `editable` Unknown(reason) where files are missing or
    not writable. `dropped` are services with a container that its files do not define (any more)."""

    project: str
    working_dir: str
    config_files: tuple[str, ...]
    environment_files: tuple[str, ...]
    hash_matches: tuple[tuple[str, bool], ...]
    editable: Fact[bool]
    uncreated: tuple[Uncreated, ...] = ()
    dropped: tuple[str, ...] = ()
    lacked: tuple[LackedFile, ...] = ()   # looked for only where a service has no container
