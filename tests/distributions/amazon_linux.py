"""Amazon Linux 2023 with Elastic Beanstalk's Python platform, constructed from its published files and logs.

Facts from: docs.aws.amazon.com/elasticbeanstalk (platforms-linux-extend.proxy, python-configuration-procfile: nginx asks
127.0.0.1:8000, a Procfile's `web` is web.service), awsdocs/aws-elastic-beanstalk-developer-guide, and what users published
of their instances: web.service, /etc/nginx/nginx.conf, eb-engine.log (it copies /var/proxy/staging/nginx to /etc/nginx at
each deployment, disables nginx.service and starts it), web.stdout.log.
"""

from __future__ import annotations

from tests.distributions.constructed_disk import Entry, folder, link, text
from tests.distributions.constructed_machine import Listening, Machine, Program, logs, nginx_programs, unit

NGINX_CONF = """user                    nginx;
error_log               /var/log/nginx/error.log warn;
pid                     /var/run/nginx.pid;
worker_processes        auto;
worker_rlimit_nofile    200000;

events {
    worker_connections  1024;
}

http {
    include       /etc/nginx/mime.types;
    default_type  application/octet-stream;

    log_format  main  '$remote_addr - $remote_user [$time_local] "$request" '
                      '$status $body_bytes_sent "$http_referer" '
                      '"$http_user_agent" "$http_x_forwarded_for"';

    include       conf.d/*.conf;

    map $http_upgrade $connection_upgrade {
        default     "upgrade";
    }

    server {
        listen        80 default_server;
        access_log    /var/log/nginx/access.log main;

        client_header_timeout 60;
        client_body_timeout   60;
        keepalive_timeout     60;
        gzip                  off;

        # Include the Elastic Beanstalk generated locations
        include conf.d/elasticbeanstalk/*.conf;
    }
}
"""
APPLICATION = """location / {
    proxy_pass          http://127.0.0.1:8000;
    proxy_http_version  1.1;

    proxy_set_header    Connection          $connection_upgrade;
    proxy_set_header    Upgrade             $http_upgrade;
    proxy_set_header    Host                $host;
    proxy_set_header    X-Real-IP           $remote_addr;
    proxy_set_header    X-Forwarded-For     $proxy_add_x_forwarded_for;
}
"""
APPLICATION_FILE = "/etc/nginx/conf.d/elasticbeanstalk/00_application.conf"
NGINX_UNIT = "/usr/lib/systemd/system/nginx.service"
VENV = "/var/app/venv/staging-LQM1lest"
SERVER = "gunicorn --bind 127.0.0.1:8000 --workers=1 --threads=15 application"
WEB_UNIT = """[Unit]
Description=This is web daemon
PartOf=eb-app.target

[Service]
User=webapp
Type=simple
ExecStart=/bin/sh -c "{server}"
ExecStartPost=/bin/sh -c "systemctl show -p MainPID web.service | cut -d= -f2 > /var/pids/web.pid"
ExecStopPost=/bin/sh -c "rm -f /var/pids/web.pid"
Restart=always
EnvironmentFile=/opt/elasticbeanstalk/deployment/env
StandardOutput=syslog
StandardError=syslog
SyslogIdentifier=web
WorkingDirectory=/var/app/current/

[Install]
WantedBy=multi-user.target
"""
NGINX, WEBAPP = 992, 900


def server_programs(server: str) -> tuple[Program, ...]:
    """The shell of the unit has become gunicorn's arbiter (pid 90); its worker is 91."""
    argv = (f"{VENV}/bin/python3.11", f"{VENV}/bin/gunicorn", *server.split()[1:])
    return tuple(Program(pid, argv, "gunicorn", "/usr/bin/python3.11", parent, WEBAPP, "/system.slice/web.service",
                         "/var/app/current") for pid, parent in ((90, 1), (91, 90)))


