"""Constructed captures of Ubuntu 24.04: Debian's folders, a site in front, home folders of mode 0750, AppArmor."""

from __future__ import annotations

from dataclasses import replace

from fixer.model.plan import UnitAction
from tests.distributions.constructed_disk import folder, text, unix_socket
from tests.distributions.constructed_machine import (
    Listening,
    Machine,
    assert_healthy,
    connect_line,
    edited_files,
    exec_start,
    first_of,
    repair_text,
    unit,
)
from tests.distributions.ubuntu import (
    COMMAND,
    DEFAULT_SITE,
    DEPLOY,
    NGINX_UNIT,
    SHOP_UNIT,
    SITE_FILE,
    SOCKET_SITE,
    WWW_DATA,
    ubuntu,
)

BACKEND = "http://127.0.0.1:8000/"
SOCKET = "/home/deploy/shop/shop.sock"
SHOP = "shop.example"


def refused(machine: Machine) -> Machine:
    return machine.failing(connect_line(BACKEND, "111: Connection refused", server=SHOP), pages={"": 404, SHOP: 502})


def in_home(mode: int) -> Machine:
    """The machine whose gunicorn has its socket in a home folder of that mode."""
    command = COMMAND.replace("127.0.0.1:8000", f"unix:{SOCKET}")
    argv = ("/srv/shop/venv/bin/python3", *command.split())
    moved = ubuntu(SOCKET_SITE).moved(90, Listening((90, 91), path=SOCKET), argv)
    return moved.with_unit("shop.service", {"ExecStart": exec_start(command)}).with_files({
        "/home/deploy": folder(mode, DEPLOY, DEPLOY), "/home/deploy/shop": folder(0o755, DEPLOY, WWW_DATA),
        SOCKET: unix_socket(0o777, DEPLOY, WWW_DATA),
        "/etc/systemd/system/shop.service": text(SHOP_UNIT.format(command=command)),
    })


def test_healthy_is_healthy() -> None:
    assert_healthy(ubuntu())
    assert_healthy(in_home(0o755))


def test_a_stopped_unit() -> None:
    stopped = ubuntu().without(90, 91).with_unit("shop.service", unit("shop.service", COMMAND, User="deploy"))
    found = first_of(refused(stopped).diagnosed())
    assert (found.cause, found.variant, found.service) == ("backend-down", "backend-not-running", "shop.service")
    assert "start shop.service" in repair_text(found)


def test_a_unit_that_no_boot_starts() -> None:
    disabled = unit("shop.service", COMMAND, User="deploy", UnitFileState="disabled", WantedBy="")
    found = first_of(refused(ubuntu().without(90, 91).with_unit("shop.service", disabled)).diagnosed())
    assert (found.cause, found.variant) == ("backend-down", "unit-disabled-after-reboot")
    assert [step.verb for step in found.repairs[0].steps if isinstance(step, UnitAction)] == ["enable", "start"]


def test_a_stopped_nginx() -> None:
    command = "/usr/sbin/nginx -g daemon on; master_process on;"
    stopped = unit("nginx.service", command, path=NGINX_UNIT, Type="forking")
    found = first_of(ubuntu().without(40, 41).with_unit("nginx.service", stopped).diagnosed())
    assert (found.cause, found.variant) == ("nginx-down", "nginx-stopped")
    assert "start nginx.service" in repair_text(found)


def test_another_port() -> None:
    command = COMMAND.replace("8000", "8001")
    moved = ubuntu().moved(90, Listening((90, 91), "127.0.0.1", 8001), ("/srv/shop/venv/bin/python3", *command.split()))
    moved = moved.with_unit("shop.service", {"ExecStart": exec_start(command)}).with_files({
        "/etc/systemd/system/shop.service": text(SHOP_UNIT.format(command=command))})
    found = first_of(refused(moved).diagnosed())
    assert (found.cause, found.variant, edited_files(found)) == ("wrong-port", "wrong-port", [SITE_FILE])


