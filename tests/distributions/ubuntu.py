"""Ubuntu 24.04 as its packages lay it out, constructed: nginx 1.24 with Debian's folders, systemd 255, AppArmor.

Facts from: salsa.debian.org/nginx-team/nginx (debian/conf/nginx.conf, conf/sites-available/default,
nginx-common.nginx.service), which Ubuntu builds with small changes; adduser's HOME_MODE 0750 since Ubuntu 21.04.
"""

from __future__ import annotations

from tests.distributions.constructed_disk import folder, link, text
from tests.distributions.constructed_machine import Listening, Machine, Program, logs, nginx_programs, unit
from tests.distributions.python_server import application, gunicorn

NGINX_CONF = """user www-data;
worker_processes auto;
pid /run/nginx.pid;
error_log /var/log/nginx/error.log;
include /etc/nginx/modules-enabled/*.conf;

events {
	worker_connections 768;
}

http {
	sendfile on;
	tcp_nopush on;
	types_hash_max_size 2048;
	include /etc/nginx/mime.types;
	default_type application/octet-stream;
	ssl_protocols TLSv1 TLSv1.1 TLSv1.2 TLSv1.3;
	ssl_prefer_server_ciphers on;
	access_log /var/log/nginx/access.log;
	gzip on;
	include /etc/nginx/conf.d/*.conf;
	include /etc/nginx/sites-enabled/*;
}
"""
DEFAULT_SITE = """server {
	listen 80 default_server;
	listen [::]:80 default_server;
	root /var/www/html;
	index index.html index.htm index.nginx-debian.html;
	server_name _;
	location / {
		try_files $uri $uri/ =404;
	}
}
"""
SITE = """server {
	listen 80;
	listen [::]:80;
	server_name shop.example;
	location / {
		proxy_pass http://127.0.0.1:8000;
		include proxy_params;
	}
}
"""
SOCKET_SITE = SITE.replace("http://127.0.0.1:8000", "http://unix:/home/deploy/shop/shop.sock")
PROXY_PARAMS = "proxy_set_header Host $http_host;\nproxy_set_header X-Real-IP $remote_addr;\n"
NGINX_UNIT = "/usr/lib/systemd/system/nginx.service"
SITE_FILE = "/etc/nginx/sites-available/shop"
COMMAND = "/srv/shop/venv/bin/gunicorn --workers 2 --bind 127.0.0.1:8000 shop.wsgi:application"
SHOP_UNIT = """[Unit]
Description=Shop
After=network.target

[Service]
User=deploy
Group=www-data
WorkingDirectory=/srv/shop
ExecStart={command}

[Install]
WantedBy=multi-user.target
"""
WWW_DATA, DEPLOY = 33, 1000
PASSWD = ("root:x:0:0:root:/root:/bin/bash\nwww-data:x:33:33:www-data:/var/www:/usr/sbin/nologin\n"
          "deploy:x:1000:1000:Deploy:/home/deploy:/bin/bash\n")
GROUP = "root:x:0:\nwww-data:x:33:\ndeploy:x:1000:\n"


def ubuntu(site: str = SITE) -> Machine:
    """A sound machine: the shop's site beside the default one, gunicorn as a unit."""
    files = {
        "/etc/nginx/nginx.conf": text(NGINX_CONF), "/etc/nginx/mime.types": text("types { text/html html; }\n"),
        "/etc/nginx/proxy_params": text(PROXY_PARAMS), "/etc/nginx/sites-available/default": text(DEFAULT_SITE),
        "/etc/nginx/sites-enabled/default": link("/etc/nginx/sites-available/default"), SITE_FILE: text(site),
        "/etc/nginx/sites-enabled/shop": link(SITE_FILE), "/etc/passwd": text(PASSWD), "/etc/group": text(GROUP),
        "/etc/systemd/system/shop.service": text(SHOP_UNIT.format(command=COMMAND)), "/run/nginx.pid": text("40\n"),
        "/etc/hosts": text("127.0.0.1 localhost\n127.0.1.1 web\n::1 ip6-localhost ip6-loopback\n"),
        "/etc/os-release": text('PRETTY_NAME="Ubuntu 24.04 LTS"\nID=ubuntu\nID_LIKE=debian\nVERSION_ID="24.04"\n'),
        "/sys/kernel/security/apparmor/profiles": text("snap.snapd (enforce)\n"),
        "/proc/41/attr/current": text("unconfined\n"), "/home/deploy": folder(0o750, DEPLOY, DEPLOY), **logs(),
        **application(DEPLOY),
    }
    nginx = "/usr/sbin/nginx -g daemon on; master_process on;"
    programs = (Program(1, ("/sbin/init",), "systemd", "/usr/lib/systemd/systemd", 0, cgroup="/init.scope"),
                *nginx_programs(nginx, WWW_DATA, "/system.slice/nginx.service"),
                *gunicorn(COMMAND, "/system.slice/shop.service", DEPLOY))
    units = {
        "nginx.service": unit("nginx.service", nginx, pid=40, path=NGINX_UNIT, Type="forking"),
        "shop.service": unit("shop.service", COMMAND, pid=90, User="deploy", Group="www-data", WorkingDirectory="/srv/shop"),
    }
    return Machine(files, programs, (Listening((40, 41), "0.0.0.0", 80), Listening((90, 91), "127.0.0.1", 8000)), units,
                   pages={"": 404, "shop.example": 200})
