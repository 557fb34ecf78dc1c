"""A command of ExecStartPost= that failed: systemd then ends the program, though that was well."""

from __future__ import annotations

from fixer.analysis.evidence import log_evidence
from fixer.analysis.exits.exec_step import Told, setting_evidence, where
from fixer.analysis.exits.failed_run import Crash
from fixer.analysis.run_log import lines_of, message
from fixer.lazy.regex import regex
from fixer.model.snapshot import LogLine, Service
from fixer.repairs.unit_edits import by_hand

_CONTROL = regex(r": Control process exited, code=(?P<code>\w+), status=(?P<status>\d+)")
_MAIN = regex(r": Main process exited, code=(?P<code>\w+), status=(?P<status>\d+)")
_NOT_STARTED = regex(r"^Failed to start ")
_TURN = regex(r"^(?:Starting|Started|Stopping|Stopped) ")
_TIMED_OUT = regex(r"timed out\. Terminating")
_TERM = "15"


def judge_after(crash: Crash) -> Told | None:
    """The last try, by systemd's own lines: a control process failed while the start was under way, and no command
    before the program did."""
    service, unit = crash.service, crash.service.unit
    posts = [s for s in service.unit_values if s.key == "ExecStartPost" and s.value.strip()]
    if unit is None or not posts or any(p.code and (p.code != "exited" or p.status) for p in unit.pre):
        return None
    stops = any(s.key in ("ExecStop", "ExecStopPost") and s.value.strip() for s in service.unit_values)
    said = _said(service)
    if said is None:
        return None
    match = _CONTROL.search(message(said))
    assert match is not None
    how = f"status {match['status']}" if match["code"] == "exited" else f"{match['code']} {match['status']}"
    named = f"`{posts[0].value.strip()[:120]}`" if len(posts) == 1 else "a command of ExecStartPost="
    manual = (
        f"{where(posts[-1], service)} runs {named} once the program is there, and it ended with {how}, so systemd ends "
        f"the program too: mend what it does, take it out, or write - before it where its failure may be passed over; "
        f"then systemctl daemon-reload, and start {service.name}")
    return Told(
        "start-execstartpost-failed",
        f"{service.name} cannot be started: {named}, which runs after it, ended with {how}",
        (*(setting_evidence(s) for s in posts[-2:]), log_evidence(said.text, said.where)),
        by_hand("mend-start-post", manual),
        "certain" if len(posts) == 1 and not unit.pre and not stops else "likely",
    )


def _said(service: Service) -> LogLine | None:
    """The line of the control process in the last try that failed; none where the program had ended by itself before,
    or another try came to its end well since."""
    lines = lines_of(service)
    end = next((at for at in range(len(lines) - 1, -1, -1) if _NOT_STARTED.search(message(lines[at]))), -1)
    if any(message(line).startswith(("Started ", "Stopped ")) for line in lines[end + 1:]):
        return None
    found: LogLine | None = None
    for at in range(end - 1, -1, -1):
        text = message(lines[at])
        if _TURN.search(text):
            break
        main = _MAIN.search(text)
        if _TIMED_OUT.search(text):
            return None         # what ran afterwards is a command of the stop
        if main is not None and main["status"] != _TERM and (main["code"], main["status"]) != ("exited", "0"):
            return None
        control = _CONTROL.search(text)
        if control is not None and (control["code"], control["status"]) != ("exited", "0"):
            found = lines[at]
    return found
