"""Failed runs of a service: what ended them, and what their last lines say."""
