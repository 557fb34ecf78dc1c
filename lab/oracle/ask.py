"""All checks of all sites: `record` on the healthy stack, `ask` at any later time."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace

from lab.oracle.browser import Browser
from lab.oracle.checks import ask_report, check_access_control, check_crowd, check_public_pages, check_session
from lab.oracle.load_test import LoadSpec, measure_load
from lab.oracle.types import Answer, Baseline, Check, LoadResult, NotHealthy, Site, Verdict


def record(site: Site) -> Baseline:
    """Return the healthy content of a site; raise NotHealthy if the site is not."""
    browser = Browser(site)
    answers: dict[str, Answer] = {path: browser.get(path) for path in site.pages}
    if site.user:
        answers |= _record_office(site, browser)
    wrong = [f"{path}: {answer.summary}" for path, answer in answers.items()
             if not answer.status or (not 200 <= answer.status < 400 and path not in site.pages)]
    if wrong or not answers:
        raise NotHealthy(f"{site.name} is not healthy: {'; '.join(wrong) or 'no check ran'}")
    return Baseline(answers, dict(browser.cookies))


def _record_office(site: Site, browser: Browser) -> dict[str, Answer]:
    """Return the answers of a walk through the back office."""
    answers = {site.login: browser.get(site.login), site.health: browser.get(site.health),
               f"stranger {site.protected}": browser.get(site.protected)}
    if "<form" not in answers[site.login].text and answers[site.login].status == 200:
        raise NotHealthy(f"{site.name}: the login page contains no form")
    answers[site.post] = browser.log_in()
    if not browser.cookies:
        raise NotHealthy(f"{site.name}: the login answers {answers[site.post].summary} without a session")
    answers[site.protected] = browser.get(site.protected)
    answers[site.identity] = browser.get(site.identity)
    answers[site.report], proven = ask_report(browser)
    if not proven:
        raise NotHealthy(f"{site.name}: the report answers {answers[site.report].summary} without the right receipt")
    return answers


def ask(sites: Sequence[tuple[Site, Baseline]], load: LoadSpec | None = None) -> Verdict:
    """Return the verdict, broken or well. A load test, if the scenario has one, runs on the first site."""
    checks: list[Check] = []
    for site, baseline in sites:
        found = _ask_site(site, baseline, crowd=load is None)
        several = len(sites) > 1
        checks += [replace(check, name=f"{check.name} ({site.name})") for check in found] if several else found
    measured: LoadResult | None = None
    if load is not None:
        measured, more = measure_load(*sites[0], load)
        checks += more
    return Verdict(tuple(checks), measured)


def _ask_site(site: Site, baseline: Baseline, *, crowd: bool) -> list[Check]:
    """Run all checks in parallel: one that hangs does not delay the others."""
    questions: list[Callable[[Site, Baseline], list[Check]]] = [check_public_pages]
    if site.user:
        questions += [check_access_control, check_session]
    with ThreadPoolExecutor(len(questions)) as pool:
        checks = [check for found in pool.map(lambda question: question(site, baseline), questions) for check in found]
    if crowd and site.user and all(check.ok for check in checks):
        checks += check_crowd(site, baseline)
    return checks
