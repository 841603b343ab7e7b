"""Datasets as a file system for fsspec: ``hutch://owner/name/path``, to be read.

``fsspec`` finds ``HutchFileSystem`` by its entry point, and with it pandas, xarray,
zarr, dask and whatever else takes such an address. Nothing else in hutch imports this
package: its library is an extra.
"""

from hutch.errors import ExtraMissingError

try:
    from hutch.fs.filesystem import HutchFileSystem
except ModuleNotFoundError as e:
    if e.name != "fsspec":
        raise
    raise ExtraMissingError(
        "hutch:// needs a library that is not installed. Run: pip install 'hutch[fs]'",
        extra="fs",
    ) from None

__all__ = ["HutchFileSystem"]
