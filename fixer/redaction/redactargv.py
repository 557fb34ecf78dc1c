"""Secrets of a command: after flags that say secret, after short flags of known tools, in variables set first."""

from __future__ import annotations

import re

from fixer.lazy.regex import regex
from fixer.redaction.secrets import redact_text
from fixer.redaction.values import mark, redact_variables

_SECRET_FLAG = regex(
    r"^--?(?:[\w-]*(?:password|passwd|passphrase|secret|token|api-?key|access-?key|credential)[\w-]*"
    r"|[\w-]*pass|[\w-]*-pw)$", re.IGNORECASE,
)
# of a tool: the flag, whether its value is the next word, whether it is joined to it, whether a user stands in front
_TOOLS = (
    (regex(r"(?:mysql|mariadb)"), ("-p", False, True, False)), (regex(r"sshpass$"), ("-p", True, True, False)),
    (regex(r"redis-cli$"), ("-a", True, False, False)), (regex(r"(?:curl|wget|http)$"), ("-u", True, True, True)),
    (regex(r"(?:curl|wget|http)$"), ("--user", True, True, True)),
    (regex(r"curl$"), ("-b", True, True, False)), (regex(r"curl$"), ("--cookie", True, False, False)),
    (regex(r"mongo(?:sh)?$"), ("-p", True, True, False)), (regex(r"openssl$"), ("-k", True, False, False)),
)
_FRONT = 6      # words in which the tool is looked for: `sudo -u x mysql …`


def redact_argv(argv: list[str]) -> list[str]:
    """The words of a command, as many as before."""
    names = [word.rpartition("/")[2] for word in argv[:_FRONT]]
    known = [rule for tool, rule in _TOOLS if any(map(tool.match, names))]
    out: list[str] = []
    before = ""
    for word in argv:
        if _SECRET_FLAG.match(before) and not word.startswith("-"):
            out.append(mark("argument"))
        else:
            hidden = next((said for rule in known if (said := _of_tool(before, word, rule))), "")
            out.append(hidden or _of_word(word))
        before = word
    return out


def _of_tool(before: str, word: str, rule: tuple[str, bool, bool, bool]) -> str:
    """The word with its secret hidden, where it is the value of that flag or is joined to it; else nothing."""
    flag, apart, joined, user = rule
    if apart and before == flag:
        head = ""
    elif joined and word.startswith(flag) and len(word) > len(flag):
        head = flag
    else:
        return ""
    if user:
        name, colon, _ = word.partition(":")
        return f"{name}:{mark('argument')}" if colon else ""
    return head + mark("argument")


def _of_word(word: str) -> str:
    if word.startswith("--env="):
        return "--env=" + _of_word(word.removeprefix("--env="))
    return redact_text(redact_variables(word.encode("utf-8", "surrogateescape")).decode("utf-8", "surrogateescape"))
