"""Where things lie in the buckets: readable with plain S3 tools."""

from uuid import UUID


def prefix_of(dataset: UUID) -> str:
    """Name the start of a dataset's keys in the data bucket."""
    return f"d/{dataset}/"


def key_of(dataset: UUID, path: str) -> str:
    """Name the key of a file in the data bucket."""
    return f"d/{dataset}/{path}"


def path_of(dataset: UUID, key: str) -> str:
    """Name the file that lies under a key.

    Raises:
        ValueError: If the key is not one of this dataset's.
    """
    prefix = prefix_of(dataset)
    if not key.startswith(prefix):
        raise ValueError("the key lies outside the dataset")
    return key[len(prefix) :]


def seal_of(dataset: UUID) -> str:
    """Name the record that a closed dataset is rebuilt from."""
    return f"datasets/{dataset}/seal.json"


def chunk_of(dataset: UUID, sha256: str) -> str:
    """Name a piece of a manifest or of the pins: by its content."""
    return f"datasets/{dataset}/{sha256}"


INSTANCE = "instance.json"
"""Record of the meta bucket that says whose buckets these are."""
