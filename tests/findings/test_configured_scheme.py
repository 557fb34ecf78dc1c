"""A server that is down and that its command configures for another scheme than nginx's pass: the second of two faults."""

from __future__ import annotations

from typing import Any

import pytest

from fixer.diagnose.run_causes import diagnose
from fixer.model.diagnosis import Diagnosis
from fixer.model.snapshot import CommandArgument, EnvAssignment
from tests.causes.snapshot_builders import (
    Scene,
    failed_service,
    file,
    finding_of,
    listener,
    log_lines,
    probe,
    roots,
    service,
    stopped_service,
)

PLAIN, TLS = "upstream-speaks-http-not-tls", "upstream-expects-tls"
BROKEN = log_lines("Traceback (most recent call last):", '  File "/srv/shop/app/main.py", line 3, in <module>',
                   "    import orjson", "ModuleNotFoundError: No module named 'orjson'")
COMMAND = ("/usr/bin/hypercorn", "app.main:app", "--bind", "127.0.0.1:8000")
SOCKET = ("/usr/bin/uwsgi", "--http-socket", "127.0.0.1:8000", "--module", "app.main")
CERTIFICATE = ("--certfile", "/etc/tls/shop.pem", "--keyfile=/etc/tls/shop.key")


def behind(scheme: str, *command: str, port: int = 8000, made: Any = failed_service, files: tuple[str, ...] = (),
           **changes: Any) -> Diagnosis:
    """nginx passes to port 8000 with that scheme, and the service that is configured for `port` is down."""
    runtime = changes.pop("runtime", command[0].rpartition("/")[2])
    words = tuple(CommandArgument(word, "/etc/systemd/system/backend.service", 6) for word in command)
    about = {"log": BROKEN, **changes}
    scene = Scene().with_service(made(port=port, argv=command, command=words, runtime=runtime, **about)).refused()
    scene.files += [file(path, "") for path in files]
    scene.route[0] = {"scheme": scheme, "pass_text": f"{scheme}://127.0.0.1:8000"}
    return diagnose(scene.snapshot())


@pytest.mark.parametrize(("scheme", "more", "cause", "words"), [
    ("https", (), PLAIN, "with TLS, but backend.service is configured without a certificate"),
    ("http", CERTIFICATE, TLS, "as plain HTTP, but backend.service is configured with a certificate"),
    ("http", CERTIFICATE[2:], TLS, "with a certificate"),
])
@pytest.mark.parametrize("made", [failed_service, stopped_service])
def test_it_is_the_second_fault(scheme: str, more: tuple[str, ...], cause: str, words: str, made: Any) -> None:
    diagnosis = behind(scheme, *COMMAND, *more, made=made)
    assert roots(diagnosis) == ["crash-code-error" if made is failed_service else "backend-down", cause]
    found = finding_of(diagnosis, cause)
    assert found.confidence == "likely" and words in found.summary
    first = "first mend crash-code-error (" if made is failed_service else "first start backend.service (backend-down): when"
    assert found.repairs[0].risk == "manual" and found.repairs[0].manual.startswith(first)
    if more:
        assert any(e.where == "/etc/systemd/system/backend.service:6" and e.text == more[0] for e in found.evidence)


def test_a_socket_of_uwsgi_has_tls_by_its_own_option_alone() -> None:
    assert PLAIN in roots(behind("https", *SOCKET))
    assert not {PLAIN, TLS} & set(roots(behind("https", SOCKET[0], "--socket", *SOCKET[2:])))


@pytest.mark.parametrize(("scheme", "command", "changes"), [
    ("https", (*COMMAND, *CERTIFICATE), {}), ("http", COMMAND, {}),                     # both speak alike
    ("https", (*COMMAND, "--config", "/etc/shop.toml"), {}),                            # its file may name a certificate
    ("https", ("/usr/bin/gunicorn", *COMMAND[1:]), {"files": ("/srv/shop/gunicorn.conf.py",)}),
    ("https", COMMAND, {"env": (EnvAssignment("SHOP_SSL_CERTFILE", "/etc/shop.env:1", False),)}),
    ("https", ("/usr/bin/python3", "/srv/shop/main.py"), {"runtime": "python"}),        # a script may do anything
    ("https", ("/usr/bin/daphne", *COMMAND[1:]), {}),                                   # its endpoints may be TLS
    ("https", COMMAND, {"port": 8001}),                                                 # something else may be meant there
])
def test_nothing_is_said_where_another_thing_may_decide(scheme: str, command: tuple[str, ...], changes: dict[str, Any]) -> None:
    assert not {PLAIN, TLS} & set(roots(behind(scheme, *command, **changes)))


def test_a_certificate_over_which_it_ended_may_not_stay() -> None:
    """Somebody has begun to encrypt the way: a person ends that, or takes the options out again."""
    frame = '  File "/usr/lib/python3/dist-packages/hypercorn/config.py", line 110, in create_ssl_context'
    ended = log_lines("Traceback (most recent call last):", frame, "    context.load_cert_chain(certfile, keyfile)",
                      "ssl.SSLError: [X509: KEY_VALUES_MISMATCH] key values mismatch (_ssl.c:3895)")
    assert roots(behind("http", *COMMAND, *CERTIFICATE, log=ended)) == ["crash-code-error"]


def test_a_server_that_runs_is_judged_by_its_answers() -> None:
    scene = Scene().with_service(service(argv=COMMAND, runtime="hypercorn"), listener(8000, 200)).answers(probe(502))
    scene.route[0] = {"scheme": "https", "pass_text": "https://127.0.0.1:8000"}
    assert PLAIN not in roots(diagnose(scene.snapshot()))
