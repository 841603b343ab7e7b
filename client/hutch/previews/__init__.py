"""The program ``hutch-preview``: small pictures of what a dataset holds.

It is run by a runner as ``python -m hutch.previews``, and finds its job where
``HUTCH_JOB`` says. Files are read where they lie, and of large ones little: no more
than what a picture takes. They were written by others; one that cannot be read is
noted.
"""
