"""Who may do what on the page, and which requests are refused whoever sends them. Pure."""

from __future__ import annotations

import hmac
from collections.abc import Callable, Mapping
from dataclasses import dataclass

LOOK_ACTIONS = ("hint", "check")  # a person of a class; they change nothing in the machine
OWNER_ACTIONS = (*LOOK_ACTIONS, "plan", "apply", "undo")
HEADERS: Mapping[str, str] = {
    # no inline script or style, nothing from elsewhere, no frame
    "Content-Security-Policy": "default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self'; "
                               "base-uri 'none'; form-action 'none'; frame-ancestors 'none'",
    "X-Content-Type-Options": "nosniff", "Referrer-Policy": "no-referrer", "Cache-Control": "no-store",
    "Cross-Origin-Opener-Policy": "same-origin", "Cross-Origin-Resource-Policy": "same-origin",
}


@dataclass(frozen=True, slots=True)
class Visitor:
    """Somebody with a token: the owner, or the person of one lab."""

    lab_id: str = ""

    @property
    def is_owner(self) -> bool:
        """Return whether all labs, and all actions, are theirs."""
        return not self.lab_id

    def may(self, action: str, lab_id: str) -> bool:
        """Return whether the visitor may do this with that lab; `look` is to watch it."""
        if self.is_owner:
            return action == "look" or action in OWNER_ACTIONS
        return lab_id == self.lab_id and (action == "look" or action in LOOK_ACTIONS)


@dataclass(frozen=True, slots=True)
class Access:
    """The tokens, and the page's own address. `origins` are such as `http://127.0.0.1:8050`."""

    owner_token: str
    origins: tuple[str, ...]
    people: Callable[[], Mapping[str, str]] = dict  # lab by token; a class grows while it starts

    def visitor(self, authorization: str) -> Visitor | None:
        """Return who sends a header such as `Bearer TOKEN`; None for nobody."""
        scheme, _, token = authorization.partition(" ")
        if scheme != "Bearer" or not token:
            return None
        found = [lab_id for known, lab_id in self.people().items() if _is_same(known, token)]
        if _is_same(self.owner_token, token):
            return Visitor()
        return Visitor(found[0]) if found else None

    def refusal(self, host: str, origin: str, site: str) -> str:
        """Return why a request is refused by where it comes from; empty if it is not.
        `host`, `origin` and `site` are its headers Host, Origin and Sec-Fetch-Site; empty if they are missing."""
        if host not in {one.partition("://")[2] for one in self.origins}:
            return "another name than the page's own"  # a name of somebody else that leads here
        if origin and origin not in self.origins:
            return "another origin"
        if site not in ("", "same-origin", "none"):
            return "another site"
        return ""


def _is_same(known: str, given: str) -> bool:
    return hmac.compare_digest(known.encode(), given.encode())
