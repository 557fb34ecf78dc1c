"""Each kind of step on a machine, with a real kill -9 at each of its points, in the repair, in its undo, and again in
the recovery. No look and no diagnosis: the engine alone, so that all points are tried in the time of a few repairs.

    python3 -m tests.crash.step_kills FOLDER KIND STEP      in a machine, one kind as `local`, at each STEPth point
"""

from __future__ import annotations

import hashlib
import os
import signal
import subprocess
import sys
import time
import traceback
from collections.abc import Callable, Iterable
from dataclasses import dataclass

from fixer.apply import rollback
from fixer.apply.repair_run import RepairRun, history, undo
from fixer.hosts.open_target import open_target, parse_target
from fixer.model.host import Target
from fixer.model.plan import (
    ChangeRule,
    CheckNginx,
    DaemonReload,
    FileMeta,
    Plan,
    ProgramAction,
    ReloadNginx,
    RemoveRoute,
    SignalProcess,
    StartNginx,
    Step,
    UnitAction,
    WriteFile,
)
from tests.crash import killed_fixer

Sh = Callable[[str], str]
WORK_FOLDER = "/srv/each"
SITE, UNIT = "/etc/nginx/sites-enabled/each", "/etc/systemd/system/sleeper.service"
DROP_IN = "/etc/systemd/system/sleeper.service.d/each.conf"
NGINX = ("/usr/sbin/nginx", "/etc/nginx/nginx.conf", "/usr/share/nginx")
SUPERVISOR, PROGRAM = "/etc/supervisor/supervisord.conf", "/etc/supervisor/conf.d/each.conf"
PROGRAM_TEXT = "[program:each]\ncommand=/bin/sleep infinity\nautostart=false\nstartsecs=0\n"
OWN_NGINX = f"pid {WORK_FOLDER}/own.pid;\nerror_log {WORK_FOLDER}/own.log;\nevents {{}}\nhttp {{ access_log off; server {{ listen 127.0.0.1:8097; return 200 own; }} }}\n"
# More kinds of units: one that was killed, one that a socket starts and whose socket is off, one that holds what it should not.
FAILED = "[Service]\nExecStart=/bin/sleep infinity\n"
SOCKETS = {
    "woken.service": "[Service]\nExecStart=/bin/sleep infinity\n",
    "woken.socket": f"[Socket]\nListenStream={WORK_FOLDER}/woken.sock\n[Install]\nWantedBy=sockets.target\n",
}
HOLDER = "[Service]\nExecStart=/bin/sleep infinity\n[Install]\nWantedBy=multi-user.target\n"
RUNNING, RUNNING_TEXT = "/etc/supervisor/conf.d/runs.conf", "[program:runs]\ncommand=/bin/sleep infinity\nstartsecs=0\n"
# An init script whose program is gone: systemd counts it as active. A unit that another one requires. A program that failed.
OLDEN = """#!/bin/sh
### BEGIN INIT INFO
# Provides: olden
# Default-Start: 2 3 4 5
# Default-Stop: 0 1 6
### END INIT INFO
case $1 in
start) start-stop-daemon --start --background --make-pidfile --pidfile /run/olden.pid --startas /bin/sleep -- 86399 ;;
stop) start-stop-daemon --stop --oknodo --remove-pidfile --pidfile /run/olden.pid ;;
esac
"""
PULLED = {
    "store.service": "[Service]\nExecStart=/bin/sleep infinity\n",
    "front.service": "[Unit]\nRequires=store.service\nAfter=store.service\n[Service]\nExecStart=/bin/sleep infinity\n",
}
BROKEN = f"[program:broken]\ncommand=/bin/sh -c \"test -e {WORK_FOLDER}/ready && exec sleep infinity\"\nstartretries=0\n"
# A unit whose file is to be put back as it was: its own bytes change, and a file of variables is made anew.
KEPT, KEPT_ENV = "/etc/systemd/system/kept.service", f"{WORK_FOLDER}/kept.env"
KEPT_OLD = f"[Service]\nEnvironmentFile=-{KEPT_ENV}\nEnvironment=EACH=old\nExecStart=/bin/sleep infinity\n"
KEPT_NEW = KEPT_OLD.replace("old", "new")
RULES = ("tcp dport 22 accept", "tcp dport 8000 counter drop", "icmp type echo-request accept")


def site_text(word: str) -> str:
    """A page that says the word."""
    return f"server {{ listen 127.0.0.1:8098; location / {{ return 200 {word}; }} }}\n"


