"""A running lab: its containers, files and records."""
