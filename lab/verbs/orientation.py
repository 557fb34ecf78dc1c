"""What `lab up` tells people: the story, the way in, the parts and files, and how to take the six steps by hand here.

The six steps are those of a first look at any 502: process, port, health page, nginx's route, nginx's log, own log."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Literal

from fixer.render.terminal_text import pad
from lab.languages.translate import filled, say
from lab.scenario.render import UNSUPERVISED_MANAGERS
from lab.stack.lab_parts import MACHINE, role_names
from lab.stack.running_lab import ERROR_LOG, Lab


@dataclass(frozen=True, slots=True)
class Step:
    """One step by hand: a command, and where to type it. PORT and PATH are for the reader to find out."""

    title: str
    typed_in: Literal["shell", "tools", "here"]
    command: str


def up_text(lab: Lab, story: str, parts: Sequence[str]) -> str:
    """Return the text of `lab up`; `parts` are the names of all parts of the lab."""
    head = filled(say("console/story", 'Lab {lab}: "{story}"', lab=lab.id, story=" ".join(story.split())))
    login = say("console/login", "user {user}, password {password}", user=lab.deployment.login,
                password=lab.deployment.password)
    rows = [*_orientation(lab, parts), (say("console/stuck", "stuck"), f"lab hint {lab.id}"),
            (say("console/fixed-it", "fixed it?"), f"lab check {lab.id}"),
            (say("console/give-up", "give up"), f"lab solve {lab.id}"),
            (say("console/finish", "finish"), f"lab down {lab.id}"),
            (say("console/diagnose", "diagnose"), f"fixer diagnose {lab.target}")]
    return "\n".join([*head, f"  {lab.url}/login", f"  {login}", *(f"  {pad(what, 12)} {text}" for what, text in rows),
                      *_steps_text(lab)])


def _orientation(lab: Lab, parts: Sequence[str]) -> Iterator[tuple[str, str]]:
    """Yield what there is, where its files are, and how to get in."""
    roles = role_names(lab)
    application = say("console/application", " (application)")
    serving = {roles["web"]: " (nginx)" if roles["web"] != "nginx" else "", roles["backend"]: application}
    names = dict.fromkeys([*roles.values(), *(part for part in parts if part != MACHINE)])
    yield say("console/parts", "parts"), ", ".join(f"{name}{serving.get(name, '')}" for name in names)
    if lab.stack == "host":
        yield say("console/files", "files"), say(
            "console/on-its-disk", "on the machine's own disk; it has less, nano and vi")
        yield say("console/look-inside", "look inside"), f"lab shell {lab.id}"
    elif lab.stack == "all-in-one":
        inside = "" if lab.deployment.kept == "bind" else say(
            "console/in-volumes", ": compose.yaml; all others are in volumes, inside")
        yield say("console/files", "files"), f"{lab.folder}{inside}"
        yield say("console/apply", "apply"), (
            f"docker compose --project-directory {lab.folder} up -d --force-recreate {lab.service()}")
        yield "", _new_port(lab.service())
        yield say("console/look-inside", "look inside"), f"lab shell {lab.id} [--tools]"
    else:
        yield say("console/files", "files"), f"{lab.folder}"
        yield "", say("console/mounted", "the parts mount them read-only: change them there")
        yield say("console/apply", "apply"), (
            f"docker compose --project-directory {lab.folder} up -d --force-recreate PART")
        if lab.deployment.web_network != "host":
            yield "", _new_port(roles["web"])
        yield say("console/look-inside", "look inside"), f"lab shell {lab.id} [PART] [--tools]"
    yield say("console/logs", "logs"), f"lab logs {lab.id} [PART]"


def six_steps(lab: Lab) -> tuple[Step, ...]:
    """Return the six steps as they work on this lab's stack."""
    slim = lab.stack == "containers"
    # root of a machine sees all there; a container has no tools, and its root does not see whose socket is whose
    looks: Literal["shell", "tools"] = "shell" if lab.stack == "host" and lab.deployment.ptrace else "tools"
    port, health = "lsof -nP -iTCP -sTCP:LISTEN", "curl -sS http://localhost:PORT/health"
    if lab.deployment.unix:
        port, health = "ss -xlp", "curl -sS --unix-socket PATH http://localhost/health"
    names = role_names(lab)
    return (
        Step(say("console/step 1", "process"), looks, f"ps aux | grep {lab.deployment.server}"),
        Step(say("console/step 2", "port"), looks, port),
        Step(say("console/step 3", "health page"), looks, health),
        Step(say("console/step 4", "nginx's route"), *(
            ("here", f"grep -Rn proxy_pass {lab.folder}/{names['web']}") if slim else
            ("shell", "grep -Rn proxy_pass /etc/nginx"))),
        Step(say("console/step 5", "nginx's log"), *(
            ("here", f"lab logs {lab.id} {names['web']} --no-follow") if slim else _nginx_log_step(lab))),
        Step(say("console/step 6", "its own log"), *_own_log_step(lab, names["backend"])),
    )


