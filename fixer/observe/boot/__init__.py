"""Who starts what no service manager keeps."""
