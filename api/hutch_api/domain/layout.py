"""Where things lie in the buckets: readable with plain S3 tools."""

from uuid import UUID

from hutch.contract import records


def prefix_of(dataset: UUID) -> str:
    """Name the start of a dataset's keys in the data bucket."""
    return f"{FILES}{dataset}/"


def key_of(dataset: UUID, path: str) -> str:
    """Name the key of a file in the data bucket."""
    return f"{FILES}{dataset}/{path}"


def path_of(dataset: UUID, key: str) -> str:
    """Name the file that lies under a key.

    Raises:
        ValueError: If the key is not one of this dataset's.
    """
    prefix = prefix_of(dataset)
    if not key.startswith(prefix):
        raise ValueError("the key lies outside the dataset")
    return key[len(prefix) :]


def record_of(dataset: UUID, name: str) -> str:
    """Name a record of a dataset in the meta bucket.

    Args:
        dataset: Whose it is.
        name: ``seal.json``, ``about.json``, or the SHA-256 of a piece of manifest or
            pins.
    """
    return f"{RECORDS}{dataset}/{name}"


def seal_of(dataset: UUID) -> str:
    """Name the record that a closed dataset is rebuilt from."""
    return record_of(dataset, records.SEAL)


FILES = "d/"
"""Start of the keys of all files; the dataset's id and a slash follow."""
INSTANCE = "instance.json"
"""Record of the meta bucket that says whose buckets these are."""
RECORDS = "datasets/"
"""Start of the names of all records of datasets."""
