"""Times until a page answers again, inside a machine, standard library only.

stdin: {"runs": N, "fixer": [argv…], "undo": [argv…]}. stdout: {"fixer": [milliseconds, …], "by hand": […]}. The script
repeats by hand what fixer changed the first time."""

import json
import os
import subprocess
import sys
import time
import urllib.error
import urllib.request

ROOT = "/etc/nginx"
LIMIT = 30.0
STEADY_ANSWERS = 100  # broken answers in a row, some milliseconds apart


def read_config_files() -> "dict[str, bytes]":
    """Return nginx's configuration files."""
    found = {}
    for folder, _, names in os.walk(ROOT):
        for name in names:
            path = os.path.join(folder, name)
            if os.path.isfile(path):
                with open(path, "rb") as file:
                    found[path] = file.read()
    return found


def is_well(host: str) -> bool:
    """Return whether nginx answers without a server error."""
    request = urllib.request.Request("http://127.0.0.1/login", headers={"Host": host})
    try:
        with urllib.request.urlopen(request, timeout=2):
            return True
    except urllib.error.HTTPError as error:
        return error.code < 500
    except OSError:
        return False


def wait_until(host: str, wanted: bool) -> None:
    """Wait until the page is well or broken. Broken must last: workers from before a reload still answer."""
    until, streak = time.monotonic() + LIMIT, 0
    while True:
        streak = streak + 1 if is_well(host) is wanted else 0
        if streak >= (1 if wanted else STEADY_ANSWERS):
            return
        if time.monotonic() > until:
            raise SystemExit(f"the page did not become {'well' if wanted else 'broken'}")
        time.sleep(0.002)


def time_until_well(argv: "list[str]", host: str) -> float:
    """Return milliseconds from a command's start until the page is well; wait for the command's end too."""
    start = time.perf_counter()
    with subprocess.Popen(argv, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT) as child:
        wait_until(host, True)
        taken = (time.perf_counter() - start) * 1000
        child.communicate(timeout=120)
    return taken


def main() -> None:
    """Repair, undo, do the same by hand, undo, and so on."""
    job = json.load(sys.stdin)
    before = read_config_files()
    names = subprocess.run(["nginx", "-T"], capture_output=True, text=True, check=False).stdout
    host = next((line.split()[1].strip(";") for line in names.splitlines()
                 if line.split()[:1] == ["server_name"] and line.split()[1].strip(";") not in ("_", '""')), "localhost")
    wait_until(host, False)
    times: dict[str, list[float]] = {"fixer": [], "by hand": []}
    for number in range(job["runs"] + 1):
        taken = time_until_well(job["fixer"], host)
        changed = {path: data for path, data in read_config_files().items() if before.get(path) != data}
        subprocess.run(job["undo"], check=True, capture_output=True)
        wait_until(host, False)
        script = ["bash /opt/six_steps.sh"]
        for order, (path, data) in enumerate(changed.items()):
            with open(f"/opt/mended.{order}", "wb") as file:
                file.write(data)
            script.append(f"cat /opt/mended.{order} > '{path}'")
        by_hand = time_until_well(["bash", "-c", "; ".join([*script, "nginx -t && nginx -s reload"])], host)
        for path, data in before.items():
            if path in changed:
                with open(path, "wb") as file:
                    file.write(data)
        subprocess.run(["nginx", "-s", "reload"], check=True, capture_output=True)
        wait_until(host, False)
        if number:  # the first is a warm-up
            times["fixer"].append(taken)
            times["by hand"].append(by_hand)
    json.dump(times, sys.stdout)


if __name__ == "__main__":
    main()
