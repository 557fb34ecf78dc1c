"""Secrets recognised by their context: queries, URLs, options of known tools, markup, prose. Pure.

Each rule runs only if its required characters are in the line, so most lines cost little."""

from __future__ import annotations

import re
from collections.abc import Callable

from fixer.lazy.regex import regex

MASKS = ("[redacted", "[masked")     # how a value begins that is masked already
# userinfo up to the last @ before the path: real passwords contain @
_URL = regex(
    r"(?P<head>\b[a-z][a-z0-9+.-]{0,30}://)(?P<user>[^\s:/@]*):"
    r"(?P<secret>[^\s@/]+(?:@[^\s@/\"'<>,;]+)*)@", re.IGNORECASE | re.ASCII,
)
# a token in place of the user
_USERINFO = regex(r"(?<=://)(?=[A-Za-z_.~-]{0,60}\d)[\w.~-]{20,}(?=@)", re.ASCII)
# parameters that sign, open or continue a session; plain words elsewhere
_QUERY = regex(
    r"(?P<head>[?&](?:amp;)?(?:code|sig|signature|x-(?:amz|goog)-signature|otp|pin|assertion|saml\w*|ticket|sid|key|pass|pw|jwt"
    r"|session_?(?:id)?|auth|invite|nonce|hash)=)(?P<value>[^\s&\"'<>#]+)", re.IGNORECASE | re.ASCII,
)
_SESSION = regex(
    r"(?P<head>\b(?:session_?id|sess(?:ion)?|[a-z]{0,8}sess(?:ion)?id|connect\.sid)[\"']?\s?[=:]\s?[\"']?)"
    r"(?P<value>(?=\D{0,200}\d)[\w.%+/=:-]{12,})",
    re.IGNORECASE | re.ASCII,
)
_TOOL = regex(
    r"(?P<head>\b(?:(?:mysql|mariadb)[\w-]{0,12}\s(?:[^\n|;&]{0,300}?\s)??-p|sshpass\s+-p[\s,\"']*|redis-cli[\"']?[\s,](?:[^\n|;&]{0,300}?[\s,\"'])??-a[\s,\"']+"
    r"|(?:curl|wget|http)[\"']?[\s,](?:[^\n|;&]{0,300}?[\s,\"'])??(?:-u|--user)[=\s,\"']*[^\s:/\"']{1,60}:))(?P<value>[^\s\"',]+)",
    re.ASCII,
)
_MARKUP = regex(r"(?P<head><(?P<name>[A-Za-z][\w:.-]{0,60})(?:\s[^<>]{0,200})?>)(?P<value>[^<]+)(?=</)", re.ASCII)
_DEFAULT = regex(r"(?P<head>\$\{(?P<name>[A-Za-z_]\w{0,80}):?[-=+])(?P<value>[^{}]+)(?=\})", re.ASCII)
# ('password', 'x'), ["authorization", "Bearer x"], getenv('SECRET_KEY', 'x'), d["secret"] = "x"
_PAIR = regex(
    r"(?P<head>(?P<quote>\\?[\"'])(?P<name>[A-Za-z_][\w.-]{0,80})(?P=quote)"
    r"(?:\s?,\s?|\]\s?=\s?)(?:b|r|f)?(?P=quote))(?P<value>(?:(?!(?P=quote)).){1,4096})", re.ASCII
)
# pydantic repeats its input
_INPUT = regex(r"(?P<head>\binput_value=)(?P<value>(?!\[redacted|\[masked|\{\}).*?)(?=, input_type=|\]|\n|$)", re.ASCII)
# statements about accounts of databases and of redis
_SQL = regex(
    r"(?P<head>\b(?:identified\s{1,9}by|with\s{1,9}(?:encrypted\s{1,9})?password|using\s{1,9}password)\s{1,9}(?P<q>\\?[\"']))"
    r"(?P<value>(?:(?!(?P=q)).){1,4096})", re.IGNORECASE | re.ASCII,
)
TOKEN_SHAPE = regex(
    r"(?P<npm>\bnpm_[A-Za-z0-9]{30,})|(?P<sendgrid>\bSG\.[\w-]{16,}\.[\w-]{16,})|(?P<pypi>\bpypi-[\w-]{20,})"
    r"|(?P<openai>\bsk-(?=[\w-]{0,200}\d)[\w-]{20,})|(?P<vault>\bhv[sb]\.[\w-]{20,})|(?P<digitalocean>\bdo[opr]_v1_[0-9a-f]{40,})"
    r"|(?P<docker>\bdckr_pat_[\w-]{16,})|(?P<google>\bya29\.[\w-]{20,})|(?P<slack>\bxapp-[\w-]{16,})|(?P<stripe>\bwhsec_[\w+/=]{20,})"
    r"|(?P<square>\bsq0(?:csp|atp|idp)-[\w-]{20,})|(?P<firebase>\bAAAA[\w-]{7}:APA91b[\w-]{60,})|(?P<google_secret>\bGOCSPX-[\w-]{20,})"
    r"|(?P<shopify>\bshp(?:at|ca|pa|ss)_[0-9a-f]{32})|(?P<mailgun>\bkey-[0-9a-f]{32}\b)|(?P<twilio>\bSK[0-9a-f]{32}\b)"
    r"|(?P<gitlab>\bgl(?:rt|dt|ptt|soat|cbt|ft|agent)-[\w-]{20,})|(?P<atlassian>\bATATT3[\w=-]{20,})|(?P<hugging>\bhf_[A-Za-z0-9]{30,})"
    r"|(?P<grafana>\bgl(?:sa|c)_[\w=-]{30,})|(?P<newrelic>\bNRAK-[A-Z0-9]{20,})|(?P<databricks>\bdapi[0-9a-f]{32}\b)"
    r"|(?P<planetscale>\bpscale_(?:tkn|pw|oauth)_[\w-]{20,})|(?P<supabase>\bsb[ps]_[\w-]{30,})|(?P<linear>\blin_api_\w{20,})"
    r"|(?P<rubygems>\brubygems_[0-9a-f]{40,})|(?P<azure>\b[\w~.]{3}8Q~[\w~.-]{30,})"
    r"|(?P<age>\bAGE-SECRET-KEY-[A-Z0-9]{10,})|(?P<key>\bMII[A-Za-z0-9+/]{40,}={0,2})|(?P<bot>\b\d{8,10}:AA[\w-]{30,})"
    r"|(?<=hooks\.slack\.com/services/)(?P<webhook>\S{20,})|(?<=/api/webhooks/)(?P<hook>\d+/[\w-]{20,})"
    r"|(?P<hash>\$\$?(?:apr1|[156y]|2[aby]|argon2\w{1,3})\$[^\s:\"']{20,})", re.ASCII
)
_LINE = regex(r"[^\r\n]+")
TOKEN_STARTS = (
    "npm_", "SG.", "pypi-", "sk-", "MII", "hvs.", "hvb.", "_v1_", "AGE-SECRET", ":AA", "dckr_pat_", "ya29.",
    "xapp-", "whsec_", "hooks.slack", "/webhooks/", "apr1$", "$5$", "$6$", "$y$", "$2a$", "$2b$", "$2y$", "$argon2",
    "$1$", "sq0", ":APA91b", "GOCSPX-", "shp", "key-", "SK", "gl", "ATATT3", "hf_", "NRAK-", "dapi", "pscale_", "sbp_",
    "sbs_", "lin_api_", "rubygems_", "8Q~",
)
_TOOLS = ("mysql", "mariadb", "sshpass", "redis-cli", "curl", "wget", "http")


