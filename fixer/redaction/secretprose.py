"""Secrets told by the words or lines around them: sentences, .netrc, .pgpass, PuTTY's keys, calls that log in. Pure.

What a sentence says about passwords stays; only a word that is surely made up goes.
"""

from __future__ import annotations

import re
from collections.abc import Callable

from fixer.lazy.regex import regex

_WORD = r"pass(?:word|wd|phrase|code)"
_SAYS = (r"(?:\s{1,4}(?:for|of)\s{1,4}\S{1,80})?"
         r"(?P<is>\s{1,4}(?:(?:is|was|to|now|changed|set|reset|updated)\s{1,4}){1,3}|\s{1,4})")
_SENTENCE = regex(rf"(?P<head>\b{_WORD}{_SAYS})(?P<q>[\"']?)"
                  r"(?P<value>[^\s\"'`,;()<>{}\[\]]+)(?P<end>(?P=q))", re.IGNORECASE)
_KEY_IS = regex(r"(?P<head>\b(?:token|secret|api[ -]?key|access[ -]?key|credential)\s{1,4}"
                r"(?P<is>(?:is|was|=)\s{1,4})?[\"']?)"
                r"(?P<value>[\w.~+/=-]{12,})", re.IGNORECASE)
_PHRASE = regex(r"(?P<head>\b(?:passphrase(?:\s{1,4}(?:is|was|to))?|password\s{1,4}(?:is|was))\s{1,4}(?P<q>[\"']))"
                r"(?P<value>[^\s\"']+(?:\s[^\s\"']+){2,20})(?=(?P=q))", re.IGNORECASE)
_KNOWN = regex(r"(?:sha|md|bcrypt|pbkdf|argon|scrypt|utf|base|oauth|http|ssh|ntlm|v)-?\d|"
               r"\d+[a-z]{0,3}$|\d+[-.]\D|\[redacted|[$/.*%&<-]",
               re.IGNORECASE)
_NUMBERED = regex(r"[A-Za-z]+[-_]?\d{1,2}$|\w+[._=:(@/\\]\w|.*[:/(=]")
_CALL = regex(
    r"(?P<head>\b(?:HTTP)?(?:Basic|Digest|Proxy)Auth\(\s{0,4}|\.login\(\s{0,4}|\bauth\s?=\s?\(\s{0,4})"
    r"(?P<user>(?P<u>[\"'])(?:(?!(?P=u)).){0,200}(?P=u)\s{0,4},\s{0,4}(?:password\s?=\s?)?(?P<q>[\"']))(?P<value>(?:(?!(?P=q)).){1,400})(?=(?P=q))"
)
# .pgpass: host:port:database:user:password, alone in a line or in quotes
_PGPASS = regex(
    r"(?P<head>(?:^\s*|[\"'])(?:\*|[\w./-]{1,253}|\[[0-9a-f:]{2,45}\]):(?:\*|\d{4,5}):(?:\*|[^\s:\"']{1,64}):"
    r"(?:\*|(?=[^\s:\"']{0,63}[A-Za-z])[^\s:\"']{1,64}):)(?P<value>[^\s\"']{5,})(?=\s*$|[\"'])"
)
_LOGIN = regex(r"(?P<head>\b(?P<netrc>(?:machine\s{1,9}\S{1,253}|default)\s{1,9})?"
               r"login\s{1,9}\S{1,253}\s{1,9}passw(?:or)?d\s{1,9})"
               r"(?P<value>\S+)")
_MAIL = regex(r"(?P<head>\bAUTH\s(?:PLAIN|LOGIN|XOAUTH2)\s)(?P<value>[\w+/=-]{8,})")
_NETRC = regex(r"^[ \t]*(?:machine[ \t]+\S+|default)[ \t]*\r?\n"
               r"(?:[ \t]*(?:login|account|password|passwd)[ \t]+\S+[ \t]*(?:\r?\n|\Z)){1,4}",
               re.MULTILINE)
_NETRC_VALUE = regex(r"^([ \t]*passw(?:or)?d[ \t]+)\S+", re.MULTILINE)
_PUTTY = regex(r"^(Private-Lines:[ \t]*(\d{1,3})[ \t]*\r?\n)((?:[A-Za-z0-9+/=]+\r?(?:\n|\Z)){1,999})", re.MULTILINE)
_MAC = regex(r"(?P<head>\bPrivate-(?:MAC|Hash):\s*)(?P<value>[0-9a-f]{8,})")


def hide_blocks(text: str) -> str:
    """What takes several lines: as many are left."""
    if "Private-Lines:" in text:
        text = _PUTTY.sub(lambda m: m[1] + re.sub(r"[^\r\n]+", "[redacted: private key]", m[3]), text)
    if "login" in text and ("machine" in text or "default" in text):
        text = _NETRC.sub(lambda m: _NETRC_VALUE.sub(r"\1[redacted: password]", m[0]), text)
    return text


def hide_told(body: str) -> str:
    """One line."""
    lower = body.lower()
    if "pass" in lower:
        body = _PHRASE.sub(_hidden("passphrase"), body)
        body = _LOGIN.sub(_of_login, body)
        body = _SENTENCE.sub(_of_sentence, body)
    if "token" in lower or "secret" in lower or "key" in lower or "credential" in lower:
        body = _KEY_IS.sub(_of_key, body)
    if body.count(":") >= 4:
        body = _PGPASS.sub(_hidden("password"), body)
    if "auth" in lower or ".login(" in lower:
        body = _CALL.sub(lambda m: f"{m['head']}{m['user']}[redacted: password]", body)
        body = _MAIL.sub(_hidden("password"), body)
    if "Private-" in body:
        body = _MAC.sub(_hidden("private key"), body)
    return body


def _hidden(kind: str) -> Callable[[re.Match[str]], str]:
    return lambda m: m[0] if m["value"].startswith(("[redacted", "$")) else f"{m['head']}[redacted: {kind}]"


def _of_login(match: re.Match[str]) -> str:
    value = match["value"]
    if value.startswith("[redacted") or not (match["netrc"] or _is_made_up(value, 6)):
        return match[0]
    return f"{match['head']}[redacted: password]"


def _of_sentence(match: re.Match[str]) -> str:
    """`password is X` and `password 'X'` say that it is one; of `password X` it takes a longer word to be sure."""
    value = match["value"].rstrip(".:!?") if not match["q"] else match["value"]
    said = bool(match["is"].strip()) or bool(match["q"] and match["end"])
    sure = _is_made_up(value, 6) if said else _is_made_up(value, 8) and not _NUMBERED.match(value)
    rest = match["value"][len(value):]
    return f"{match['head']}{match['q']}[redacted: password]{rest}{match['end']}" if sure else match[0]


def _of_key(match: re.Match[str]) -> str:
    sure = _is_made_up(match["value"], 12 if match["is"] else 20)
    return f"{match['head']}[redacted: key]" if sure else match[0]


def _is_made_up(word: str, least: int) -> bool:
    """Letters and digits in one word that is no name of a method, no length and no path."""
    mixed = any(c.isdigit() for c in word) and any(c.isalpha() for c in word)
    return mixed and len(word) >= least and not _KNOWN.match(word)
