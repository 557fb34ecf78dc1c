"""The checks: login page, login, session across workers, API, health, answers that no stored page can give."""

from __future__ import annotations

import hashlib
import json
import secrets
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace

from lab.oracle.browser import Browser
from lab.oracle.types import Answer, Baseline, Check, Site

SESSION_CONNECTIONS = 8  # a session must work on this many new connections: several workers get a turn
LONG_FORM = 65536  # bytes of a form that nginx does not keep in memory
CROWD_REQUESTS = 24  # requests of the crowd
CROWD_AT_ONCE = 8  # concurrent ones


def split_receipt(answer: Answer) -> tuple[Answer, str]:
    """Return the report's stable part, and the receipt of the nonce."""
    try:
        document = json.loads(answer.text)
        receipt = str(document.pop("receipt", ""))
    except (ValueError, AttributeError):
        return answer, ""
    return replace(answer, text=json.dumps(document, sort_keys=True)), receipt


def ask_report(browser: Browser) -> tuple[Answer, bool]:
    """Return the report for a new random nonce, and whether the receipt proves that the application computed it."""
    nonce = secrets.token_hex(12)
    answer, receipt = split_receipt(browser.get(browser.site.report, nonce=nonce))
    return answer, receipt == hashlib.sha256(nonce.encode()).hexdigest()


def difference_text(answer: Answer, healthy: Answer | None) -> str:
    """Return why an answer differs from the healthy one; empty if it does not."""
    if healthy is None:
        return "the healthy answer is unknown"
    if answer.status != healthy.status:
        return f"{answer.summary} instead of {healthy.status}"
    if (answer.kind, answer.location) != (healthy.kind, healthy.location):
        return f"{answer.kind or 'no content type'} {answer.location}".strip() + " instead of " + \
            f"{healthy.kind} {healthy.location}".strip()
    return "" if answer.text == healthy.text else "the page differs from the healthy one"


def check_answer(name: str, answer: Answer, baseline: Baseline, path: str) -> Check:
    """Return a check that an answer equals the baseline's."""
    detail = difference_text(answer, baseline.answers.get(path))
    return Check(name, not detail, detail)


def check_public_pages(site: Site, baseline: Baseline) -> list[Check]:
    """Check public pages: the login page, health, further pages."""
    browser = Browser(site)
    checks = []
    if site.user:
        checks.append(check_answer("login page", browser.get(site.login), baseline, site.login))
        checks.append(check_answer("health through nginx", browser.get(site.health), baseline, site.health))
    checks += [check_answer(f"page {path}", browser.get(path), baseline, path) for path in site.pages]
    return checks


def check_access_control(site: Site, baseline: Baseline) -> list[Check]:
    """Check access control: a server that accepts everybody is not the back office."""
    stranger = Browser(site)
    anonymous = check_answer("protected page sends strangers to log in", stranger.get(site.protected), baseline,
                        f"stranger {site.protected}")
    wrong = stranger.log_in(password=secrets.token_hex(8))
    forged = Browser(site)
    forged.cookies["session"] = f"{site.user}.9999999999.{secrets.token_hex(32)}"
    answer = forged.get(site.identity)
    return [
        anonymous,
        Check("wrong password is refused", wrong.status == 401, wrong.summary),
        Check("forged session is refused", answer.status == 401, answer.summary),
    ]


def check_session(site: Site, baseline: Baseline) -> list[Check]:
    """Log in once; check that the session works on every new connection."""
    browser = Browser(site)
    entered = browser.log_in()
    if not browser.cookies:
        return [Check("log in", False, f"{entered.summary}, no session cookie")]
    checks = [check_answer("log in", entered, baseline, site.post),
              check_answer("long form", Browser(site).log_in(note="x" * LONG_FORM), baseline, site.post)]
    for name, path in (("protected page", site.protected), ("session holds across workers", site.identity)):
        with ThreadPoolExecutor(SESSION_CONNECTIONS) as pool:
            answers = list(pool.map(browser.get, [path] * SESSION_CONNECTIONS))
        tried = [check_answer(name, answer, baseline, path) for answer in answers]
        checks.append(next((check for check in tried if not check.ok), tried[0]))
    answer, proven = ask_report(browser)
    content = check_answer("report", answer, baseline, site.report)
    checks.append(content)
    checks.append(Check("report comes from the application", proven, "" if proven else "wrong receipt of the nonce"))
    return checks


def check_crowd(site: Site, baseline: Baseline) -> list[Check]:
    """Check many concurrent visitors with different requests."""
    browser = Browser(site)
    browser.log_in()

    def health() -> str:
        return difference_text(browser.get(site.health), baseline.answers.get(site.health))

    def identity() -> str:
        return difference_text(browser.get(site.identity), baseline.answers.get(site.identity))

    def report() -> str:
        answer, proven = ask_report(browser)
        return difference_text(answer, baseline.answers.get(site.report)) or ("" if proven else "wrong receipt")

    errands: list[Callable[[], str]] = [health, identity, report] * (CROWD_REQUESTS // 3)
    with ThreadPoolExecutor(CROWD_AT_ONCE) as pool:
        wrong = [detail for detail in pool.map(lambda errand: errand(), errands) if detail]
    detail = f"{len(wrong)} of {len(errands)} failed, first: {wrong[0]}" if wrong else ""
    return [Check("visitors at once", not wrong, detail)]
