"""The module search path of fixer's process: its own folder and Python's, nothing that a variable or a folder adds.

Every start calls this before it imports anything else: so this file imports nothing that Python has not loaded before,
not even `__future__`. Python itself may have run code of PYTHONPATH or of the user site by then (sitecustomize,
usercustomize, .pth files); only `python3 -I` prevents that, with which fixer.pyz starts itself."""

import os
import sys

IMPORT_VARIABLES = ("PYTHONPATH", "PYTHONHOME", "PYTHONUSERBASE", "PYTHONSTARTUP", "PYTHONPYCACHEPREFIX")


def drop_foreign_paths(own: str) -> None:
    """Remove the current folder, PYTHONPATH and the user site from `sys.path`. `own` holds fixer and stays.
    A variable may name a folder that is Python's own: that one stays too."""
    if sys.flags.isolated:
        return
    here = _current_folder()
    foreign = {os.path.realpath(folder) for folder in (*_named_folders(), _user_site()) if folder}
    if sys.path[:1] in ([""], [here]):  # python -c, python -m
        foreign.add(here)
    foreign -= {os.path.realpath(folder) for folder in (own, *_python_folders())}
    sys.path[:] = [folder for folder in sys.path if (os.path.realpath(folder) if folder else here) not in foreign]
    sys.pycache_prefix = None  # bytecode there may be anybody's


def _current_folder() -> str:
    try:
        return os.getcwd()  # noqa: PTH109 - pathlib is not loaded yet
    except OSError:  # it was removed
        return ""


def _python_folders() -> list[str]:
    """Return the folders of the standard library and of installed packages."""
    library = os.path.dirname(os.__file__)  # noqa: PTH120
    site = sys.modules.get("site")
    return [library, f"{library}/lib-dynload", *(site.getsitepackages() if site else ())]


def without_import_variables(environment: dict[str, str]) -> dict[str, str]:
    """Return the environment for a command that may be written in Python, such as supervisorctl."""
    return {name: value for name, value in environment.items() if name not in IMPORT_VARIABLES}


def _named_folders() -> list[str]:
    """Return the folders of PYTHONPATH; Python ignores it with -E."""
    return [] if sys.flags.ignore_environment else os.environ.get("PYTHONPATH", "").split(os.pathsep)


def _user_site() -> str:
    """Return the user's own folder of packages if Python uses it, else an empty text."""
    site = sys.modules.get("site")
    return site.USER_SITE or "" if site and site.ENABLE_USER_SITE else ""
