"""A compose project whose nginx is configured by a program that follows Docker, as proxies for many containers are."""

from __future__ import annotations

from pathlib import Path

from lab.stack.images import tags

GENERATOR = '''
import http.client, json, os, socket, time


class Docker(http.client.HTTPConnection):
    def connect(self):
        self.sock = socket.socket(socket.AF_UNIX)
        self.sock.connect("/tmp/docker.sock")


def ask(method, path):
    engine = Docker("docker")
    engine.request(method, path)
    data = engine.getresponse().read()
    return json.loads(data) if method == "GET" else None


BLOCK = """# {name}
upstream {host} {{
    server {ip}:{port};
}}
server {{
    listen 80 default_server;
    server_name {host};
    location / {{
        proxy_pass http://{host};
    }}
}}
"""
last = None
while True:
    blocks, proxy = [], None
    for row in ask("GET", "/containers/json"):
        if row["Labels"].get("com.docker.compose.project") != os.environ["PROJECT"]:
            continue
        if row["Labels"]["com.docker.compose.service"] == "proxy":
            proxy = row["Id"]
        item = ask("GET", f"/containers/{row['Id']}/json")
        env = dict(word.split("=", 1) for word in item.get("Config", {}).get("Env", []))
        if "VIRTUAL_HOST" in env:
            ip = next(iter(item["NetworkSettings"]["Networks"].values()))["IPAddress"]
            blocks.append(BLOCK.format(name=item["Name"], host=env["VIRTUAL_HOST"], ip=ip, port=env.get("VIRTUAL_PORT", "80")))
    text = "".join(sorted(blocks))
    if proxy and text and text != last:
        with open("/etc/nginx/conf.d/default.conf", "w") as file:
            file.write(text)
        ask("POST", f"/containers/{proxy}/kill?signal=HUP")
        last = text
    time.sleep(0.5)
'''

PAGE = '''
async def site(scope, receive, send):
    if scope["type"] == "http":
        await send({"type": "http.response.start", "status": 200, "headers": []})
        await send({"type": "http.response.body", "body": b"well"})
'''

COMPOSE = '''
services:
  proxy:
    image: {web}
    volumes: ["conf:/etc/nginx/conf.d"]
  shop:
    image: {app}
    command: python3 -m uvicorn --app-dir /srv shop_page:site --host 0.0.0.0 --port 8028
    environment:
      VIRTUAL_HOST: shop.example.org
      VIRTUAL_PORT: "8001"
    volumes: ["./shop_page.py:/srv/shop_page.py:ro"]
  generator:
    image: {app}
    user: root
    command: python3 /generator.py
    environment:
      PROJECT: {name}
    volumes: ["conf:/etc/nginx/conf.d", "./generator.py:/generator.py:ro", "/var/run/docker.sock:/tmp/docker.sock:ro"]
volumes:
  conf:
'''


VARIABLE = '      VIRTUAL_PORT: "8001"\n'


def write_project(folder: Path, name: str, *, has_port: bool = True) -> None:
    """Write the project's files. The application listens at 8028, its variable says 8001; without it the program takes
    80."""
    images = tags()
    (folder / "generator.py").write_text(GENERATOR)
    (folder / "shop_page.py").write_text(PAGE)
    text = COMPOSE.format(web=images["web"], app=images["app"], name=name)
    (folder / "compose.yaml").write_text(text if has_port else text.replace(VARIABLE, ""))