def mask_in_lines(text: str, shape: re.Pattern[str], starts: tuple[str, ...], hide: str) -> str:
    """Mask a shape in a text of any size: no shape spans lines, so search only lines with one of its starts."""
    there = [start for start in starts if start in text]
    if not there:
        return text
    lines = text.split("\n")
    return "\n".join(shape.sub(hide, line) if any(s in line for s in there) else line for line in lines)


def mask_shapes(body: str, is_secret: Callable[[str], bool]) -> str:
    """Return the line with secrets masked by context; `is_secret` judges names of variables."""
    if "://" in body and "@" in body:
        body = _URL.sub(lambda m: f"{m['head']}{m['user']}:[redacted: password]@", body)
        body = _USERINFO.sub("[redacted: token]", body)
    if "=" in body:
        if "?" in body or "&" in body:
            body = _QUERY.sub(_mask_unless_variable("query"), body)
        if "input_value=" in body:
            body = _INPUT.sub(_mask_unless_variable("value"), body)
    if "sess" in body.lower() or "connect.sid" in body:
        body = _SESSION.sub(_mask_unless_variable("session"), body)
    if (" -" in body or '"-' in body or "'-" in body) and any(tool in body for tool in _TOOLS):
        body = _TOOL.sub(_mask_unless_variable("password"), body)
    if "</" in body:
        body = _MARKUP.sub(_mask_if_secret_name(is_secret), body)
    if "'" in body or '"' in body:
        lower = body.lower()
        if "identified" in lower or "password" in lower:
            body = _SQL.sub(_mask_unless_variable("password"), body)
    if "${" in body:
        body = _DEFAULT.sub(_mask_if_secret_name(is_secret), body)
    if "'," in body or '",' in body or "']" in body or '"]' in body:
        body = _PAIR.sub(_mask_pair(is_secret), body)
    if any(start in body for start in TOKEN_STARTS):
        body = TOKEN_SHAPE.sub(lambda m: f"[redacted: {m.lastgroup}]", body)
    return body