SETUP = f"""
test -e /usr/bin/python3 || ln -s python3.13 /usr/bin/python3
mkdir -p {WORK_FOLDER}/sub /etc/supervisor/conf.d
printf 'proxy_pass http://a:8001;\\n' >{WORK_FOLDER}/edited; chmod 640 {WORK_FOLDER}/edited; chown 33:7 {WORK_FOLDER}/edited
printf 'stale\\n' >{WORK_FOLDER}/deleted; printf '801\\n' >{WORK_FOLDER}/mounted; ln -sfn ../each/edited {WORK_FOLDER}/link
printf '%s' '{site_text("old")}' >{SITE}
printf '[Service]\\nExecStart=/bin/sleep infinity\\n[Install]\\nWantedBy=multi-user.target\\n' >{UNIT}
printf '%s' '{PROGRAM_TEXT}' >{PROGRAM}; printf '%s' '{RUNNING_TEXT}' >{RUNNING}; printf '%s' '{BROKEN}' >/etc/supervisor/conf.d/broken.conf; printf '%s' '{OWN_NGINX}' >{WORK_FOLDER}/own.conf
systemctl daemon-reload; systemctl restart nginx sleeper; systemctl restart supervisor
printf '%s' '{KEPT_OLD}' >{KEPT}; chmod 640 {KEPT}; chown 0:7 {KEPT}; systemctl daemon-reload; systemctl start kept
cp {UNIT} /etc/systemd/system/other.service; systemctl daemon-reload
nft add table ip each; nft add chain ip each c
{"".join(f"nft add rule ip each c {rule};" for rule in RULES)}
for t in iptables ip6tables; do
  $t -N EACH; $t -A EACH -p tcp -m tcp --dport 22 -j ACCEPT; $t -A EACH -p tcp -m tcp --dport 8001 -j DROP; $t -A EACH -p udp -j DROP
done
printf '%s' '{FAILED}' >/etc/systemd/system/fails.service; printf '%s' '{HOLDER}' >/etc/systemd/system/holder.service
{"".join(f"printf '%s' '{text}' >/etc/systemd/system/{name};" for name, text in SOCKETS.items())}
{"".join(f"printf '%s' '{text}' >/etc/systemd/system/{name};" for name, text in PULLED.items())}
printf '%s' '{OLDEN}' >/etc/init.d/olden; chmod 755 /etc/init.d/olden
systemctl daemon-reload; systemctl start olden; kill -9 $(cat /run/olden.pid)
systemctl enable --now holder; systemctl start fails woken
systemctl kill -s KILL fails woken; until systemctl is-failed -q fails && systemctl is-failed -q woken; do sleep 0.1; done
ip route add unreachable 203.0.113.9/32
setsid sleep 86400 >/dev/null 2>&1 </dev/null & echo $! >{WORK_FOLDER}/sub/pid; kill -STOP $!
n=0; until supervisorctl status each | grep -q STOPPED; do n=$((n+1)); test $n -lt 100; sleep 0.2; done
"""
_FILE_STATE = 'for f in {0}; do if [ -h $f ]; then echo "$f -> $(readlink $f)"; elif [ -e $f ]; then stat -c "%n %a %u:%g" $f; cat $f; else echo "$f absent"; fi; done; ls -A {1} 2>/dev/null | grep badgateway'
# No undo brings the mark of a failure back.
_UNIT_STATE = "for u in {0}; do echo $u $(systemctl is-active $u | sed s/failed/inactive/) $(systemctl is-enabled $u); done"
_PROGRAM_STATE = "supervisorctl status {0} | tr -s ' ' | cut -d' ' -f1,2"
# What each kind of step may change, and nothing else: a look costs as much as a step.
STATES = {
    "files": _FILE_STATE.format(f"{WORK_FOLDER}/edited {WORK_FOLDER}/deleted {WORK_FOLDER}/link {WORK_FOLDER}/linked {WORK_FOLDER}/d {WORK_FOLDER}/d/created", f"{WORK_FOLDER} {WORK_FOLDER}/d").replace("cat $f", "test -d $f || cat $f"),
    "in place": _FILE_STATE.format(f"{WORK_FOLDER}/mounted", WORK_FOLDER),
    "nginx": _FILE_STATE.format(SITE, "/etc/nginx/sites-enabled") + "; curl -s -m 5 http://127.0.0.1:8098/",
    "unit": _FILE_STATE.format(DROP_IN, DROP_IN.rpartition("/")[0]) + "; " + _UNIT_STATE.format("sleeper")
            + "; tr '\\0' '\\n' </proc/$(systemctl show -p MainPID --value sleeper)/environ | grep EACH",
    "older state": _FILE_STATE.format(f"{KEPT} {KEPT_ENV}", f"/etc/systemd/system {WORK_FOLDER}") + "; " + _UNIT_STATE.format("kept")
                   + "; tr '\\0' '\\n' </proc/$(systemctl show -p MainPID --value kept)/environ | grep 'EACH\\|SEED'",
    "service": _UNIT_STATE.format("other"),
    "failed service": _UNIT_STATE.format("fails"), "socket": _UNIT_STATE.format("woken.socket woken.service"), "freeing": _UNIT_STATE.format("holder"),
    "init script": "pgrep -cxf '/bin/sleep 86399'; systemctl is-enabled olden", "pulled in": _UNIT_STATE.format("front store"),
    "process": f"read -r a b c d </proc/$(cat {WORK_FOLDER}/sub/pid)/stat; echo $c",
    "rule out": "nft list table ip each", "rule in": "iptables -S EACH", "rule in of nft": "nft list table ip each", "rule out of iptables": "iptables -S EACH",
    "rule out of ip6tables": "ip6tables -S EACH", "rule in of ip6tables": "ip6tables -S EACH",
    "route": "ip route show type unreachable",
    "program": _FILE_STATE.format(PROGRAM, "/etc/supervisor/conf.d") + "; " + _PROGRAM_STATE.format("each"),
    "start of a program": _PROGRAM_STATE.format("each"),
    "program that failed": _FILE_STATE.format(f"{WORK_FOLDER}/ready", WORK_FOLDER) + "; " + _PROGRAM_STATE.format("broken") + " | sed s/FATAL/STOPPED/",
    "program that runs": _FILE_STATE.format(RUNNING, "/etc/supervisor/conf.d") + "; " + _PROGRAM_STATE.format("runs")
                         + "; tr '\\0' '\\n' </proc/$(supervisorctl pid runs)/environ | grep EACH",
    "start of nginx": "curl -s -m 5 http://127.0.0.1:8097/; echo",
}


