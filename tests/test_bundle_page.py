"""``report``: the numbers of a page are the bundle's, nothing foreign in it does anything, and browsers show it."""

from __future__ import annotations

import base64
import hashlib
import json
import os
import re
import resource
import shutil
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import pytest
from PIL import Image
from support.browser import Browser, browser
from support.bundle import made
from support.cli import run
from support.known import FILE_NAMED, HEAD, HOSTILE, NAMED, ROW, known, parity

from rknn_zoo_e2e import reporting
from rknn_zoo_e2e.bundle.model import Bundle
from rknn_zoo_e2e.bundle.reader import read_bundle
from rknn_zoo_e2e.bundle.writer import write_bundle
from rknn_zoo_e2e.errors import UsageError, UserError
from rknn_zoo_e2e.hub.layout import files_to_publish
from rknn_zoo_e2e.media.synthetic import draw_scene
from rknn_zoo_e2e.reporting.facts import MOST_LAYERS, document_of
from rknn_zoo_e2e.reporting.html import element
from rknn_zoo_e2e.reporting.report import write_report
from rknn_zoo_e2e.reporting.sheet import KB_AS_MB, MEGA, MEGABYTES, PERCENT, WHOLE, Sheet, decimals
from rknn_zoo_e2e.runtime.registry import BACKENDS

MOST_BYTES = 2_000_000


class Read(HTMLParser):
    """A page as its elements.

    Attributes:
        tags: each element's name and attributes.
        figures: value and shown text by place in the document.
        texts: all text outside scripts and style.
    """

    def __init__(self, content: str) -> None:
        super().__init__()
        self.tags, self.figures, self.texts = list[tuple[str, dict[str, str]]](), dict[str, tuple[Any, str]](), ""
        self.open: list[str] = []
        self.feed(content)

    def handle_starttag(self, tag, attrs):
        self.open.append(tag)
        self.tags.append((tag, {name: value or "" for name, value in attrs}))

    def handle_endtag(self, tag):
        while self.open and self.open.pop() != tag:
            pass

    def handle_data(self, data):
        if self.open and self.open[-1] in ("script", "style"):
            return
        self.texts += data
        if self.open and self.open[-1] == "data":
            held = self.tags[-1][1]
            self.figures[held["data-at"]] = json.loads(held["value"]), data


def look_up(document: Any, pointer: str) -> Any:
    """What an RFC 6901 pointer leads to."""
    for step in pointer.split("/")[1:]:
        step = step.replace("~1", "/").replace("~0", "~")
        document = document[int(step)] if isinstance(document, list) else document[step]
    return document


def numbers_in(value: Any, pointer: str = "") -> dict[str, Any]:
    """The numbers of a document by their pointers."""
    if isinstance(value, dict):
        return {k: v for key, inner in value.items() for k, v in numbers_in(inner, f"{pointer}/{key}").items()}
    if isinstance(value, list):
        return {k: v for key, inner in enumerate(value) for k, v in numbers_in(inner, f"{pointer}/{key}").items()}
    return {pointer: value} if isinstance(value, (int, float)) and not isinstance(value, bool) else {}


@pytest.fixture(scope="module")
def bundle(tmp_path_factory) -> Bundle:
    return known(tmp_path_factory.mktemp("known"))


@pytest.fixture(scope="module")
def page(bundle: Bundle) -> Path:
    return write_report(bundle.path, bundle.path.parent / "page.html").path


@pytest.fixture(scope="module")
def chromium(tmp_path_factory):
    with browser(tmp_path_factory.mktemp("browser")) as opened:
        yield opened


