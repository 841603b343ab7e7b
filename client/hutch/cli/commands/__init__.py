"""The commands of ``hutch``, one a file.

Each module has ``EPILOG`` (its exit status), ``Options`` (what was typed, frozen),
``configure`` (declares its arguments) and ``run`` (does it; all that a test calls).
"""
