"""Why a host could not be looked at, as one line and a hint, from what ssh, sudo or Ansible print about it."""

from __future__ import annotations

from dataclasses import dataclass

_LONGEST = 200

# What is searched in the output, in this order -> kind, message, hint.
_REASONS: tuple[tuple[tuple[str, ...], str, str, str], ...] = (
    (("IDENTIFICATION HAS CHANGED",), "unreachable", "its host key has changed",
     "find out why before you go on; ssh-keygen -R HOST removes the old key"),
    (("Host key verification failed", "host key is known"), "unreachable", "its host key is unknown here",
     "connect once by hand, compare the fingerprint, answer yes"),
    (("Could not resolve hostname", "Name or service not known"), "unreachable", "its name does not resolve",
     "check ansible_host, ~/.ssh/config and DNS"),
    (("Connection refused",), "unreachable", "nothing listens at its ssh port (connection refused)",
     "check that sshd runs there, and ansible_port"),
    (("No route to host", "Network is unreachable"), "unreachable", "there is no route to it",
     "check that it is up, and the network"),
    (("timed out", "Timeout"), "unreachable", "it does not answer (timed out)", "check that it is up, and firewalls"),
    (("Permission denied (", "Too many authentication failures", "Authentication fail"), "unreachable",
     "it refuses the login", "set up a key or an agent; to test it: ssh -o BatchMode=yes HOST true"),
    (("kex_exchange",), "unreachable", "it closes the connection before the login",
     "sshd there may be overloaded (MaxStartups): use fewer forks"),
    (("Connection closed", "Connection reset", "Data could not be sent", "Broken pipe"), "unreachable",
     "the connection was lost", "run the play again; after a repair: fixer history on the host says what it did"),
    (("Missing sudo password", "a password is required", "Missing su password", "Missing doas password",
      "waiting for privilege escalation prompt"), "needs-person", "sudo asks for a password there",
     "run ansible-playbook with --ask-become-pass, or set ansible_become_password"),
    (("Incorrect sudo password", "Sorry, try again"), "needs-person", "sudo refuses the password",
     "check ansible_become_password"),
    (("is not in the sudoers", "is not allowed to"), "needs-person", "sudo does not allow it to this user",
     "use another user, or become: false"),
    (("sudo: not found", "sudo: command not found"), "needs-person", "there is no sudo",
     "use root or another become_method"),
)


@dataclass(frozen=True)
class Reason:
    """The `error` of a report: its kind, one line, and what to do."""

    kind: str
    message: str
    hint: str


def reason_of(text: str, *, kind: str = "cannot-observe") -> Reason:
    """Return the reason that this output gives; the last line of it if it is none that is known."""
    for marks, known, message, hint in _REASONS:
        if any(mark in text for mark in marks):
            return Reason(known, message, hint)
    lines = [line.strip() for line in text.splitlines() if line.strip(" @\r")]
    said = "".join(char if char.isprintable() else "?" for char in lines[-1])[:_LONGEST] if lines else "it says nothing"
    return Reason(kind, said, "run ansible-playbook with -vvv to see more")


def no_python(old: str) -> Reason:
    """Return why fixer itself cannot run there."""
    found = f"its Python is {old}, fixer needs 3.11 or newer" if old else "it has no Python; fixer needs 3.11 or newer"
    return Reason("no-python", found, "from here: fixer repair ssh://HOST needs no Python there")