def test_each_number_is_that_of_inspect(bundle: Bundle, tmp_path: Path):
    inspected = json.loads(run("inspect", bundle.path, "--json", cwd=tmp_path, check=True).stdout)
    document = json.loads(run("report", bundle.path, "--json", cwd=tmp_path).stdout)
    shown = Read((tmp_path / "report.html").read_text("utf-8")).figures
    assert shown and all(look_up(document, place) == value for place, (value, _) in shown.items())
    said = numbers_in(inspected)
    assert {place: value for place, (value, _) in shown.items() if place in said}.items() <= said.items()
    # And none is left away: what is not on the page is a stage of a measurement, or what a card has no room for.
    away = re.compile(r"/outputs/|/measured/|/parity/cosine/boxes$|/placement/cpu/")
    again = {place for place in said if place.startswith("/artifacts/1/evaluations/0/")}  # fp32, as the first has it
    assert {place for place in said if not away.search(place)} - shown.keys() == again
    for part in ("infer/p50", "infer/p90", "infer/p99"):
        assert f"/artifacts/0/measured/0/stages/{part}" in shown
    assert document["report"] == "report.html" and document["bytes"] == (tmp_path / "report.html").stat().st_size


def test_a_number_is_shown_as_it_is_rounded(page: Path):
    """A shown number is its value to the digits it has, in the unit behind it."""
    units = {"": 1, "ms": 1, "%": 100, "M": 1e-6}
    for place, (value, text) in Read(page.read_text("utf-8")).figures.items():
        number, _, unit = text.replace(",", "").partition(" ")
        unit_of = {"MB": 1 / 1024 if place.endswith("_kb") else 1e-6} | units
        scale = 100 if re.search("/metrics/", place) else unit_of[unit]
        digits = len(number.partition(".")[2])
        assert abs(float(number) - value * scale) <= 0.5000001 * 10**-digits, (place, value, text)


@pytest.mark.parametrize(
    ("form", "value", "text"),
    [
        (WHOLE, 1234567, "1,234,567"),
        (decimals(1, " ms"), 5.46, "5.5 ms"),
        (MEGA, 12_003_456, "12.00 M"),
        (PERCENT, 0.0312, "3.1 %"),
        (MEGABYTES, 4_729_212, "4.73 MB"),
        (KB_AS_MB, 10106.2, "9.9 MB"),
    ],
)
def test_forms(form, value, text):
    assert form(value) == text


def test_what_is_not_in_the_document_is_not_in_the_page():
    sheet = Sheet({"a": {"b/c": [1.5, None]}})
    assert sheet.figure(WHOLE, "a", "b/c", 0).get("data-at") == "/a/b~1c/0"
    assert sheet.figure(WHOLE, "a", "b/c", 1) == sheet.figure(WHOLE, "a", "x") == "–"
    with pytest.raises(TypeError, match="a number comes in by"):
        element("td", 3)


def test_a_page_asks_nobody_and_runs_what_it_names_alone(page: Path):
    text = page.read_text("utf-8")
    read = Read(text)
    policy = next(a["content"] for _, a in read.tags if a.get("http-equiv") == "Content-Security-Policy")
    assert policy.startswith("default-src 'none'; script-src 'sha256-") and "unsafe" not in policy
    hashes = {base64.b64encode(hashlib.sha256(part.encode()).digest()).decode()
              for part in re.findall(r"<(?:script|style)>(.*?)</(?:script|style)>", text, re.DOTALL)}  # fmt: skip
    assert hashes == set(re.findall(r"'sha256-([^']+)'", policy)) and len(hashes) == 4
    for tag, attributes in read.tags:
        assert "style" not in attributes and not any(name.startswith("on") for name in attributes), tag
        for name in ("src", "href"):
            assert attributes.get(name, "#").startswith(("#", "data:")), tag
    assert "sourceMappingURL" not in text and text.count("Released under the MIT License") == 2


def test_the_library_is_as_it_was_published():
    """Its version, its licence and its file's checksum stand beside it."""
    folder = Path(reporting.__path__[0]) / "vendored"
    readme = (folder / "README.md").read_text("utf-8")
    content = (folder / "chart.umd.min.js").read_bytes()
    version = re.search(rb"Chart.js v([\d.]+)", content)[1].decode()
    assert hashlib.sha256(content).hexdigest() in readme and f"Chart.js {version}" in readme
    assert "Permission is hereby granted" in (folder / "LICENSE.md").read_text("utf-8")


