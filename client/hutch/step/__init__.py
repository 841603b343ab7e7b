"""The steps around a program in a container: fetch its input, send its output.

``python -m hutch.step in|out|door`` is what hutch's own container image runs.
"""
