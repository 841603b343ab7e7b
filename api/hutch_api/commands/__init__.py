"""The commands of ``hutch-api``: one module each.

A command module has ``configure(parser)`` to declare its arguments, and
``run(options, environ)`` to do it, which returns an ``Exit``.
"""
