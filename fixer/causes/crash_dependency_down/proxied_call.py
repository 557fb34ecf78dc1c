"""A call of a program that a proxy of its variables (HTTP_PROXY) takes, as the end of its log shows it."""

from __future__ import annotations

from collections.abc import Sequence

from fixer.analysis.dependency.complaint import dependency_complaint
from fixer.analysis.run_log import RunEnd
from fixer.formats.run_output import ends_run_at, is_traceback_start
from fixer.lazy.dataclass import dataclass
from fixer.lazy.regex import regex
from fixer.model.deployment import ProxyVariable
from fixer.model.snapshot import LogLine, Service

_TRACEBACK_LINES = 100
_SAYS_PROXY = regex(
    r"\bProxyError\b|\bClient(?:Http)?Proxy(?:Connection)?Error\b|(?:Unable to|Cannot) connect to proxy|"
    r"\bTunnel connection failed: |\bCONNECT tunnel failed|\bfrom proxy after CONNECT\b|\bCould not resolve proxy\b|"
    r"\btunneling socket could not be established\b")
_ANSWER = regex(r"(?:Tunnel connection failed: |\bProxyError: |CONNECT tunnel failed, response |received HTTP code )"
                r"(?P<status>[1-5]\d\d\b[A-Za-z ]{0,40})")
_NO_CONNECTION = regex(r"\[Errno (?:111|110|113|-[235])\]|\btimed out\b|Connection refused|Name or service not known")
_HTTPX_FRAME = regex(r"/httpcore/_(?:a?sync)/http_proxy\.py\", line ")
_URLLIB_END = regex(r"^(?:[A-Za-z_]\w*\.)*URLError: <urlopen error ")
_URL = regex(r"(?<![\w.])(?P<scheme>https?)://(?:[^/@\s'\"]{0,200}@)?(?P<host>\[[0-9a-fA-F:.]+\]|[A-Za-z0-9_.-]{1,255})"
             r"(?::(?P<port>\d{1,5}))?(?=[/?#'\"\s)]|$)")
_POOL = regex(r"\bHTTPSConnectionPool\(host='(?P<host>[^']{1,255})', port=(?P<port>\d{1,5})\)")


@dataclass(frozen=True, slots=True)
class ProxiedCall:
    """The line that ended the run, the address that was asked (empty host: unknown), the proxy's answer (empty: none),
    the variable that led there and the one with its exceptions. `is_told`: the line itself shows that a proxy was
    asked, and not the variables alone."""

    line: LogLine
    host: str
    port: int
    answer: str
    variable: ProxyVariable | None
    exceptions: ProxyVariable | None
    is_told: bool


def proxied_call(end: RunEnd, service: Service) -> ProxiedCall | None:
    """Return the call that ended the run, if a proxy had it. A client that reads no variables is not one."""
    if end.served_at >= 0:
        return None
    for index in end.newest_first():
        text = end.texts[index]
        before = _own_traceback(end.texts[max(0, index - _TRACEBACK_LINES):index])
        said = _SAYS_PROXY.search(text) is not None
        failed = _NO_CONNECTION.search(text) is not None
        said = said or (failed and any(_HTTPX_FRAME.search(line) for line in before))
        if said or (failed and _URLLIB_END.match(text)):
            return _make_call(end.lines[index], (text, *reversed(before)), service, is_told=said)
        if ends_run_at(end.texts, index):
            break
    return _call_by_address(end, service)


def told_call(end: RunEnd, service: Service) -> ProxiedCall | None:
    """Return the newest call of a program that runs of which a line itself says that a proxy had it."""
    for index in range(len(end.texts) - 1, -1, -1):
        if _SAYS_PROXY.search(end.texts[index]) is not None:
            before = _own_traceback(end.texts[max(0, index - _TRACEBACK_LINES):index])
            return _make_call(end.lines[index], (end.texts[index], *reversed(before)), service, is_told=True)
    return None


def _own_traceback(before: Sequence[str]) -> Sequence[str]:
    """Return the lines of the tracebacks that lead to a line, those of exceptions that it was raised for as well."""
    begin = next((at for at, line in enumerate(before) if is_traceback_start(line)), len(before))
    return before[begin:]


def _make_call(line: LogLine, texts: Sequence[str], service: Service, *, is_told: bool) -> ProxiedCall | None:
    pool, answer = _POOL.search(texts[0]), _ANSWER.search(texts[0])
    url = None if pool is not None else next((match for text in texts if (match := _URL.search(text))), None)
    scheme = "https" if pool is not None else url["scheme"] if url is not None else ""
    found = pool or url
    host = found["host"].strip("[]") if found is not None else ""
    port = int(found["port"] or (443 if scheme == "https" else 80)) if found is not None else 0
    variable = _proxy_for(service, scheme)
    if variable is None and not is_told:
        return None
    return ProxiedCall(line, host, port, answer["status"].strip() if answer is not None else "", variable,
                       exceptions_of(service), is_told)


def _call_by_address(end: RunEnd, service: Service) -> ProxiedCall | None:
    """Return the call whose complaint is about the address of a proxy: what was asked there is not known."""
    said = dependency_complaint(end) if service.proxies else None
    if said is None or said.kind not in ("refused", "name", "slow") or not said.host:
        return None
    for variable in service.proxies:
        host, _, port = variable.value.rpartition(":")
        if not variable.is_exception and host == said.host and (said.port == 0 or port == str(said.port)):
            return ProxiedCall(said.log_line, "", 0, "", variable, exceptions_of(service), is_told=True)
    return None


def _proxy_for(service: Service, scheme: str) -> ProxyVariable | None:
    """Return the variable that clients take for the scheme: in small letters first, `all_proxy` last."""
    names = [f"{scheme}_proxy", "all_proxy"] if scheme else ["http_proxy", "https_proxy", "all_proxy"]
    by_name = {variable.name: variable for variable in service.proxies}
    return next((by_name[name] for low in names for name in (low, low.upper()) if name in by_name), None)


def exceptions_of(service: Service) -> ProxyVariable | None:
    """Return the variable with the hosts that are asked without a proxy: in small letters first."""
    by_name = {variable.name: variable for variable in service.proxies}
    return by_name.get("no_proxy") or by_name.get("NO_PROXY")


def is_excepted(host: str, port: int, exceptions: ProxyVariable | None) -> bool:
    """Return whether the list names the host, a domain above it, or all hosts. Networks are not compared."""
    if exceptions is None or not host:
        return False
    for word in exceptions.value.replace(",", " ").lower().split():
        name, _, only = word.strip("[]").rpartition(":") if word.count(":") == 1 else (word.strip("[]"), "", "")
        own = name.removeprefix("*").removeprefix(".")
        if only not in ("", str(port)):
            continue
        if name == "*" or host.lower() == own or (own and host.lower().endswith(f".{own}")):
            return True
    return False
