"""Tests of fixer/causes/nginx_config_invalid/__init__.py."""

from __future__ import annotations

from dataclasses import replace

import pytest

from fixer.diagnose.run_causes import diagnose
from fixer.model.diagnosis import RuledOut, Undetermined
from fixer.model.facts import Evidence, Known, Unknown
from fixer.model.nginx_config import PIPE, ConfigProblem
from fixer.model.plan import CheckNginx, ReloadNginx, UnitAction, WriteFile
from fixer.model.snapshot import ProbeResult
from tests.causes.nginx_down.nginx_down_builders import DOWN, INVALID, OLD, UNEXPECTED, edited, ended_box, no_nginx
from tests.causes.snapshot_builders import (
    BAD_GATEWAY,
    GOOD,
    NOW,
    REFUSED,
    SITE,
    Scene,
    container_service,
    finding_of,
    healthy_scene,
    listener,
    probe,
    process,
    roots,
    stat,
    stopped_service,
    verdict_of,
)


def refuses(text: str, **nginx: object) -> Scene:
    scene = no_nginx(**nginx) if nginx.pop("down", True) else healthy_scene()
    scene.nginx["test"] = Known((1, text))
    return scene


def test_invalid_hit_explains_that_nginx_is_down() -> None:
    scene = refuses(UNEXPECTED)
    scene.problems = (ConfigProblem("unexpected", "x", SITE, 4, near=3),)
    diagnosis = diagnose(scene.snapshot())
    assert [(f.cause, f.role) for f in diagnosis.findings] == [(INVALID, "root"), (DOWN, "consequence")]
    found = diagnosis.findings[0]
    assert found.evidence[0].where == f"{SITE}:4" and found.repairs[0].risk == "manual"
    assert f"{SITE}:3" in found.repairs[0].manual and found.evidence[1].where == f"{SITE}:3"


@pytest.mark.parametrize(("lines", "ended", "said"), [
    ("server {\n    listen 80\n    server_name _;\n}\n", 2, 'invalid parameter "server_name"'),
    ("server {\n    access_log /a main\n    error_log /b;\n}\n", 2, 'invalid parameter "error_log"'),
    ("server {\n    listen 80 server_name;\n    root /a;\n}\n", 0, 'invalid parameter "server_name"'),
])
def test_a_line_that_lacks_its_end_is_named_as_that(lines: str, ended: int, said: str) -> None:
    """nginx complains of the next line: what it says leads away."""
    complained = ended + 1 if ended else 2
    scene = refuses(f"nginx: [emerg] {said} in {SITE}:{complained}\n")
    scene.files[0] = replace(scene.files[0], data=lines.encode())
    found = finding_of(diagnose(scene.snapshot()), INVALID)
    assert (f"the `;` of line {ended} is missing" in found.summary) == bool(ended)
    assert found.repairs[-1].summary == (f"add the missing `;` to {SITE}:{ended}" if ended else f"correct {SITE}:2")
    assert f"{SITE}:{ended or 2}" in {shown.where for shown in found.evidence}


@pytest.mark.parametrize("down", [True, False])
def test_a_pipe_that_is_included_needs_no_word_of_nginx(down: bool) -> None:
    """It would give none: it waits there for whoever writes into it."""
    scene = no_nginx() if down else healthy_scene()
    scene.nginx["test"] = Unknown("nginx -t would wait for ever")
    scene.problems = (ConfigProblem(PIPE, '"/etc/nginx/conf.d/x.conf" is a pipe (FIFO): nginx waits there forever', SITE, 4),)
    found = diagnose(scene.snapshot()).findings
    assert [(f.cause, f.role) for f in found] == ([(INVALID, "root"), (DOWN, "consequence")] if down else [(INVALID, "advice")])
    assert "waits there forever" in found[0].summary and not any(f.repairs for f in found[1:])


def test_a_file_that_nginx_cannot_use_is_shown_where_it_is_named() -> None:
    words = 'cannot load certificate "/etc/ssl/shop.pem": BIO_new_file() failed (SSL: error:80000002:system library)'
    scene = refuses(f"nginx: [emerg] {words}\nnginx: configuration file /etc/nginx/nginx.conf test failed\n")
    page = scene.files[0]
    text = b"# /etc/ssl/shop.pem\nserver {\n    ssl_certificate /etc/ssl/shop.pem;\n"
    scene.files[0] = replace(page, data=text + page.data)
    found = finding_of(diagnose(scene.snapshot()), INVALID)
    assert found.evidence[1].where == f"{SITE}:3" and f"{SITE}:3" in found.repairs[0].manual
    scene.files[0] = page
    assert "/etc/nginx/nginx.conf" in finding_of(diagnose(scene.snapshot()), INVALID).summary


