"""Figures, images, tables, numbers of other libraries: with the real libraries, read back with them."""

from __future__ import annotations

import json
import math
import threading
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
import yaml

from podium import Workspace, strictjson, track
from podium.errors import Invalid, PodiumWarning, StoreUnavailable
from podium.stores import LocalStore
from podium.testing import Fail, FaultyStore
from podium.types import ActiveRun


@pytest.fixture
def run(tmp_path: Path) -> Iterator[ActiveRun]:
    with Workspace(tmp_path / "store") as workspace, workspace.start_run() as opened:
        yield opened


def picture(run: ActiveRun, path: str) -> Any:
    image = pytest.importorskip("PIL.Image")
    with image.open(run.download(path)) as opened:
        opened.load()
        return opened


# --- figures ---------------------------------------------------------------------------------------------------------


@pytest.fixture
def figure() -> Any:
    matplotlib = pytest.importorskip("matplotlib.figure")
    drawn = matplotlib.Figure(figsize=(2, 1), dpi=50)
    drawn.subplots().plot([0, 1], [1, 0])
    return drawn


@pytest.mark.parametrize(
    ("path", "begins"),
    [("loss.png", b"\x89PNG"), ("plots/loss.svg", b"<?xml"), ("loss.pdf", b"%PDF"), ("LOSS.PNG", b"\x89PNG")],
)
def test_a_matplotlib_figure_is_drawn_in_the_format_of_its_name(
    run: ActiveRun, figure: Any, path: str, begins: bytes
) -> None:
    run.log_figure(figure, path)

    assert run.download(path).read_bytes().startswith(begins)
    if path.endswith("png"):
        assert picture(run, path).size == (100, 50)


def test_a_plotly_figure_is_a_page_that_needs_no_network_or_its_data(run: ActiveRun) -> None:
    plotly = pytest.importorskip("plotly.graph_objects")
    figure = plotly.Figure(plotly.Scatter(y=[3.0, 1.0, 2.0]))

    run.log_figure(figure, "loss.html")
    run.log_figure(figure, "loss.json")

    page = run.download("loss.html").read_text(encoding="utf-8")
    assert "<script src=" not in page
    assert len(page) > 1_000_000  # the library is inside
    assert json.loads(run.download("loss.json").read_text())["data"][0]["type"] == "scatter"


def test_what_is_no_figure_or_says_no_format_raises_at_the_call(run: ActiveRun, figure: Any) -> None:
    with pytest.raises(TypeError, match="log_image"):
        run.log_figure(np.zeros((2, 2)), "a.png")
    for path in ("loss", "loss.exe", "plots.png/loss"):
        with pytest.raises(Invalid, match=r"end it in one of .*\.png"):
            run.log_figure(figure, path)
    assert len(run.artifacts()) == 0


def test_a_figure_that_will_not_render_is_counted_and_training_goes_on(run: ActiveRun, figure: Any) -> None:
    figure.suptitle(r"$\frac{1}{$")  # mathtext that does not parse: found out when it is drawn

    with pytest.warns(PodiumWarning, match=r"could not keep the figure 'loss\.png'"):
        run.log_figure(figure, "loss.png")
    run.log_metric("loss", 1)

    assert run.dropped == 1
    assert run.metrics == {"loss": 1.0}


def test_a_strict_run_raises_what_will_not_render(tmp_path: Path, figure: Any) -> None:
    figure.suptitle(r"$\frac{1}{$")

    with Workspace(tmp_path / "strict") as workspace, workspace.start_run(strict=True) as run:
        with pytest.raises(ValueError, match="frac"):
            run.log_figure(figure, "loss.png")
        run.log_metric("loss", 1)


