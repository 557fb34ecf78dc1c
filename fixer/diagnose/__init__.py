"""From a snapshot to a diagnosis. Pure."""
