"""Documentation of the action diagnose, which runs no module on the host."""

from __future__ import annotations

DOCUMENTATION = r"""
module: diagnose
short_description: Find why nginx on a host answers 502
version_added: 0.1.0
author: badgateway contributors (@badgateway)
description:
  - Runs C(fixer diagnose) on the host and returns its report as data. Changes nothing there, in check mode as without.
  - A host without Python 3.11 is read by a POSIX shell script instead (C(fixer collect --script)). The controller
    judges what it prints.
  - The task fails only if the host could not be looked at. A broken host is a result, not a failure.
extends_documentation_fragment:
  - badgateway.fixer.host
  - badgateway.fixer.host.look
options:
  requests:
    description: Ask each route so many times, in a row for at most 5 s. It shows the share of failures.
    type: int
  collect_without_python:
    description: Whether to read a host without Python 3.11 by the shell script. If V(false) the task fails there.
    type: bool
    default: true
seealso:
  - module: badgateway.fixer.repair
"""

EXAMPLES = r"""
- name: Why does nginx answer 502?
  badgateway.fixer.diagnose:
  become: true
  register: found

- name: Fail where a page is not healthy
  ansible.builtin.assert:
    that: found.verdict == "healthy"
    fail_msg: "{{ found.cause }}: {{ found.msg | default('no cause proven') }}"

- name: A Compose project of that host
  badgateway.fixer.diagnose:
    target: compose://shop
  become: true
"""

RETURN = r"""
verdict:
  description: The state of the host. V(unknown) if it could not be looked at or judged.
  returned: always
  type: str
  sample: broken
cause:
  description: The first cause, the one to repair first. V(null) if there is none.
  returned: if the host was looked at
  type: str
  sample: wrong-port
variant:
  description: The exact way in which the cause came about.
  returned: if the host was looked at
  type: str
  sample: container-wrong-port
findings:
  description: Every finding, the first cause first, without evidence and diffs.
  returned: if the host was looked at
  type: list
  elements: dict
  sample:
    - {cause: wrong-port, variant: wrong-port, role: root, confidence: certain, service: backend.service, node: local,
       summary: nginx hands /api to 127.0.0.1:8001, repairs: [{id: point-route-at-listener, risk: safe}]}
faults:
  description: The findings at fault, each as one text. The same text is the same fault, before and after a repair.
  returned: if the host was looked at
  type: list
  elements: str
  sample: ["wrong-port/container-wrong-port of backend.service on local"]
exit_code:
  description: fixer's exit code. 0 is healthy, 1 is not healthy, 3 is not looked at, 4 is waiting for an operator.
  returned: always
  type: int
  sample: 1
report:
  description: The complete object that C(--json) prints (docs/schema), or its error object with kind, message and hint.
  returned: always
  type: dict
via:
  description: V(fixer) if it ran there, V(collect-script) if its bundle was judged on the controller.
  returned: if the host was looked at
  type: str
copied:
  description: Whether fixer.pyz was copied to the host. That is no change of the host.
  returned: if the host was looked at
  type: bool
"""