# --- images ----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("pixels", "mode", "first"),
    [
        (np.array([[0, 128], [255, 7], [1, 2]], dtype="uint8"), "L", 0),
        (np.array([[[0], [128]]], dtype="int64"), "L", 0),
        (np.array([[[9, 200], [1, 2]]], dtype="uint8"), "LA", (9, 200)),
        (np.full((3, 2, 3), (0.0, 0.5, 1.0), dtype="float32"), "RGB", (0, 128, 255)),
        (np.full((3, 2, 4), (1, 2, 3, 4), dtype="uint16"), "RGBA", (1, 2, 3, 4)),
        (np.array([[True, False]]), "L", 255),
    ],
)
def test_an_array_is_a_png_with_its_very_pixels(run: ActiveRun, pixels: Any, mode: str, first: Any) -> None:
    run.log_image(pixels, "sample.png")

    read = picture(run, "sample.png")
    assert read.mode == mode
    assert read.size == (pixels.shape[1], pixels.shape[0])
    assert read.getpixel((0, 0)) == first
    if pixels.dtype == "uint8" and pixels.ndim == 2:
        assert np.asarray(read).tolist() == pixels.tolist()


@pytest.mark.parametrize(
    ("pixels", "match"),
    [
        (np.zeros(4), "shape"),
        (np.zeros((3, 20, 20)), "Channels come last"),
        (np.zeros((0, 3)), "shape"),
        (np.full((2, 2), 256), "from 0 to 255"),
        (np.full((2, 2), -1.0), "from 0 to 1"),
        (np.full((2, 2), np.nan), "from 0 to 1"),
        (np.full((2, 2), "a"), "integers from 0 to 255"),
    ],
)
def test_an_array_that_is_no_image_says_why(run: ActiveRun, pixels: Any, match: str) -> None:
    with pytest.raises(Invalid, match=match):
        run.log_image(pixels, "sample.png")


def test_pil_images_and_files_are_kept_in_the_format_of_their_names(run: ActiveRun, tmp_path: Path) -> None:
    image = pytest.importorskip("PIL.Image")
    drawn = image.new("RGBA", (4, 3), (255, 0, 0, 128))
    drawn.save(tmp_path / "drawn.png")

    run.log_image(drawn, "a.webp")
    run.log_image(drawn, "a.jpg")  # which has no transparency
    run.log_image(np.zeros((3, 4)), "b.jpg")
    run.log_image(tmp_path / "drawn.png", "c.png")

    assert (picture(run, "a.webp").format, picture(run, "a.webp").size) == ("WEBP", (4, 3))
    assert picture(run, "a.jpg").mode == "RGB"
    assert picture(run, "b.jpg").size == (4, 3)
    assert run.download("c.png").read_bytes() == (tmp_path / "drawn.png").read_bytes()
    with pytest.raises(Invalid, match=r"\.png"):
        run.log_image(tmp_path / "drawn.png", "c.jpg")
    with pytest.raises(FileNotFoundError):
        run.log_image(tmp_path / "nothing.png", "d.png")
    with pytest.raises(Invalid, match=r"cannot be written as \.xyz"):
        run.log_image(drawn, "a.xyz")
    with pytest.raises(TypeError, match="not dict"):
        run.log_image({}, "a.png")


def test_the_images_of_steps_are_a_series_in_a_folder(run: ActiveRun) -> None:
    for step in (0, 5, 10):
        run.log_image(np.full((2, 2), step), "gan/samples.png", step)

    assert [each.path for each in run.artifacts("gan")] == [
        "gan/samples/00000000.png",
        "gan/samples/00000005.png",
        "gan/samples/00000010.png",
    ]
    assert picture(run, "gan/samples/00000010.png").getpixel((0, 0)) == 10
    with pytest.raises(Invalid, match="not negative"):
        run.log_image(np.zeros((2, 2)), "samples.png", -1)
    with pytest.raises(TypeError, match="integer"):
        run.log_image(np.zeros((2, 2)), "samples.png", 1.5)  # type: ignore[arg-type]  # the point
    with pytest.raises(Invalid, match=r"end it in \.png"):
        run.log_image(np.zeros((2, 2)), "samples", 1)


# --- tables ----------------------------------------------------------------------------------------------------------


