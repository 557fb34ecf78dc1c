"""Alpine 3.22 as its packages lay it out, constructed: nginx 1.28 with http.d, OpenRC, busybox (no bash, no ss).

Facts from: alpinelinux/aports (main/nginx: APKBUILD, nginx.conf, default.conf, nginx.initd, nginx.confd;
main/openrc; main/busybox), OpenRC/openrc (/run/openrc's folders, supervise-daemon).
"""

from __future__ import annotations

from dataclasses import replace

from fixer.model.query import Answer, Command
from tests.distributions.constructed_disk import Entry, folder, link, text
from tests.distributions.constructed_machine import Listening, Machine, Program, logs, nginx_programs
from tests.distributions.python_server import application

NGINX_CONF = """user nginx;
worker_processes auto;
pcre_jit on;
error_log /var/log/nginx/error.log warn;

# Includes files with directives to load dynamic modules.
include /etc/nginx/modules/*.conf;

# Include files with config snippets into the root context.
include /etc/nginx/conf.d/*.conf;

events {
	worker_connections 1024;
}

http {
	include /etc/nginx/mime.types;
	default_type application/octet-stream;
	server_tokens off;
	client_max_body_size 1m;
	sendfile on;
	tcp_nopush on;
	ssl_protocols TLSv1.2 TLSv1.3;
	gzip_vary on;
	map $http_upgrade $connection_upgrade {
		default upgrade;
		'' close;
	}
	log_format main '$remote_addr - $remote_user [$time_local] "$request" '
			'$status $body_bytes_sent "$http_referer"';
	access_log /var/log/nginx/access.log main;

	# Includes virtual hosts configs.
	include /etc/nginx/http.d/*.conf;
}
"""
DEFAULT_SITE = """# This is a default site configuration which will simply return 404, preventing
# chance access to any other virtualhost.
server {
	listen 80 default_server;
	listen [::]:80 default_server;

	# Everything is a 404
	location / {
		return 404;
	}

	# You may need this to prevent return 404 recursion.
	location = /404.html {
		internal;
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
SITE_FILE = "/etc/nginx/http.d/shop.conf"
NGINX_SCRIPT = """#!/sbin/openrc-run

description="Nginx http and reverse proxy server"
extra_commands="checkconfig"
extra_started_commands="reload reopen upgrade"

cfgfile=${cfgfile:-/etc/nginx/nginx.conf}
pidfile=/run/nginx/nginx.pid
command=${command:-/usr/sbin/nginx}
command_args="-c $cfgfile"
required_files="$cfgfile"

depend() {
	need net
	use dns logger netmount
}

