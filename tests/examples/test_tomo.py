"""The programs of the tomography example, run as a container runs them."""

import os
import runpy
import sys
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import msgspec
import numpy as np
import pytest
from numpy.typing import NDArray

from hutch.contract.wire.definitions import DefinitionIn
from hutch_api.domain import parameters, types
from tests.examples import phantom
from tests.examples.steps import SCAN, STEPS, TOMO, Step, definition


def chain(place: Path) -> dict[str, Step]:
    """Make everything of a scan of two rows, the second one a little fainter."""
    integrals = np.stack([phantom.sinogram(), 0.9 * phantom.sinogram()], axis=1)
    steps = {name: Step(name, place / name) for name in STEPS}
    phantom.write(steps["sinogram"].source / "a" / "scan.h5", phantom.scan(integrals))
    attributes: Mapping[str, Any] = SCAN
    given: dict[str, dict[str, Any]] = {
        "volume": {"ring_window": 5},
        "segmentation": {"classes": ["air", "light", "dense"]},
    }
    for name, before in zip(STEPS, ("", *STEPS), strict=False):
        if before:
            steps[name].place.mkdir()
            steps[name].source.symlink_to(steps[before].out)
        steps[name].succeed(attributes, **given.get(name, {}))
        attributes = steps[name].attributes()
    return steps


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Step]:
    return chain(tmp_path_factory.mktemp("made"))


def error(first: NDArray[Any], second: NDArray[Any]) -> float:
    """Root mean square of the difference, as a part of the second one's maximum."""
    return float(np.sqrt(np.mean((first - second) ** 2)) / second.max())