def test_a_table_is_read_back_by_pandas_and_the_same_path_appends(run: ActiveRun) -> None:
    run.log_table({"text": ["a", "b"], "score": [0.5, 1]}, "eval.json")
    run.log_table(pd.DataFrame({"score": [0.25], "text": ["c"], "new": ["x"]}), "eval.json")

    frame = pd.read_json(run.download("eval.json"), orient="split")
    assert list(frame.columns) == ["text", "score", "new"]
    assert frame["text"].tolist() == ["a", "b", "c"]
    assert frame["score"].tolist() == [0.5, 1.0, 0.25]
    assert frame["new"].isna().tolist() == [True, True, False]


def test_a_row_at_a_time(run: ActiveRun) -> None:
    for step in range(3):
        run.log_table({"step": step, "answer": f"yes, {step}\n"}, "chat.csv")

    frame = pd.read_csv(run.download("chat.csv"))
    assert frame["step"].tolist() == [0, 1, 2]
    assert frame["answer"].tolist() == ["yes, 0\n", "yes, 1\n", "yes, 2\n"]


def test_frames_of_polars_and_arrays_as_columns_are_tables(run: ActiveRun) -> None:
    polars = pytest.importorskip("polars")

    run.log_table(polars.DataFrame({"a": [1, 2]}), "p.json")
    run.log_table({"a": np.array([1.5, np.nan]), "b": [float("inf"), None]}, "n.json")

    assert json.loads(run.download("p.json").read_text()) == {"columns": ["a"], "data": [[1], [2]]}
    assert json.loads(run.download("n.json").read_text()) == {
        "columns": ["a", "b"],
        "data": [[1.5, "Infinity"], [None, None]],
    }


def test_what_is_no_table_raises_at_the_call(run: ActiveRun) -> None:
    with pytest.raises(TypeError, match="not list"):
        run.log_table([1, 2], "a.json")
    with pytest.raises(Invalid, match=r"one length; these have: 'a' 2, 'b' 1"):
        run.log_table({"a": [1, 2], "b": [1]}, "a.json")
    with pytest.raises(Invalid, match=r"'a' 2, 'b' one value"):
        run.log_table({"a": [1, 2], "b": 1}, "a.json")
    with pytest.raises(Invalid, match=r"\.json or \.csv"):
        run.log_table({"a": [1]}, "a.xls")
    with pytest.raises(Invalid, match="at least one column"):
        run.log_table({}, "a.json")
    run.log_text("hello", "hello.json")
    with pytest.raises(Invalid, match=r"'hello\.json' of this run is no table"):
        run.log_table({"a": [1]}, "hello.json")
    assert run.download("hello.json").read_text() == "hello"


def test_threads_that_append_to_one_table_lose_no_row(run: ActiveRun) -> None:
    together(8, lambda number: run.log_table({"thread": number}, "all.json"))

    rows = json.loads(run.download("all.json").read_text())["data"]
    assert sorted(rows) == [[number] for number in range(8)]


def test_threads_that_log_one_path_keep_one_whole_text(run: ActiveRun) -> None:
    for path in (f"report-{number}.txt" for number in range(10)):
        texts = [str(number) * 1_000 for number in range(4)]
        together(4, partial(log_one, run, path, texts))

        text = run.download(path).read_text()  # verified: not the bytes of one under the hash of another
        assert text == text[0] * 1_000


def log_one(run: ActiveRun, path: str, texts: list[str], number: int) -> None:
    run.log_text(texts[number], path)


