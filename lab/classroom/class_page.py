"""The page of a class: where it is, and the process that serves it. The server itself is `lab.page.serve`."""

from __future__ import annotations

import subprocess
import sys
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path

from lab.classroom.class_record import ClassRecord, classes_folder
from lab.stack.authority import certificate_paths

PAGE_PACKAGES = ("starlette", "uvicorn")


@dataclass(frozen=True, slots=True)
class Place:
    """Where a page listens. `certificate` holds the files of the own certificate and its key; None is without TLS."""

    bind: str
    port: int
    certificate: tuple[Path, Path] | None = None

    @property
    def origins(self) -> tuple[str, ...]:
        """Return the starts of its addresses, such as `http://127.0.0.1:8050`; on loopback also by name."""
        scheme, usual = ("https", 443) if self.certificate else ("http", 80)
        names = [self.bind, *(["localhost"] if self.bind.startswith("127.") else [])]
        return tuple(f"{scheme}://{name}{'' if self.port == usual else f':{self.port}'}" for name in names)


def missing_packages() -> tuple[str, ...]:
    """Return the packages of the page that are not installed."""
    return tuple(name for name in PAGE_PACKAGES if find_spec(name) is None)


def place_of(record: ClassRecord) -> Place:
    """Return where the page of a class listens."""
    _, own, key = certificate_paths(classes_folder(), record.name)
    return Place(record.bind, record.page_port, (own, key) if own.exists() else None)


def page_address(record: ClassRecord, token: str) -> str:
    """Return the address of a person, or of the trainer; empty if the class has no page.
    What is behind # stays in the browser: it is in no log of a server."""
    return f"{place_of(record).origins[0]}/#{token}" if record.page_port else ""


def start_page(record: ClassRecord) -> subprocess.Popen[bytes] | None:
    """Start the server of a class's page; it ends when the class does. None if the class has no page."""
    if not record.page_port or missing_packages():
        return None
    return subprocess.Popen([sys.executable, "-m", "lab.page.serve", record.name], stdin=subprocess.DEVNULL,
                            cwd=Path(__file__).parents[2])
