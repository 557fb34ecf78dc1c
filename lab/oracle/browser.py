"""A visitor with a browser: a new connection per request, visible redirects, stored cookies."""

from __future__ import annotations

from collections.abc import Mapping

from lab.http_get import unverified_tls_context
from lab.oracle.types import Answer, Site

PATIENCE = 10.0  # seconds a visitor waits; nginx's default is 60, too long for a login page


class Browser:
    """Client of one site. `cookies` come from a login; a new connection each time lets workers take turns."""

    def __init__(self, site: Site, *, patience: float = PATIENCE) -> None:
        self.site = site
        self.patience = patience
        self.cookies: dict[str, str] = {}

    def get(self, path: str, **query: str) -> Answer:
        """GET without following redirects."""
        return self._ask("GET", path, params=query)

    def log_in(self, password: str | None = None, note: str = "") -> Answer:
        """Send the login form, with a note of any length; the session cookie stays in the browser."""
        form = {"user": self.site.user, "password": self.site.password if password is None else password}
        form |= {"note": note} if note else {}
        return self._ask("POST", self.site.post, data=form)

    def _ask(self, method: str, path: str, *, params: Mapping[str, str] | None = None,
             data: Mapping[str, str] | None = None) -> Answer:
        import httpx  # most commands of the lab send no requests

        headers = {"Host": self.site.host} if self.site.host else {}
        try:
            # A client per request: no pooled connection may carry a session that the cookie does not.
            with httpx.Client(base_url=self.site.url, timeout=self.patience, trust_env=False, cookies=self.cookies,
                              headers=headers, verify=unverified_tls_context()) as client:
                reply = client.request(method, path, params=params or None, data=data)
                self.cookies.update(client.cookies.items())
        except httpx.TimeoutException:
            return Answer(0, error=f"no answer in {self.patience:g} s")
        except (httpx.HTTPError, httpx.InvalidURL, httpx.CookieConflict) as error:
            return Answer(0, error=f"no answer: {str(error) or type(error).__name__}")
        kind = reply.headers.get("content-type", "").split(";")[0].strip()
        return Answer(reply.status_code, reply.text, kind, reply.headers.get("location", ""))
