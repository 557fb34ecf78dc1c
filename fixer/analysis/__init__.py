"""Conclusions from a snapshot that several causes share. This folder makes no finding and no step."""
