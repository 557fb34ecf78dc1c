"""Documentation of the action collect, which runs no module on the host."""

from __future__ import annotations

DOCUMENTATION = r"""
module: collect
short_description: Fetch a redacted bundle of evidence from a host
version_added: 0.1.0
author: badgateway contributors (@badgateway)
description:
  - Runs C(fixer collect) on the host, or the POSIX collect script if there is no Python 3.11. Writes the bundle to a
    file on the controller. C(fixer diagnose bundle:FILE) reads it.
  - The host is not changed, so RV(ignore:changed) is V(false). Secrets are masked before anything leaves the host.
extends_documentation_fragment:
  - badgateway.fixer.host
  - badgateway.fixer.host.look
options:
  dest:
    description:
      - The file on the controller. If it is a folder, or ends with C(/), the file is named after the host.
      - An older file of that name is replaced. Only its owner can read the file.
    type: path
    required: true
attributes:
  check_mode:
    support: partial
    details: In check mode the task is skipped.
"""

EXAMPLES = r"""
- name: Evidence of every host, one file each
  badgateway.fixer.collect:
    dest: bundles/
  become: true
"""

RETURN = r"""
bundle:
  description: The file on the controller.
  returned: always
  type: str
  sample: bundles/web-03.bundle
size:
  description: Its bytes.
  returned: success
  type: int
via:
  description: V(fixer), or V(collect-script) on a host without Python 3.11.
  returned: success
  type: str
"""
