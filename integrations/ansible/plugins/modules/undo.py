"""Documentation of the action undo, which runs no module on the host."""

from __future__ import annotations

DOCUMENTATION = r"""
module: undo
short_description: Undo a repair to the byte
version_added: 0.1.0
author: badgateway contributors (@badgateway)
description:
  - Runs C(fixer undo) on the host. It puts back what a repair changed, byte for byte, from the journal on that host.
  - The task fails if somebody edited a file since. Such a file is left as it is and listed in RV(conflicts).
  - In check mode nothing is changed. RV(id) is the run that would be undone.
extends_documentation_fragment:
  - badgateway.fixer.host
options:
  id:
    description: Undo this run. By default the last one that changed something.
    type: str
seealso:
  - module: badgateway.fixer.repair
"""

EXAMPLES = r"""
- name: Undo the last repair
  badgateway.fixer.undo:
  become: true

- name: Undo the run of this play
  badgateway.fixer.undo:
    id: "{{ repaired.journal }}"
  become: true
  when: repaired.journal
"""

RETURN = r"""
id:
  description: The run that was undone. V(null) if there was none.
  returned: if the host was reached
  type: str
restored:
  description: What was put back.
  returned: if the host was reached
  type: list
  elements: str
conflicts:
  description: What somebody changed since, and so was left as it is.
  returned: if the host was reached
  type: list
  elements: str
irreversible:
  description: What cannot come back, such as a process that was ended.
  returned: if the host was reached
  type: list
  elements: str
exit_code:
  description: fixer's exit code.
  returned: always
  type: int
report:
  description: The complete object that C(--json) prints (docs/schema).
  returned: always
  type: dict
"""
