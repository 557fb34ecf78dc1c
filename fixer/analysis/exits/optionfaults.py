"""Words of a command that a server does not take: what it says of an option, and which value is meant."""

from __future__ import annotations

from fixer.lazy.dataclass import dataclass
from fixer.lazy.regex import regex

_SAYS = (
    regex(r"^Error: (?P<said>Invalid value for '(?:-\w'? / '?)?--(?P<option>[\w-]+)(?: [A-Z_]+)?': "
          r"'(?P<value>[^']*)' is not .+)$"),
    regex(r"^Error: (?P<said>No such option: (?P<value>-[\w-]*)(?: .*)?)$"),
    regex(r"^Error: (?P<said>Got unexpected extra arguments? \((?P<value>.*)\))$"),
    regex(r"^Error: (?P<said>(?:Missing argument '[A-Z_]+'\.|Option '-[\w-]*' requires an argument\.))$"),
    regex(r"^[\w.-]+(?: \w+)?: error: (?P<said>argument (?:-\w/)?(?:--)?(?P<option>[\w-]+)(?:/-\S+)?: "
          r"invalid (?:choice|\w+ value): '(?P<value>[^']*)'.*)$"),
    regex(r"^[\w.-]+(?: \w+)?: error: (?P<said>(?:unrecognized arguments: (?P<value>\S+).*|"
          r"argument -\S+: expected .*|the following arguments are required: .*))$"),
    regex(r"^Error: (?P<said>'(?P<value>[^']*)' is not a valid port number\.)$"),                      # gunicorn
    regex(r"^Error: (?P<said>class uri '(?P<value>[^']*)' invalid or not found:)"),
    regex(r"^Error: (?P<said>No such (?:user|group): '(?P<value>[^']*)')$"),
    regex(r"^Error: (?P<said>No application module specified\.)$"),
    regex(r"^(?P<said>Invalid value for (?P<option>[a-z_]+): (?P<value>.*))$"),
    regex(r"^\S*node: (?P<said>bad option: (?P<value>-\S+))$"),
)


@dataclass(frozen=True, slots=True)
class Refused:
    """An option that a server does not take: its words, the option's name and the value, empty where none is said."""

    said: str
    option: str
    value: str


def refused_option(text: str) -> Refused | None:
    """What a line says of an option, where it is a server's word about its own command or settings."""
    for pattern in _SAYS:
        match = pattern.match(text)
        if match is not None:
            groups = match.groupdict()
            return Refused(match["said"], groups.get("option") or "", groups.get("value") or "")
    return None
