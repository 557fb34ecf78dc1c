"""Access to targets: the only code that touches a machine, one module per kind of target."""
