"""What a step says of output that cannot be kept."""


class RejectedError(Exception):
    """What the program left cannot be a dataset, or no previews; the text says why."""
