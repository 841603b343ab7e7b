"""The rules of hutch, pure: no I/O, no clock, no framework."""
