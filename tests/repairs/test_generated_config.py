"""Tests of fixer/repairs/generated_config.py: what a container generates at each start is edited in its source."""

from __future__ import annotations

from dataclasses import replace

import pytest

from fixer.analysis.evidence import container_of
from fixer.model.diagnosis import Repair
from fixer.model.plan import CheckNginx, ComposeUp, ContainerAction, ReloadNginx, WaitForListener, WriteFile
from fixer.redaction.masked_steps import diff_of
from fixer.repairs.generated_config import with_lasting_edits
from tests.observe.capture_builders import NOW, file
from tests.observe.generated_files_builders import (
    COMPOSE,
    MADE,
    MOUNT,
    TEMPLATE,
    Project,
    in_environment,
    literal,
    repair_of,
)

MADE_FILE = "/etc/nginx/conf.d/shop.conf"


def edits(repair: Repair) -> dict[str, str]:
    """The contents that the repair gives to files of the Docker host."""
    writes = [step for step in repair.steps if isinstance(step, WriteFile)]
    assert all(write.node == "engine" for write in writes)
    return {write.path: (write.after or b"").decode() for write in writes}


def kinds(repair: Repair) -> list[type]:
    return [type(step) for step in repair.steps]


def test_an_address_in_the_template_is_edited_there_and_the_container_restarted() -> None:
    repair = repair_of(literal())
    assert edits(repair) == {"/srv/shop/templates/shop.conf.template": literal().template.replace("8000", "8001")}
    assert kinds(repair) == [WriteFile, ContainerAction, WaitForListener, CheckNginx]
    assert repair.risk == "disruptive" and isinstance(repair.steps[1], ContainerAction)
    assert (repair.steps[1].name, repair.steps[1].verb) == ("shop-web-1", "restart")
    assert repair.summary == (
        "point / at api:8001 instead of api:8000: edit /srv/shop/templates/shop.conf.template, from which container "
        "shop-web-1 makes shop.conf, and restart it")


def test_an_address_of_an_env_file_is_edited_there_and_the_container_recreated() -> None:
    repair = repair_of(replace(Project(), files={"/srv/shop/web.env": "A=1\nBACKEND=api:8000 # the shop\nB=2\n"}))
    assert edits(repair) == {"/srv/shop/web.env": "A=1\nBACKEND=api:8001 # the shop\nB=2\n"}
    assert kinds(repair) == [WriteFile, ComposeUp, WaitForListener, CheckNginx]
    assert repair.risk == "disruptive" and isinstance(repair.steps[1], ComposeUp)
    assert (repair.steps[1].service, repair.steps[1].config_hash) == ("web", "hash-web")
    assert repair.summary.endswith(
        "edit /srv/shop/web.env, from which container shop-web-1 makes shop.conf, and recreate it")


@pytest.mark.parametrize(("settings", "after"), [
    ("      BACKEND: api:8000\n", "      BACKEND: api:8001\n"),
    ("      BACKEND: 'api:8000'\n", "      BACKEND: 'api:8001'\n"),
    ("      - BACKEND=api:8000\n", "      - BACKEND=api:8001\n"),
    ("      BACKEND: ${BACKEND:-api:8000}\n", "      BACKEND: ${BACKEND:-api:8001}\n"),
])
def test_an_address_of_the_compose_file(settings: str, after: str) -> None:
    project = in_environment(settings)
    assert edits(repair_of(project)) == {"/srv/shop/compose.yaml": project.compose.replace(settings, after)}


def test_an_address_of_the_projects_variables() -> None:
    project = in_environment("      - BACKEND\n", files={"/srv/shop/.env": "BACKEND=api:8000\n"})
    assert edits(repair_of(project)) == {"/srv/shop/.env": "BACKEND=api:8001\n"}


def test_a_port_that_is_a_variable_of_its_own() -> None:
    text = TEMPLATE.replace("${BACKEND}", "$HOST:${PORT}")
    project = Project(template=text, made=text.replace("$HOST:${PORT}", "api:8000"), env=("HOST=api", "PORT=8000"),
                      files={"/srv/shop/web.env": "HOST=api\nPORT=8000\n"})
    assert edits(repair_of(project)) == {"/srv/shop/web.env": "HOST=api\nPORT=8001\n"}


def test_a_variable_that_is_used_twice_for_the_same_address() -> None:
    text = "upstream shop { server ${BACKEND}; }\n" + TEMPLATE.replace("listen 80;", "listen 80; # ${BACKEND}")
    project = replace(Project(), template=text, made=text.replace("${BACKEND}", "api:8000"))
    assert edits(repair_of(project)) == {}         # nginx would go on handing nothing to that upstream
    used = text.replace("http://${BACKEND}", "http://shop")
    project = replace(Project(), template=used, made=used.replace("${BACKEND}", "api:8000"))
    assert edits(repair_of(project)) == {"/srv/shop/web.env": "BACKEND=api:8001\n"}


def manual(project: Project) -> str:
    repair = repair_of(project)
    assert repair.risk == "manual" and repair.steps == ()
    return repair.manual


