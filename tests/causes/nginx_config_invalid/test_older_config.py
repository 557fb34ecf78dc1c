"""nginx-config-invalid: an older state of the file beside it may be put back, where a person says so."""

from __future__ import annotations

from dataclasses import replace

import pytest

from fixer.causes.nginx_config_invalid.older_config import is_same_file
from fixer.diagnose.run_causes import diagnose
from fixer.model.diagnosis import Finding, Repair
from fixer.model.facts import Known, Unknown
from fixer.model.nginx_config import ConfigProblem, GeneratedFile
from fixer.model.plan import CheckNginx, ContainerAction, ReloadNginx, UnitAction, WriteFile
from fixer.model.query import FileStat
from tests.causes.nginx_down.nginx_down_builders import INVALID, no_nginx
from tests.causes.snapshot_builders import (
    REFUSED,
    SITE,
    Scene,
    container_service,
    file,
    finding_of,
    listener,
    stat,
    stopped_service,
)

REAL = "/etc/nginx/sites-available/shop"
HOST = "/srv/shop/site.conf"
GOOD = b"server {\n    listen 80;\n    server_name shop.example;\n    gzip on;\n    location / { proxy_pass http://127.0.0.1:8000; }\n}\n"
TORN = GOOD.replace(b"gzip on;", b"gzip on")


def said(path: str = SITE, line: int = 5, words: str = 'directive "gzip" is not terminated by ";"') -> str:
    return f"nginx: [emerg] {words} in {path}:{line}\nnginx: configuration file /etc/nginx/nginx.conf test failed\n"


def refusing(broken: bytes = TORN, told: str = "", *beside: tuple[str, bytes]) -> Scene:
    scene = no_nginx(test=Known((1, told or said())))
    scene.problems = (ConfigProblem("unterminated", "-", SITE, 5, near=4),)
    scene.files[0] = replace(scene.files[0], data=broken)
    scene.files += [file(path, data) for path, data in beside]
    return scene


def found(scene: Scene, **inputs: str) -> Finding:
    return finding_of(diagnose(scene.snapshot(), inputs), INVALID)


def restore(scene: Scene, **inputs: str) -> Repair | None:
    return next((r for r in found(scene, **inputs).repairs if r.id == "restore-backup"), None)


@pytest.mark.parametrize("path", [f"{REAL}~", f"{REAL}.bak", f"{REAL}.2026-01-31", f"{SITE}.dpkg-old",
                                  f"{REAL}.dpkg-dist", f"{REAL}.rpmnew", f"{REAL}.default", f"{REAL}.ucf-dist"])
def test_a_person_may_choose_an_older_state(path: str) -> None:
    """Behind the link, or beside the link: never without being told which, be it the only one."""
    scene = refusing(TORN, "", (path, GOOD))
    offered = restore(scene)
    assert offered is not None and (offered.risk, offered.steps) == ("disruptive", ())
    (need,) = offered.needs
    assert (need.key, need.kind, need.choices, need.default) == ("restore-from", "choice", (path,), None)
    assert [r.id for r in found(scene).repairs] == ["restore-backup", "correct-configuration"]
    chosen = restore(scene, **{"restore-from": path})
    assert chosen is not None
    write, check, start, *_ = chosen.steps
    assert isinstance(write, WriteFile) and isinstance(check, CheckNginx) and isinstance(start, UnitAction)
    assert (write.path, write.before, write.after, write.meta, write.in_place) == (REAL, TORN, GOOD, None, False)
    other = restore(scene, **{"restore-from": "/etc/passwd"})
    assert other is not None and other.steps == ()


def test_the_newest_is_named_first_and_a_running_nginx_is_reloaded() -> None:
    scene = Scene().with_service(stopped_service()).refused()
    scene.nginx["test"] = Known((1, said()))
    scene.files[0] = replace(scene.files[0], data=TORN)
    scene.files += [file(f"{REAL}.1", GOOD), file(f"{REAL}.old", GOOD + b"\n", stat=stat(mtime=1e9 * 2))]
    offered = restore(scene, **{"restore-from": f"{REAL}.1"})
    assert offered is not None and offered.needs[0].choices == (f"{REAL}.old", f"{REAL}.1")
    assert isinstance(offered.steps[-1], ReloadNginx) and "reload nginx" in offered.summary


