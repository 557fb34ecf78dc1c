"""crash-missing-env: which last words name a variable, where the value is written, and what is no proof."""

from __future__ import annotations

from dataclasses import replace

import pytest

from fixer.analysis.case import PortOwner, open_case
from fixer.analysis.exits.failed_run import FailedRun
from fixer.analysis.run_log import read_run_end
from fixer.causes.crash_missing_env.unread_env_file import absent_file_repairs
from fixer.diagnose.run_causes import diagnose
from fixer.model.deployment import BootEntry
from fixer.model.diagnosis import Diagnosis, RuledOut, Undetermined
from fixer.model.facts import Known, Unknown
from fixer.model.plan import ComposeUp, UnitAction, WriteFile
from fixer.model.snapshot import CommandArgument, Compose, EnvAssignment, EnvSlot
from fixer.model.target import TargetRef
from tests.causes.backend_down.manager_state_builders import supervisord_scene, verbs
from tests.causes.crash_missing_env.crash_missing_env_builders import TRACEBACK, composed, crashed, steps_of
from tests.causes.snapshot_builders import (
    NOW,
    SLOW,
    Scene,
    container_service,
    failed_service,
    file,
    finding_of,
    healthy_scene,
    listener,
    log_lines,
    roots,
    service,
    stopped_service,
    supervised_service,
    verdict_of,
)

CAUSE = "crash-missing-env"


def test_hit() -> None:
    diagnosis = diagnose(crashed().snapshot())
    assert roots(diagnosis) == [CAUSE]
    found = diagnosis.findings[0]
    assert (found.variant, found.confidence) == ("start-env-var-missing", "certain")
    assert found.evidence[0].text == "KeyError: 'SECRET_KEY'"
    (repair,) = found.repairs
    assert (repair.risk, repair.steps) == ("disruptive", ())
    assert (repair.needs[0].key, repair.needs[0].kind, repair.needs[0].default) == ("SECRET_KEY", "secret", None)


UNSET = "backend.service: Referenced but unset environment variable evaluates to an empty string: "


@pytest.mark.parametrize(("words", "names"), [
    ((UNSET + "PORT", "Usage: python -m uvicorn [OPTIONS] APP", "Error: Invalid value for '--port': '' is not a valid integer."),
     ["PORT"]),
    ((UNSET + "PORT, HOST", "serve.py: error: argument --port: expected one argument"), ["PORT", "HOST"]),
    ((UNSET + "PORT", "CommandError: \"127.0.0.1:\" is not a valid port number or address:port pair."), ["PORT"]),
    ((UNSET + "PORT", "", "Error: '' is not a valid port number."), ["PORT"]),
    ((UNSET + "PORT", "server.py: error: argument port: invalid int value: ''"), ["PORT"]),
    ((UNSET + "N", "Traceback (most recent call last):", "ValueError: invalid literal for int() with base 10: ''"), ["N"]),
    ((UNSET + "OPTIONS", "NameError: name 'x' is not defined"), []),              # unset, and no matter
    (("Error: Invalid value for '--port': '' is not a valid integer.",), []),
])
def test_a_command_that_refers_to_a_variable_which_nothing_sets(words: tuple[str, ...], names: list[str]) -> None:
    diagnosis = diagnose(crashed("Started backend.service - Office.", *words).snapshot())
    found = [f for f in diagnosis.findings if f.cause == CAUSE]
    assert [need.key for f in found for need in f.repairs[0].needs] == names


def test_miss() -> None:
    for scene in (healthy_scene(), Scene().with_service(stopped_service(log=log_lines(*TRACEBACK))).refused()):
        assert isinstance(verdict_of(diagnose(scene.snapshot()), CAUSE), RuledOut)


def test_unknown_without_a_log() -> None:
    scene = Scene().with_service(failed_service(log=Unknown("not root"))).refused()
    assert isinstance(verdict_of(diagnose(scene.snapshot()), CAUSE), Undetermined)


