"""Reports of every shape, made by hand: what the renderers are tried on."""

from __future__ import annotations

from dataclasses import replace

from fixer.model.facts import Evidence
from fixer.model.journal import RunSummary
from fixer.model.report import (
    CatalogueReport,
    CauseReport,
    CheckReport,
    ErrorReport,
    Failure,
    FindingReport,
    HistoryReport,
    NeedReport,
    ProbeReport,
    Proof,
    RepairReport,
    RepairResult,
    Report,
    RouteReport,
    SourceRef,
    UndoResult,
    VerifyResult,
)

SITE = "/etc/nginx/sites-enabled/default"
HOSTILE = "\x1b[31mred\x1b[0m \u202egnp.exe <script>alert(1)</script> `tick` ``` | \udcff \x9b2J\r\n*end*"

API = RouteReport(
    "r1", "0.0.0.0:80", ("_",), "/api", SourceRef(SITE, 12), ("127.0.0.1:8001",), ProbeReport(502, 3.1, None),
    "failing", "answers 502 (3 of 3 requests)",
)
PAGE = RouteReport(
    "r2", "[::]:443", ("shop.example", "www.shop.example"), "/", SourceRef(SITE, 20), ("127.0.0.1:8000",),
    ProbeReport(200, 2.0, None), "ok", "answers 200", "https",
)
DIFF = """--- /etc/nginx/sites-enabled/default
+++ /etc/nginx/sites-enabled/default
@@ -10,5 +10,5 @@
   location /api {
-    proxy_pass http://127.0.0.1:8001;
+    proxy_pass http://127.0.0.1:8000;
     proxy_set_header Host $host;
"""
POINT = RepairReport(
    "point-route-at-listener", "safe", "point the route at the listener",
    ("edit /etc/nginx/sites-enabled/default", "check the configuration (nginx -t)", "reload nginx (nginx -t first)"),
    DIFF, (),
)
MOVE = replace(POINT, id="move-listener", risk="disruptive", summary="move backend.service to port 8001", diff="")
WRONG_PORT = FindingReport(
    "wrong-port", "wrong-port", "root", "certain",
    "nginx hands /api to 127.0.0.1:8001, where nothing listens; backend.service listens on 127.0.0.1:8000.",
    ("r1",), "backend.service", "local",
    (
        Evidence("nginx-config", f"{SITE}:12", "proxy_pass http://127.0.0.1:8001;"),
        Evidence("socket", "socket 127.0.0.1:8000", "uvicorn, pid 812, backend.service, user app"),
        Evidence("nginx-log", "error.log, 37 times since 13:58", "connect() failed (111: Connection refused)"),
    ),
    (POINT, MOVE),
)
CHECKS = (
    CheckReport("wrong-port", "found", WRONG_PORT.evidence, ()),
    CheckReport("backend-down", "ruled-out", (Evidence("unit", "backend.service", "active (running)"),), ()),
    CheckReport("nginx-not-reloaded", "ruled-out", (), ()),
    CheckReport("nginx-down", "ruled-out", (), ()),
    CheckReport("crash-killed", "ruled-out", (), ()),
    CheckReport("firewall-drop", "undetermined", (), ("nft: not root",)),
    CheckReport("backend-hung", "undetermined", (), ()),
)
BROKEN = Report(1, "local", "broken", 212.4, (API, PAGE), (WRONG_PORT,), CHECKS, ("not root: owners of 3 sockets unknown",))
HEALTHY = Report(
    1, "compose://shop", "healthy", 100.0, (replace(API, state="ok", reason="answers 200"), PAGE), (), CHECKS[1:], (),
)
UNKNOWN = Report(1, "docker://web", "unknown", 1.0, (), (), (CHECKS[5],), ())

SECRET = NeedReport("SECRET_KEY", "secret", "the application stops without it", (), None)
WORKERS = NeedReport("workers", "value", "how many worker processes", (), "4")
CHOICE = NeedReport("listener", "choice", "two listeners fit", ("127.0.0.1:8000", "127.0.0.1:8002"), None)
CRASH = FindingReport(
    "crash-missing-env", "start-env-var-missing", "root", "likely", "backend.service stops at its start.",
    ("r1",), "backend.service", "local",
    tuple(Evidence("service-log", f"journal of backend.service, line {n}", f"KeyError {n}") for n in range(10)),
    (replace(POINT, id="set-variable", risk="disruptive", summary="give backend.service the variable it asks for in its "
             "own environment file", needs=(SECRET, WORKERS, CHOICE), diff=""),),
    detail=("It has been restarted 5 times.",),
)
DOWN = FindingReport(
    "backend-down", None, "consequence", "certain", "Nothing listens on 127.0.0.1:8001.", ("r1",), None, "local",
    (Evidence("socket", "127.0.0.1:8001", "no listener"),), (),
)
ADVICE = replace(DOWN, cause="crash-port-in-use", role="advice", summary="A stranger holds port 8002.")
CHAIN = replace(BROKEN, findings=(CRASH, DOWN, ADVICE), verdict="degraded", notes=(), target="docker://web-host")

BY_HAND = replace(
    POINT, risk="manual", summary="free the port", diff="",
    steps=("Stop pid 99 (old copy of the application).\nfixer does not: its owner is not known.",),
)
WAITING = replace(POINT, summary="wait until backend.service has started", diff="", steps=(), waits=True)
LONG = "".join(f"+line {n}\n" for n in range(30))
CREATED = replace(POINT, diff=f"--- /dev/null\n+++ /etc/app.env\n@@ -0,0 +1,30 @@\n{LONG}")
REMOVED = replace(POINT, diff="--- /etc/nginx/sites-enabled/old\n+++ /dev/null\n-link to ../sites-available/old\n")