@pytest.mark.parametrize(("name", "data", "kind"), [
    (".bak", GOOD.replace(b"shop.example", b"blog.example"), "file"),      # another site's
    (".bak", GOOD.replace(b"listen 80", b"listen 81"), "file"),
    (".bak", TORN, "file"),                                                # the very same
    (".bak", TORN + b"\n", "file"), (".bak", GOOD[:-2], "file"),           # it does not parse
    (".bak", b"", "file"), (".bak", GOOD, "fifo"), (".bak", GOOD, "link"),
    (".new", GOOD, "file"), ("-blog", GOOD, "file"), (".d/shop.bak", GOOD, "file"),
])
def test_what_is_no_older_state_of_it(name: str, data: bytes, kind: str) -> None:
    scene = refusing()
    scene.files.append(file(REAL + name, data, stat=stat(kind=kind)))
    assert [r.id for r in found(scene, **{"restore-from": REAL + name}).repairs] == ["correct-configuration"]
    through = refusing()
    through.files.append(file(f"{REAL}.bak", GOOD, real_path="/home/sam/shop"))
    assert restore(through) is None


def test_an_older_state_with_the_same_mistake_is_none() -> None:
    unknown = GOOD.replace(b"gzip on;", b"gzipp on;")
    told = said(line=4, words='unknown directive "gzipp"')
    scene = refusing(unknown, told, (f"{REAL}.bak", unknown + b"# before\n"))
    scene.problems = ()
    assert restore(scene) is None
    scene.files.append(file(f"{REAL}.old", GOOD))
    offered = restore(scene)
    assert offered is not None and offered.needs[0].choices == (f"{REAL}.old",)


def contained(mounts: tuple[tuple[str, str, bool], ...]) -> Scene:
    web = container_service("web", 80, pid=None, is_app_server=False, box={"status": "restarting", "mounts": mounts})
    scene = Scene("app:8000", node="web", back="app").with_service(container_service(), listener(8000, 7, "0.0.0.0", "app"))
    scene.services.append(web)
    scene.nginx.update({"master_pid": None, "service": web, "test": Known((1, said("/etc/nginx/conf.d/shop.conf")))})
    inside = "/etc/nginx/conf.d/shop.conf"
    scene.files = [*scene.files, file(inside, TORN, "web"), file(HOST, TORN, "engine", single_file_mount=True),
                   file(f"{inside}.bak", GOOD, "web")]
    return scene.answers(REFUSED)


def test_a_container_has_its_older_states_where_its_file_comes_from() -> None:
    inside = "/etc/nginx/conf.d/shop.conf"
    scene = contained(((HOST, inside, False),))
    assert restore(scene) is None                       # one in the image only is gone with the container
    assert restore(contained(())) is None
    scene.files.append(file(f"{HOST}.bak", GOOD, "engine"))
    offered = restore(scene, **{"restore-from": f"{HOST}.bak"})
    assert offered is not None and offered.needs[0].choices == (f"{HOST}.bak",)
    write, start, *_ = offered.steps
    assert isinstance(write, WriteFile) and (write.node, write.path, write.in_place) == ("engine", HOST, True)
    assert isinstance(start, ContainerAction) and start.verb == "restart"


def test_a_file_that_its_container_generates_is_restored_from_no_backup() -> None:
    """The next start writes it again, and its template holds other text than a copy of the file."""
    inside = "/etc/nginx/conf.d/shop.conf"
    scene = contained(((HOST, inside, False),))
    scene.files.append(file(f"{HOST}.bak", GOOD, "engine"))
    assert restore(scene) is not None
    scene.extra = {**scene.extra, "generated_files": (GeneratedFile("web", inside, f"{inside}.template", ()),)}
    assert restore(scene) is None


def test_a_secret_of_the_older_state_is_not_shown() -> None:
    from fixer.redaction.masked_steps import diff_of

    secret = b'    proxy_set_header Authorization "Basic c2hvcDpodW50ZXIyMTIzNDU2";\n'
    older = GOOD.replace(b"    gzip on;\n", b"    gzip on;\n" + secret)
    scene = contained(((HOST, "/etc/nginx/conf.d/shop.conf", False),))
    scene.files.append(file(f"{HOST}.bak", older, "engine"))
    offered = restore(scene, **{"restore-from": f"{HOST}.bak"})
    assert offered is not None and "c2hvcDpodW50ZXIy" not in diff_of(offered.steps) and "gzip on;" in diff_of(offered.steps)


