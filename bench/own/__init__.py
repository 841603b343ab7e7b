"""Figures of hutch by itself: a module each, found by its ``measure``."""
