"""What packet filter rules do with nginx's packets."""
