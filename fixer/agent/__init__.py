"""`fixer mcp`: tools for programs that talk to a language model. Only `mcp_server.py` knows the SDK of the protocol."""
