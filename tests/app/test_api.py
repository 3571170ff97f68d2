"""The API: as `gradio_client` and curl meet it."""

import base64
import json
import shutil
import time
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import bad_photos
import gradio as gr
import httpx
import numpy as np
import pytest
from app_fixture import NAMES, served
from gradio_client import Client, handle_file
from gradio_client.exceptions import AppError
from PIL import Image
from pycocotools import mask as coco_mask

from app import api, strings
from app.service import Service


@pytest.fixture(scope="module")
def app(app_service: Service, tmp_path_factory: pytest.TempPathFactory) -> Iterator[SimpleNamespace]:
    """The endpoints alone, served by this process."""
    folder = tmp_path_factory.mktemp("gradio")
    with served(app_service, folder) as blocks:
        client = Client(blocks.local_url, verbose=False, download_files=tmp_path_factory.mktemp("client"))
        yield SimpleNamespace(url=f"{blocks.local_url}gradio_api", client=client, folder=folder)
        client.close()


def read_png(path: str) -> np.ndarray:
    with Image.open(path) as image:
        assert image.format == "PNG"
        return np.array(image)


def test_the_mask_has_the_photos_own_pixels(app: SimpleNamespace, wide_photo: Path, app_service: Service) -> None:
    predictor = app_service.predictors["cefnet-acm"]  # the default, as on the page
    result = predictor.segment(predictor.encode(wide_photo), "red dog")
    threshold = float(np.median(result.probability))  # about half of the pixels, whatever the weights
    answer, mask, overlay = app.client.predict(
        handle_file(wide_photo), "red dog", mask_threshold=threshold, api_name="/segment"
    )
    pixels, expected = read_png(mask), result.probability >= threshold
    assert 0.2 < expected.mean() < 0.8
    assert pixels.shape == (90, 1100) and np.array_equal(pixels, expected * np.uint8(255))
    assert np.array_equal(coco_mask.decode(answer["mask"]), expected)
    assert (answer["model"], answer["expression"], answer["present"]) == ("cefnet-acm", "red dog", True)
    assert answer["precision"] == "float32"
    assert answer["score"] == pytest.approx(result.score, abs=1e-5)
    assert answer["area"] == pytest.approx(expected.mean())
    ys, xs = np.nonzero(expected)
    assert answer["box"] == [xs.min(), ys.min(), xs.max() + 1, ys.max() + 1]
    assert read_png(overlay).shape == (84, 1024, 3)


def test_thresholds_and_size_are_used(app: SimpleNamespace, wide_photo: Path) -> None:
    def ask(**options: float) -> Any:
        return app.client.predict(handle_file(wide_photo), "dog", "cefnet-acm", api_name="/segment", **options)

    absent, mask, _ = ask(presence_threshold=1)
    assert (absent["present"], absent["box"], absent["area"]) == (False, None, 0)
    assert not read_png(mask).any()
    assert (read_png(ask(mask_threshold=0)[1]) == 255).all()
    assert ask(size=64)[0]["score"] == pytest.approx(ask()[0]["score"], abs=1e-6)  # the tiny model's own
    assert ask(size=96)[0]["score"] != ask()[0]["score"]


def test_none_is_the_default(app: SimpleNamespace, wide_photo: Path) -> None:
    decided = ("mask_threshold", "presence_threshold", "regions", "one_region")
    options = dict.fromkeys(("model", "stage", "y", "x", *decided))
    answer = app.client.predict(handle_file(wide_photo), "dog", **options, api_name="/explain")[0]
    assert (answer["model"], answer["stage"], answer["mask_threshold"]) == ("cefnet-acm", 5, 0.3)


@pytest.mark.usefixtures("two_regions")
def test_all_regions_or_the_strongest(
    app: SimpleNamespace, wide_photo: Path, app_service: Service, monkeypatch: pytest.MonkeyPatch
) -> None:
    other = app_service.predictors[NAMES[0]]
    monkeypatch.setattr(other, "decision", replace(other.decision, regions="one"))

    def found(endpoint: str, **options: Any) -> list[tuple[str, bool, bool]]:
        answer = app.client.predict(handle_file(wide_photo), "dog", api_name=endpoint, **options)[0]
        answers = answer.get("answers", [answer])
        masks = [coco_mask.decode(one["mask"]) for one in answers]
        return [(one["regions"], bool(m[0, 0]), bool(m[-1, -1])) for one, m in zip(answers, masks, strict=True)]

    every, best = ("all", True, True), ("one", True, False)
    for endpoint in ("/segment", "/explain"):
        assert found(endpoint) == [every] and found(endpoint, model=NAMES[0]) == [best]
        assert found(endpoint, regions="one") == found(endpoint, one_region=True) == [best]
    assert found("/compare") == [every, best]
    assert found("/compare", regions="all") == found("/compare", one_region=False) == [every, every]
    by_place = (handle_file(wide_photo), "dog", NAMES[0], None, None, None, True)  # one_region had the place of regions
    assert app.client.predict(*by_place, api_name="/segment")[0]["regions"] == "one"
    assert read_png(app.client.predict(handle_file(wide_photo), "dog", NAMES[0], api_name="/segment")[1])[-1, -1] == 0