def test_the_default_site_takes_names_that_no_site_lists() -> None:
    """It hands them to an old release; the shop's own name is answered well."""
    old = DEFAULT_SITE.replace("try_files $uri $uri/ =404;", "proxy_pass http://127.0.0.1:8080;")
    machine = ubuntu().with_files({"/etc/nginx/sites-available/default": text(old)})
    line = connect_line("http://127.0.0.1:8080/", "111: Connection refused", host="www.shop.example")
    diagnosis = machine.failing(line, pages={"": 502, SHOP: 200}).diagnosed()
    found = diagnosis.findings[0]
    assert (diagnosis.verdict, found.cause, found.variant) == ("degraded", "wrong-server-block", "default-server-catches")
    assert "'www.shop.example'" in found.summary and "sites-enabled/default:1" in found.summary


def test_the_default_site_hides_the_shop() -> None:
    old = DEFAULT_SITE.replace("server_name _", f"server_name {SHOP}").replace(
        "try_files $uri $uri/ =404;", "proxy_pass http://127.0.0.1:8080;")
    machine = ubuntu().with_files({"/etc/nginx/sites-available/default": text(old)})
    line = connect_line("http://127.0.0.1:8080/", "111: Connection refused", server=SHOP)
    found = first_of(machine.failing(line).diagnosed({"keep": "/etc/nginx/sites-enabled/shop"}))
    assert (found.cause, found.confidence) == ("wrong-server-block", "certain")
    assert "/etc/nginx/sites-enabled/default" in repair_text(found) and found.repairs[0].steps


def test_a_socket_in_a_home_folder() -> None:
    line = connect_line(f"http://unix:{SOCKET}:/", "13: Permission denied", server=SHOP)
    found = first_of(in_home(0o750).failing(line, pages={"": 404, SHOP: 502}).diagnosed())
    assert (found.cause, found.confidence) == ("unix-socket-permission", "certain")
    assert "www-data may not enter the folder /home/deploy" in found.summary
    assert "chmod o+x /home/deploy" in repair_text(found) and "/run" in repair_text(found)


def test_a_profile_of_apparmor() -> None:
    """Ubuntu ships none for nginx: an administrator has written it."""
    confined = ubuntu().with_files({"/proc/41/attr/current": text("nginx (enforce)\n")})
    line = connect_line(BACKEND, "13: Permission denied", server=SHOP)
    found = first_of(confined.failing(line, pages={"": 404, SHOP: 502}).diagnosed())
    assert (found.cause, found.variant) == ("mac-denied", "apparmor-denied")
    assert "AppArmor profile nginx" in repair_text(found)


def test_a_profile_of_apparmor_denies_a_socket_that_each_mode_opens() -> None:
    confined = in_home(0o755).with_files({"/proc/41/attr/current": text("nginx (enforce)\n")})
    line = connect_line(f"http://unix:{SOCKET}:/", "13: Permission denied", server=SHOP)
    found = first_of(confined.failing(line, pages={"": 404, SHOP: 502}).diagnosed())
    assert (found.cause, found.variant) == ("mac-denied", "apparmor-denied") and f"`{SOCKET} rw,`" in repair_text(found)


def test_nginx_of_nginx_org_on_ubuntu_is_read_while_it_is_stopped() -> None:
    """Its unit reads /etc/default/nginx, and its file by a variable."""
    own = "/etc/nginx/own.conf"
    files = {NGINX_UNIT: text("[Service]\nType=forking\nPIDFile=/run/nginx.pid\n"
                              'Environment="CONFFILE=/etc/nginx/nginx.conf"\n'
                              "EnvironmentFile=-/etc/default/nginx\nExecStart=/usr/sbin/nginx -c ${CONFFILE}\n"),
             "/etc/default/nginx": text(f"CONFFILE={own}\n")}
    machine = ubuntu()
    files[own] = machine.files["/etc/nginx/nginx.conf"]
    stopped = unit("nginx.service", "/usr/sbin/nginx -c ${CONFFILE}", path=NGINX_UNIT, Type="forking")
    machine = replace(machine.without(40, 41).with_files({**files, "/etc/nginx/nginx.conf": None}),
                      units={**machine.units, "nginx.service": stopped})
    diagnosis = machine.diagnosed()
    found = first_of(diagnosis)
    assert found.cause == "nginx-down" and len(diagnosis.health) == 1