def _mask_unless_variable(kind: str) -> Callable[[re.Match[str]], str]:
    """Mask any value there, except a masked one and a variable."""
    return lambda m: m[0] if m["value"].startswith((*MASKS, "$")) else f"{m['head']}[redacted: {kind}]"


def _mask_if_secret_name(is_secret: Callable[[str], bool]) -> Callable[[re.Match[str]], str]:
    def hide(match: re.Match[str]) -> str:
        if not is_secret(match["name"]) or match["value"].startswith(MASKS):
            return match[0]
        return f"{match['head']}[redacted: {match['name']}]"

    return hide


_HEADERS = frozenset({"authorization", "proxy-authorization", "cookie", "set-cookie"})


def _mask_pair(is_secret: Callable[[str], bool]) -> Callable[[re.Match[str]], str]:
    """Mask a value next to a secret name, but not two adjacent names (`('body', 'password')`)."""
    hide = _mask_if_secret_name(lambda name: is_secret(name) or name.lower() in _HEADERS)

    def judged(match: re.Match[str]) -> str:
        value = match["value"]
        word = value.isalpha() and (value.islower() or is_secret(value))
        return match[0] if word and not match["head"].rstrip("\"'bfr\\ ").endswith("=") else hide(match)

    return judged


# Secrets recognised by adjacent words or lines: sentences, .netrc, .pgpass, PuTTY's keys, login calls. Pure.
_CREDENTIAL_WORD = r"pass(?:word|wd|phrase|code)"
_LINKING_WORDS = (r"(?:\s{1,4}(?:for|of)\s{1,4}\S{1,80})?"
         r"(?P<is>\s{1,4}(?:(?:is|was|to|now|changed|set|reset|updated)\s{1,4}){1,3}|\s{1,4})")
_SENTENCE = regex(rf"(?P<head>{_CREDENTIAL_WORD}{_LINKING_WORDS})(?P<q>[\"']?)"
                  r"(?P<value>[^\s\"'`,;()<>{}\[\]]+)(?P<end>(?P=q))", re.IGNORECASE | re.ASCII)
_KEY_IS = regex(r"(?P<head>(?:token|secret|api[ -]?key|access[ -]?key|credential)\s{1,4}"
                r"(?P<is>(?:is|was|=)\s{1,4})?[\"']?)"
                r"(?P<value>[\w.~+/=-]{12,})", re.IGNORECASE | re.ASCII)
_PHRASE = regex(r"(?P<head>\b(?:passphrase(?:\s{1,4}(?:is|was|to))?|password\s{1,4}(?:is|was))\s{1,4}(?P<q>[\"']))"
                r"(?P<value>[^\s\"']+(?:\s[^\s\"']+){2,20})(?=(?P=q))", re.IGNORECASE | re.ASCII)
_KNOWN_NAMES = regex(r"(?:sha|md|bcrypt|pbkdf|argon|scrypt|utf|base|oauth|http|ssh|ntlm|v)-?\d|"
               r"\d+[a-z]{0,3}$|\d+[-.]\D|\[redacted|\[masked|[$/.*%&<-]",
               re.IGNORECASE | re.ASCII)
_NUMBERED = regex(r"[A-Za-z]+[-_]?\d{1,2}$|\w+[._=:(@/\\]\w|.*[:/(=]", re.ASCII)
_CALL = regex(
    r"(?P<head>\b(?:HTTP)?(?:Basic|Digest|Proxy)Auth\(\s{0,4}|\.login\(\s{0,4}|\bauth\s?=\s?\(\s{0,4})"
    r"(?P<user>(?P<u>[\"'])(?:(?!(?P=u)).){0,200}(?P=u)\s{0,4},\s{0,4}(?:password\s?=\s?)?(?P<q>[\"']))(?P<value>(?:(?!(?P=q)).){1,400})(?=(?P=q))",
    re.ASCII,
)
# .pgpass: host:port:database:user:password, alone in a line or in quotes
_PGPASS = regex(
    r"(?P<head>(?:^\s*|[\"'])(?:\*|[\w./-]{1,253}|\[[0-9a-f:]{2,45}\]):(?:\*|\d{4,5}):(?:\*|[^\s:\"']{1,64}):"
    r"(?:\*|(?=[^\s:\"']{0,63}[A-Za-z])[^\s:\"']{1,64}):)(?P<value>[^\s\"']{5,})(?=\s*$|[\"'])", re.ASCII
)
_LOGIN = regex(r"(?P<head>\b(?P<netrc>(?:machine\s{1,9}\S{1,253}|default)\s{1,9})?"
               r"login\s{1,9}\S{1,253}\s{1,9}passw(?:or)?d\s{1,9})"
               r"(?P<value>\S+)", re.ASCII)
