"""Every case of `bad_photos`, wherever photos come in: the right picture or a plain refusal, soon, in little memory."""

import json
import re
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest
from bad_photos import MEGABYTES, SECONDS, Case, cases
from large_photos import large

from app.picture import picture_from
from cefnet.__main__ import main
from cefnet.photos import layout, read_photo
from train.data.reader import Damaged, ReferData

ROOT = Path(__file__).parents[2]
CASES = list(cases())
REFUSED = [case for case in CASES if case.photo is None]
READ = [case for case in CASES if case.photo is not None]
TURNED_OTHERWISE = ("exif-half-broken.png", "exif-20-MB.png")
SLOW = 2  # times slower than promised a test's machine may be

# Reads files one after the other; says for each what came of it, and the memory that it took over idle.
MEASURE = """
import json, sys, time
from cefnet.photos import read_photo

def megabytes(what):
    with open("/proc/self/status") as status:
        return next(int(line.split()[1]) / 1024 for line in status if line.startswith(what))

for path in sys.argv[1:]:
    with open("/proc/self/clear_refs", "w") as file:
        file.write("5")  # the peak starts from here
    idle, start = megabytes("VmRSS"), time.process_time()
    try:
        photo = read_photo(path)
        told = {"shape": photo.shape, "corner": photo[0, 0].tolist()}
        del photo
    except ValueError as error:
        told = {"said": str(error)}
    took = {"seconds": time.process_time() - start, "megabytes": megabytes("VmHWM") - idle}
    print(json.dumps(told | took), flush=True)
"""


def measured(paths: list[Path]) -> list[dict]:
    command = [sys.executable, "-W", "ignore", "-c", MEASURE, *map(str, paths)]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=300)
    assert done.returncode == 0, done.stderr
    return [json.loads(line) for line in done.stdout.splitlines()]


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("photos")
    for case in CASES:
        (folder / case.name).write_bytes(case.make())
    return folder


@pytest.mark.filterwarnings("ignore")  # Pillow's, of what is refused
@pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)
def test_the_right_photo_or_a_plain_refusal_soon(case: Case, folder: Path) -> None:
    start = time.process_time()
    if case.photo is not None:
        assert case.looks(read_photo(folder / case.name))
        return
    with pytest.raises(ValueError) as refusal:
        read_photo(folder / case.name)
    assert time.process_time() - start < SLOW * SECONDS
    said = str(refusal.value)
    assert case.says and case.says in said and case.name in said
    assert len(said) < len(str(folder)) + 200 and "\n" not in said and "object at" not in said


def test_small_files_take_little_memory(folder: Path) -> None:
    told = measured([folder / case.name for case in CASES])
    assert len(told) == len(CASES)
    most = {case.name: round(one["megabytes"]) for case, one in zip(CASES, told, strict=True)}
    assert max(most.values()) < MEGABYTES / 2, most


def test_the_largest_photos_are_read_within_the_memory(tmp_path: Path) -> None:
    many = list(large())
    for case in many:
        (tmp_path / case.name).write_bytes(case.make())
    for case, one in zip(many, measured([tmp_path / case.name for case in many]), strict=True):
        assert case.photo is not None and one.get("shape") == list(case.photo.shape), (case.name, one)
        assert np.abs(np.array(one["corner"]) - case.photo[0, 0]).max() <= case.off, (case.name, one)
        assert one["megabytes"] < MEGABYTES, (case.name, one)


def test_a_device_without_end_is_not_read_to_its_end() -> None:
    [told] = measured([Path("/dev/zero")])
    assert "larger than 100 MB" in told["said"] and told["megabytes"] < MEGABYTES


# The command line


@pytest.mark.filterwarnings("ignore")
def test_the_command_line_refuses_in_one_line(
    folder: Path, tiny_checkpoint: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    for case in REFUSED:
        path, out = str(folder / case.name), tmp_path / "out"
        assert main(["segment", path, "dog", "--model", str(tiny_checkpoint), "--out", str(out)]) == 2, case.name
        said = capsys.readouterr().err
        assert case.says in said and said.count("\n") == 1 and not out.exists(), case.name


@pytest.mark.parametrize("name", ["exif-6.jpg", "exif-5.avif", "1-high-5000-wide.png", "16-bit-grey.png", "cmyk.jpg"])
def test_the_command_lines_mask_lies_as_people_see_the_photo(
    name: str, folder: Path, tiny_checkpoint: Path, tmp_path: Path
) -> None:
    [case] = [case for case in READ if case.name == name]
    command = ["segment", str(folder / name), "dog", "--model", str(tiny_checkpoint), "--out", str(tmp_path)]
    assert case.photo is not None and main([*command, "--presence-threshold", "0"]) == 0
    for file in ("mask.png", "overlay.png", "boundary.png"):
        assert read_photo(tmp_path / file).shape == case.photo.shape


# What the app keeps


def test_the_app_sees_the_same_photo(folder: Path) -> None:
    for case in READ:
        picture = picture_from(folder / case.name)
        assert case.photo is not None and picture.size == case.photo.shape[:2], case.name
        assert case.looks(picture.full()) and max(picture.pixels.shape[:2]) <= 1024, case.name


# What training and evaluation read


def opened(folder: Path, case: Case) -> ReferData:
    """A data folder of one photo, whose labels have the size that people see."""
    height, width = (1, 1) if case.photo is None else case.photo.shape[:2]
    image = {"id": 1, "file_name": case.name, "width": width, "height": height}
    tables = {"instances": {"images": [image], "annotations": [], "categories": []}, "refs": []}
    for name, table in (tables | {"dataset": {"photos": str(folder)}}).items():
        (folder / f"{name}.json").write_text(json.dumps(table))
    return ReferData.open(folder)


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)
def test_training_sees_what_the_app_shows(case: Case, folder: Path) -> None:
    data = opened(folder, case)
    if case.photo is None:
        with pytest.raises(Damaged, match=f"photo {case.name} "):
            data.photo(1)
        return
    seen = data.photo(1)
    assert case.looks(seen)
    np.testing.assert_array_equal(seen, read_photo(folder / case.name))
    np.testing.assert_array_equal(seen, picture_from(folder / case.name).full())


@pytest.mark.parametrize("case", READ, ids=lambda case: case.name)
def test_the_head_of_a_file_tells_its_upright_size(case: Case, folder: Path) -> None:
    lies = layout(folder / case.name)
    assert case.photo is not None and lies.upright == case.photo.shape[1::-1]
    told = re.search(r"exif-(\d)\.", case.name)
    assert lies.orientation == (int(told[1]) if told else 6 if case.name in TURNED_OTHERWISE else 1)