@pytest.mark.parametrize("words", [
    ("KeyError: \"Config 'SECRET_KEY' is missing, and has no default.\"",),
    ("RuntimeError: SECRET_KEY is not set",),
    ("django.core.exceptions.ImproperlyConfigured: Set the SECRET_KEY environment variable",),
    ("decouple.UndefinedValueError: SECRET_KEY not found. Declare it as envvar or define a default value.",),
    ("environs.exceptions.EnvError: Environment variable \"SECRET_KEY\" not set",),
    ("Error: Missing required environment variable: SECRET_KEY", "    at Object.<anonymous> (/srv/app.js:3:9)"),
    ("SECRET_KEY is required", "shop.service: Main process exited, code=exited, status=1/FAILURE"),
    ("ValueError: SECRET_KEY has to be configured!",), ("Exception: SECRET_KEY needs to be set",),
    ("[ERROR] SECRET_KEY must be set.",), ("RuntimeError: Please set SECRET_KEY before starting",),
    ("FATAL: SECRET_KEY environment variable is required",),
    ("/srv/shop/run.sh: line 4: SECRET_KEY: unbound variable",),
    ("pydantic_core._pydantic_core.ValidationError: 1 validation error for Settings", "secret_key",
     "  Field required [type=missing, input_value={}, input_type=dict]"),
])
def test_how_programs_say_it(words: tuple[str, ...]) -> None:
    found = finding_of(diagnose(crashed("Started backend.service.", *words).snapshot()), CAUSE)
    assert [need.key for need in found.repairs[0].needs] == ["SECRET_KEY"]


@pytest.mark.parametrize("words", [
    ("Traceback (most recent call last):", "  File \"/srv/app.py\", line 9, in load", "KeyError: 'SECRET_KEY'"),
    ('INFO: 10.0.0.9:4 - "GET /?x=SECRET_KEY%20environment%20variable%20is%20not%20set HTTP/1.1" 404 Not Found',),
    ('INFO: 10.0.0.9:4 - "GET /SECRET_KEY environment variable is not set HTTP/1.1" 404',),
    ("1 validation error for Order", "secret_key", "  Field required"),
    ("ModuleNotFoundError: No module named 'app'",),
    ("SECRET_KEY",), ("visitor says SECRET_KEY is required",), ("RuntimeError: cannot set HTTP header twice",),
])
def test_no_proof(words: tuple[str, ...]) -> None:
    assert CAUSE not in roots(diagnose(crashed("Started backend.service.", *words).snapshot()))


def test_lines_of_an_earlier_run_are_no_evidence() -> None:
    lines = (*TRACEBACK, "Started backend.service - Office.", "ImportError: no such thing")
    assert CAUSE not in roots(diagnose(crashed(*lines).snapshot()))
    old = Scene().with_service(failed_service(log=log_lines(*TRACEBACK, ago=90000))).refused()
    assert CAUSE not in roots(diagnose(old.snapshot()))


@pytest.mark.parametrize(("name", "folder", "empty", "told"), [
    ("backend@8202.service", "/", False, True), ("celery.service", "/srv/shop", False, True),
    ("celery.service", "/srv/shop", True, False), ("desk.service", "/srv/desk", False, False), ("desk.service", "/", False, False),
])
def test_another_service_of_the_same_application_that_is_given_it_is_named(
    name: str, folder: str, empty: bool, told: bool,
) -> None:
    scene = Scene().with_service(failed_service("backend@8000.service", log=log_lines(*TRACEBACK), unit_changes={
        "working_directory": "/srv/shop" if folder != "/" else "/"})).refused()
    given = (EnvAssignment("SECRET_KEY", "/etc/shop/other.env:1", empty),)
    scene.services.append(service(name, 9000, 400, env=given, unit_changes={"working_directory": folder}))
    (need,) = finding_of(diagnose(scene.snapshot()), CAUSE).repairs[0].needs
    assert (need.why.endswith(f"; {name} gets it at /etc/shop/other.env:1")) == told