def test_charts_show_columns_that_tables_have(page: Path):
    read = Read(page.read_text("utf-8"))
    keys: dict[str, set[str]] = {}
    for tag, attributes in read.tags:
        if tag == "table":
            columns = keys.setdefault(attributes.get("id", ""), set())
        elif tag == "th":
            columns.add(attributes["data-key"])
    boxes = [a for _, a in read.tags if "data-kind" in a]
    canvases = [a for tag, a in read.tags if tag == "canvas"]
    assert len(boxes) == len(canvases) == 11  # for two builds costs, errors and scores, and one of precision
    for box, canvas in zip(boxes, canvases, strict=True):
        named = [
            word for name in ("x", "y", "label", "group", "mark") for word in canvas.get(f"data-{name}", "").split()
        ]
        assert set(named) <= keys[box["data-table"]], box


def test_operators_on_the_cpu_are_marked(page: Path):
    rows = re.findall(r"<tr class=\"marked\">.*?</tr>", page.read_text("utf-8"))
    assert len(rows) == 2 and all("Reshape:/model.22" in row for row in rows)


def test_loss_is_that_of_the_measurements(bundle: Bundle, page: Path):
    figures = Read(page.read_text("utf-8")).figures
    assert figures["/artifacts/0/loss/points/0/map"] == (0.49, "0.49")
    assert figures["/artifacts/0/loss/detections"] == (0.0312, "3.1 %")


def test_memory_stands_against_that_of_the_chip(page: Path):
    text = Read(page.read_text("utf-8")).texts
    assert "0.7 MB + 1.1 MB of 128 or 256 MB in the chip" in text  # rv1106
    assert "0.7 MB + 1.1 MB, the memory is the board's" in text  # rk3566


def test_what_is_missing_is_said_with_what_finds_it(tmp_path: Path):
    written = write_report(made(tmp_path).path, tmp_path / "page.html")
    [artifact] = written.document["artifacts"]
    text = Read(written.path.read_text("utf-8")).texts
    for part in ("not verified", "not predicted", "not measured", "The build log, which has it, is not in the bundle"):
        assert part in text
    commands = [one["how"] for one in artifact["missing"] if one["how"]]
    assert [command.split()[1] for command in commands] == ["convert", "bench", "analyze", "eval", "report"]
    assert all(command in text for command in commands)
    assert not [one for bundle in [known(tmp_path / "all")] for one in document_missing(bundle, tmp_path)]


def document_missing(bundle: Bundle, folder: Path) -> list[str]:
    """Of a bundle of which all is known."""
    document = write_report(bundle.path, folder / "all.html").document
    return [one["what"] for one in document["artifacts"][0]["missing"]]


def test_another_format_of_what_is_kept_is_refused(tmp_path: Path):
    bundle = known(tmp_path)
    (bundle.path / "agreement-rk3566-int8.json").write_text("[]")
    with pytest.raises(UserError, match="checksum"):
        write_report(bundle.path, tmp_path / "page.html")
    assert not (tmp_path / "page.html").exists()


def test_what_a_board_did_not_pull_is_missing_and_no_error(tmp_path: Path):
    bundle = known(tmp_path, ("rk3566",))
    for path in bundle.path.iterdir():
        if path.suffix in (".log", ".json", ".onnx"):
            path.unlink()
    document = write_report(bundle.path, tmp_path / "page.html").document
    assert [one["how"].split()[1] for one in document["artifacts"][0]["missing"] if one["how"]] == ["analyze", "report"]


def test_a_page_is_replaced_whole_or_not_at_all(bundle: Bundle, tmp_path: Path):
    path = tmp_path / "page.html"
    path.write_text("before")
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (100_000, hard))
    try:
        with pytest.raises(UserError, match=r"page\.html cannot be written") as failed:
            write_report(bundle.path, path)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
    assert failed.value.fix == "Give another file with -o." and path.read_text() == "before"
    before = path.stat().st_ino
    write_report(bundle.path, path)
    assert path.stat().st_ino != before and os.listdir(tmp_path) == ["page.html"]


