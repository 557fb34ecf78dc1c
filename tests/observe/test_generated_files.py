"""Tests of fixer/observe/generated_files.py: what nginx's files are made from, if that is proven."""

from __future__ import annotations

from dataclasses import replace

import pytest

from fixer.model.query import Probe, Query, ReadFile, ReadGlob
from fixer.observe.next_queries import follow_up_queries
from fixer.observe.view.observe_options import ObserveOptions
from tests.observe.capture_builders import NOW, file
from tests.observe.generated_files_builders import MADE, TEMPLATE, Project, in_environment, literal

MADE_FILE = "/etc/nginx/conf.d/shop.conf"
TEMPLATE_FILE = "/etc/nginx/templates/shop.conf.template"


def sources(project: Project) -> list[tuple[str, str, str, str]]:
    """(text, file, text at its position there, variable) of every run of the generated file."""
    seen = project.snapshot()
    made = seen.generated_files
    if not made:
        return []
    file = seen.file("web", made[0].path)
    assert file is not None and len(made) == 1
    assert b"".join(file.data[run.start:run.end] for run in made[0].runs) == file.data
    found = []
    for run in made[0].runs:
        source = next((one for one in (*seen.templates, *seen.files) if (one.node, one.path) == (run.node, run.file)), None)
        held = b"" if source is None or run.at is None else source.data[run.at:run.at + run.end - run.start]
        found.append((file.data[run.start:run.end].decode(), run.file, held.decode(), run.variable))
    return found


def variable(project: Project) -> tuple[str, str, str] | None:
    """(text, file, text there) of the one run that comes from a variable; with the reason if it cannot be edited."""
    found = [(text, path, held) for text, path, held, name in sources(project) if name == "BACKEND"]
    return found[0] if len(found) == 1 else None


def why(project: Project) -> str:
    return next(run.why for made in project.snapshot().generated_files for run in made.runs if run.variable)


def test_a_literal_address_is_the_templates() -> None:
    assert sources(literal()) == [(literal().made, TEMPLATE_FILE, literal().made, "")]


def test_the_value_of_an_env_file() -> None:
    assert sources(Project()) == [
        (MADE[:67], TEMPLATE_FILE, MADE[:67], ""), ("api:8000", "/srv/shop/web.env", "api:8000", "BACKEND"),
        (MADE[75:], TEMPLATE_FILE, MADE[75:], "")]


@pytest.mark.parametrize("settings", ["      BACKEND: api:8000\n", "      BACKEND: 'api:8000'\n", "      - BACKEND=api:8000\n",
                                      "      BACKEND: ${BACKEND:-api:8000}\n"])
def test_the_value_of_the_compose_file(settings: str) -> None:
    assert variable(in_environment(settings)) == ("api:8000", "/srv/shop/compose.yaml", "api:8000")


@pytest.mark.parametrize("settings", ["      BACKEND: ${BACKEND}\n", "      BACKEND: ${API:-api:1}\n", "      - BACKEND\n"])
def test_the_value_of_the_projects_own_variables(settings: str) -> None:
    name = "API" if "API" in settings else "BACKEND"
    project = in_environment(settings, files={"/srv/shop/.env": f"OTHER=1\n{name}=api:8000\n"})
    assert variable(project) == ("api:8000", "/srv/shop/.env", "api:8000")


def test_a_variable_of_the_project_that_serves_more_than_this() -> None:
    project = in_environment("      BACKEND: api:${PORT}\n", files={"/srv/shop/.env": "PORT=8000\n"})
    seen = replace(project, compose=project.compose + "    ports: ['${PORT}:${PORT}']\n")
    runs = [run for made in seen.snapshot().generated_files for run in made.runs if run.variable]
    assert [(run.at, run.why) for run in runs] == [
        (project.compose.index("api:${PORT}"), ""),
        (None, "another setting of the compose files (PORT) reads /srv/shop/.env:1 too")]


def test_an_env_file_that_another_service_reads() -> None:
    project = replace(Project(), compose=Project().compose + "    env_file: [web.env]\n")
    assert why(project) == "service api reads /srv/shop/web.env:1 too"


def test_a_variable_of_the_project_that_another_service_passes_on() -> None:
    project = in_environment("      - BACKEND\n", files={"/srv/shop/.env": "BACKEND=api:8000\n"})
    project = replace(project, compose=project.compose + "    environment: [BACKEND]\n")
    assert why(project) == "service api reads /srv/shop/.env:1 too"


