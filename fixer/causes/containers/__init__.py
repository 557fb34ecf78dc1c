"""Containers, their networks and their projects, as several causes ask them."""