def test_a_backup_that_nginx_loads_too_is_said() -> None:
    scene = refusing(GOOD, said(f"{SITE}.bak", 1, 'duplicate upstream "app"'), (f"{SITE}.bak", GOOD))
    config = scene.snapshot().nginxes[0].config
    assert isinstance(config, Known)
    scene.nginx["config"] = Known(replace(config.value, files=(*config.value.files, SITE, f"{SITE}.bak")))
    one = found(scene)
    assert "two copies are active" in one.detail[0] and f"if {SITE}.bak is an old backup, move it out of its folder" in one.repairs[0].manual
    assert [r.id for r in one.repairs] == ["correct-configuration"]
    scene.nginx["test"] = Known((1, said()))               # loaded by itself: it would stand there twice
    scene.files[0] = replace(scene.files[0], data=TORN)
    assert restore(scene) is None and found(scene).detail == ()
    scene.nginx["config"] = Unknown("denied")
    assert found(scene).detail == ()


# nginx-config-invalid in a container: a link of a mounted folder that leads nowhere, and how the Docker host sees it.
GONE, TARGET = "/etc/nginx/conf.d/gone.conf", "../sites-available/gone.conf"
SAID = f'nginx: [emerg] open() "{GONE}" failed (2: No such file or directory) in /etc/nginx/nginx.conf:60'
MOUNT = ("/home/me/shop/conf.d", "/etc/nginx/conf.d", False)
THERE = "/home/me/shop/conf.d/gone.conf"
LINK = stat(kind="link", link_target=TARGET)


def scene(outside: dict[str, FileStat], *, running: bool = False, **box: object) -> Scene:
    web = container_service("web", 80, pid=None, is_app_server=False, box={"status": "restarting", "mounts": (MOUNT,), **box})
    made = Scene("app:8000", node="web", back="app").with_service(container_service(), listener(8000, 7, "0.0.0.0", "app"))
    made.nginx.update({"service": web, "test": Known((1, SAID)), **({} if running else {"master_pid": None})})
    made.node_changes["web"] = {"files": ((GONE, LINK),)}
    made.extra["engine_files"] = tuple(outside.items())
    return made.refused() if running else made


def repair_of(made: Scene) -> Repair:
    found = finding_of(diagnose(made.snapshot()), "nginx-config-invalid")
    assert found.variant == "sites-enabled-dangling"
    return found.repairs[0]


def test_a_link_of_a_mounted_folder_is_removed_on_the_docker_host() -> None:
    repair = repair_of(scene({THERE: LINK}))
    removal, start = repair.steps[:2]
    assert repair.risk == "safe" and isinstance(removal, WriteFile) and isinstance(start, ContainerAction)
    assert (removal.node, removal.path, removal.after, removal.link_target) == ("engine", THERE, None, TARGET)
    assert start.verb == "restart"


def test_the_folder_itself_is_reached_without_a_link() -> None:
    folder = stat(kind="link", link_target="/data/conf.d", real_path="/data/conf.d")
    removal = repair_of(scene({THERE: LINK, "/home/me/shop/conf.d": folder})).steps[0]
    assert isinstance(removal, WriteFile) and removal.path == "/data/conf.d/gone.conf"


def test_a_running_nginx_is_reloaded() -> None:
    assert isinstance(repair_of(scene({THERE: LINK}, running=True)).steps[-1], ReloadNginx)


def test_what_leads_to_a_file_of_the_host_is_meant_and_not_mounted() -> None:
    seen = stat(kind="link", link_target=TARGET, real_path="/home/me/shop/sites-available/gone.conf", target=stat())
    repair = repair_of(scene({THERE: seen}))
    assert (repair.risk, repair.steps) == ("manual", ())
    assert "/home/me/shop/sites-available/gone.conf" in repair.manual and "mount" in repair.manual


