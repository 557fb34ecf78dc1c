"""The systems that a service needs, and starts that wait for them."""