def web_unit(server: str = SERVER, *, pid: int = 90) -> dict[str, str]:
    """What systemctl shows of web.service."""
    return unit("web.service", f"/bin/sh -c {server}", pid=pid, User="webapp", WorkingDirectory="/var/app/current",
                Restart="always", EnvironmentFiles="/opt/elasticbeanstalk/deployment/env (ignore_errors=no)")


def web_files(server: str = SERVER) -> dict[str, Entry]:
    """The files that a deployment of this command writes."""
    return {"/etc/systemd/system/web.service": text(WEB_UNIT.format(server=server)),
            "/var/app/current/Procfile": text(f"web: {server}\n", uid=WEBAPP)}


def elastic_beanstalk(server: str = SERVER, *, port: int = 8000) -> Machine:
    """A sound instance whose Procfile starts that server, which listens on the port."""
    path = f"{VENV}/bin:/sbin:/bin:/usr/sbin:/usr/bin"
    files = {
        "/etc/nginx/nginx.conf": text(NGINX_CONF), APPLICATION_FILE: text(APPLICATION),
        "/etc/nginx/mime.types": text("types { text/html html; }\n"),
        "/etc/nginx/conf.d/elasticbeanstalk/healthd.conf": text(
            "access_log /var/log/nginx/healthd/application.log main;\n"),
        "/var/proxy/staging/nginx/conf.d/elasticbeanstalk/00_application.conf": text(APPLICATION),
        "/opt/elasticbeanstalk/deployment/env": text(f"PATH={path}\nPORT=8000\nPYTHONPATH={VENV}/bin\n", 0o600),
        "/var/app/current/application.py": text("def application(environ, start_response):\n    pass\n", uid=WEBAPP),
        f"{VENV}/bin/gunicorn": text(f"#!{VENV}/bin/python3.11\nfrom gunicorn.app.wsgiapp import run\nrun()\n", 0o755),
        f"{VENV}/bin/python3.11": link("/usr/bin/python3.11"), "/usr/bin/python3.11": text("\x7fELF", 0o755),
        "/var/app/current": folder(uid=WEBAPP, gid=WEBAPP), "/run/nginx.pid": text("40\n"),
        "/etc/passwd": text("root:x:0:0:root:/root:/bin/bash\nnginx:x:992:992:Nginx web server:/var/lib/nginx:/sbin/nologin\n"
                            "webapp:x:900:900::/home/webapp:/sbin/nologin\n"),
        "/etc/group": text("root:x:0:\nnginx:x:992:\nwebapp:x:900:\n"),
        "/etc/os-release": text('NAME="Amazon Linux"\nVERSION="2023"\nID="amzn"\nID_LIKE="fedora"\nVERSION_ID="2023"\n'),
        "/etc/hosts": text("127.0.0.1   localhost localhost.localdomain localhost4\n::1         localhost6\n"),
        "/sys/fs/selinux/enforce": text("0"), **web_files(server), **logs(),
    }
    programs = (Program(1, ("/usr/lib/systemd/systemd", "--switched-root", "--system"), "systemd", "/usr/lib/systemd/systemd",
                        0, cgroup="/init.scope"),
                *nginx_programs("/usr/sbin/nginx", NGINX, "/system.slice/nginx.service"), *server_programs(server))
    units = {
        "nginx.service": unit("nginx.service", "/usr/sbin/nginx", pid=40, path=NGINX_UNIT, Type="forking",
                              UnitFileState="disabled", WantedBy="",
                              DropInPaths="/usr/lib/systemd/system/nginx.service.d/php-fpm.conf"),
        "web.service": web_unit(server),
        "healthd.service": unit("healthd.service", "/bin/sh -c /opt/elasticbeanstalk/bin/healthd", pid=60),
    }
    listening = (Listening((40, 41), "0.0.0.0", 80), Listening((90, 91), "127.0.0.1", port))
    return Machine(files, programs, listening, units, pages={"": 200})