def test_what_cannot_be_done_is_said_before_anything_is(bundle: Bundle, tmp_path: Path):
    pictures = tmp_path / "none"
    for source, output, given, kind, what in (
        (tmp_path, tmp_path / "a.html", None, UserError, "is not a bundle"),
        (bundle.path, tmp_path, None, UserError, f"{tmp_path} is a folder"),
        (bundle.path, tmp_path / "no/a.html", None, UserError, f"There is no folder {tmp_path / 'no'}"),
        (bundle.path.parent, tmp_path / "a.html", pictures, UsageError, "Pictures are compared for one bundle"),
        (bundle.path, tmp_path / "a.html", pictures, UserError, "none does not exist"),
    ):
        with pytest.raises(kind, match=re.escape(what)):
            write_report(source, output, given)
    assert os.listdir(tmp_path) == []
    out = run("report", bundle.path, "--calib-images", 3, "--json", cwd=tmp_path)
    assert out.returncode == 2 and "--calib" in json.loads(out.stdout)["error"]["fix"]
    assert run("report", cwd=tmp_path).returncode == 1


def test_a_page_in_a_bundle_is_not_published_and_not_in_the_way(tmp_path: Path):
    bundle = known(tmp_path)
    write_report(bundle.path, bundle.path / "report.html")
    shutil.copyfile(Path(__file__).parents[1] / "docs/demo.jpg", bundle.path / "picture.jpg")
    held = read_bundle(bundle.path)
    published = [Path(name).name for artifact in held.artifacts for name in files_to_publish(held, artifact)]
    assert "metadata.yaml" in published and not [n for n in published if n.endswith((".html", ".jpg"))]


def test_hostile_names_do_nothing(tmp_path: Path, chromium: Browser):
    """Every text from outside is one that tries to be more: of the model, classes, layers, blocks, data."""
    bundle = known(tmp_path, ("rk3566",), NAMED, name=FILE_NAMED, names=(NAMED, "b", f"{NAMED} c"))
    written = write_report(bundle.path, tmp_path / f"{FILE_NAMED}.html").path
    said = chromium.open(written, 390)
    assert said == [] and chromium.run("document.querySelectorAll('img, iframe, object, form, base').length") == 0
    assert chromium.run("document.scripts.length") == 3
    assert chromium.run("document.querySelector('h1').textContent") == FILE_NAMED
    assert chromium.run("document.title").startswith(FILE_NAMED)
    assert chromium.run("[...document.querySelectorAll('bdi')].filter(e => e.children.length).length") == 0
    shown = chromium.run("document.body.innerText + [...document.querySelectorAll('td')].map(e => e.textContent)")
    assert shown.count(NAMED) >= 8
    folder = write_report(tmp_path, tmp_path / "folder.html").path
    assert chromium.open(folder, 390) == [] and chromium.run("document.images.length") == 0


@pytest.mark.parametrize(
    "log",
    [
        HEAD + ROW.format(id=1, op="Conv", dtype="INT8", target="NPU", cycles="9" * 5000, kb=1, name="x"),
        HEAD + ROW.format(id=1, op="Conv", dtype="INT8", target="NPU", cycles=1, kb="9" * 400, name="x"),
        HEAD + ROW.format(id=1, op="Conv", dtype="INT8", target="NPU", cycles=1, kb=1, name="x" + " " * 200_000 + "y"),
        f"Total Internal Memory Size: {'9' * 400}KB\nTotal Weight Memory Size: 1KB\n",
    ],
)
def test_an_absurd_log_is_none(tmp_path: Path, log: str):
    """A stranger's bundle brings a stranger's log."""
    bundle = known(tmp_path, ("rk3566",))
    (bundle.path / "x.log").write_text(log)
    bundle.artifacts[0].log_sha256 = hashlib.sha256(log.encode()).hexdigest()
    write_bundle(bundle, {})
    [artifact] = write_report(bundle.path, tmp_path / "page.html").document["artifacts"]
    assert artifact["layers"] == [] and artifact["memory"] is None


def test_a_table_of_more_layers_than_any_model_has_is_cut(tmp_path: Path):
    row = ROW.format(id=1, op="Conv", dtype="INT8", target="NPU", cycles=1, kb=1, name="x")
    bundle = known(tmp_path, ("rk3566",))
    (bundle.path / "x.log").write_text(content := HEAD + row * (MOST_LAYERS + 1))
    bundle.artifacts[0].log_sha256 = hashlib.sha256(content.encode()).hexdigest()
    write_bundle(bundle, {})
    assert len(document_of(read_bundle(bundle.path))["artifacts"][0]["layers"]) == MOST_LAYERS