@pytest.fixture
def refusal(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> Callable[..., str]:
    """Run what has to fail, in this process; give what it says, in one line."""
    monkeypatch.syspath_prepend(TOMO)

    def refusal(step: Step, **given: Any) -> str:
        step.tell(**given)
        monkeypatch.setattr(sys, "argv", [step.program])
        for name, value in step.places.items():
            monkeypatch.setenv(name, value)
        with pytest.raises(SystemExit) as ended:
            runpy.run_path(step.program, run_name="__main__")
        assert ended.value.code == 1
        assert not (step.out / ".hutch").exists()
        [line] = capsys.readouterr().err.splitlines()
        assert line.startswith(f"{step.name}.py: ")
        return line

    return refusal


@pytest.mark.parametrize("name", STEPS)
def test_hutch_takes_the_definition(name: str) -> None:
    image = {"image": f"sha256:{0:064}"}
    taken = msgspec.convert(definition(name) | image, DefinitionIn)
    parameters.require_schema(taken.parameters)
    for rule in taken.parameters["properties"].values():
        assert "unit" in rule or rule["type"] in {"string", "array"}


def test_the_sinograms_are_the_line_integrals(made: dict[str, Step]) -> None:
    found = made["sinogram"].data()
    assert (found.shape, found.dtype.name) == ((2, 180, 128), "float32")
    assert error(found[0], phantom.sinogram()) < 1e-6


def test_the_phantom_is_reconstructed(made: dict[str, Step]) -> None:
    found = made["volume"].data()
    assert (found.shape, found.dtype.name) == ((2, 128, 128), "float32")
    assert error(found[0], phantom.image()) < 0.03
    assert error(found[1], 0.9 * phantom.image()) < 0.03


def test_the_axis_is_found(made: dict[str, Step]) -> None:
    found = made["volume"].attributes()["rotation_center"]
    assert found == pytest.approx(phantom.CENTRE, abs=0.05)


def test_the_phantom_is_segmented(made: dict[str, Step]) -> None:
    found = made["segmentation"].data()
    assert (found.shape, found.dtype.name) == ((2, 128, 128), "uint8")
    halves = np.array([phantom.LIGHT / 2, (phantom.LIGHT + phantom.DENSE) / 2])
    assert (found[0] == np.digitize(phantom.image(), halves)).mean() > 0.98


def test_the_attributes_fit_the_types(made: dict[str, Step]) -> None:
    for name, step in made.items():
        attributes = step.attributes()
        assert types.validate_attributes(name, 1, attributes) == []
        assert attributes["sample"] == "phantom"
    assert made["segmentation"].attributes() == {
        "sample": "phantom",
        "voxel_size": 0.65,
        "shape": [2, 128, 128],
        "classes": ["air", "light", "dense"],
        "method": "multi-Otsu thresholds, watersheds at edges",
    }


def test_the_same_input_gives_the_same_bytes(
    made: dict[str, Step], tmp_path: Path
) -> None:
    again = chain(tmp_path)
    for name, step in made.items():
        for part in (f"{name}.h5", ".hutch/attributes.json"):
            assert (step.out / part).read_bytes() == (
                again[name].out / part
            ).read_bytes()


def test_the_axis_may_be_given(tmp_path: Path) -> None:
    step = Step("volume", tmp_path)
    files = phantom.sinograms(phantom.sinogram(centre=20.0)[None])
    phantom.write(step.source / "sinogram.h5", files)
    step.succeed(centre=20.0)
    assert step.attributes()["rotation_center"] == 20.0


def test_a_stripe_becomes_no_ring(tmp_path: Path) -> None:
    striped = phantom.sinogram()
    striped[:, 90] += 0.5
    errors = {}
    for window in (0, 5):
        step = Step("volume", tmp_path / str(window))
        phantom.write(step.source / "sinogram.h5", phantom.sinograms(striped[None]))
        step.succeed(centre=phantom.CENTRE, ring_window=window)
        errors[window] = error(step.data()[0], phantom.image())
    assert errors[5] < 0.03
    assert errors[0] > 0.045


def test_specks_become_what_is_around_them(tmp_path: Path) -> None:
    step = Step("segmentation", tmp_path)
    values = np.zeros((2, 40, 40))
    values[:, 10:30, 10:30] = 1.0
    values[:, 3:5, 3:5] = 1.0
    phantom.write(step.source / "volume.h5", {"entry/data/data": values})
    step.succeed({}, classes=["air", "glass"], smoothing=0, minimum_size=20)
    assert step.data().sum() == 2 * 20 * 20


@pytest.mark.parametrize(
    ("spoilt", "said"),
    [
        ({"exchange/theta": np.arange(7.0)}, "7 angles for 180 projections"),
        ({"exchange/data_white": np.ones((3, 1, 99))}, "has frames of (1, 99) pixels"),
        ({"exchange/data_dark": np.full((1, 1, 128), 1e6)}, "no beam in rows 0 to 0"),
        ({"exchange/data": np.full((180, 1, 128), np.nan)}, "values that are not"),
        ({"exchange/data": np.ones((180, 128))}, "3 dimensions of numbers are needed"),
    ],
)
def test_a_bad_scan_is_refused(
    spoilt: dict[str, NDArray[Any]],
    said: str,
    refusal: Callable[..., str],
    tmp_path: Path,
) -> None:
    step = Step("sinogram", tmp_path)
    whole = phantom.scan(phantom.sinogram()[:, None])
    phantom.write(step.source / "scan.h5", whole | spoilt)
    assert said in refusal(step)


def test_exactly_one_scan_is_needed(
    refusal: Callable[..., str], tmp_path: Path
) -> None:
    step = Step("sinogram", tmp_path)
    assert "no file below" in refusal(step)
    step.source.joinpath("notes.txt").write_text("of no use")
    whole = phantom.scan(phantom.sinogram()[:, None])
    phantom.write(step.source / "a.h5", whole)
    phantom.write(step.source / "b.nxs", whole)
    assert "a.h5, b.nxs each are" in refusal(step)


def test_half_a_file_is_refused(refusal: Callable[..., str], tmp_path: Path) -> None:
    step = Step("sinogram", tmp_path)
    phantom.write(step.source / "scan.h5", phantom.scan(phantom.sinogram()[:, None]))
    os.truncate(step.source / "scan.h5", 5_000)
    assert "truncated file" in refusal(step)


@pytest.mark.parametrize("text", ["", "[]", '{"parameters": {}, "inputs": {"a": 1}}'])
def test_what_is_no_job_is_refused(text: str, tmp_path: Path) -> None:
    (tmp_path / "job.json").write_text(text)
    done = Step("sinogram", tmp_path).run()
    assert done.returncode == 1
    [line] = done.stderr.splitlines()
    assert "is not a job of hutch" in line


@pytest.mark.parametrize(
    ("angles", "given", "said"),
    [
        (phantom.ANGLES / 2, {}, "cover 90.0 degrees"),
        (phantom.ANGLES**2, {}, "are not even"),
        (phantom.ANGLES, {"centre": 128.0}, "centre: 128.0 is not a column"),
        (phantom.ANGLES, {"ring_window": 8}, "ring_window: 8 has no middle"),
    ],
)
def test_what_cannot_be_reconstructed_is_refused(
    angles: phantom.Floats,
    given: dict[str, Any],
    said: str,
    refusal: Callable[..., str],
    tmp_path: Path,
) -> None:
    step = Step("volume", tmp_path)
    files = phantom.sinograms(phantom.sinogram(angles)[None], angles)
    phantom.write(step.source / "sinogram.h5", files)
    assert said in refusal(step, **given)


@pytest.mark.parametrize(
    ("given", "said"),
    [
        ({"classes": ["a", "a"]}, "are not 2 to 5 different names"),
        ({"minimum_size": 10_000}, "no object has 10000 voxels"),
        ({"classes": ["a", "b", "c"], "smoothing": 0}, "does not fall into 3 classes"),
    ],
)
def test_what_cannot_be_segmented_is_refused(
    given: dict[str, Any], said: str, refusal: Callable[..., str], tmp_path: Path
) -> None:
    step = Step("segmentation", tmp_path)
    halves = np.indices((1, 20, 20))[1] // 10
    phantom.write(step.source / "volume.h5", {"entry/data/data": halves})
    assert said in refusal(step, **given)
