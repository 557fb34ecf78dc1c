"""Start-up tools: dataclasses, regexes and parse results whose cost is paid at first use."""
