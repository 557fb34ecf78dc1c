"""Documentation of the action repair, which runs no module on the host."""

from __future__ import annotations

DOCUMENTATION = r"""
module: repair
short_description: Repair why nginx on a host answers 502, with proof
version_added: 0.1.0
author: badgateway contributors (@badgateway)
description:
  - Runs C(fixer repair --yes) on the host. fixer plans, writes each change into its journal first, applies it, looks
    again, and rolls back what did not help.
  - The host's own policy (C(/etc/badgateway/policy.toml)), ignored findings and lock are obeyed, as by hand.
  - In check mode nothing is changed. RV(ignore:changed) then says whether a repair would be applied. With diff mode its
    diff is shown.
  - The task fails if the host could not be looked at, or if the repair did not help and was rolled back.
    RV(outcome=needs-input) is no failure.
extends_documentation_fragment:
  - badgateway.fixer.host
  - badgateway.fixer.host.look
options:
  max_risk:
    description: Apply repairs up to this risk. V(disruptive) allows restarts, unit files and compose files.
    type: str
    choices: [safe, disruptive]
    default: safe
  only:
    description: Apply this repair instead of the first one.
    type: str
  inputs:
    description:
      - Inputs that a repair needs, by their key. They may be secrets. They go through standard input, so no process
        list, no log and no result shows them.
    type: dict
attributes:
  diff_mode:
    support: full
seealso:
  - module: badgateway.fixer.undo
"""

EXAMPLES = r"""
- name: What would be done?
  badgateway.fixer.repair:
  become: true
  check_mode: true
  diff: true

- name: Repair what a reload can repair
  badgateway.fixer.repair:
  become: true
  register: repaired

- name: Repair with an input
  badgateway.fixer.repair:
    max_risk: disruptive
    inputs:
      SECRET_KEY: "{{ vault_secret_key }}"
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
outcome:
  description: V(nothing-to-do), V(repaired), V(rolled-back), V(needs-input) or V(failed).
  returned: if the host was looked at
  type: str
applied:
  description: The steps that are in force.
  returned: if the host was looked at
  type: list
  elements: str
withheld:
  description: Repairs that were not applied, each with the reason and the flag that allows it.
  returned: if the host was looked at
  type: list
  elements: str
journal:
  description: The id of the run, for M(badgateway.fixer.undo). V(null) if nothing is in force.
  returned: if the host was looked at
  type: str
  sample: 20260131-101500-3f2a
"""