def test_a_bundle_without_builds_has_a_page(tmp_path: Path):
    bundle = known(tmp_path)
    bundle.artifacts = []
    write_bundle(bundle, {})
    assert write_report(bundle.path, tmp_path / "page.html").document["artifacts"] == []
    assert write_report(tmp_path, tmp_path / "folder.html").document["bundles"][0]["model"] == "x"


def test_what_turns_text_around_is_taken_away():
    assert "\u202b" not in element("p", HOSTILE).text and element("p", "a\u2028b\x00c\n").text == "abc\n"


@pytest.mark.parametrize("width", [1280, 390])
@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_a_browser_shows_it_without_a_word(page: Path, chromium: Browser, width: int, scheme: str):
    assert chromium.open(page, width, prefers_color_scheme=scheme) == []
    assert chromium.run("document.documentElement.scrollWidth") <= width
    drawn = "[...document.querySelectorAll('canvas')].map(c => Chart.getChart(c).data.datasets.map(d => d.data.length))"
    charts = chromium.run(drawn)
    assert len(charts) == 11 and all(min(lengths) > 0 for lengths in charts)
    background = chromium.run("getComputedStyle(document.body).backgroundColor")
    assert (background == "rgb(255, 255, 255)") == (scheme == "light")
    boxes = "[...document.querySelectorAll('canvas')].map(c => [c.clientWidth, c.clientHeight])"
    assert all(0 < w <= width and h > 100 for w, h in chromium.run(boxes))


def test_charts_draw_the_numbers_of_their_tables(page: Path, chromium: Browser):
    chromium.open(page, 1280)
    of = "Chart.getChart(document.querySelectorAll('canvas')[{}]).data.datasets.map(d => [d.label, d.data])"
    curves, cycles, _, shares, _, scores = (chromium.run(of.format(index)) for index in range(6))
    assert [name for name, _ in curves][:2] == ["fp32, onnx", "rk3566 int8, simulator"]
    assert curves[0][1][0] == {"x": 0, "y": 0.97}
    assert cycles == [["cycles", [5_921_600, 0, None]], ["", [None, None, 0]], ["on the CPU", [None, None, 0]]]
    assert shares == [["gain, share", [0.19, None]], ["not in INT8 here", [None, 0]]]
    assert {name: len(data) for name, data in scores} == {
        "found by both": 2, "only by fp32": 1, "only by the build": 1, "equal": 2,
    }  # fmt: skip


def test_it_prints_on_white(page: Path, chromium: Browser, tmp_path: Path):
    chromium.open(page, 1280, prefers_color_scheme="dark")
    line = "Chart.getChart(document.querySelector('canvas')).data.datasets[0].borderColor"
    chromium.run(
        f"addEventListener('afterprint', () => {{}}); addEventListener('beforeprint', () => window.ink = {line})"
    )
    before = chromium.run(line)
    assert chromium.printed(tmp_path / "page.pdf").read_bytes().startswith(b"%PDF")
    assert chromium.run("window.ink") != before == chromium.run(line)


def test_without_scripts_the_tables_say_it_all(page: Path, chromium: Browser):
    chromium.ask("Emulation.setScriptExecutionDisabled", value=True)
    try:
        chromium.ask("Page.navigate", url=page.as_uri())
        chromium.wait("Page.loadEventFired")
    finally:
        chromium.ask("Emulation.setScriptExecutionDisabled", value=False)
    assert chromium.run("[...document.querySelectorAll('.canvas')].every(box => box.hidden)")
    assert chromium.run("document.querySelectorAll('#layers-0 tbody tr').length") == 3


