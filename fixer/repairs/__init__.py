"""Edits, starts and settings that several causes share."""