def test_a_variable_with_another_meaning_stays_with_the_operator() -> None:
    text = TEMPLATE.replace("}\n}", "    proxy_set_header Host ${BACKEND};\n    }\n}")
    project = replace(Project(), template=text, made=text.replace("${BACKEND}", "api:8000"))
    assert manual(project) == (
        "point / at api:8001 instead of api:8000: container shop-web-1 generates /etc/nginx/conf.d/shop.conf at each "
        "start from /etc/nginx/templates/shop.conf.template and BACKEND. Change it there, then recreate the container; "
        "fixer cannot do this: BACKEND also gives /etc/nginx/conf.d/shop.conf:5 its text. On the Docker host "
        "/etc/nginx/templates/shop.conf.template is /srv/shop/templates/shop.conf.template")


@pytest.mark.parametrize(("project", "reason"), [
    (in_environment("      OTHER: x\n"), "BACKEND of container shop-web-1 is set in none of its compose files"),
    (replace(Project(), compose=COMPOSE + "    env_file: [web.env]\n"), "service api reads /srv/shop/web.env:1 too"),
    (replace(Project(), hashes="web other\n"), "no longer describe what runs as web"),
    (replace(Project(), tree=(file("/etc/nginx/conf.d/own.conf", "# own\n", mtime=NOW - 9),)),
     "a new container would not have /etc/nginx/conf.d/own.conf"),
    (replace(Project(), env=()), "the start script itself makes the value of BACKEND"),
    (replace(literal(), mounts=()), "templates/shop.conf.template is in the layer of container shop-web-1"),
    (replace(literal(), mounts=({**MOUNT, "Type": "volume", "Name": "t"},)), "is in a volume of container shop-web-1"),
    (replace(Project(), template=TEMPLATE.replace("BACKEND", "API_TOKEN"), env=("API_TOKEN=api:8000",),
             files={"/srv/shop/web.env": "API_TOKEN=api:8000\n"}), "the value of API_TOKEN may be a secret"),
])
def test_what_cannot_be_edited_stays_with_the_operator(project: Project, reason: str) -> None:
    assert reason in manual(project)


def test_what_is_not_proven_says_the_same_as_before() -> None:
    assert (
        "container shop-web-1 generates /etc/nginx/conf.d/shop.conf at each start from "
        "/etc/nginx/templates/shop.conf.template and its variables: change the template, or the variable in the "
        "container's settings, then recreate the container. ") in manual(replace(Project(), made=MADE + "# by hand\n"))


def test_other_values_of_an_env_file_are_not_shown() -> None:
    project = replace(Project(), files={"/srv/shop/web.env": "DB_PASSWORD=hunter2x\nBACKEND=api:8000\n"})
    repair = repair_of(project)
    assert edits(repair) == {"/srv/shop/web.env": "DB_PASSWORD=hunter2x\nBACKEND=api:8001\n"}
    assert "hunter2x" not in diff_of(repair.steps) and "BACKEND=api:8001" in diff_of(repair.steps)


def edited(project: Project, *changes: tuple[str, str]) -> Repair:
    """An edit of the generated file that some cause offers, turned into edits of its sources."""
    seen = project.snapshot()
    page = seen.file("web", MADE_FILE)
    assert page is not None
    after = page.data.decode()
    for old, new in changes:
        after = after.replace(old, new)
    nginx = seen.nginxes[0]
    steps = (WriteFile("web", MADE_FILE, page.data, after.encode(), "x"),
             CheckNginx("web", nginx.binary, nginx.conf_path, nginx.prefix),
             ReloadNginx("web", 40, nginx.binary, nginx.conf_path, nginx.prefix, ""))
    return with_lasting_edits(seen, Repair("x", "safe", "change it", steps))


def two_parts(value: str = "${HOST}:${PORT}") -> Project:
    text = TEMPLATE.replace("${BACKEND}", value)
    return Project(template=text, made=text.replace("${HOST}", "api").replace("${PORT}", "8000"),
                   env=("HOST=api", "PORT=8000"), files={"/srv/shop/web.env": "HOST=api\nPORT=8000\n"})


def test_an_address_of_two_variables_is_split_where_the_template_joins_them() -> None:
    assert edits(edited(two_parts(), ("api:8000", "shop:81"))) == {"/srv/shop/web.env": "HOST=shop\nPORT=81\n"}
    assert "put together of several variables" in edited(two_parts("${HOST}${PORT}"), ("api8000", "x:1")).manual


def test_a_template_and_a_variable_at_once() -> None:
    repair = edited(Project(), ("api:8000", "api:8001"), ("listen 80;", "listen 8080;"))
    assert edits(repair) == {"/srv/shop/web.env": "BACKEND=api:8001\n",
                             "/srv/shop/templates/shop.conf.template": TEMPLATE.replace("80;", "8080;")}
    assert kinds(repair) == [WriteFile, WriteFile, ComposeUp, WaitForListener, CheckNginx]


def test_new_text_goes_to_the_template_where_it_meets_a_variable() -> None:
    repair = edited(replace(Project(), made=TEMPLATE.replace("${BACKEND}", "api"), env=("BACKEND=api",),
                            files={"/srv/shop/web.env": "BACKEND=api\n"}), ("http://api;", "http://api:8001;"))
    assert edits(repair) == {"/srv/shop/templates/shop.conf.template": TEMPLATE.replace("D};", "D}:8001;")}


