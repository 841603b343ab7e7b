"""What a store account may do with its dataset's files."""

from enum import StrEnum


class Access(StrEnum):
    """What a store account may do below its prefix."""

    PUT = "put"
    """Sign pushes: ``s3:PutObject`` only, enough for a PUT and for UploadPart."""
    READ = "read"
    """For a tool: get and list."""
    WRITE = "write"
    """For a tool: also put, in parts too, and mark as deleted."""