@pytest.fixture(scope="module")
def folder(tmp_path_factory) -> Path:
    """Three bundles, the last of them broken."""
    home = tmp_path_factory.mktemp("folder")
    for name, socs in (("alpha", ("rk3566", "rk3588")), ("beta", ("rk3588", "rv1106")), ("gamma", ("rk3566",))):
        source = known(home / name, socs, name=name)
        source.path.rename(home / f"{name}_rknn_model")
        shutil.rmtree(home / name)
    (home / "gamma_rknn_model/metadata.yaml").write_text("no: bundle\n")
    return home


def test_a_folder_is_compared(folder: Path, tmp_path: Path, chromium: Browser):
    out = run("report", folder, "-o", "all.html", "--json", cwd=tmp_path)
    document = json.loads(out.stdout)
    assert out.returncode == 0 and "Left out" in out.stderr
    assert [one["bundle"] for one in document["unreadable"]] == ["gamma_rknn_model"]
    shown = Read((tmp_path / "all.html").read_text("utf-8"))
    assert all(look_up(document, place) == value for place, (value, _) in shown.figures.items())
    inspected = json.loads(run("inspect", folder / "beta_rknn_model", "--json", cwd=tmp_path, check=True).stdout)
    for place in ("predicted/ms", "placement/cycles", "bytes", "parity/mean_iou"):
        value, _ = shown.figures[f"/bundles/1/artifacts/0/{place}"]
        assert value == look_up(inspected, f"/artifacts/0/{place}")
    for width in (1280, 390):
        assert chromium.open(tmp_path / "all.html", width) == []
        assert chromium.run("document.documentElement.scrollWidth") <= width
    points = "Chart.getChart(document.querySelector('canvas')).data.datasets.map(d => [d.label, d.data.length])"
    assert chromium.run(points) == [["rk3566", 1], ["rk3588", 2]]  # rv1106 has no predicted speed


def test_a_heading_sorts_a_table_both_ways_and_what_is_empty_comes_last(
    folder: Path, tmp_path: Path, chromium: Browser
):
    chromium.open(write_report(folder, tmp_path / "all.html").path, 1280)
    click = "document.querySelector('th[data-key={}] button').click()"
    cells = "[...document.querySelectorAll('#builds tbody tr')].map(r => [r.cells[0].innerText, r.cells[2].innerText])"
    orders = []
    for key in ("ms", "ms", "model"):
        chromium.run(click.format(key))
        orders.append(chromium.run(cells))
    assert [soc for _, soc in orders[0]] == ["rk3588", "rk3588", "rk3566", "rv1106"]
    assert [soc for _, soc in orders[1]] == ["rk3566", "rk3588", "rk3588", "rv1106"]
    assert [model for model, _ in orders[2]] == ["alpha", "alpha", "beta", "beta"]
    assert chromium.run("document.querySelector('th[data-key=model]').ariaSort") == "ascending"
    assert chromium.run("document.querySelectorAll('[aria-sort]').length") == 1


def test_a_folder_none_of_whose_bundles_can_be_read_is_an_error(tmp_path: Path):
    (tmp_path / "x_rknn_model").mkdir()
    (tmp_path / "x_rknn_model/metadata.yaml").write_text("no: bundle\n")
    with pytest.raises(UserError, match="bundle format None"):
        write_report(tmp_path, tmp_path / "all.html")


@pytest.fixture(scope="module")
def compared(converted: Path, tmp_path_factory) -> tuple[Path, dict[str, Any]]:
    """A starter model and pictures of its own kind, one with a hostile name, and what was reported."""
    folder = tmp_path_factory.mktemp("compared")
    shutil.copytree(converted / "shapes-seg_rknn_model", folder / "shapes-seg_rknn_model")
    (folder / "pictures").mkdir()
    exif = Image.Exif()
    exif[0x010E] = "where it was taken"
    for index in range(8):
        rgb = draw_scene(7_000_000 + index, (700, 900))[0]
        Image.fromarray(rgb).save(folder / f"pictures/{FILE_NAMED}{index}.jpg", exif=exif)
    out = run("report", "shapes-seg_rknn_model", "--data", "pictures", "--json", cwd=folder)
    assert out.returncode == 0, out.stderr
    return folder, json.loads(out.stdout)


