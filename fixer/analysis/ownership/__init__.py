"""The owner of an address: the service that belongs there."""