def test_a_variable_whose_name_means_a_secret_is_not_placed() -> None:
    text = TEMPLATE.replace("${BACKEND}", "api:8000/${API_TOKEN}")
    project = Project(template=text, made=text.replace("${API_TOKEN}", "s3cret"), env=("API_TOKEN=s3cret",),
                      files={"/srv/shop/web.env": "API_TOKEN=s3cret\n"})
    assert why(project) == "the value of API_TOKEN may be a secret"
    assert "s3cret" not in repr(project.snapshot().generated_files)


def test_a_variable_of_the_image_or_of_docker_run() -> None:
    project = in_environment("      OTHER: x\n")
    assert why(project) == "BACKEND of container shop-web-1 is set in none of its compose files"


def test_a_variable_that_was_changed_since_the_container_was_created() -> None:
    project = in_environment("      BACKEND: api:8001\n")
    line = project.compose[:project.compose.index("BACKEND:")].count("\n") + 1
    assert why(project) == (
        f"/srv/shop/compose.yaml:{line} gives BACKEND another value than container shop-web-1 was created with. "
        "`docker compose up -d web` applies it, and no file holds the old value for an undo")


@pytest.mark.parametrize("project", [
    replace(Project(), made=MADE + "# by hand\n"),
    replace(Project(), env=("BACKEND=[masked 1]",)),
    replace(Project(), template=TEMPLATE + "# edited since the start\n"),
    # the next start would make another file, or another text
    replace(Project(), tree=(file("/etc/nginx/templates/new.conf.template", "server { }"),)),
    replace(Project(), tree=(file("/etc/nginx/templates/tls.conf.template", "a"),
                             file("/etc/nginx/conf.d/tls.conf", "b", mtime=NOW - 9))),
    # it was written before the start: the next one need not write it again
    replace(Project(), written=NOW - 400),
    # the file itself is mounted: what generates it is outside the container
    replace(Project(), mounts=({"Type": "bind", "Source": "/srv/shop/conf.d", "Destination": "/etc/nginx/conf.d"},)),
])
def test_unproven_files_are_not_called_generated(project: Project) -> None:
    assert project.snapshot().generated_files == ()


def test_several_files_with_a_template_each() -> None:
    more = (file("/etc/nginx/templates/tls.conf.template", "a ${BACKEND}"), file("/etc/nginx/snippets/tls.conf", "a api:8000", mtime=NOW - 9))
    assert [made.path for made in replace(Project(), tree=more).snapshot().generated_files] == [
        MADE_FILE, "/etc/nginx/snippets/tls.conf"]


def test_another_ending_of_templates() -> None:
    """NGINX_ENVSUBST_TEMPLATE_SUFFIX of the official image."""
    project = replace(Project(), template="x", ending=".off", tree=(file("/etc/nginx/templates/shop.conf.in", TEMPLATE),),
                      env=("BACKEND=api:8000", "NGINX_ENVSUBST_TEMPLATE_SUFFIX=.in"))
    made = project.snapshot().generated_files
    assert [one.template for one in made] == ["/etc/nginx/templates/shop.conf.in"]


def test_a_file_that_a_new_container_would_not_have() -> None:
    own = file("/etc/nginx/conf.d/extra.conf", "# added\n", mtime=NOW - 100)
    image = file("/etc/nginx/conf.d/extra.conf", "# of the image\n", mtime=NOW - 9000)
    listens = file("/etc/nginx/conf.d/default.conf", "# the entry point adds a line\n", mtime=NOW - 299)
    assert [replace(Project(), tree=(one,)).snapshot().generated_files[0].lost_file for one in (own, image, listens)] == [
        "/etc/nginx/conf.d/extra.conf", "", ""]


def test_a_template_is_no_file_of_nginx() -> None:
    """What looks for a directive in nginx's files must not find it twice."""
    seen = Project().snapshot()
    assert [(one.node, one.path, one.data) for one in seen.templates] == [("web", TEMPLATE_FILE, TEMPLATE.encode())]
    assert seen.file("web", TEMPLATE_FILE) is None


def asked_of(project: Project, node: str) -> list[Query]:
    return follow_up_queries(project.capture(), ObserveOptions()).get(node, [])