def test_invalid_while_pages_answer_is_advice() -> None:
    scene = healthy_scene()
    scene.nginx["test"] = Known((1, UNEXPECTED))
    diagnosis = diagnose(scene.snapshot())
    assert diagnosis.verdict == "healthy"
    assert [(f.cause, f.role, f.repairs) for f in diagnosis.findings] == [(INVALID, "advice", ())]


@pytest.mark.parametrize(("edited", "role"), [(10.0, "root"), (900.0, "contributing")])
def test_what_fails_by_the_configuration_of_before_is_explained(edited: float, role: str) -> None:
    """The address in the files answers, and the reload was refused over another site."""
    scene = healthy_scene().answers(BAD_GATEWAY)
    scene.nginx |= {"test": Known((1, UNEXPECTED)), "config_mtime": Known(NOW - edited), "loaded_at": Known(NOW - 60)}
    (found,) = diagnose(scene.snapshot()).findings
    assert (found.cause, found.role) == (INVALID, role)
    assert ("goes on asking the addresses that it loaded before" in found.summary) is (role == "root")


def test_invalid_beside_another_fault_contributes() -> None:
    scene = Scene().with_service(stopped_service()).refused()
    scene.nginx["test"] = Known((1, UNEXPECTED))
    assert [(f.cause, f.role) for f in diagnose(scene.snapshot()).findings] == [
        ("backend-down", "root"), (INVALID, "contributing")]


def test_invalid_miss_and_unknown() -> None:
    assert isinstance(verdict_of(diagnose(healthy_scene().snapshot()), INVALID), RuledOut)
    tested = healthy_scene()
    tested.nginx["test"] = Known((0, "ok"))
    assert isinstance(verdict_of(diagnose(tested.snapshot()), INVALID), RuledOut)
    blind = healthy_scene()
    blind.nginx["config"] = Unknown("not root")
    assert isinstance(verdict_of(diagnose(blind.snapshot()), INVALID), Undetermined)
    for text in ("nginx: [emerg] host not found in upstream \"app\" in /x:1", "nginx: [emerg] bind() to 0.0.0.0:80 failed"):
        assert isinstance(verdict_of(diagnose(refuses(text).snapshot()), INVALID), Undetermined | RuledOut)


def test_invalid_by_our_own_reading_where_nginx_could_not_be_asked() -> None:
    scene = no_nginx(test=Unknown("no binary"))
    scene.problems = (ConfigProblem("unterminated", "no semicolon", SITE, 5, near=3),)
    found = finding_of(diagnose(scene.snapshot()), INVALID)
    assert found.confidence == "likely" and "no semicolon" in found.summary
    quoted = [e for e in found.evidence if e.source == "nginx-config"]
    assert quoted and all("no semicolon" not in e.text for e in quoted)      # the lines themselves, not our words
    assert finding_of(diagnose(refuses("what?").snapshot()), INVALID).evidence[0].text == "what?"


@pytest.mark.parametrize(("said", "told"), [
    ('open() "/var/log/nginx/error.log" failed (2: No such file or directory)', "create the folder /var/log/nginx again"),
    ('open() "/var/log/nginx/error.log" failed (2: No such file or directory)', "LogsDirectory=nginx"),
    ('open() "/etc/nginx/snippets/tls.conf" failed (2: No such file or directory)', "restore /etc/nginx/snippets/tls.conf"),
    ('cannot load certificate key "/etc/ssl/k.pem": BIO_new_file() failed (SSL: error:80000002:system library::'
     "No such file or directory:calling fopen(/etc/ssl/k.pem, r))", "restore /etc/ssl/k.pem, or correct"),
    ('dlopen() "/usr/lib/m.so" failed (/usr/lib/m.so: cannot open shared object file: No such file or directory)',
     "restore /usr/lib/m.so"),
    ('open() "/var/log/nginx/error.log" failed (13: Permission denied)', ""), ('unknown directive "proxy_pas"', ""),
])
def test_what_is_gone_is_put_back_and_the_line_that_names_it_may_be_right(said: str, told: str) -> None:
    found = diagnose(refuses(f"nginx: [emerg] {said} in {SITE}:4\n").snapshot()).findings
    manual = " ".join(r.manual for f in found for r in f.repairs)
    assert told in manual and ("again" in manual or "restore" in manual) is bool(told)


