"""Start-up tools: dataclasses, regexes and parse results that cost only at first use."""