def _own_log_step(lab: Lab, name: str) -> tuple[Literal["shell", "here"], str]:
    """Return where the application's log is read, and how."""
    if lab.stack == "host" or lab.deployment.log_place == "files":
        return "shell", application_log_command(lab)
    return "here", f"lab logs {lab.id} {name if lab.stack == 'containers' else ''}".rstrip() + " --no-follow"


def _nginx_log_step(lab: Lab) -> tuple[Literal["shell", "here"], str]:
    """Return where nginx's log is read, and how: a file inside, or the log of its container."""
    return ("shell", f"tail -n 50 {lab.error_log}") if lab.error_log else ("here", f"lab logs {lab.id} --no-follow")


def _new_port(name: str) -> str:
    return say("console/new-port", "each start of {web} gives the URL a new port: lab status", web=name)


def application_log_command(lab: Lab) -> str:
    """Return what shows the application's log on a machine, by its manager."""
    unit, manager = lab.unit("backend"), lab.deployment.manager
    if manager == "supervisord":
        return f"tail -n 50 /var/log/{unit}.log" if lab.deployment.redirect else (
            f"tail -n 50 /var/log/supervisor/{unit}-*.log")
    if manager in ("init.d", "entrypoint"):
        return f"tail -n 50 /var/log/{unit}.log"
    if manager in UNSUPERVISED_MANAGERS:
        return f"tail -n 50 /tmp/{lab.deployment.word}.log"
    return f"journalctl -n 50 --no-pager -u {unit}"


def _steps_text(lab: Lab) -> Iterator[str]:
    steps = six_steps(lab)
    names = role_names(lab)
    shells = {"shell": f"lab shell {lab.id}", "here": "",
              "tools": f"lab shell {lab.id}{' ' + names['backend'] if lab.stack == 'containers' else ''} --tools"}
    yield say("console/six-steps", "Six steps by hand (PORT and PATH are what the step before shows):")
    before = ""
    for number, step in enumerate(steps, 1):
        shell = shells[step.typed_in]
        if shell and shell != before:
            yield f"  {say('console/in-shell', 'in {shell}:', shell=shell)}"
        elif not shell and before:
            yield f"  {say('console/in-your-shell', 'in your own shell:')}"
        before = shell
        yield f"    {number} {pad(step.title, 13)} {step.command}"
    if lab.stack == "host" and not lab.deployment.ptrace:
        yield from filled(say(
            "console/no-ptrace", "Root of this machine lacks CAP_SYS_PTRACE, as in many containers: lsof stays empty "
            "there, and ss and netstat name no process of another user. The shell with --tools sees them."))
    if lab.stack == "all-in-one":
        yield from filled(say(
            "console/slim-one", "The image is slim: no ps, lsof, netstat or curl inside. {log} is a link to the "
            "container's log there: tail of it never ends.", log=ERROR_LOG))
    if lab.stack == "containers":
        yield from filled(say(
            "console/slim", "The images are slim: no ps, lsof, netstat or curl inside. {log} is a link to the "
            "container's log there: tail of it never ends.", log=ERROR_LOG))