def test_the_host_is_asked_for_the_template_only_if_an_address_fails() -> None:
    outside = ReadFile("/srv/shop/templates/shop.conf.template")
    assert outside in asked_of(Project(), "engine")
    healthy = replace(Project(), listens=8001, made=MADE.replace("8000", "8001"), env=("BACKEND=api:8001",),
                      files={"/srv/shop/web.env": "BACKEND=api:8001\n"})
    assert outside not in asked_of(healthy, "engine")
    silent = Project().capture()
    nodes = tuple(replace(one, answers={query: answer for query, answer in one.answers.items()
                                        if not isinstance(query, Probe)}) for one in silent.nodes)
    assert outside not in follow_up_queries(replace(silent, nodes=nodes), ObserveOptions()).get("engine", [])


def test_a_template_that_is_mounted_elsewhere_is_read_if_an_address_fails() -> None:
    mount = {"Type": "bind", "Source": "/srv/shop/shop.tmpl", "Destination": "/opt/site.template"}
    named = replace(Project(), mounts=(mount,))
    folder = replace(Project(), env=("NGINX_ENVSUBST_TEMPLATE_DIR=/opt",))
    every = ReadGlob(("/opt/*.template", "/opt/*.tmpl", "/opt/*.tpl"))
    for project, wanted in ((named, ReadFile("/opt/site.template")), (folder, every)):
        assert wanted in asked_of(project, "web")
        assert not [q for q in asked_of(replace(project, listens=8000), "web") if "/opt/" in str(q)]
    assert every not in asked_of(replace(Project(), env=("NGINX_ENVSUBST_TEMPLATE_DIR=/o*",)), "web")


def test_a_template_that_the_start_script_names() -> None:
    """`envsubst < /templates/site.template > /etc/nginx/conf.d/shop.conf`, in a script of the image."""
    seen = replace(Project(), ending=".off", script="envsubst </templates/site.template >/etc/nginx/conf.d/shop.conf\n")
    assert ReadFile("/templates/site.template") in asked_of(seen, "web")
    read = replace(seen, tree=(file("/templates/site.template", TEMPLATE),))
    assert [one.template for one in read.snapshot().generated_files] == ["/templates/site.template"]


def test_a_template_with_another_name() -> None:
    """`envsubst < site.template > conf.d/shop.conf`: the bytes tell, whatever the names are."""
    other = file("/etc/nginx/site.template", TEMPLATE)
    made = replace(Project(), ending=".off", tree=(other,)).snapshot().generated_files
    assert [(one.path, one.template) for one in made] == [(MADE_FILE, "/etc/nginx/site.template")]
    assert replace(Project(), ending=".off", tree=(other,), written=NOW - 400).snapshot().generated_files == ()
    unequal = file("/etc/nginx/site.template", TEMPLATE + "#")
    assert replace(Project(), ending=".off", tree=(unequal,)).snapshot().generated_files == ()


def test_the_resolvers_that_the_official_image_sets() -> None:
    text = TEMPLATE.replace("listen 80;", "listen 80; resolver ${NGINX_LOCAL_RESOLVERS};")
    made = text.replace("${NGINX_LOCAL_RESOLVERS}", "127.0.0.11").replace("${BACKEND}", "api:8000")
    env = ("BACKEND=api:8000", "NGINX_ENTRYPOINT_LOCAL_RESOLVERS=1")
    assert len(replace(Project(), template=text, made=made, env=env).snapshot().generated_files) == 1
    assert [run.why for one in replace(Project(), template=text, made=made, env=env[:1]).snapshot().generated_files
            for run in one.runs if run.variable] == ["the start script itself makes the value of NGINX_LOCAL_RESOLVERS", ""]


def test_a_file_beside_its_template_in_a_mounted_folder() -> None:
    """An entry point that writes where its templates lie: the file then lies on the Docker host, too."""
    mount = {"Type": "bind", "Source": "/srv/shop/conf.d", "Destination": "/etc/nginx/conf.d"}
    beside = file(f"{MADE_FILE}.template", TEMPLATE)
    made = replace(Project(), ending=".off", mounts=(mount,), tree=(beside,)).snapshot().generated_files
    assert [(one.path, one.template) for one in made] == [(MADE_FILE, f"{MADE_FILE}.template")]