GONE = "/etc/nginx/sites-enabled/gone"
DANGLING = f'nginx: [emerg] open() "{GONE}" failed (2: No such file or directory) in /etc/nginx/nginx.conf:60'


def dangling(scene: Scene) -> Scene:
    link = stat(kind="link", link_target="/etc/nginx/sites-available/gone")
    scene.node_changes.setdefault(scene.node, {})["files"] = ((GONE, link), (f"{GONE}2", link), ("/x", stat()))
    return scene


def test_a_dangling_link_is_removed() -> None:
    found = finding_of(diagnose(dangling(refuses(DANGLING)).snapshot()), INVALID)
    assert (found.variant, found.repairs[0].risk) == ("sites-enabled-dangling", "safe")
    first, second, check, start, _ = found.repairs[0].steps
    assert isinstance(first, WriteFile) and isinstance(second, WriteFile) and isinstance(check, CheckNginx)
    assert (first.path, first.after, first.link_target) == (GONE, None, "/etc/nginx/sites-available/gone")
    assert isinstance(start, UnitAction)
    running = dangling(Scene().with_service(stopped_service()).refused())
    running.nginx["test"] = Known((1, DANGLING))
    steps = finding_of(diagnose(running.snapshot()), INVALID).repairs[0].steps
    assert isinstance(steps[-1], ReloadNginx)


def test_the_link_of_the_only_site_is_not_removed() -> None:
    """nginx would start and listen nowhere, and the site would be gone from its folder too."""
    scene = refuses(DANGLING)
    config = scene.snapshot().nginxes[0].config
    assert isinstance(config, Known)
    scene.nginx["config"] = Known(replace(config.value, routes=()))
    repair = finding_of(diagnose(dangling(scene).snapshot()), INVALID).repairs[0]
    assert (repair.risk, repair.steps) == ("manual", ()) and "restore /etc/nginx/sites-available/gone" in repair.manual


def test_a_dangling_link_that_is_none_or_lies_in_a_container() -> None:
    assert finding_of(diagnose(refuses(DANGLING).snapshot()), INVALID).variant == "nginx-config-invalid"
    web = container_service("web", 80, pid=None, is_app_server=False, box={"status": "running"})
    scene = Scene("app:8000", node="web", back="app").with_service(container_service(), listener(8000, 7, "0.0.0.0", "app"))
    scene.nginx.update({"master_pid": None, "service": web, "test": Known((1, DANGLING))})
    assert finding_of(diagnose(dangling(scene).snapshot()), INVALID).repairs[0].risk == "manual"


def test_a_check_that_ends_without_a_word_is_told_as_that() -> None:
    scene = healthy_scene().answers(REFUSED)
    scene.nginx.update(master_pid=None, test=Known((-11, "")))
    found = finding_of(diagnose(scene.snapshot()), INVALID)
    assert "nginx -t fails without an error message" in found.summary and "''" not in found.summary + found.repairs[0].manual


@pytest.mark.parametrize(("heard", "told"), [
    (probe(error="tls"), "with TLS, which the server there does not accept"), (probe(400, body="Client sent an HTTP request to an HTTPS server."),
                                                            "without TLS, which the server there requires"), (probe(error="slow"), ""), (GOOD, ""),
])
def test_pages_that_the_next_reload_would_break(heard: ProbeResult, told: str) -> None:
    """A repair ended well, and the next restart read what somebody had written before: it is said beforehand."""
    scene = healthy_scene().answers(GOOD).endpoint(http=Known(heard))
    scene.nginx["config_mtime"] = Known(NOW - 60)
    diagnosis = diagnose(scene.snapshot())
    advice = [f.summary for f in diagnosis.findings if f.cause == OLD]
    assert diagnosis.verdict == "healthy" and [told in text for text in advice] == ([True] if told else [])


def test_an_explicit_configuration_is_named_when_it_is_checked() -> None:
    scene = edited()
    scene.processes[0] = process(100, "nginx: master process /usr/sbin/nginx -c /opt/n.conf")
    assert all(step.explicit for step in finding_of(diagnose(scene.snapshot()), OLD).repairs[0].steps)   # type: ignore[union-attr]
    other = edited(conf_path="/opt/nginx.conf")
    assert all(step.explicit for step in finding_of(diagnose(other.snapshot()), OLD).repairs[0].steps)   # type: ignore[union-attr]