def test_set_by_now_only_needs_a_start() -> None:
    scene = crashed(env=(EnvAssignment("SECRET_KEY", "/etc/shop.env:2", False),))
    repair = finding_of(diagnose(scene.snapshot()), CAUSE).repairs[0]
    assert (repair.id, repair.risk, repair.needs) == ("start-service", "safe", ())


def test_several_variables_at_once() -> None:
    lines = ("validation errors for AppSettings", "secret_key", "  Field required", "db_name", "  Field required")
    repair = finding_of(diagnose(crashed(*lines).snapshot(), {"SECRET_KEY": "x", "DB_NAME": "y"}), CAUSE).repairs[0]
    write = repair.steps[0]
    assert [n.key for n in repair.needs] == ["SECRET_KEY", "DB_NAME"]
    assert isinstance(write, WriteFile) and write.after is not None and write.after.count(b"Environment=") == 2


def test_a_name_that_the_settings_reject_may_be_the_one_that_they_lack() -> None:
    """To set the one that is missing was the repair: the program rejected the other one all the same."""
    found = finding_of(diagnose(crashed(
        "pydantic_core._pydantic_core.ValidationError: 2 validation errors for Settings", "jwt_secret",
        "  Field required [type=missing, input_value={}, input_type=dict]", "secret_key",
        "  Extra inputs are not permitted [type=extra_forbidden, input_value='x', input_type=str]").snapshot()), CAUSE)
    assert found.summary.endswith("JWT_SECRET is not set, and its settings do not know SECRET_KEY")
    assert {"jwt_secret", "secret_key"} <= {shown.text for shown in found.evidence}
    (repair,) = found.repairs
    assert repair.risk == "manual" and "If it is meant to be JWT_SECRET, rename it there" in repair.manual


def looping(**changes: object) -> Scene:
    values = {"active_state": "activating", "sub_state": "auto-restart", "n_restarts": 3, "main_pid": 0}
    return Scene().with_service(service(pid=None, unit_changes=values, log=log_lines(*TRACEBACK), **changes)).refused()   # type: ignore[arg-type]


def test_the_loop_is_the_consequence() -> None:
    diagnosis = diagnose(looping().snapshot())
    assert roots(diagnosis) == [CAUSE]
    assert [(f.cause, f.role, f.repairs) for f in diagnosis.findings[1:]] == [("crash-loop-gave-up", "consequence", ())]


def test_caught_in_the_middle_of_a_new_try() -> None:
    lines = (*TRACEBACK, "Started backend.service - Office.")
    young = {"n_restarts": 3, "active_enter": NOW - 1}
    scene = Scene().with_service(service(unit_changes=young, log=log_lines(*lines))).refused()
    assert roots(diagnose(scene.snapshot())) == [CAUSE]


def test_caught_while_it_ends_between_two_questions() -> None:
    """It ran when the engine was asked, and was gone when somebody connected: no answer, and nobody could look."""
    scene = composed()
    made = scene.services[0]
    assert made.container is not None
    box = replace(made.container, status="running", exit_code=0, started_at=NOW - 0.4)
    scene.services[0] = replace(made, container=box)
    scene.endpoint(listener=Unknown("it ended"), tcp=Known(SLOW), http=Known(SLOW)).answers(SLOW)
    diagnosis = diagnose(scene.snapshot())
    assert roots(diagnosis)[:1] == [CAUSE] and diagnosis.verdict == "broken"


def test_compose_gets_the_value_in_its_file_and_an_up() -> None:
    write, up, *_ = steps_of(composed(), SECRET_KEY="a$b")
    assert isinstance(write, WriteFile) and write.node == "engine"
    assert write.after is not None and write.after.endswith(b'      PORT: 1\n      SECRET_KEY: "a$$b"\n')
    assert isinstance(up, ComposeUp) and (up.service, up.config_hash) == ("app", "abc")


