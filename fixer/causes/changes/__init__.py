"""What repairs are made of: edits of files, values where they are written, starts that last."""
