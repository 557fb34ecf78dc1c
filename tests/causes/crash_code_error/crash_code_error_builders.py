"""What the tests of fixer/causes/crash_code_error/__init__.py and others are built of."""

from __future__ import annotations

from fixer.diagnose.run_causes import diagnose
from fixer.model.diagnosis import Finding, Repair
from fixer.model.snapshot import CommandArgument, UnitValue
from tests.causes.snapshot_builders import NOW, Scene, container_service, failed_service, file, finding_of, log_lines

CAUSE = "crash-code-error"
MAIN = "/srv/shop/app/main.py"
STARTED = "Started backend.service - Office."
HEAD = ("Traceback (most recent call last):", '  File "/usr/bin/uvicorn", line 33, in <module>',
        '  File "/usr/lib/python3/dist-packages/uvicorn/importer.py", line 19, in import_from_string')
IMPORT = (STARTED, *HEAD, f'  File "{MAIN}", line 3, in <module>', "    import orjson",
          "ModuleNotFoundError: No module named 'orjson'", "backend.service: Failed with result 'exit-code'.")
SYNTAX = (STARTED, *HEAD, f'  File "{MAIN}", line 2', "    def page(:", "             ^", "SyntaxError: invalid syntax")
TARGET = (STARTED, 'ERROR:    Error loading ASGI app. Attribute "application" not found in module "app.main".')
TLS = (STARTED, *HEAD, '  File "/usr/lib/python3/dist-packages/uvicorn/config.py", line 110, in create_ssl_context',
       "    ctx.load_cert_chain(certfile, keyfile, get_password)",
       "ssl.SSLError: [X509: KEY_VALUES_MISMATCH] key values mismatch (_ssl.c:3895)")


def crashed(*lines: str, **changes: object) -> Scene:
    return Scene().with_service(failed_service(log=log_lines(*(lines or IMPORT)), **changes)).refused()   # type: ignore[arg-type]


def found(scene: Scene, **inputs: str) -> Finding:
    return finding_of(diagnose(scene.snapshot(), inputs), CAUSE)


def repair_called(scene: Scene, name: str, **inputs: str) -> Repair:
    return next(repair for repair in found(scene, **inputs).repairs if repair.id == name)


DAPHNE = (STARTED, HEAD[0], '  File "/usr/bin/daphne", line 8, in <module>',
          '  File "/usr/lib/python3/dist-packages/daphne/utils.py", line 22, in import_by_path',
          "    target = getattr(target, bit)")
UWSGI = (STARTED, "*** Starting uWSGI 2.0.28 (64bit) on [Fri Nov 27] ***", "Python main interpreter initialized at 0x7f",
         "unable to load app 0 (mountpoint='') (callable not found or import error)", "*** no app loaded. GAME OVER ***")


def contained(**changes: object) -> Scene:
    box = {"status": "restarting", "exit_code": 1, "restart_count": 4, "restart_policy": "always", "started_at": NOW - 50,
           "working_dir": "/srv", "mounts": (("/home/lab/app", "/srv/app", False),), "image": "office:3"}
    lines = [line.replace("/srv/shop/app", "/srv/app") for line in changes.pop("lines", IMPORT[1:-1])]  # type: ignore[attr-defined]
    made = container_service(box=box, pid=None, log=log_lines(*lines), **changes)   # type: ignore[arg-type]
    return Scene("app:8000", node="web", back="app").with_service(made).refused(configured_service=made.id)


NO_PROJECT = (STARTED, "Traceback (most recent call last):", "ModuleNotFoundError: No module named '{}'",
              "[2026-01-31 10:00:00 +0000] [9] [ERROR] Reason: Worker failed to boot.")


def project(target: str, folder: str, *paths: str) -> Scene:
    """gunicorn in a project of Django's, whose command names a target and whose unit a folder."""
    path = "/etc/systemd/system/backend.service"
    text = f"[Service]\nWorkingDirectory={folder}\nExecStart=/srv/env/bin/gunicorn {target}\n"
    at, cwd = text.index(target), text.index(folder)
    value = UnitValue("WorkingDirectory", folder, path, 2, cwd, cwd + len(folder))
    scene = crashed(
        *(line.format(target.partition(".")[0]) for line in NO_PROJECT), argv=("/srv/env/bin/gunicorn", target),
        runtime="gunicorn", unit_values=(value,), unit_changes={"working_directory": folder},
        command=(CommandArgument("/srv/env/bin/gunicorn"), CommandArgument(target, path, 3, at, at + len(target))))
    scene.files += [file(path, text), *(file(p, "application = get_wsgi_application()\n") for p in paths)]
    return scene
