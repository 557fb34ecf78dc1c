"""RHEL 9 and its rebuilds (Rocky, Alma) as their packages lay them out, constructed: nginx of AppStream and of nginx.org.

Facts from: src.fedoraproject.org/rpms/nginx and gitlab.com/redhat/centos-stream/rpms/nginx (nginx.spec, nginx.conf,
nginx.service), nginx/pkg-oss (rpm/SOURCES/nginx.service, nginx.conf, nginx.default.conf), fedora-selinux/selinux-policy
(httpd_can_network_connect is off; 8000 is soundd_port_t), firewalld's nftables tables, shadow-utils' HOME_MODE 0700.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import replace

from fixer.model.query import Answer, Command
from tests.distributions.constructed_disk import Entry, folder, text
from tests.distributions.constructed_machine import Listening, Machine, Program, logs, nginx_programs, unit
from tests.distributions.python_server import application, gunicorn
from tests.observe.capture_builders import NOW

APPSTREAM_CONF = """user nginx;
worker_processes auto;
error_log /var/log/nginx/error.log;
pid /run/nginx.pid;

# Load dynamic modules. See /usr/share/doc/nginx/README.dynamic.
include /usr/share/nginx/modules/*.conf;

events {
    worker_connections 1024;
}

http {
    log_format  main  '$remote_addr - $remote_user [$time_local] "$request" '
                      '$status $body_bytes_sent "$http_referer"';
    access_log  /var/log/nginx/access.log  main;
    sendfile            on;
    tcp_nopush          on;
    keepalive_timeout   65;
    types_hash_max_size 4096;
    include             /etc/nginx/mime.types;
    default_type        application/octet-stream;

    include /etc/nginx/conf.d/*.conf;

    server {
        listen       80;
        listen       [::]:80;
        server_name  _;
        root         /usr/share/nginx/html;

        include /etc/nginx/default.d/*.conf;

        error_page 404 /404.html;
        location = /404.html {
        }
        error_page 500 502 503 504 /50x.html;
        location = /50x.html {
        }
    }
}
"""
NGINX_ORG_CONF = """user  nginx;
worker_processes  auto;

error_log  /var/log/nginx/error.log notice;
pid        /run/nginx.pid;

events {
    worker_connections  1024;
}

http {
    include       /etc/nginx/mime.types;
    default_type  application/octet-stream;
    log_format  main  '$remote_addr - $remote_user [$time_local] "$request" '
                      '$status $body_bytes_sent "$http_referer"';
    access_log  /var/log/nginx/access.log  main;
    sendfile        on;
    keepalive_timeout  65;
    include /etc/nginx/conf.d/*.conf;
}
"""
NGINX_ORG_DEFAULT = """server {
    listen       80;
    server_name  localhost;
    location / {
        root   /usr/share/nginx/html;
        index  index.html index.htm;
    }
    error_page   500 502 503 504  /50x.html;
    location = /50x.html {
        root   /usr/share/nginx/html;
    }
}
"""
SITE = """server {
    listen 80;
    listen [::]:80;
    server_name shop.example;

    location / {
        proxy_pass http://127.0.0.1:8000;
        proxy_set_header Host $host;
    }
}
"""
SOCKET = "/home/deploy/shop/shop.sock"
SOCKET_SITE = SITE.replace("http://127.0.0.1:8000", f"http://unix:{SOCKET}")
SITE_FILE = "/etc/nginx/conf.d/shop.conf"
NGINX_UNIT = "/usr/lib/systemd/system/nginx.service"
COMMAND = "/opt/shop/venv/bin/gunicorn --workers 2 --bind 127.0.0.1:8000 shop.wsgi:application"
SHOP_UNIT = """[Unit]
Description=gunicorn of the shop
After=network.target

[Service]
Type=notify
User=deploy
Group=nginx
WorkingDirectory=/opt/shop
ExecStart={command}
ExecReload=/bin/kill -s HUP $MAINPID
KillMode=mixed

[Install]
WantedBy=multi-user.target
"""
NGINX, DEPLOY = 986, 1000
HTTPD = "system_u:system_r:httpd_t:s0"
_BOOLEANS = "/sys/fs/selinux/booleans"


def rhel(site: str = SITE, *, of_nginx_org: bool = False, connects: bool = True) -> Machine:
    """A sound machine. `connects`: the administrator has turned httpd_can_network_connect on."""
    on = b"1 1" if connects else b"0 0"
    files = {
        **(_nginx_org_files() if of_nginx_org else _appstream_files()), SITE_FILE: text(site),
        "/etc/nginx/mime.types": text("types { text/html html; }\n"), "/run/nginx.pid": text("40\n"),
        "/etc/passwd": text("root:x:0:0:root:/root:/bin/bash\nnginx:x:986:986:Nginx web server:/var/lib/nginx:/sbin/nologin\n"
                            "deploy:x:1000:1000::/home/deploy:/bin/bash\n"),
        "/etc/group": text("root:x:0:\nnginx:x:986:\ndeploy:x:1000:\n"),
        "/etc/systemd/system/shop.service": text(SHOP_UNIT.format(command=COMMAND)),
        "/etc/hosts": text("127.0.0.1   localhost localhost.localdomain\n::1         localhost localhost.localdomain\n"),
        "/etc/os-release": text('NAME="Rocky Linux"\nVERSION="9.5 (Blue Onyx)"\nID="rocky"\nID_LIKE="rhel centos fedora"\n'),
        "/etc/redhat-release": text("Rocky Linux release 9.5 (Blue Onyx)\n"),
        "/sys/fs/selinux/enforce": text("1"), f"{_BOOLEANS}/httpd_can_network_connect": text(on.decode()),
        f"{_BOOLEANS}/httpd_can_network_relay": text("0 0"), f"{_BOOLEANS}/httpd_can_connect_http": text("0 0"),
        "/proc/41/attr/current": text(HTTPD + "\0"), "/home/deploy": folder(0o700, DEPLOY, DEPLOY), **logs(),
        **application(DEPLOY, "/opt/shop", "python3.9"),
    }
    command = "/usr/sbin/nginx -c ${CONFFILE}" if of_nginx_org else "/usr/sbin/nginx"
    title = "/usr/sbin/nginx -c /etc/nginx/nginx.conf" if of_nginx_org else "/usr/sbin/nginx"
    more = {"Environment": "CONFFILE=/etc/nginx/nginx.conf"} if of_nginx_org else {}
    programs = (Program(1, ("/usr/lib/systemd/systemd", "--switched-root", "--system", "--deserialize", "31"), "systemd",
                        "/usr/lib/systemd/systemd", 0, cgroup="/init.scope"),
                *nginx_programs(title, NGINX, "/system.slice/nginx.service"),
                *gunicorn(COMMAND, "/system.slice/shop.service", DEPLOY, "/usr/bin/python3.9", "/opt/shop"))
    units = {
        "nginx.service": unit("nginx.service", command, pid=40, path=NGINX_UNIT, Type="forking", **more),
        "shop.service": unit("shop.service", COMMAND, pid=90, User="deploy", Group="nginx", WorkingDirectory="/opt/shop",
                             Type="notify"),
        "firewalld.service": unit("firewalld.service", "/usr/sbin/firewalld --nofork --nopid", pid=30, Type="dbus",
                                  path="/usr/lib/systemd/system/firewalld.service"),
    }
    listening = (Listening((40, 41), "0.0.0.0", 80), Listening((90, 91), "127.0.0.1", 8000))
    return Machine(files, programs, listening, units, commands=firewalld(), pages={"": 200})


def asking_another_machine() -> Machine:
    """A machine whose nginx asks a backend of its network, 10.0.0.9, and that runs none itself."""
    arp = ("IP address       HW type     Flags       HW address            Mask     Device\n"
           "10.0.0.1         0x1         0x2         52:54:00:00:02:01     *        eth0\n"
           "10.0.0.9         0x1         0x2         52:54:00:00:02:09     *        eth0\n")
    ways = ("Main:\n  +-- 0.0.0.0/0 3 0 5\n     |-- 0.0.0.0\n        /0 universe UNICAST\n     |-- 10.0.0.0\n"
            "        /24 link UNICAST\n     |-- 10.0.0.5\n        /32 host LOCAL\n     |-- 127.0.0.0\n        /8 host LOCAL\n")
    machine = rhel(SITE.replace("127.0.0.1:8000", "10.0.0.9:8000")).without(90, 91).with_files({
        "/proc/net/arp": text(arp), "/proc/net/fib_trie": text(ways), "/etc/systemd/system/shop.service": None})
    return replace(machine, units={name: shown for name, shown in machine.units.items() if name != "shop.service"})


def _appstream_files() -> dict[str, Entry]:
    return {"/etc/nginx/nginx.conf": text(APPSTREAM_CONF), NGINX_UNIT: text(
        "[Unit]\nDescription=The nginx HTTP and reverse proxy server\n[Service]\nType=forking\nPIDFile=/run/nginx.pid\n"
        "ExecStartPre=/usr/bin/rm -f /run/nginx.pid\nExecStartPre=/usr/sbin/nginx -t\nExecStart=/usr/sbin/nginx\n"
        "KillSignal=SIGQUIT\nKillMode=mixed\nPrivateTmp=true\n[Install]\nWantedBy=multi-user.target\n"),
        "/usr/share/nginx/modules/mod-stream.conf": text('load_module "/usr/lib64/nginx/modules/ngx_stream_module.so";\n')}


def _nginx_org_files() -> dict[str, Entry]:
    return {"/etc/nginx/nginx.conf": text(NGINX_ORG_CONF), "/etc/nginx/conf.d/default.conf": text(NGINX_ORG_DEFAULT),
            NGINX_UNIT: text("[Unit]\nDescription=nginx - high performance web server\n[Service]\nType=forking\n"
                             'PIDFile=/run/nginx.pid\nEnvironment="CONFFILE=/etc/nginx/nginx.conf"\n'
                             "EnvironmentFile=-/etc/sysconfig/nginx\nExecStart=/usr/sbin/nginx -c ${CONFFILE}\n"
                             "[Install]\nWantedBy=multi-user.target\n")}


def denials(*records: str, ago: float = 30.0, permissive: bool = False) -> dict[Command, Answer]:
    """Return what `ausearch` prints of these AVC records."""
    lines = "".join(f"type=AVC msg=audit({NOW - ago:.3f}:{400 + at}): avc:  denied  {said} permissive={permissive:d}\n"
                    for at, said in enumerate(records))
    return {Command("audit-denials"): Answer("ok", lines.encode())}


def denied_connect(port: int, kind: str) -> str:
    """The record of a denied connect of nginx to a port of that type."""
    return (f'{{ name_connect }} for  pid=41 comm="nginx" dest={port} scontext={HTTPD} '
            f"tcontext=system_u:object_r:{kind}:s0 tclass=tcp_socket")


def firewalld(*rules: Sequence[object]) -> dict[Command, Answer]:
    """Return firewalld's own table as nft prints it: what comes over lo and established connections pass, then `rules`
    (each one its expressions), then a reject with admin-prohibited."""
    base = {"family": "inet", "table": "firewalld"}
    made: list[tuple[str, list[object]]] = [
        ("filter_INPUT", [{"match": {"op": "in", "left": {"ct": {"key": "state"}},
                                     "right": {"set": ["established", "related"]}}}, {"accept": None}]),
        ("filter_INPUT", [{"match": {"op": "==", "left": {"meta": {"key": "iifname"}}, "right": "lo"}}, {"accept": None}]),
        *(("filter_INPUT", list(rule)) for rule in rules),
        ("filter_INPUT", [{"reject": {"type": "icmpx", "expr": "admin-prohibited"}}]),
    ]
    items: list[object] = [
        {"metainfo": {"version": "1.0.9", "json_schema_version": 1}},
        {"table": {"family": "inet", "name": "firewalld", "handle": 1}},
        {"chain": {**base, "name": "filter_INPUT", "handle": 2, "type": "filter", "hook": "input", "prio": 10,
                   "policy": "accept"}},
        *({"rule": {**base, "chain": chain, "handle": 10 + at, "expr": said}} for at, (chain, said) in enumerate(made)),
    ]
    return {Command("nft-rules"): Answer("ok", json.dumps({"nftables": items}).encode()), Command("nft-text"): Answer("ok")}
