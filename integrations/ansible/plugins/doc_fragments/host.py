"""Documentation that the modules share."""

from __future__ import annotations


class ModuleDocFragment:
    """Options of every module, options of a look, and what each result holds."""

    DOCUMENTATION = r"""
options:
  target:
    description:
      - What fixer looks at on the host. V(local) is its own nginx, and that of its containers.
      - V(docker://CONTAINER) or V(compose://PROJECT) is one container or project of that host.
    type: str
    default: local
  fixer:
    description:
      - The C(fixer.pyz) on the controller. By default the one that the collection holds.
      - It is copied to the host once for each version, into C(/var/cache/badgateway) for root, else into
        C(~/.cache/badgateway), and found there by its checksum.
    type: path
  python:
    description:
      - The Python 3.11 or newer of the host. By default the first one of C(ansible_python_interpreter), C(python3) and
        C(python3.14) to C(python3.11) that is new enough.
    type: path
notes:
  - The action runs one command over the connection. The host needs C(/bin/sh) and no Python module.
  - Without root, facts may be missing. Use C(become=true).
attributes:
  check_mode:
    support: full
    description: Can run in check mode and return the changed status prediction without modifying the host.
  diff_mode:
    support: none
    description: Will return details on what has changed when in diff mode.
  platform:
    platforms: posix
    support: full
    description: Target OS that can be operated against.
"""

    LOOK = r"""
options:
  url:
    description: Check this address first.
    type: str
  wait:
    description: Wait so many seconds for slow answers, instead of 2.
    type: float
  probe:
    description: Whether fixer sends requests. V(false) is C(--no-probe).
    type: bool
    default: true
"""