@pytest.mark.parametrize("compose", [
    Compose("p", "/x", (), (), (("app", False),), Known(True)),
    Compose("p", "/x", (), (), (("app", True),), Unknown("files are on another machine")),
])
def test_compose_that_no_longer_fits_is_for_a_person(compose: Compose) -> None:
    repair = finding_of(diagnose(composed(compose).snapshot()), CAUSE).repairs[0]
    assert repair.risk == "manual" and "SECRET_KEY" in repair.manual


def test_a_container_alone_points_to_its_project() -> None:
    scene = composed()
    scene.extra = {"target": TargetRef("docker", "p-web-1")}
    scene.services.append(container_service("web", 80, pid=100, is_app_server=False, runtime="", bindings=Known(())))
    assert "run fixer on compose://p" in finding_of(diagnose(scene.snapshot()), CAUSE).repairs[0].manual


@pytest.mark.parametrize("target", [TargetRef("docker", "q-web-1"), TargetRef("compose", "q")])
def test_a_container_of_another_project_is_made_anew_by_compose_itself(target: TargetRef) -> None:
    """No nginx is in its own project, which is no target then; the files of nginx's project say nothing of it."""
    scene = composed()
    front = container_service("web", 80, pid=100, is_app_server=False, runtime="", bindings=Known(()), box={"project": "q"})
    scene.services.append(front)
    ours = Compose("q", "/srv/q", ("/srv/q/compose.yaml",), (), (("web", True), ("app", True)), Known(True))
    scene.extra = {"target": target, "compose": ours if target.kind == "compose" else None}
    (repair,) = finding_of(diagnose(scene.snapshot(), {"SHOP_TOKEN": "s3"}), CAUSE).repairs
    assert repair.risk == "manual" and not repair.steps and "run fixer on" not in repair.manual
    assert "it belongs to project p, which does not contain nginx: run docker compose " in repair.manual and "-p p up -d --no-deps app" in repair.manual


def check_is_a_diagnosis(diagnosis: Diagnosis) -> None:
    assert diagnosis.verdict == "broken"


def test_supervised_programs_are_for_a_person() -> None:
    gone = service("shop", 8000, None, unit=None, manager="supervisord", log=log_lines(*TRACEBACK))
    diagnosis = diagnose(Scene().with_service(gone).refused().snapshot())
    check_is_a_diagnosis(diagnosis)
    assert CAUSE not in roots(diagnosis)


def test_a_parent_that_starts_its_workers_again_and_again() -> None:
    lines = ('  File "/srv/shop/main.py", line 2', '    os.environ["SHOP_SALT"]', "KeyError: 'SHOP_SALT'")
    scene = Scene().with_service(service(log=log_lines(*lines), unit_changes={"active_enter": NOW - 35})).refused()
    diagnosis = diagnose(scene.snapshot(), {"SHOP_SALT": "x"})
    assert roots(diagnosis) == ["crash-missing-env"]
    verbs = [s.verb for s in diagnosis.findings[0].repairs[0].steps if isinstance(s, UnitAction)]
    assert verbs == ["restart"]
    set_now = replace(scene.services[0], env=(EnvAssignment("SHOP_SALT", "/etc/default/shop:1", False),))
    scene.services[0] = set_now
    repair = diagnose(scene.snapshot()).findings[0].repairs[0]
    assert (repair.id, repair.risk) == ("restart-service", "disruptive")


def test_a_running_service_that_holds_a_socket_does_not_crash() -> None:
    lines = ('    os.environ["SHOP_SALT"]', "KeyError: 'SHOP_SALT'")
    scene = Scene("127.0.0.1:8001").with_service(service(log=log_lines(*lines)), listener(8000, 200)).refused()
    assert roots(diagnose(scene.snapshot())) == ["wrong-port"]