FOLDER = '2027/01/15 08:00:00 [crit] 1#1: pread() "/etc/nginx/conf.d/site.conf" failed (21: Is a directory)'


def test_a_folder_that_docker_made_in_place_of_a_file_is_told_with_its_place_on_the_host() -> None:
    """nginx ends over it with a [crit] and no [emerg]: to start it again is in vain."""
    scene = ended_box(FOLDER, status="exited")
    web = scene.nginx["service"]
    mounts = (("/srv/shop/site.conf", "/etc/nginx/conf.d/site.conf", True),)
    scene.nginx["service"] = replace(web, container=replace(web.container, mounts=mounts))
    scene.services = [scene.nginx["service"] if s.name == web.name else s for s in scene.services]
    diagnosis = diagnose(scene.snapshot())
    assert roots(diagnosis) == [INVALID]
    repair = diagnosis.findings[0].repairs[0]
    assert repair.risk == "manual" and "rmdir /srv/shop/site.conf" in repair.manual
    asked = refuses('nginx: [crit] pread() "/etc/nginx/conf.d" failed (21: Is a directory)\n')
    assert "is a folder, but nginx needs a file" in finding_of(diagnose(asked.snapshot()), INVALID).repairs[0].manual


def test_a_variable_that_was_left_in_a_template_is_told_with_its_line_and_where_it_comes_from() -> None:
    """envsubst leaves alone what the container has no variable for; nginx says the name in small letters, and no line."""
    scene = ended_box('2027/01/15 08:00:00 [emerg] 1#1: unknown "back_port" variable', status="exited")
    read = scene.files[0]
    scene.files[0] = replace(read, data=read.data.replace(b"127.0.0.1:8000", b"app:${BACK_PORT}"))
    line = scene.files[0].data.partition(b"${BACK")[0].count(b"\n") + 1
    name = read.real_path.rpartition("/")[2]
    scene.node_changes["local"] = {"files": ((f"/etc/nginx/templates/{name}.template", stat()),)}
    found = diagnose(scene.snapshot()).findings[0]
    assert f"{name}:{line}: " in found.summary
    assert f"from /etc/nginx/templates/{name}.template and its variables" in found.repairs[0].manual


def test_what_a_stopped_container_said_of_its_files_proves_it() -> None:
    """fixer's own parser sees the same mistake, and where it begins: nginx's words make it certain."""
    scene = ended_box(f'2027/01/15 08:00:00 [emerg] 1#1: invalid parameter "server_name" in {SITE}:5', status="exited")
    scene.problems = (ConfigProblem("unterminated", "no semicolon", SITE, 5, near=4),)
    found = finding_of(diagnose(scene.snapshot()), INVALID)
    assert (found.confidence, found.role) == ("certain", "root") and f"{SITE}:4" in found.repairs[0].summary
    assert Evidence("nginx-test", f"{SITE}:5", 'invalid parameter "server_name"') in found.evidence


def test_a_directive_that_no_source_has_is_unknown_and_not_wrong() -> None:
    """A module or a newer nginx may have it: only nginx can tell."""
    scene = no_nginx()
    scene.nginx["test"] = Unknown("the container is stopped")
    scene.problems = (ConfigProblem("unknown-directive", 'unknown directive "frob"', SITE, 4, fatal=False),)
    verdict = verdict_of(diagnose(scene.snapshot()), INVALID)
    assert isinstance(verdict, Undetermined) and f'unknown directive "frob" in {SITE}:4' in " ".join(verdict.missing)
    scene.nginx["test"] = Known((0, "ok"))
    assert isinstance(verdict_of(diagnose(scene.snapshot()), INVALID), RuledOut)


@pytest.mark.parametrize(("box", "effects"), [
    ({"status": "exited"}, ("nginx-stops", "run-ends")), ({"status": "running"}, None),
    ({"status": "running", "restart_count": 3, "started_at": NOW - 2}, ("nginx-stops", "run-ends")),    # again and again
    ({"status": "running", "restart_count": 3, "started_at": NOW - 900}, None),
])
def test_a_container_that_ended_with_its_nginx_has_one_fault(box: dict[str, object], effects: tuple[str, ...] | None) -> None:
    """Whatever else its start script ran has ended with it."""
    web = container_service("web", 80, pid=None, is_app_server=False, box=box)
    scene = Scene("127.0.0.1:8000", node="web", back="web").with_service(web)
    scene.nginx.update({"master_pid": None, "service": web, "test": Known((1, DANGLING))})
    assert finding_of(diagnose(scene.snapshot()), INVALID).effects == effects