LONG_LINE = (
    '2026/01/01 12:00:00 [error] 115#115: *3 connect() failed (111: Connection refused) while connecting to upstream, client: '
    '192.0.2.7, server: shop.example, request: "GET /api/orders?page=2 HTTP/1.1", upstream: "http://127.0.0.1:8001/api/orders?page=2"'
)
LONG_PLACE = "/etc/systemd/system/shop-orders-backend.service.d/50-environment.conf:3"
WORDY = replace(
    BROKEN, without_root=("local",), notes=("local: not root, so some owners of sockets and some files may be unknown",),
    routes=(replace(API, location="~ ^/(orders|invoices|customers|deliveries)/[0-9]+/(lines|totals|history)$"),),
    findings=(replace(WRONG_PORT, evidence=(
        *WRONG_PORT.evidence, Evidence("nginx-log", "/var/log/nginx/error.log", LONG_LINE),
        Evidence("file", LONG_PLACE, "Environment=UPSTREAM=http://127.0.0.1:8001"),
    )),),
    checks=(*CHECKS, *(CheckReport(name, "undetermined", (), ("which service belongs behind 127.0.0.1:8001",))
                       for name in ("crash-code-error", "crash-killed", "crash-oom", "unit-misconfigured"))),
)


def with_repairs(*repairs: RepairReport) -> Report:
    """The broken report with other repairs."""
    return replace(BROKEN, findings=(replace(WRONG_PORT, repairs=repairs),))


def hostile_report() -> Report:
    """Every text of the report is what an attacker would send."""
    evidence = (Evidence("nginx-log", HOSTILE, HOSTILE), Evidence("service-log", HOSTILE * 5, HOSTILE * 9))
    repair = replace(
        POINT, summary=HOSTILE, id=HOSTILE, steps=(HOSTILE,), diff=f"--- {HOSTILE}\n+++ {HOSTILE}\n+{HOSTILE}\n",
        needs=(NeedReport(HOSTILE, "choice", HOSTILE, (HOSTILE,), HOSTILE),),
    )
    finding = replace(
        WRONG_PORT, summary=HOSTILE, detail=(HOSTILE,), service=HOSTILE, node=HOSTILE, evidence=evidence,
        repairs=(repair, repair, replace(repair, risk="manual")),
    )
    route = replace(
        API, location=HOSTILE, server_names=(HOSTILE,), listen=HOSTILE, reason=HOSTILE, source=SourceRef(HOSTILE, 1),
        endpoints=(HOSTILE,),
    )
    checks = (CheckReport("x", "ruled-out", evidence, ()), CheckReport("y", "undetermined", (), (HOSTILE,)))
    findings = (finding, replace(finding, role="consequence"), replace(finding, repairs=(replace(repair, risk="manual"),)))
    return Report(1, HOSTILE, "broken", 1.0, (route,), findings, checks, (HOSTILE,))


REPAIRED = RepairResult(
    1, "local", "healthy", 900.0, "repaired", ("edit /etc/nginx/sites-enabled/default", "reload nginx (nginx -t first)"),
    (), BROKEN, replace(HEALTHY, target="local"), "20260101T120000-ab12", 0,
)
NOTHING = replace(REPAIRED, outcome="nothing-to-do", applied=(), journal=None, before=HEALTHY, target="docker://web")
WAITS_FOR_OPERATOR = RepairResult(
    1, "docker://web-host", "degraded", 900.0, "needs-input", (), ("set-variable: --set SECRET_KEY=VALUE", "x: --max-risk disruptive"),
    CHAIN, replace(CHAIN, notes=("run again with --yes",)), "r1", 4,
)
VERIFIED = VerifyResult(
    replace(HEALTHY, findings=(), checks=(), notes=("a note",)),
    (
        Proof("nginx-test", "passed", "/etc/nginx/nginx.conf", "nginx -t passes"),
        Proof("nginx-up", "failed", "local", "no master process"),
        Proof("backend-answers", "unknown", "127.0.0.1:8000", "slow " * 20),
        Proof("route-answers", "passed", "/api on _ (0.0.0.0:80)", ""),
    ),
)
UNDONE = UndoResult(1, "local", "r1", ("edit a",), (), ())
UNDONE_IN_PART = UndoResult(1, "local", "r1", ("edit a",), ("b: changed since",), ("stop process 12",), ("a remark",))
RUN = RunSummary("r1", "local", 1_767_268_800.0, "undone-with-conflicts", "wrong-port", ("edit a", "reload nginx"), ("b",))
HISTORY = HistoryReport(1, "local", (RUN, replace(RUN, id="r0", state="committed", conflicts=(), cause="")))
CATALOGUE = CatalogueReport(1, (
    CauseReport("wrong-port", "wrong port", ("wrong-port",), "nginx hands requests to a port where nothing listens"),
    CauseReport("backend-down", "backend not running", (), "It is stopped, and " + "nothing starts it again " * 4),
    CauseReport("crash-killed", "backend not running", (), "killed"),
))
FAILURE = Failure(1, "local", "unknown", ErrorReport("usage", "no such option", "see: fixer --help"))