def test_workers_that_end_for_another_reason_are_a_loop() -> None:
    lines = ("LedgerError: no shop", "INFO: started", "LedgerError: no shop")
    scene = Scene().with_service(service(log=log_lines(*lines), unit_changes={"active_enter": NOW - 35})).refused()
    diagnosis = diagnose(scene.snapshot())
    assert roots(diagnosis) == ["crash-loop-gave-up"]
    assert diagnosis.findings[0].repairs[0].risk == "manual"
    once = replace(scene.services[0], log=log_lines(*lines[:1]))
    scene.services[0] = once
    assert roots(diagnose(scene.snapshot())) == ["slow-start"]


@pytest.mark.parametrize(("line", "told"), [
    ("Error: Option '--port' requires an argument.", True), ("Error: Invalid value for '--port': '' is not a valid integer.", True),
    ("ValueError: invalid literal for int() with base 10: ''", True), ("Error: Invalid value for '--port': 'x' is not a valid integer.", False),
    ("Error: No such option: --prt", False),
])
def test_what_a_compose_file_takes_from_outside_where_nothing_sets_it(line: str, told: bool) -> None:
    """Compose warns, and goes on with nothing in its place."""
    unset = (EnvAssignment("API_PORT", "/srv/p/compose.yaml:7", True),)
    slots = (EnvSlot("engine", "/srv/p/.env", 0, "{name}={value}\n", "dotenv", ("API_PORT",)),
             EnvSlot("engine", "/srv/p/app.env", 0, "{name}={value}\n", "dotenv"))
    made = container_service(pid=None, box={"status": "restarting", "exit_code": 2, "restart_count": 4, "started_at": NOW - 50}, log=log_lines(line),
                 unset_variables=unset, env_slots=slots)
    scene = Scene("app:8000", node="web", back="app").with_service(made).refused(configured_service=made.id)
    scene.files += [file("/srv/p/.env", "OTHER=1\n", "engine"), file("/srv/p/app.env", "A=1\n", "engine")]
    scene.extra = {"target": TargetRef("compose", "p"),
                   "compose": Compose("p", "/srv/p", ("/srv/p/compose.yaml",), (), (("app", True),), Known(True))}
    diagnosis = diagnose(scene.snapshot(), {"API_PORT": "8000"})
    assert roots(diagnosis) == (["crash-missing-env"] if told else ["crash-code-error"])
    if told:
        found = diagnosis.findings[0]
        assert "API_PORT is not set" in found.summary and "/srv/p/compose.yaml:7" in [e.where for e in found.evidence]
        (write, *_) = found.repairs[0].steps
        assert isinstance(write, WriteFile) and write.path == "/srv/p/.env" and b"API_PORT=8000" in (write.after or b"")
        scene.services[0] = replace(made, env_slots=slots[1:])       # no .env: another file has no effect on the command
        assert diagnose(scene.snapshot(), {"API_PORT": "8000"}).findings[0].repairs[0].risk == "manual"


@pytest.mark.parametrize(("name", "cause"), [("DATABASE_URL", "crash-missing-env"), ("SHOP_COLOUR", "crash-dependency-down")])
def test_a_driver_without_an_address_looks_for_a_socket_of_its_own(name: str, cause: str) -> None:
    line = ('psycopg2.OperationalError: connection to server on socket "/var/run/postgresql/.s.PGSQL.5432" failed: '
            "No such file or directory")
    made = container_service(pid=None, box={"status": "restarting", "exit_code": 1, "restart_count": 4, "started_at": NOW - 50}, log=log_lines(line),
                 unset_variables=(EnvAssignment(name, "/srv/p/compose.yaml:9", True),))
    scene = Scene("app:8000", node="web", back="app").with_service(made).refused(configured_service=made.id)
    found = diagnose(scene.snapshot()).findings[0]
    assert found.cause == cause
    if cause == "crash-missing-env":
        assert "DATABASE_URL is not set" in found.summary and "/srv/p/compose.yaml:9" in [e.where for e in found.evidence]