start_pre() {
	checkpath --directory --owner nginx:nginx ${pidfile%/*}
	$command $command_args -t -q
}

checkconfig() {
	ebegin "Checking $RC_SVCNAME configuration"
	start_pre
	eend $?
}

reload() {
	ebegin "Reloading $RC_SVCNAME configuration"
	start_pre && start-stop-daemon --signal HUP --pidfile $pidfile
	eend $?
}
"""
ARGUMENTS = "shop.wsgi:application --bind 127.0.0.1:8000 --workers 2"
SHOP_SCRIPT = """#!/sbin/openrc-run

name="shop"
supervisor=supervise-daemon
command="/srv/shop/venv/bin/gunicorn"
command_args="{arguments}"
command_user="shop:nginx"
directory="/srv/shop"
output_log="/var/log/shop.log"
error_log="/var/log/shop.log"

depend() {{
	need net
	before nginx
}}
"""
NGINX, SHOP = 100, 1000
SHOP_LOG = "/var/log/shop.log"


def marks(*names: str, state: str = "started") -> dict[str, Entry]:
    """OpenRC's marks of these services."""
    return {f"/run/openrc/{state}/{name}": link(f"/etc/init.d/{name}") for name in names}


def programs_of(arguments: str) -> tuple[Program, ...]:
    """The supervisor (pid 89) of gunicorn's arbiter (90) with its worker (91)."""
    gunicorn = "/srv/shop/venv/bin/gunicorn"
    supervisor = Program(89, ("supervise-daemon", "shop", "--start", "--stdout", SHOP_LOG, "--stderr", SHOP_LOG, "--chdir",
                              "/srv/shop", "--user", "shop:nginx", gunicorn, "--", *arguments.split()),
                         "supervise-daemo", "/sbin/supervise-daemon")
    argv = ("/srv/shop/venv/bin/python3", gunicorn, *arguments.split())
    return (supervisor, *(Program(pid, argv, "gunicorn", "/usr/bin/python3.12", parent, SHOP, "/", "/srv/shop")
                          for pid, parent in ((90, 89), (91, 90))))


def alpine(site: str = SITE, arguments: str = ARGUMENTS) -> Machine:
    """A sound machine: the shop's site beside apk's default one, gunicorn below OpenRC's supervisor."""
    files = {
        "/etc/nginx/nginx.conf": text(NGINX_CONF), "/etc/nginx/http.d/default.conf": text(DEFAULT_SITE),
        SITE_FILE: text(site),
        "/etc/nginx/mime.types": text("types { text/html html; }\n"), "/etc/nginx/modules": folder(),
        "/etc/nginx/conf.d": folder(), "/run/nginx/nginx.pid": text("40\n"), "/etc/init.d/nginx": text(NGINX_SCRIPT, 0o755),
        "/etc/conf.d/nginx": text('#command="/usr/sbin/nginx"\n'),
        "/etc/init.d/shop": text(SHOP_SCRIPT.format(arguments=arguments), 0o755),
        "/etc/init.d/networking": text("#!/sbin/openrc-run\nstart() {\n\treturn 0\n}\n", 0o755),
        "/etc/passwd": text("root:x:0:0:root:/root:/bin/sh\nnginx:x:100:101:nginx:/var/lib/nginx:/sbin/nologin\n"
                            "shop:x:1000:1000::/srv/shop:/sbin/nologin\n"),
        "/etc/group": text("root:x:0:root\nnginx:x:101:nginx\nwww-data:x:82:nginx\nshop:x:1000:\n"),
        "/etc/alpine-release": text("3.22.1\n"),
        "/etc/hosts": text("127.0.0.1\tlocalhost localhost.localdomain\n::1\t\tlocalhost\n"),
        "/etc/os-release": text('NAME="Alpine Linux"\nID=alpine\nVERSION_ID=3.22.1\n'),
        "/run/openrc/softlevel": text("default\n"), **marks("networking", "nginx", "shop"),
        "/run/openrc/options/shop/child_pid": text("90\n"), "/run/openrc/options/shop/start_count": text("0\n"),
        **{f"/etc/runlevels/default/{name}": link(f"/etc/init.d/{name}") for name in ("nginx", "shop")},
        SHOP_LOG: text("[2027-01-15 07:45:00 +0000] [90] [INFO] Listening at: http://127.0.0.1:8000 (90)\n", age=900.0),
        **logs(), **application(SHOP),
    }
    programs = (Program(1, ("/sbin/init",), "init", "/bin/busybox", 0),
                *nginx_programs("/usr/sbin/nginx -c /etc/nginx/nginx.conf", NGINX, "/"), *programs_of(arguments))
    listening = (Listening((40, 41), "0.0.0.0", 80), Listening((90, 91), "127.0.0.1", 8000))
    return Machine(files, programs, listening, pages={"": 404, "shop.example": 200}, commands=no_systemd())


def no_systemd() -> dict[Command, Answer]:
    return {Command("systemctl-show"): Answer("no-tool", message="no systemctl")}


def stopped(machine: Machine, name: str, *pids: int) -> Machine:
    """The machine after `rc-service NAME stop`."""
    return machine.without(*pids).with_files({f"/run/openrc/started/{name}": None, "/run/openrc/options/shop/child_pid": None})


def on_port(machine: Machine, port: int) -> Machine:
    """The machine whose gunicorn is configured for another port, and listens there."""
    arguments = ARGUMENTS.replace("8000", str(port))
    kept = tuple(one for one in machine.programs if one.pid < 89)
    moved = replace(machine, programs=(*kept, *programs_of(arguments)),
                    listening=(machine.listening[0], Listening((90, 91), "127.0.0.1", port)))
    return moved.with_files({"/etc/init.d/shop": text(SHOP_SCRIPT.format(arguments=arguments), 0o755)})
