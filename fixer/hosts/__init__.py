"""The only code that touches a machine: one file a kind of target."""