@pytest.mark.parametrize(("other", "told"), [("SECRETKEY", True), ("SECRET_KEYS", True), ("PORT", False), ("secret_key", False)])
def test_a_variable_that_is_called_nearly_so_is_named(other: str, told: bool) -> None:
    made = failed_service(log=log_lines("Traceback (most recent call last):", "    KEY = os.environ['SECRET_KEY']", "KeyError: 'SECRET_KEY'"),
                  env=(EnvAssignment(other, "/etc/default/shop:3", other == "secret_key"),))
    found = finding_of(diagnose(Scene().with_service(made).refused().snapshot()), "crash-missing-env")
    assert (f"{other} is set at /etc/default/shop:3" in found.repairs[0].needs[0].why) is told


def test_of_several_that_nothing_sets_those_of_the_command_are_asked_for() -> None:
    unset = (EnvAssignment("API_PORT", "/srv/p/compose.yaml:7", True), EnvAssignment("LEVEL", "/srv/p/compose.yaml:9", True))
    box = {"status": "restarting", "exit_code": 2, "restart_count": 4, "started_at": NOW - 50}
    for line, names in ((7, ["API_PORT"]), (8, ["API_PORT", "LEVEL"])):
        made = container_service(pid=None, box=box, log=log_lines("Error: Option '--port' requires an argument."), unset_variables=unset,
                     command=(CommandArgument("uvicorn", "/srv/p/compose.yaml", line),))
        scene = Scene("app:8000", node="web", back="app").with_service(made).refused(configured_service=made.id)
        assert [n.key for n in diagnose(scene.snapshot()).findings[0].repairs[0].needs] == names


MANAGER_STATE_CONF = "/etc/supervisor/conf.d/shop.conf"
TEXT = '[program:shop]\ncommand=/usr/bin/uvicorn shop:app\nautostart=false\nenvironment=MODE="x"\n'
MISSING = ("  File \"/srv/shop/app.py\", line 2, in <module>", "    KEY = os.environ[\"SHOP_KEY\"]", "KeyError: 'SHOP_KEY'")


@pytest.mark.parametrize("state", ["FATAL", "BACKOFF", "STARTING"])
def test_a_missing_variable_goes_where_the_program_takes_its_others(state: str) -> None:
    made = supervised_service(state, program={"restarts": 3, "expected": False, "started_at": NOW - 4}, log=log_lines(*MISSING, ago=1), env_slots=(
        EnvSlot("local", MANAGER_STATE_CONF, len(TEXT) - 1, ",{name}={value}", "supervisor"),), env_files=(MANAGER_STATE_CONF,))
    found = finding_of(diagnose(supervisord_scene(made).snapshot(), {"SHOP_KEY": "se cret%1"}), "crash-missing-env")
    repair = found.repairs[0]
    write = repair.steps[0]
    assert isinstance(write, WriteFile) and write.after is not None
    assert write.after.decode() == TEXT[:-1] + ',SHOP_KEY="se cret%%1"\n'
    assert b"se cret%%1" in write.mask
    assert verbs(repair) == ["update"]


@pytest.mark.parametrize(("said", "found"), [
    ("/bin/sh: 1: .: cannot open /etc/shop.env: No such file", True),
    ("/opt/start: .: line 3: can't open '/etc/shop.env': No such file or directory", True),
    ("/bin/sh: 1: .: cannot open /opt/shop/venv/bin/activate: No such file", False),
    ("/bin/sh: 0: cannot open /opt/shop/start.sh: No such file", False),
])
def test_a_shell_ends_at_a_file_of_variables_that_it_cannot_read(said: str, found: bool) -> None:
    made = supervised_service("BACKOFF", program={"restarts": 3, "expected": False, "started_at": NOW - 4},
                              log=log_lines(said, ago=1))
    diagnosis = diagnose(supervisord_scene(made).snapshot())
    assert (roots(diagnosis) == [CAUSE]) is found
    if found:
        one = diagnosis.findings[0]
        assert one.variant == "start-envfile-missing" and "/etc/shop.env, which its script reads" in one.summary
        assert one.repairs[0].risk == "manual"


