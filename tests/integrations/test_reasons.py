"""One line for each way in which a host cannot be looked at; the texts are those of OpenSSH 10, sudo and ansible-core."""

from __future__ import annotations

import pytest
from ansible_collections.badgateway.fixer.plugins.plugin_utils.reasons import no_python, reason_of

CHANGED = """@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@
@    WARNING: REMOTE HOST IDENTIFICATION HAS CHANGED!     @
IT IS POSSIBLE THAT SOMEONE IS DOING SOMETHING NASTY!
Host key for 10.0.0.3 has changed and you have requested strict checking.
Host key verification failed."""


@pytest.mark.parametrize(("text", "kind", "message"), [
    (CHANGED, "unreachable", "its host key has changed"),
    ("No ED25519 host key is known for 10.0.0.3 and you have requested strict checking.\r\nHost key verification failed.",
     "unreachable", "its host key is unknown here"),
    ("ssh: Could not resolve hostname nix: Name or service not known", "unreachable", "its name does not resolve"),
    ("ssh: connect to host 10.0.0.3 port 22: Connection refused", "unreachable", "nothing listens at its ssh port (connection refused)"),
    ("ssh: connect to host 10.0.0.3 port 22: No route to host", "unreachable", "there is no route to it"),
    ("ssh: connect to host 10.0.0.3 port 22: Connection timed out", "unreachable", "it does not answer (timed out)"),
    ("root@10.0.0.3: Permission denied (publickey).", "unreachable", "it refuses the login"),
    ("kex_exchange_identification: Connection closed by remote host", "unreachable", "it closes the connection before the login"),
    ("Connection to 10.0.0.3 closed by remote host.\nConnection reset by peer", "unreachable", "the connection was lost"),
    ('Data could not be sent to remote host "10.0.0.3". Make sure this host can be reached over ssh: ', "unreachable", "the connection was lost"),
    ("Missing sudo password", "needs-person", "sudo asks for a password there"),
    ("Incorrect sudo password", "needs-person", "sudo refuses the password"),
    ("visitor is not in the sudoers file.", "needs-person", "sudo does not allow it to this user"),
    ("sh: 1: sudo: not found", "needs-person", "there is no sudo"),
    ("Welcome\nThis account is currently not available.\n", "cannot-observe", "This account is currently not available."),
    ("\x1b[2Jboo", "cannot-observe", "?[2Jboo"), ("", "cannot-observe", "it says nothing"), ("@@@\n \r\n", "cannot-observe", "it says nothing"),
    ("x" * 5000, "cannot-observe", "x" * 200),
])
def test_each_reason_is_one_line(text: str, kind: str, message: str) -> None:
    reason = reason_of(text)
    assert (reason.kind, reason.message) == (kind, message) and reason.hint
    assert "\n" not in reason.message + reason.hint


def test_no_python_says_which_was_found() -> None:
    assert no_python("3.9").message == "its Python is 3.9, fixer needs 3.11 or newer"
    assert no_python("").message == "it has no Python; fixer needs 3.11 or newer"
