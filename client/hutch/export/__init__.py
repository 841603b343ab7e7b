"""Datasets written down for others, in forms that do not need hutch to be read."""