@pytest.mark.parametrize(("path", "said", "is_found"), [
    ("/etc/shop.env", (), True), ("/etc/shop.env", ("/bin/sh: 1: .: cannot open /etc/shop.env: No such file",), True),
    ("/etc/shop.env", ("INFO:     Started server process [300]", "ValueError: no shop"), False),      # it came past it
    ("/opt/shop/venv/bin/activate", (), False),
])
def test_a_file_of_variables_that_is_not_there_is_named_also_where_the_log_is_not(
        path: str, said: tuple[str, ...], is_found: bool) -> None:
    made = replace(supervised_service("FATAL", program={"restarts": 3, "expected": False, "started_at": NOW - 4},
                                      log=log_lines(*said, ago=1)), missing_file=path)
    diagnosis = diagnose(supervisord_scene(made).snapshot())
    assert (roots(diagnosis) == [CAUSE]) is is_found
    if is_found:
        assert diagnosis.findings[0].confidence == "likely" and path in diagnosis.findings[0].summary


def test_a_file_of_variables_that_its_start_reads_only_if_it_exists_is_named() -> None:
    scene = crashed(absent_env_files=("/etc/shop/shop.env",))
    one = finding_of(diagnose(scene.snapshot()), CAUSE)
    assert ("/etc/shop/shop.env", "no such file; its start reads variables from it if it exists") in [(e.where, e.text) for e in one.evidence]
    assert [r.id for r in one.repairs] == ["set-variable", "restore-environment-file"]
    by_hand = one.repairs[-1]
    assert by_hand.risk == "manual" and by_hand.manual.startswith("if /etc/shop/shop.env set SECRET_KEY before, restore it with all of its variables")


def test_a_file_of_variables_in_a_mounted_folder_is_restored_on_the_host() -> None:
    made = container_service("web", is_app_server=False, bindings=Unknown("in the image"), box={"mounts": (("/srv/shop/settings", "/etc/shop", False),)})
    entry = BootEntry("web", "entrypoint", "/start.sh", 3, "uvicorn a:b", "root", 8001, None, name="p-web-1")
    server = service("uvicorn", 8001, None, node="web", unit=None, manager="none", boot_entry=entry, log=log_lines(*TRACEBACK[1:6]),
                     absent_env_files=("/etc/shop/shop.env",))
    scene = Scene("127.0.0.1:8001", node="web", back="web").with_service(made).with_service(server)
    crash = FailedRun(PortOwner(server, "bare", ()), (), (), end=read_run_end(()))
    (repair,) = absent_file_repairs(open_case(scene.snapshot(), {}), crash, "SECRET_KEY")
    assert "(on the Docker host: /srv/shop/settings/shop.env)" in repair.manual and repair.manual.endswith("; then docker restart p-web-1")


@pytest.mark.parametrize(("said", "in_configuration"), [
    ("Exception: Required parameter SECRET_KEY is missing from configuration.", True),
    ("RuntimeError: SECRET_KEY is not set in your config file", True),
    ("RuntimeError: SECRET_KEY is not set in the environment", False),
])
def test_what_a_program_lacks_in_its_own_configuration_is_no_variable_to_set(said: str, *, in_configuration: bool) -> None:
    found = finding_of(diagnose(crashed(said).snapshot()), "crash-missing-env")
    assert (found.confidence == "likely", found.repairs[0].risk == "manual") == (in_configuration, in_configuration)
    assert ("its configuration lacks SECRET_KEY" in found.summary) is in_configuration
