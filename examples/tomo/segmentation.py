"""Label each voxel of a volume with a class, by its attenuation.

The thresholds are found by Otsu's method, boundaries lie where the attenuation changes
most, and specks are removed.
"""

import sys
from typing import Any, Final

import files
import numpy as np
from job import Job, JobError, progress, run
from numpy.typing import NDArray
from scipy import ndimage
from skimage.filters import sobel, threshold_multiotsu, threshold_otsu
from skimage.morphology import remove_small_objects
from skimage.segmentation import watershed

Labels = NDArray[np.uint8]
MOST: Final = 5
"""Classes; the search for thresholds takes some 50 times as long with one more."""


def thresholds_of(smooth: NDArray[np.float32], classes: int) -> NDArray[np.float64]:
    """Find the thresholds between classes: those of the least variance within them.

    Args:
        smooth: Attenuation, by z, y and x.
        classes: How many; at least 2.

    Returns:
        One less, rising, in the unit of the attenuation.

    Raises:
        JobError: The volume has fewer different values.
    """
    try:
        found = threshold_multiotsu(smooth, classes)
    except ValueError:
        raise JobError(f"the volume does not fall into {classes} classes") from None
    return np.asarray(found, np.float64)


def settle_edges(labels: Labels, smooth: NDArray[np.float32], classes: int) -> Labels:
    """Give voxels on steep edges to the class beside them.

    A voxel half of air and half of enamel is as bright as dentine. So a class between
    two others is not believed where the attenuation changes quickly; watersheds from
    the voxels around decide there.

    Args:
        labels: By z, y and x.
        smooth: Attenuation, likewise.
        classes: How many.

    Returns:
        Labels, likewise.
    """
    if classes == 2:  # noqa: PLR2004 -- nothing is between two
        return labels
    slope = sobel(smooth)
    between = (labels > 0) & (labels < classes - 1)
    doubtful = between & (slope > threshold_otsu(slope))
    seeds = np.where(doubtful, 0, labels.astype(np.int32) + 1)
    return np.asarray(watershed(slope, seeds) - 1, np.uint8)


def remove_specks(labels: Labels, classes: int, smallest: int) -> Labels:
    """Give what hangs together of few voxels only to the nearest larger object.

    Args:
        labels: By z, y and x.
        classes: How many.
        smallest: Voxels of the smallest object that stays.

    Returns:
        Labels, likewise.

    Raises:
        JobError: Nothing would stay.
    """
    if smallest <= 1:
        return labels
    kept = np.zeros(labels.shape, np.bool_)
    for label in range(classes):
        kept |= remove_small_objects(labels == label, max_size=smallest - 1)
    if not kept.any():
        raise JobError(f"minimum_size: no object has {smallest} voxels")
    nearest = ndimage.distance_transform_edt(
        ~kept, return_distances=False, return_indices=True
    )
    return np.asarray(labels[tuple(nearest)], np.uint8)


def names_of(job: Job) -> list[str]:
    """Give the names of the classes, by rising attenuation.

    Raises:
        JobError: There are too few or too many, or two are the same.
    """
    names = [str(name) for name in job.parameter("classes")]
    if not 1 < len(names) <= MOST or len(set(names)) < len(names):
        raise JobError(f"classes: {names} are not 2 to {MOST} different names")
    return names


def segment(
    values: NDArray[np.float32], *, classes: int, smoothing: float, smallest: int
) -> tuple[Labels, NDArray[np.float64]]:
    """Label the voxels of a volume, by rising attenuation from 0.

    Args:
        values: Attenuation, by z, y and x.
        classes: How many; at least 2.
        smoothing: Standard deviation of a Gaussian, in pixels.
        smallest: Voxels of the smallest object that stays.

    Returns:
        Labels by z, y and x, and the thresholds in the unit of the attenuation.
    """
    progress(0.1, "smoothing")
    smooth = ndimage.gaussian_filter(values, smoothing)
    progress(0.2, "finding thresholds")
    thresholds = thresholds_of(smooth, classes)
    labels = np.digitize(smooth, thresholds).astype(np.uint8)
    progress(0.3, "settling edges")
    labels = settle_edges(labels, smooth, classes)
    progress(0.7, "removing specks")
    return remove_specks(labels, classes, smallest), thresholds


def segmentation(job: Job) -> dict[str, Any]:
    """Write ``segmentation.h5``; give its attributes."""
    source, names = job.input("volume"), names_of(job)
    smoothing = float(job.parameter("smoothing"))
    smallest = int(job.parameter("minimum_size"))
    with files.opened(source, files.DATA) as file:
        data = files.array(file, files.DATA, 3)
        unit = str(data.attrs.get("units", "1/px"))
        values = files.finite(file, files.DATA, data[...]).astype(np.float32)
    labels, thresholds = segment(
        values, classes=len(names), smoothing=smoothing, smallest=smallest
    )
    z, y, x = labels.shape
    with files.created(
        job.out / "segmentation.h5",
        shape=(z, y, x),
        dtype="u1",
        axes={
            "z": (np.arange(z), "px"),
            "y": (np.arange(y) - y // 2, "px"),
            "x": (np.arange(x) - x // 2, "px"),
        },
        unit="1",
        title=", ".join(f"{label}: {name}" for label, name in enumerate(names)),
    ) as result:
        result[...] = labels
        settings = {
            "classes": (names, ""),
            "smoothing": (smoothing, "px"),
            "minimum_size": (smallest, "voxel"),
            "thresholds": (thresholds, unit),
        }
        files.describe(result, "segmentation.py", settings)
    for label, name in enumerate(names):
        print(f"{name}: {int((labels == label).sum())} voxels")
    return {
        **source.carried(voxel_size="voxel_size"),
        "shape": [z, y, x],
        "classes": names,
        "method": "multi-Otsu thresholds, watersheds at edges",
    }


if __name__ == "__main__":
    sys.exit(run(segmentation))