_MAIL = regex(r"(?P<head>\bAUTH\s(?:PLAIN|LOGIN|XOAUTH2)\s)(?P<value>[\w+/=-]{8,})", re.ASCII)
_NETRC = regex(r"^[ \t]*(?:machine[ \t]+\S+|default)[ \t]*\r?\n"
               r"(?:[ \t]*(?:login|account|password|passwd)[ \t]+\S+[ \t]*(?:\r?\n|\Z)){1,4}",
               re.MULTILINE | re.ASCII)
_NETRC_VALUE = regex(r"^([ \t]*passw(?:or)?d[ \t]+)\S+", re.MULTILINE | re.ASCII)
_PUTTY = regex(r"^(Private-Lines:[ \t]*(\d{1,3})[ \t]*\r?\n)((?:[A-Za-z0-9+/=]+\r?(?:\n|\Z)){1,999})",
               re.MULTILINE | re.ASCII)
_MAC = regex(r"(?P<head>\bPrivate-(?:MAC|Hash):\s*)(?P<value>[0-9a-f]{8,})", re.ASCII)


def mask_blocks(text: str) -> str:
    """Mask secrets that span several lines; the number of lines stays."""
    if "Private-Lines:" in text:
        text = _PUTTY.sub(lambda m: m[1] + _LINE.sub("[redacted: private key]", m[3]), text)
    if "login" in text and ("machine" in text or "default" in text):
        text = _NETRC.sub(lambda m: _NETRC_VALUE.sub(r"\1[redacted: password]", m[0]), text)
    return text


def mask_prose(body: str) -> str:
    """Mask secrets in the prose of one line."""
    lower = body.lower()
    if "pass" in lower:
        body = _PHRASE.sub(_mask_prose_value("passphrase"), body)
        body = _LOGIN.sub(_mask_login, body)
        body = _SENTENCE.sub(_mask_sentence, body)
    if "token" in lower or "secret" in lower or "key" in lower or "credential" in lower:
        body = _KEY_IS.sub(_mask_key, body)
    if body.count(":") >= 4:
        body = _PGPASS.sub(_mask_prose_value("password"), body)
    if "auth" in lower or ".login(" in lower:
        body = _CALL.sub(lambda m: f"{m['head']}{m['user']}[redacted: password]", body)
        body = _MAIL.sub(_mask_prose_value("password"), body)
    if "Private-" in body:
        body = _MAC.sub(_mask_prose_value("private key"), body)
    return body


def _mask_prose_value(kind: str) -> Callable[[re.Match[str]], str]:
    return lambda m: m[0] if m["value"].startswith((*MASKS, "$")) else f"{m['head']}[redacted: {kind}]"


def _mask_login(match: re.Match[str]) -> str:
    value = match["value"]
    if value.startswith(MASKS) or not (match["netrc"] or _is_random_text(value, 6)):
        return match[0]
    return f"{match['head']}[redacted: password]"


def _mask_sentence(match: re.Match[str]) -> str:
    """Mask the value of `password is X` or `password 'X'`; for `password X` only if it is longer."""
    value = match["value"].rstrip(".:!?") if not match["q"] else match["value"]
    said = bool(match["is"].strip()) or bool(match["q"] and match["end"])
    sure = _is_random_text(value, 6) if said else _is_random_text(value, 8) and not _NUMBERED.match(value)
    rest = match["value"][len(value):]
    return f"{match['head']}{match['q']}[redacted: password]{rest}{match['end']}" if sure else match[0]


def _mask_key(match: re.Match[str]) -> str:
    sure = _is_random_text(match["value"], 12 if match["is"] else 20)
    return f"{match['head']}[redacted: key]" if sure else match[0]


def _is_random_text(word: str, least: int) -> bool:
    """Return whether it mixes letters and digits and is no method name, length or path."""
    mixed = any(c.isdigit() for c in word) and any(c.isalpha() for c in word)
    return mixed and len(word) >= least and not _KNOWN_NAMES.match(word)
