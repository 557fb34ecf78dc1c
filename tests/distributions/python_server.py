"""A gunicorn in a virtual environment, as pip makes it: its files and processes are alike on all distributions."""

from __future__ import annotations

from tests.distributions.constructed_disk import Entry, folder, link, text
from tests.distributions.constructed_machine import Program


def gunicorn(command: str, cgroup: str, uid: int, interpreter: str = "/usr/bin/python3.12",
             root: str = "/srv/shop") -> tuple[Program, ...]:
    """The arbiter (pid 90) and a worker (91) of a gunicorn in a virtual environment."""
    argv = (command.split(maxsplit=1)[0].rpartition("/")[0] + "/python3", *command.split())
    return (Program(90, argv, "gunicorn", interpreter, uid=uid, cgroup=cgroup, cwd=root),
            Program(91, argv, "gunicorn", interpreter, 90, uid, cgroup, root))


def application(owner: int, root: str = "/srv/shop", python: str = "python3.12") -> dict[str, Entry]:
    """The application's own files."""
    head = f"#!{root}/venv/bin/python3\n"
    return {
        f"{root}/venv/bin/gunicorn": text(head + "from gunicorn.app.wsgiapp import run\nrun()\n", 0o755, owner, owner),
        f"{root}/venv/bin/python3": link(f"/usr/bin/{python}"), f"/usr/bin/{python}": text("\x7fELF", 0o755),
        f"{root}/venv/pyvenv.cfg": text("home = /usr/bin\n", uid=owner),
        f"{root}/shop/wsgi.py": text("application = None\n", uid=owner), f"{root}/shop": folder(uid=owner),
    }