@dataclass(slots=True)
class StepTarget:
    """A machine as one kind of target reaches it, and a shell of its root for looking at it."""

    word: str
    sh: Sh
    folder: str
    choose: Callable[[int, str], Iterable[int]] = lambda count, name: range(count)
    kills: int = 0
    looking: str = ""

    def act(self, act: Callable[[Target], object]) -> None:
        """Through a target of its own, as a command does it."""
        target = open_target(parse_target(self.word))
        try:
            act(target)
        finally:
            target.close()

    def node(self) -> str:
        """What its one node is called."""
        names: list[str] = []
        self.act(lambda target: names.append(target.journal_location()[0].name))
        return names[0]

    def states(self) -> list[str]:
        """What became of the runs, the oldest first."""
        found: list[str] = []
        self.act(lambda target: found.extend(run.state for run in history(target)))
        return found

    def forget(self) -> None:
        """Runs that were taken back are only read again and again, by each that follows."""
        folders: list[str] = []
        self.act(lambda target: folders.append(target.journal_location()[1]))
        self.sh(f"rm -rf {folders[0]}/runs/*")

    def state(self) -> str:
        """What the steps may change, as it is now."""
        return self.sh(f"{{ {self.looking}; }} 2>&1 || true")

    def wait_for_state(self, wanted: str, seconds: float = 15.0) -> None:
        """It is so, when what goes on without us had its time."""
        until = time.monotonic() + seconds
        while (now := self.state()) != wanted:
            if time.monotonic() > until:
                gone = sorted(set(wanted.splitlines()) - set(now.splitlines()))
                raise AssertionError(f"gone: {gone}, new: {sorted(set(now.splitlines()) - set(wanted.splitlines()))}")
            time.sleep(0.2)

    def run_until_killed(self, at: str, act: Callable[[Target], object]) -> list[str]:
        """The points passed until it was killed there, or came to its end; the last one is that of the kill."""
        child = os.fork()
        if child == 0:
            code = 1
            try:
                points = killed_fixer.Points(at, self.folder)
                for wrap in (killed_fixer.add_record_points, killed_fixer.add_file_points, killed_fixer.add_shell_points, killed_fixer.add_command_points):
                    wrap(points)
                self.act(act)
                code = 0
            except BaseException:  # noqa: BLE001 - a copy of this process must not go on beyond
                traceback.print_exc()
            finally:
                os._exit(code)
        code = os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
        if code not in (0, -signal.SIGKILL):
            raise AssertionError(f"ended with {code} at {at}")
        self.kills += code != 0
        with open(f"{self.folder}/points", encoding="utf-8") as file:
            passed = file.read().splitlines()
        return passed if code else [*passed, ""]