def together(count: int, work: Callable[[int], object]) -> None:
    ready = threading.Barrier(count)

    def one(number: int) -> None:
        ready.wait()
        work(number)

    threads = [threading.Thread(target=one, args=(number,)) for number in range(count)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()


def test_an_append_that_cannot_be_stored_leaves_the_table_as_it_was(tmp_path: Path) -> None:
    full = False

    def refuse(verb: str, key: object, number: int) -> Fail | None:
        return Fail(lambda: StoreUnavailable("the disk is full")) if verb == "put" and full else None

    store = FaultyStore(LocalStore(tmp_path / "store"), refuse)
    with Workspace(store) as workspace, workspace.start_run() as run:
        run.log_table({"a": [1]}, "t.json")
        full = True
        with pytest.warns(PodiumWarning, match="the disk is full"):
            run.log_table({"a": [2]}, "t.json")
        full = False
        run.log_table({"a": [3]}, "t.json")

        assert json.loads(run.download("t.json").read_text())["data"] == [[1], [3]]
        assert run.dropped == 1


# --- numbers and what is best ----------------------------------------------------------------------------------------


@pytest.mark.parametrize("library", ["numpy", "torch", "jax"])
def test_scalars_of_other_libraries_are_numbers(run: ActiveRun, library: str) -> None:
    if library == "numpy":
        values: list[Any] = [np.float32(0.5), np.array(0.5), np.float16(0.5)]
    elif library == "torch":
        torch = pytest.importorskip("torch")
        values = [torch.tensor(0.5, requires_grad=True), torch.tensor(0.5, dtype=torch.bfloat16)]
    else:
        jax = pytest.importorskip("jax.numpy")
        values = [jax.array(0.5), jax.array(0.5, dtype=jax.bfloat16)]

    for number, value in enumerate(values):
        run.log_metric(f"loss{number}", value)
        run.log_param(f"rate{number}", value)

    assert list(run.metrics.values()) == [0.5] * len(values)
    assert list(run.params.values()) == [0.5] * len(values)
    assert {type(value) for value in run.params.values()} == {float}


@pytest.mark.parametrize("value", [float("nan"), float("inf"), float("-inf")])
def test_what_json_cannot_say_comes_back_all_the_same(run: ActiveRun, value: float) -> None:
    run.log_metric("loss", value)
    run.log_param("start", value)

    assert repr(run.metrics["loss"]) == repr(value)
    assert repr(run.params["start"]) == repr(value)
    assert repr(list(run.history("loss").values)) == repr([value])


def test_a_goal_that_was_defined_says_what_is_best(tmp_path: Path) -> None:
    with Workspace(tmp_path / "store") as workspace:
        for name, speeds in (("a", (3.0, 9.0, 5.0)), ("b", (4.0, 7.0, 8.0))):
            with workspace.start_run(name) as run:
                for speed in speeds:
                    run.log_metric("speed", speed)
        assert len(workspace.search_runs("best(metrics.speed) > 0")) == 0  # nobody said what is better
        for read in workspace.search_runs():
            with workspace.amend_run(read) as amended:
                amended.define_metric("speed", goal="max")

        runs = workspace.search_runs("best(metrics.speed) > 8.5")

        assert [run.run_name for run in runs] == ["a"]
        assert workspace.search_runs().max("best(metrics.speed)").run_name == "a"
        assert runs[0].summary["speed"].goal == "max"
        with pytest.raises(Invalid, match="'min' or 'max'"):
            amended.define_metric("speed", goal="up")  # type: ignore[arg-type]  # the point


def test_all_of_it_is_on_the_current_run_too(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PODIUM_STORE", str(tmp_path / "store"))
    figure = pytest.importorskip("matplotlib.figure").Figure()

    with track.start_run() as run:
        track.log_figure(figure, "f.svg")
        track.log_image(np.zeros((2, 2)), "a.png")
        track.log_table({"a": 1}, "t.json")
        track.define_metric("speed", goal="max")

    assert [each.path for each in run.artifacts()] == ["a.png", "f.svg", "t.json"]


def test_a_dict_with_nan_was_no_json_to_any_other_parser() -> None:
    value = {
        "loss": float("nan"),
        "best": [float("inf"), {"worst": -float("inf")}],
        "$float": 1.5,
        "text": "NaN",
    }

    with track.start_run() as run:
        track.log_dict(value, "report.json")
        track.log_dict(value, "report.yaml")

    text = run.download("report.json").read_text()
    assert strictjson.loads(text) == {
        "loss": "NaN",
        "best": ["Infinity", {"worst": "-Infinity"}],
        "$float": 1.5,
        "text": "NaN",
    }
    assert math.isnan(yaml.safe_load(run.download("report.yaml").read_text())["loss"])
