"""Socket activation: where the socket unit listens counts, not a server's default."""

from __future__ import annotations

import pytest

from fixer.model.facts import Known
from fixer.model.query import Answer, Command, ReadFile
from fixer.model.snapshot import Service
from fixer.observe.build_snapshot import build_snapshot
from fixer.observe.next_queries import follow_up_queries
from fixer.observe.view.observe_options import ObserveOptions
from tests.observe.capture_builders import capture, file, node
from tests.observe.nginx.endpoints_builders import SHOW

SITE = "server { listen 80; location / { proxy_pass http://127.0.0.1:8000; } }"
SOCKET = "/etc/systemd/system/shop.socket"
UNIT = "/etc/systemd/system/shop.service"


def show(*more: str, command: str = "/usr/bin/uvicorn shop:app --fd 3") -> str:
    text = SHOW.format("shop.service", "inactive", 0).rstrip() + f"\nFragmentPath={UNIT}\n"
    return text + f"ExecStart={{ path=x ; argv[]={command} ; ignore_errors=no }}\n" + "".join(f"{m}\n" for m in more)


def made(text: str, shown: str, *, state: str = "inactive"):
    answers = {
        ReadFile(SOCKET, 1 << 16): Answer("ok", files=(file(SOCKET, text),)),
        Command("systemctl-show", ("shop.socket",)): Answer("ok", SHOW.format("shop.socket", state, 0).encode()),
    }
    units = [file(UNIT, "[Service]\nExecStart=/usr/bin/uvicorn shop:app --fd 3\n")]
    return capture(node(answers, site=SITE, show=shown, units=units))


def shop(text: str, shown: str) -> Service:
    return next(s for s in build_snapshot(made(text, shown)).services if s.name == "shop.service")


@pytest.mark.parametrize(("text", "port", "unix"), [
    ("[Socket]\nListenStream=127.0.0.1:8007\n", 8007, None), ("[Socket]\nListenStream=/run/shop.sock\n", 0, "/run/shop.sock"),
    ("[Socket]\nListenStream=8008\nListenStream=\nListenStream=8009\n", 8009, None),
])
def test_the_socket_says_where_it_listens(text: str, port: int, unix: str | None) -> None:
    found = shop(text, show())
    assert isinstance(found.bindings, Known)
    (binding,) = found.bindings.value
    assert (binding.port, binding.unix, binding.source.where.startswith(SOCKET)) == (port, unix, True)
    assert found.socket is not None and found.socket.name == "shop.socket"


def test_a_service_that_needs_no_descriptor_is_left_as_it_is() -> None:
    plain = shop("[Socket]\nListenStream=8007\n", show(command="/usr/bin/uvicorn shop:app --port 8001"))
    assert plain.socket is None
    named = shop("[Socket]\nListenStream=8007\n", show("TriggeredBy=x.timer shop.socket", command="/usr/bin/uvicorn shop:app"))
    assert named.socket is not None


def test_the_socket_is_asked_for() -> None:
    units = [file(UNIT, "[Service]\nExecStart=/usr/bin/uvicorn shop:app --fd 3\n")]
    asked = follow_up_queries(capture(node({}, site=SITE, show=show(), units=units)), ObserveOptions(probe=False))["local"]
    assert {ReadFile(SOCKET, 1 << 16), Command("systemctl-show", ("shop.socket",))} <= set(asked)


@pytest.mark.parametrize(("command", "handed"), [
    ("/usr/bin/gunicorn --workers 1 shop:app", True), ("/usr/bin/python3 /srv/venv/bin/gunicorn shop:app", True),
    ("/usr/bin/uvicorn shop:app", False),
])
def test_the_socket_that_was_stopped_with_its_service_is_found_by_its_file(command: str, handed: bool) -> None:
    found = shop("[Socket]\nListenStream=/run/shop.sock\n", show(command=command))
    assert (found.socket is not None) is handed
    if handed:
        assert isinstance(found.bindings, Known) and [b.unix for b in found.bindings.value] == ["/run/shop.sock"]
    units = [file(UNIT, f"[Service]\nExecStart={command}\n")]
    asked = follow_up_queries(capture(node({}, site=SITE, show=show(command=command), units=units)), ObserveOptions(probe=False))
    assert (ReadFile(SOCKET, 1 << 16) in asked["local"]) is handed