@pytest.mark.parametrize(("new", "host"), [("helpapi:8000", "helpapi"), ("api-2:8000", "api-2"), ("my_api:8000", "my_api")])
def test_new_text_that_makes_a_variables_value_another_name_changes_the_variable(new: str, host: str) -> None:
    """`help${HOST}` would hold until somebody corrects the variable."""
    assert edits(edited(two_parts(), ("api:8000", new))) == {"/srv/shop/web.env": f"HOST={host}\nPORT=8000\n"}


def test_a_new_directive() -> None:
    repair = edited(literal(), ("    location", "    keepalive_timeout 5;\n    location"))
    assert edits(repair)["/srv/shop/templates/shop.conf.template"] == literal().template.replace(
        "    location", "    keepalive_timeout 5;\n    location")
    assert "taken for a variable" in edited(literal(), ("    location", "    set $a $host;\n    location")).manual


def test_a_start_that_the_repair_made_itself_comes_after_the_edit() -> None:
    """nginx is down because of the name: its container is started by the recreation, and only then waited for."""
    seen = Project().snapshot()
    page = seen.file("web", MADE_FILE)
    assert page is not None
    edit = WriteFile("web", MADE_FILE, page.data, page.data.replace(b"api:8000", b"shop:8000"), "x")
    box = container_of(seen, "web")
    assert box is not None
    other = ContainerAction("api" * 8, "shop-api-1", "start", "exited")
    wait = WaitForListener("api", "127.0.0.1", 8000, container="shop-api-1")
    own = (ContainerAction(box.id, box.name, "restart", "restarting"), WaitForListener("web", "127.0.0.1", 80, container=box.name))
    repair = with_lasting_edits(seen, Repair("x", "safe", "change it", (other, wait, edit, *own)))
    assert kinds(repair) == [WriteFile, ContainerAction, WaitForListener, ComposeUp, WaitForListener]
    assert repair.steps[1:3] == (other, wait)


def test_directives_around_a_variable() -> None:
    """Another protocol: the pass has another name, its scheme goes, and a line is added after it."""
    repair = edited(Project(), ("proxy_pass http://api:8000;", "uwsgi_pass api:8000;\n        include uwsgi_params;"))
    assert edits(repair) == {"/srv/shop/templates/shop.conf.template": TEMPLATE.replace(
        "proxy_pass http://${BACKEND};", "uwsgi_pass ${BACKEND};\n        include uwsgi_params;")}
    assert ContainerAction in kinds(repair)
    twice = edited(Project(), ("proxy_pass http", "proxy_read_timeout 9s;\n        proxy_pass https"), ("80;", "81;"))
    assert edits(twice) == {"/srv/shop/templates/shop.conf.template": TEMPLATE.replace(
        "proxy_pass http", "proxy_read_timeout 9s;\n        proxy_pass https").replace("80;", "81;")}


def test_a_value_that_would_need_quotes() -> None:
    assert "BACKEND would need quotes" in edited(Project(), ("api:8000", "[::1]:8001")).manual


def test_a_file_that_would_be_deleted_stays_with_the_operator() -> None:
    seen = Project().snapshot()
    repair = with_lasting_edits(seen, Repair("x", "safe", "y", (WriteFile("web", MADE_FILE, b"", None, "x"),)))
    assert repair.risk == "manual" and "would be created or deleted" in repair.manual


def test_what_the_cause_masks_stays_masked() -> None:
    seen = literal().snapshot()
    page = seen.file("web", MADE_FILE)
    assert page is not None
    step = WriteFile("web", MADE_FILE, page.data, page.data.replace(b"api:8000", b"shop:8000"), "x", mask=(b"listen",))
    made = with_lasting_edits(seen, Repair("x", "safe", "y", (step,)))
    assert isinstance(made.steps[0], WriteFile) and made.steps[0].mask == (b"listen",)
    assert "listen" not in diff_of(made.steps)


def test_other_repairs_stay_as_they_are() -> None:
    seen = Project().snapshot()
    repair = Repair("x", "safe", "y", (ContainerAction("id", "name", "restart", "running"),))
    assert with_lasting_edits(seen, repair) is repair


@pytest.mark.parametrize(("manual", "told"), [
    (f"correct it at web:{MADE_FILE}:9. Then run nginx -t", True), (f"correct {MADE_FILE}.bak", False), ("correct it", False),
    (f"correct {MADE_FILE}:9, which is made of /etc/nginx/templates/shop.conf.template", False),
])
def test_whoever_is_sent_to_a_generated_file_learns_of_what_it_is_made(manual: str, told: bool) -> None:
    seen = with_lasting_edits(literal().snapshot(), Repair("correct", "manual", "correct it", (), manual=manual))
    more = seen.manual.removeprefix(manual)
    assert (f"generates {MADE_FILE} at each start from /etc/nginx/templates/shop.conf.template" in more) is told
    assert bool(more) is told