@pytest.mark.parametrize(("outside", "box"), [
    ({}, {}),                                                                   # nobody could look there
    ({THERE: stat(kind="link", link_target="elsewhere")}, {}),                  # another link by now
    ({THERE: stat()}, {}),
    ({THERE: LINK}, {"mounts": ((THERE, GONE, False),)}),                       # a mount of the single file
    ({THERE: LINK}, {"shares": (("/var/lib/docker/volumes/x/_data", "/etc/nginx/conf.d"),), "mounts": ()}),
])
def test_elsewhere_a_person_removes_it(outside: dict[str, FileStat], box: dict[str, object]) -> None:
    repair = repair_of(scene(outside, **box))
    assert (repair.risk, repair.steps) == ("manual", ()) and GONE in repair.manual


def test_one_in_the_image_is_removed_there() -> None:
    repair = repair_of(scene({THERE: LINK}, mounts=()))
    assert (repair.risk, repair.steps) == ("manual", ()) and "image of container p-web-1" in repair.manual


# When a copy plainly is a state of the same configuration file.
SAME_CONFIG_FILE_GOOD = b"upstream app { server 127.0.0.1:8000; }\nserver {\n listen 80;\n server_name shop.example;\n gzip on;\n}\n"


@pytest.mark.parametrize(("was", "now"), [
    (b"gzip on;", b"gzip on"), (b"gzip on;", b"gzipp on;"), (b" gzip on;\n}", b" gzip on;\n"), (b"shop.example;", b"shop.example"),
    (b"listen 80;", b"listen 80"), (b"server_name", b"servername"), (b"listen 80;", b"listen 80 defalt_server;"),
    (b"}\nserver", b"\nserver"), (b"gzip on;", b'gzip "on;'),
])
def test_a_mistake_does_not_hide_whose_file_it_is(was: bytes, now: bytes) -> None:
    assert was in SAME_CONFIG_FILE_GOOD and is_same_file(SAME_CONFIG_FILE_GOOD.replace(was, now), SAME_CONFIG_FILE_GOOD)


@pytest.mark.parametrize("older", [
    SAME_CONFIG_FILE_GOOD.replace(b"shop.example", b"blog.example"), SAME_CONFIG_FILE_GOOD.replace(b"shop.example", b"shop.example www.example"),
    SAME_CONFIG_FILE_GOOD.replace(b"listen 80", b"listen 8080"), SAME_CONFIG_FILE_GOOD.replace(b"upstream app", b"upstream other"), SAME_CONFIG_FILE_GOOD[:-3], b"", b"# server\n",
    SAME_CONFIG_FILE_GOOD.replace(b"gzip on;", b"gzip on"), b"gzip on;\n", b"\x1f\x8b\x08\x00{", SAME_CONFIG_FILE_GOOD + b"map $a $b { default 1; }\n",
])
def test_another_file_or_no_whole_one(older: bytes) -> None:
    assert not is_same_file(SAME_CONFIG_FILE_GOOD.replace(b"gzip on;", b"gzip on"), older)


PARAMETERS = (b"proxy_set_header Host $http_host;\nproxy_set_header X-Real-IP $remote_addr;\n"
              b"proxy_set_header X-Forwarded-For $proxy_add_x_forwarded_for;\nproxy_set_header X-Forwarded-Proto $scheme;\n")


@pytest.mark.parametrize(("was", "now"), [(b"$http_host;", b"$http_host"), (b"Host $", b"Host$"), (b"header X-R", b"heder X-R")])
def test_a_list_of_parameters_is_known_by_what_it_says(was: bytes, now: bytes) -> None:
    """As Debian's proxy_params, which names nothing of a site."""
    assert is_same_file(PARAMETERS.replace(was, now, 1), PARAMETERS)
    assert not is_same_file(PARAMETERS.replace(was, now, 1), b"proxy_set_header Host $http_host;\n")
    assert not is_same_file(PARAMETERS.replace(was, now, 1), b"gzip on;\ngzip_types text/css;\ngzip_vary on;\n")
    assert not is_same_file(PARAMETERS.replace(was, now, 1), PARAMETERS + b"server { listen 80; }\n")


def test_the_main_file_is_known_by_its_outermost_blocks() -> None:
    main = b"user www-data;\nevents { worker_connections 9; }\nhttp {\n gzip on;\n include sites-enabled/*;\n}\n"
    assert is_same_file(main.replace(b"gzip on;", b"gzip on"), main)
    assert is_same_file(main.replace(b"}\nhttp", b"\nhttp"), main)
    assert not is_same_file(main.replace(b"gzip on;", b"gzip on"), main + b"stream { }\n")