def test_clicks_are_in_the_photos_own_pixels(
    app: SimpleNamespace, app_service: Service, wide_photo: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    seen, segment = [], app_service.segment

    def recorded(*question: Any, clicks: Any = None, **options: Any) -> Any:
        seen.append(clicks)
        return segment(*question, **options)

    monkeypatch.setattr(app_service, "segment", recorded)
    clicks = [[45, 550, True], [0, 1099, False]]
    answer, *_ = app.client.predict(handle_file(wide_photo), "dog", clicks=clicks, api_name="/segment")
    assert answer["clicks"] == clicks
    [[[here, beside]]] = seen  # what is shown is 84 x 1024
    assert (here.y, here.x, here.here) == (pytest.approx(42), pytest.approx(512), True)
    assert (beside.y, beside.x, beside.here) == (0, pytest.approx(1099 * 1024 / 1100), False)


def test_compare(app: SimpleNamespace, wide_photo: Path, app_service: Service) -> None:
    answer, picture = app.client.predict(handle_file(wide_photo), "dog", mask_threshold=0.5, api_name="/compare")
    assert [one["model"] for one in answer["answers"]] == list(reversed(NAMES))
    one, two = (coco_mask.decode(one["mask"]) for one in answer["answers"])
    assert answer["iou"] == pytest.approx((one & two).sum() / (one | two).sum())
    assert read_png(picture).shape == (84, 1024, 3)
    same = app.client.predict(handle_file(wide_photo), "dog", NAMES[1], NAMES[1], api_name="/compare")[0]
    assert same["iou"] == 1
    nothing = app.client.predict(handle_file(wide_photo), "dog", presence_threshold=1, api_name="/compare")[0]
    assert nothing["iou"] == 1 and not any(one["present"] for one in nothing["answers"])


def test_explain(app: SimpleNamespace, wide_photo: Path) -> None:
    def ask(**options: float) -> Any:
        return app.client.predict(handle_file(wide_photo), "the red dog", api_name="/explain", **options)

    answer, boundary, words, attention = ask(stage=3, y=89, x=0)
    assert [word["caption"] for word in words] == ["red", "dog"] == [word["word"] for word in answer["words"]]
    assert sum(word["share"] for word in answer["words"]) == pytest.approx(1, abs=1e-3)
    assert (answer["stage"], answer["y"], answer["x"]) == (3, 89, 0)
    for file in (boundary, attention, *(word["image"] for word in words)):
        assert read_png(file).shape == (84, 1024, 3)
    moved = ask(stage=3, y=0, x=1099)[3]
    assert not np.array_equal(read_png(moved), read_png(attention))
    free = ask()[0]
    assert 0 <= free["y"] < 90 and 0 <= free["x"] < 1100


@pytest.mark.parametrize(
    ("endpoint", "options", "said"),
    [
        ("/segment", {"photo": None}, strings.API_NO_PHOTO),
        ("/segment", {"expression": "  "}, strings.API_NO_EXPRESSION),
        ("/segment", {"expression": None}, strings.API_NO_EXPRESSION),
        ("/segment", {"expression": "dog " * 60}, "word pieces"),
        ("/segment", {"model": "gpt"}, "model must be one of: cefnet-vcm, cefnet-acm."),
        ("/segment", {"mask_threshold": 7}, "mask_threshold must be a number from 0 to 1."),
        ("/segment", {"mask_threshold": "much"}, "mask_threshold must be a number from 0 to 1."),
        ("/segment", {"regions": "some"}, "regions must be one of: one, all, auto."),
        ("/segment", {"regions": ["one"]}, "regions must be one of: one, all, auto."),
        ("/segment", {"regions": "auto"}, "use one or all"),
        ("/compare", {"regions": "one", "one_region": True}, strings.API_BOTH),
        ("/segment", {"one_region": 0.5}, "one_region must be true or false."),
        ("/segment", {"one_region": ["no"]}, "one_region must be true or false."),
        ("/segment", {"clicks": [[1, 2]]}, "clicks must be a list of [y, x, true or false]"),
        ("/segment", {"clicks": [["a", 2, True]]}, "clicks must be a list of [y, x, true or false]"),
        ("/segment", {"clicks": [[1, 2, 1]]}, "clicks must be a list of [y, x, true or false]"),
        ("/segment", {"clicks": [[90, 2, True]]}, "90 high and 1100 wide"),
        ("/segment", {"clicks": [[1, 2, True]]}, "This model takes no clicks"),
        ("/segment", {"expression": " ", "clicks": [[1, 2, False]]}, strings.API_NO_EXPRESSION),
        ("/segment", {"size": 10**6}, "size must be a number from 64 to 640."),
        ("/segment", {"size": 100}, "multiple"),
        ("/compare", {"other": "gpt"}, "other must be one of"),
        ("/explain", {"stage": 2}, "stage must be a number from 3 to 5."),
        ("/explain", {"y": 90, "x": 5}, "90 high and 1100 wide"),
        ("/explain", {"y": -1}, "y must be a number of 0 or more."),
    ],
)
def test_errors_are_plain(
    app: SimpleNamespace, wide_photo: Path, endpoint: str, options: dict[str, Any], said: str
) -> None:
    with pytest.raises(AppError) as caught:
        app.client.predict(**{"photo": handle_file(wide_photo), "expression": "dog", **options}, api_name=endpoint)
    assert said in str(caught.value)
    assert str(app.folder) not in str(caught.value)


@pytest.mark.parametrize("content", [b"no picture", b"\xff\xd8\xff\xe0 cut off"])
def test_what_is_no_photo_is_refused_without_a_path(app: SimpleNamespace, tmp_path: Path, content: bytes) -> None:
    file = tmp_path / "photo.jpg"
    file.write_bytes(content)
    with pytest.raises(AppError) as caught:
        app.client.predict(handle_file(file), "dog", api_name="/segment")
    assert "photo" in str(caught.value) and "/" not in str(caught.value)


BAD = {case.name: case for case in bad_photos.cases()}


@pytest.mark.parametrize("name", "comment.gif segments.jpg bomb-13000.png drawing.svg broken.heic nan.tif".split())
def test_bad_photos_are_refused_plainly_and_soon(app: SimpleNamespace, tmp_path: Path, name: str) -> None:
    """Gradio's own look into an upload took three minutes for the first."""
    file, start = tmp_path / name, time.monotonic()
    file.write_bytes(BAD[name].make())
    with pytest.raises(AppError, match=BAD[name].says):
        app.client.predict(handle_file(file), "dog", api_name="/segment")
    assert time.monotonic() - start < 60


@pytest.mark.parametrize("name", ["exif-5.jpg", "exif-8.avif", "1-high-5000-wide.png", "16-bit-grey.png", "cmyk.jpg"])
def test_masks_lie_as_people_see_the_photo(app: SimpleNamespace, tmp_path: Path, name: str) -> None:
    file = tmp_path / name
    file.write_bytes(BAD[name].make())
    answer, mask, _ = app.client.predict(handle_file(file), "dog", api_name="/segment")
    assert BAD[name].photo is not None and tuple(answer["mask"]["size"]) == BAD[name].photo.shape[:2]
    assert read_png(mask).shape == BAD[name].photo.shape[:2]


def test_a_photo_that_is_called_a_drawing_is_refused(app: SimpleNamespace, wide_photo: Path, tmp_path: Path) -> None:
    """Gradio would show it as one, and fail."""
    shutil.copy(wide_photo, tmp_path / "photo.SVG")
    with pytest.raises(AppError, match="SVG"):
        app.client.predict(handle_file(tmp_path / "photo.SVG"), "dog", api_name="/segment")


@pytest.mark.parametrize(
    ("question", "said"),
    [
        ('{"photo": {"url": "data:image/png;base64,iVBORw0KGgo="}, "expression": "dog"}', "not a picture"),
        ('{"photo": "dog on the left", "expression": "dog"}', "the file itself in base64"),
        ('{"photo": ["photo.jpg"], "expression": "dog"}', "the file itself in base64"),
        ('{"photo": {"url": "nowhere"}, "expression": "dog"}', "the file itself in base64"),
        ('{"photo": PHOTO, "expression": "dog \\ud83d"}', "half character"),
    ],
)
def test_what_only_raw_json_can_ask(app: SimpleNamespace, wide_photo: Path, question: str, said: str) -> None:
    """What is no photo in place of one, and half of a surrogate pair."""
    (path,) = httpx.post(f"{app.url}/upload", files={"files": wide_photo.read_bytes()}).json()
    file = json.dumps({"path": path, "meta": {"_type": "gradio.FileData"}})
    body, kind = question.replace("PHOTO", file), {"Content-Type": "application/json"}
    told = httpx.post(f"{app.url}/call/v2/segment", content=body, headers=kind).json()
    answer = httpx.get(f"{app.url}/call/segment/{told['event_id']}", timeout=90).text
    assert "event: error" in answer and said in answer


def test_a_call_with_fewer_values_is_one_with_their_defaults(app: SimpleNamespace, wide_photo: Path) -> None:
    """As programs send that were written when the endpoint took fewer."""
    (path,) = httpx.post(f"{app.url}/upload", files={"files": wide_photo.read_bytes()}).json()
    photo = {"path": path, "meta": {"_type": "gradio.FileData"}}
    event = httpx.post(f"{app.url}/call/segment", json={"data": [photo, "red dog"]}).json()["event_id"]
    told = httpx.get(f"{app.url}/call/segment/{event}", timeout=90).text
    answer = json.loads(told.partition("data: ")[2].splitlines()[0])[0]
    uploaded = app.client.predict(handle_file(wide_photo), "red dog", api_name="/segment")[0]
    assert (answer["model"], answer["score"]) == (uploaded["model"], uploaded["score"])


@pytest.mark.parametrize(
    "dress",
    ['"{}"', '"data:image/png;base64,{}"', '{"path": "data:;base64,{}"}', '{"url": "data:image/png;base64,{}"}'],
)
def test_a_photo_in_base64_is_read(app: SimpleNamespace, wide_photo: Path, dress: str) -> None:
    photo = json.loads(dress.replace("{}", base64.b64encode(wide_photo.read_bytes()).decode()))
    body = {"photo": photo, "expression": "red dog"}
    event = httpx.post(f"{app.url}/call/v2/segment", json=body).json()["event_id"]
    told = httpx.get(f"{app.url}/call/segment/{event}", timeout=90).text
    uploaded = app.client.predict(handle_file(wide_photo), "red dog", api_name="/segment")[0]
    answer = json.loads(told.partition("data: ")[2].splitlines()[0])[0]
    assert answer["mask"] == uploaded["mask"] and answer["score"] == uploaded["score"]


def test_files_of_the_server_cannot_be_asked_for(app: SimpleNamespace) -> None:
    body = {"photo": {"path": "/etc/passwd", "meta": {"_type": "gradio.FileData"}}, "expression": "dog"}
    event = httpx.post(f"{app.url}/call/v2/segment", json=body).json()["event_id"]
    told = httpx.get(f"{app.url}/call/segment/{event}").text
    assert "event: error" in told and "root:" not in told


def test_parameters_are_typed_and_documented(app: SimpleNamespace) -> None:
    info = httpx.get(f"{app.url}/info").json()
    assert sorted(info["named_endpoints"]) == ["/compare", "/explain", "/segment"] and not info["unnamed_endpoints"]
    for endpoint in info["named_endpoints"].values():
        names = [one["parameter_name"] for one in endpoint["parameters"]]
        assert names[:2] == ["photo", "expression"]
        assert [one["parameter_has_default"] for one in endpoint["parameters"]] == [False] * 2 + [True] * len(names[2:])
        assert endpoint["description"].endswith(".") and "Args" not in endpoint["description"]
        assert all(len(one["label"]) > 10 for one in endpoint["parameters"])
    segment = {one["parameter_name"]: one for one in info["named_endpoints"]["/segment"]["parameters"]}
    assert list(segment)[3:] == ["mask_threshold", "presence_threshold", "size", "regions", "one_region", "clicks"]
    assert segment["regions"]["type"]["enum"] == ["one", "all", "auto"]
    assert segment["model"]["type"]["enum"] == list(NAMES) and segment["model"]["parameter_default"] == NAMES[1]
    schema = httpx.get(f"{app.url}/openapi.json").json()
    assert {"/gradio_api/call/segment", "/gradio_api/call/v2/segment"} & set(schema["paths"])
    assert str(app.folder) not in json.dumps([info, schema])


def test_nothing_else_of_the_page_can_be_called(app_service: Service) -> None:
    from app.ui import build

    info = build(app_service).get_api_info(all_endpoints=True)
    assert sorted(info["named_endpoints"]) == ["/compare", "/explain", "/segment"] and not info["unnamed_endpoints"]


def test_one_model_alone_is_not_compared(app_service: Service) -> None:
    alone = Service({NAMES[1]: app_service.predictors[NAMES[1]]})
    with gr.Blocks() as blocks:
        api.endpoints(alone)
    assert sorted(blocks.get_api_info()["named_endpoints"]) == ["/explain", "/segment"]