def repair_action(steps: tuple[Step, ...]) -> Callable[[Target], object]:
    """One round that is kept."""
    def act(target: Target) -> None:
        with RepairRun.open(target, cause="each", now=time.time()) as run:
            run.round(Plan("each", "r", "disruptive", "change it", steps))
            run.commit()

    return act


def undo_cleanly(target: Target) -> None:
    """Undo, and nothing is a conflict."""
    result = undo(target, None)
    if result.conflicts:
        raise AssertionError(result.conflicts)


def draw_number(count: int, name: str) -> int:
    """One of so many."""
    return int.from_bytes(hashlib.sha256(name.encode()).digest()[:4], "big") % max(count, 1)


def kill_at_each_point(place: StepTarget, kind: str, steps: tuple[Step, ...]) -> None:
    """Kill at every chosen point of the repair and of its undo; recover by undo or by the next repair, and be killed in
    that once more each time."""
    old = place.state()
    points = {"repair": place.run_until_killed("never", repair_action(steps))[:-1]}
    new = place.state()
    if new == old:
        raise AssertionError(f"{kind} changes nothing")
    points["undo"] = place.run_until_killed("never", undo_cleanly)[:-1]
    place.wait_for_state(old)
    for act, passed in points.items():
        telling = killed_fixer.distinct_points(passed)
        for at in (telling[number] for number in place.choose(len(telling), f"{kind} {act}")):
            if act == "undo":
                place.act(repair_action(steps))
                place.wait_for_state(new)
            where = place.run_until_killed(str(at), repair_action(steps) if act == "repair" else undo_cleanly)[-1]
            try:
                kept = place.states()[-1:] == ["committed"]      # it was killed behind its last record
                if at % 3 == 1:
                    place.run_until_killed(str(draw_number(len(passed) + 1, f"{kind}{at}")), undo_cleanly)
                if at % 3 == 2 and not kept:
                    place.act(repair_action(steps))
                    place.wait_for_state(new)
                place.act(undo_cleanly)
                place.wait_for_state(old)
                if not set(place.states()) <= {"committed", "rolled-back", "undone", "nothing"}:
                    raise AssertionError(place.states())
                place.forget()
            except Exception as error:
                raise AssertionError(f"{place.word}: {kind}, {act} killed at {at} ({where}): {error}") from error