def test_the_six_pictures_that_differ_most_are_drawn(compared, chromium: Browser):
    folder, document = compared
    page = folder / "report.html"
    assert len(document["pictures"]) == 6 and page.stat().st_size < MOST_BYTES
    assert chromium.open(page, 390) == [] and chromium.run("document.documentElement.scrollWidth") <= 390
    chromium.run("document.querySelectorAll('img').forEach(image => image.loading = 'eager')")
    sizes = chromium.run(
        "Promise.all([...document.images].map(i => i.decode().then(() => [i.naturalWidth, i.naturalHeight])))"
    )
    assert sizes == [[480, 373]] * 12  # fp32 and one build each
    content = page.read_text("utf-8")
    for data in re.findall(r"data:image/jpeg;base64,([^\"]+)", content):
        jpeg = base64.b64decode(data)
        assert jpeg.startswith(b"\xff\xd8") and b"Exif" not in jpeg and b"taken" not in jpeg
    assert FILE_NAMED in chromium.run("[...document.querySelectorAll('h3')].map(e => e.textContent).join()")


def test_a_bundle_keeps_figures_and_no_picture(compared):
    folder, document = compared
    path = folder / "shapes-seg_rknn_model"
    assert not [*path.glob("*.jpg"), *path.glob("*.html")]
    kept = (path / "agreement-rk3566-int8.json").read_text()
    assert FILE_NAMED not in kept and "onerror" not in kept
    agreement = document["artifacts"][0]["agreement"]
    assert json.loads(kept) == agreement and agreement["pictures"] == 8 and agreement["backend"] == "simulator"
    both = [pair for pair in agreement["scores"] if None not in pair]
    expected = agreement["parity"]["detections"]
    assert len(both) + agreement["lost"] == expected > 8 and len(agreement["scores"]) == expected + agreement["new"]
    assert agreement["parity"]["recall"] == round(len(both) / expected, 4)
    mean = sum(abs(one - two) for one, two in both) / len(both)
    assert abs(mean - agreement["parity"]["score_difference"]) < 2e-4
    # The next page has them, without pictures.
    again = write_report(path, folder / "again.html")
    assert again.document["artifacts"][0]["agreement"] == agreement and b"<img" not in again.path.read_bytes()
    held = read_bundle(path)
    assert "agreement-rk3566-int8.json" in held.files


def test_without_anything_that_runs_builds_it_says_so(bundle: Bundle, tmp_path: Path, monkeypatch):
    Image.new("RGB", (64, 64)).save(tmp_path / "a.png")
    monkeypatch.setattr("rknn_zoo_e2e.reporting.compare.chosen", lambda name, runs: BACKENDS["onnx"])
    with pytest.raises(UserError, match="Nothing here runs the builds"):
        write_report(bundle.path, tmp_path / "a.html", tmp_path)


@pytest.mark.parametrize(("passed", "said"), [(True, "agrees with fp32"), (False, "DISAGREES with fp32")])
def test_whether_a_build_agrees_is_said(tmp_path: Path, passed: bool, said: str):
    bundle = known(tmp_path, ("rk3566",))
    bundle.artifacts[0].parity = parity(passed=passed)
    write_bundle(bundle, {})
    assert said in Read(write_report(bundle.path, tmp_path / "a.html").path.read_text("utf-8")).texts


def test_what_several_builds_lack_is_said_once(tmp_path: Path):
    bundle = known(tmp_path, ("rk3566", "rk3588", "rv1106"))
    for artifact in bundle.artifacts:
        artifact.numbers = {}
    bundle.artifacts[2].measured = []
    write_bundle(bundle, {})
    text = Read(write_report(bundle.path, tmp_path / "a.html").path.read_text("utf-8")).texts
    assert "error by layer (rk3566 int8, rk3588 int8, rv1106 int8): e2erknn analyze x_rknn_model --soc SOC" in text
    assert "measured speed, on a board (rv1106 int8): e2erknn bench x_rknn_model --save FILE" in text


def test_blocks_that_lose_most_are_named_beside_the_chart(page: Path):
    text = Read(page.read_text("utf-8")).texts
    assert text.count("The largest parts come from: coco (19.0 %).") == 2  # of each build; the other is not in INT8
