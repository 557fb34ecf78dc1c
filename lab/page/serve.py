"""`lab serve`: a web server for the page of one lab, or of a class."""

from __future__ import annotations

import asyncio
import contextlib
import resource
import socket
import sys
from collections.abc import Callable

from lab.classroom.class_page import Place, missing_packages, place_of
from lab.classroom.class_record import ClassRecord, classes_folder, load_class
from lab.classroom.class_status import class_state
from lab.classroom.roster import new_token
from lab.errors import LabError, UsageError
from lab.page.access import Access
from lab.stack import images
from lab.stack.authority import certificate_paths, new_certificate, save_certificate
from lab.stack.lab_records import load_record
from lab.stack.running_lab import Lab

if not missing_packages():
    import uvicorn

    from lab.page.page_app import Page, app_of

_LOOK_SECONDS = 2.0  # between looks whether the lab is still there; they read one file
_MEMORY = 2 * 1024**3  # bytes of a class's server: what it reads comes from people who are root in their machines
_GRACE = 1  # seconds for open streams at the end


def require_packages() -> None:
    """Raise UsageError if the packages of the page are not installed."""
    if missing := missing_packages():
        raise UsageError(f"the page needs {' and '.join(missing)}", f"pip install {' '.join(missing)}")


def serve_lab(lab: Lab, bind: str, port: int, say: Callable[[str], None], *, plain: bool) -> None:
    """Serve the page of one lab until Ctrl-C, or until the lab is gone."""
    require_packages()
    token = new_token()
    with _listener(bind, port) as listening, contextlib.ExitStack() as files:
        own_port = listening.getsockname()[1]
        name = f"{lab.id}-{own_port}"  # a lab may have several pages
        certificate = None
        if not (plain or bind.startswith("127.")):
            images.ensure(say, ["machine"])
            for path in certificate_paths(classes_folder(), name):
                files.callback(path.unlink, missing_ok=True)
            certificate = save_certificate(classes_folder(), name, new_certificate(bind))
        place = Place(bind, own_port, certificate)
        page = Page(Access(token, place.origins), lambda: {lab.id: ""})
        say(exposed_text(place, lab.id))
        if certificate:
            say(f"Its authority: {certificate_paths(classes_folder(), name)[0]}")
        print(f"{place.origins[0]}/#{token}", flush=True)  # noqa: T201  the command's product
        with contextlib.suppress(KeyboardInterrupt):  # Ctrl-C is how it ends
            _run(page, place, listening, lambda: load_record(lab.id) is not None)


def serve_class(record: ClassRecord) -> None:
    """Serve the page of a class, as its keeper asks for it, until the class ends."""
    require_packages()
    place = place_of(record)

    def people() -> dict[str, str]:
        present = load_class(record.name)
        return {person.token: person.lab_id for person in present.people} if present else {}

    def labs() -> dict[str, str]:
        present = load_class(record.name)
        return {person.lab_id: person.name for person in present.people} if present else {}

    def state() -> dict[str, object]:
        present = load_class(record.name)
        if present is None:
            raise LabError(f"{record.name} has ended")
        return class_state(present)

    access = Access(record.owner_token, place.origins, people)
    with _listener(record.bind, record.page_port) as listening:
        _run(Page(access, labs, state), place, listening, lambda: load_class(record.name) is not None)


def exposed_text(place: Place, name: str) -> str:
    """Return what is exposed, and to whom."""
    use = "Whoever has the whole address may use it. Ctrl-C ends it."
    if place.bind.startswith("127."):
        return f"The page of {name} is for this machine only. {use}"
    how = "encrypted" if place.certificate else "in plain text: whoever sees the traffic sees the token"
    return f"The page of {name} is exposed to everybody who reaches {place.bind}, {how}. {use}"


def _listener(bind: str, port: int) -> socket.socket:
    try:
        return socket.create_server((bind, port))
    except OSError as error:
        raise UsageError(f"nothing can listen on {bind}:{port}: {error.strerror}",
                         "--bind takes an address of this machine, --port a free one") from error


def _run(page: Page, place: Place, listening: socket.socket, is_there: Callable[[], bool]) -> None:
    """Run the server until it is interrupted, or until what it shows is gone."""
    own, key = place.certificate or (None, None)
    config = uvicorn.Config(app_of(page), log_level="warning", access_log=False, server_header=False, lifespan="off",
                            timeout_graceful_shutdown=_GRACE, ssl_certfile=own, ssl_keyfile=key)
    server = uvicorn.Server(config)

    async def leave_when_gone() -> None:
        while is_there():
            await asyncio.sleep(_LOOK_SECONDS)
        server.should_exit = True

    async def both() -> None:
        gone = asyncio.create_task(leave_when_gone())
        await server.serve(sockets=[listening])
        gone.cancel()

    asyncio.run(both())


def main() -> int:
    """Run `python -m lab.page.serve CLASS`, as the keeper of a class does."""
    resource.setrlimit(resource.RLIMIT_AS, (_MEMORY, _MEMORY))
    record = load_class(sys.argv[1])
    if record is None or not record.page_port:
        return 2
    serve_class(record)
    return 0


if __name__ == "__main__":
    sys.exit(main())