def steps_by_kind(place: StepTarget) -> dict[str, tuple[Step, ...]]:
    """The steps of a machine."""
    node = place.node()
    me = FileMeta(0o644, 0, 0)

    def write(path: str, before: str | None, after: str | None, **more: object) -> WriteFile:
        old, new = (text.encode() if text is not None else None for text in (before, after))
        return WriteFile(node, path, old, new, "change it", **more)  # type: ignore[arg-type]

    def unit(name: str, verb: str, was: str, enabled: str, suffix: str = "service") -> UnitAction:
        return UnitAction(node, f"{name}.{suffix}", verb, was, enabled)  # type: ignore[arg-type]

    pid, ticks = place.sh(f"p=$(cat {WORK_FOLDER}/sub/pid); set -- $(cat /proc/$p/stat); shift 21; echo $p $1").split()
    reload = ReloadNginx(node, int(place.sh("cat /run/nginx.pid")), *NGINX, "/var/log/nginx/error.log")

    def rule(tool: str, action: str, text: str = "-p tcp -m tcp --dport 8000 -j ACCEPT") -> ChangeRule:
        if tool == "nft":
            return ChangeRule(node, "nft", "ip", "each", "c", action, text, 1, RULES)  # type: ignore[arg-type]
        before = tuple(place.sh(f"{tool} -S EACH | sed -n 's/^-A EACH //p'").splitlines())
        return ChangeRule(node, tool, "", "filter", "EACH", action, text if action == "add" else before[1], 1, before)  # type: ignore[arg-type]

    return {
        "files": (
            write(f"{WORK_FOLDER}/edited", "proxy_pass http://a:8001;\n", "proxy_pass http://a:8000;\n"),
            write(f"{WORK_FOLDER}/d/created", None, "new\n", meta=me, create_dirs=(f"{WORK_FOLDER}/d",)),
            write(f"{WORK_FOLDER}/deleted", "stale\n", None),
            write(f"{WORK_FOLDER}/link", None, None, link_target="../each/edited"),
            write(f"{WORK_FOLDER}/linked", None, "", link_target="edited"),
        ),
        "in place": (write(f"{WORK_FOLDER}/mounted", "801\n", "80\nx\n", in_place=True),),
        "nginx": (write(SITE, site_text("old"), site_text("new")), CheckNginx(node, *NGINX), reload),
        "unit": (
            write(DROP_IN, None, "[Service]\nEnvironment=EACH=1\n", meta=me, create_dirs=(DROP_IN.rpartition("/")[0],)),
            DaemonReload(node), unit("sleeper", "restart", "active", "disabled"),
        ),
        "older state": (
            write(KEPT, KEPT_OLD, KEPT_NEW), write(KEPT_ENV, None, "SEED=1\n", meta=FileMeta(0o600, 33, 7), mask=(b"SEED=1",)),
            DaemonReload(node), unit("kept", "restart", "active", "static"),
        ),
        "service": (unit("other", "enable", "inactive", "disabled"), unit("other", "start", "inactive", "disabled")),
        "process": (SignalProcess(node, int(pid), int(ticks), "CONT", "let it go on"),),
        "failed service": (unit("fails", "reset-failed", "failed", "static"), unit("fails", "start", "failed", "static")),
        "socket": (
            unit("woken", "reset-failed", "failed", "static"), unit("woken", "enable", "inactive", "disabled", "socket"),
            unit("woken", "start", "inactive", "disabled", "socket"), unit("woken", "start", "failed", "static"),
        ),
        "init script": (unit("olden", "restart", "exited", "generated"),),
        "pulled in": (unit("store", "start", "inactive", "static"), unit("front", "start", "inactive", "static")),
        "freeing": (unit("holder", "disable", "active", "enabled"), unit("holder", "stop", "active", "enabled")),
        "rule out": (rule("nft", "remove", RULES[1]),), "rule in of nft": (rule("nft", "add", "tcp dport 8001 accept"),),
        "rule in": (rule("iptables", "add"),), "rule out of iptables": (rule("iptables", "remove"),),
        "rule in of ip6tables": (rule("ip6tables", "add"),), "rule out of ip6tables": (rule("ip6tables", "remove"),),
        "route": (RemoveRoute(node, "unreachable", "203.0.113.9/32"),),
        "program": (
            write(PROGRAM, PROGRAM_TEXT, PROGRAM_TEXT + "environment=A=\"1\"\n"),
            ProgramAction(node, "each", "each", "update", SUPERVISOR, "STOPPED"),
        ),
        "start of a program": (ProgramAction(node, "each", "each", "start", SUPERVISOR, "STOPPED"),),
        "program that failed": (
            write(f"{WORK_FOLDER}/ready", None, "", meta=me), ProgramAction(node, "broken", "broken", "start", SUPERVISOR, "FATAL"),
        ),
        "program that runs": (
            write(RUNNING, RUNNING_TEXT, RUNNING_TEXT + "environment=EACH=\"1\"\n"),
            ProgramAction(node, "runs", "runs", "update", SUPERVISOR, "RUNNING"),
        ),
        "start of nginx": (StartNginx(node, NGINX[0], f"{WORK_FOLDER}/own.conf", WORK_FOLDER, explicit=True),),
    }


def run_here(script: str) -> str:
    """A script on this machine."""
    return subprocess.run(["sh", "-c", script], capture_output=True, text=True, check=True).stdout


def main() -> None:
    """One kind as `local`; how many kills that were."""
    folder, kind, step = sys.argv[1], sys.argv[2], int(sys.argv[3])
    os.makedirs(folder, exist_ok=True)
    rollback.COMMAND_SECONDS = 2.0       # these commands are short, and what goes on without us is waited for besides
    place = StepTarget("local", run_here, folder, lambda count, name: range(min(step // 2, count - 1), count, step), looking=STATES[kind])
    kill_at_each_point(place, kind, steps_by_kind(place)[kind])
    print(place.kills)


if __name__ == "__main__":
    main()
