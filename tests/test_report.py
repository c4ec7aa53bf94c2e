"""The report: what a reviewer must find on the page, what it says of gaps, and how it looks in a browser."""

import base64
import html
import io
import itertools
import json
import re
import shutil
import subprocess
from html.parser import HTMLParser
from types import SimpleNamespace
from urllib.parse import unquote, urlparse

import pandas as pd
import pytest
from golden import write_golden
from PIL import Image, PngImagePlugin

from nasdmrl.analysis.cells import label_of, number, shown
from nasdmrl.analysis.claims import CLAIMS, claims_table
from nasdmrl.analysis.figures.panels import save
from nasdmrl.analysis.figures.registry import TABLES, panels
from nasdmrl.analysis.figures.replay import replay_figure
from nasdmrl.analysis.provenance import provenance
from nasdmrl.analysis.random_replay import DATASETS as REPLAYED
from nasdmrl.analysis.random_replay import EXACT, compared
from nasdmrl.analysis.random_replay import stamp as replay_stamp
from nasdmrl.analysis.tables import write_table
from nasdmrl.config.model import Config, load
from nasdmrl.config.sections import Recipe
from nasdmrl.evaluation.store import EvaluationStore
from nasdmrl.paper.experiments import EXPERIMENTS
from nasdmrl.report.page import columns_of, hardware, write_report

VOID = {"meta", "img", "br", "link", "hr", "input"}
ATTACK = '<script>alert("1")</script> & <b>bold</b>'
MISSING, DAMAGED, FOREIGN, NO_TABLE = "fig11", "fig16", "fig10", "table9"
BROWSERS = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable", "chrome")


class Page(HTMLParser):
    """Elements with their attributes and text, in order; fails where tags are not nested well."""

    def __init__(self, text):
        super().__init__()
        self.elements, self.open, self.text = [], [], ""
        self.feed(text)
        assert not self.open

    def handle_starttag(self, tag, attributes):
        element = SimpleNamespace(tag=tag, attributes=dict(attributes), text="", within=[*self.open])
        self.elements.append(element)
        if tag not in VOID:
            self.open.append(element)

    def handle_endtag(self, tag):
        assert self.open.pop().tag == tag

    def handle_data(self, data):
        self.text += data
        for element in self.open:
            element.text += data

    def all(self, *tags, **attributes):
        found = [element for element in self.elements if element.tag in tags]
        return [e for e in found if attributes.items() <= e.attributes.items()]

    def of_class(self, name):
        return [e for e in self.elements if name in (e.attributes.get("class") or "").split()]


def plain(text):
    return " ".join(text.split())


def draw(path, stamp, size=(840, 680)):
    path.parent.mkdir(parents=True, exist_ok=True)
    description = PngImagePlugin.PngInfo()
    description.add_text("Description", json.dumps(stamp))
    image = Image.new("RGB", size, (0, 114, 178))
    image.save(path, dpi=(200, 200), pnginfo=description)


def draw_figures(results, config, stamp):
    for item in panels(config):
        path = results / f"figures/{item.name}.png"
        draw(path, stamp if item.name != FOREIGN else {**stamp, "scale": "reduced"})
        path.with_suffix(".pdf").write_bytes(b"%PDF-1.4\n")
    (results / f"figures/{MISSING}.png").unlink()
    damaged = results / f"figures/{DAMAGED}.png"
    damaged.write_bytes(damaged.read_bytes()[:200])


def write_tables(results, stamp):
    counts = {"dataset": ["omniglot", "traffic_sign"], "classes": [16, "missing"], "paper_classes": [1623, 43]}
    times = {"method": "sigma0.1", "as_trained_seconds": [4380.0], "as_trained": ["1h 13m"]}
    accuracy = {"dataset": ["cu_birds"], "mean_percent": [48.012345678901], "two_sd": [float("nan")]}
    published = {"paper_seconds": [981000], "paper": ["11d 9h"]}
    known = {"table3": counts, "table6": accuracy | {"paper_mean_percent": [23.97]}, "table7": times | published}
    for item in TABLES:
        if item.name != NO_TABLE:
            table = pd.DataFrame(known.get(item.name, {"dataset": ["dtd"], "classes": [47]}))
            write_table(table, results / f"tables/{item.name}.csv", stamp)


def fill_store(results):
    store = EvaluationStore(results / "store")
    evaluations = [("GPU X", "ok", 3500), ("GPU X", "ok", 40), ("CPU", "out_of_memory", 10)]
    for key, (device, status, seconds) in enumerate(evaluations):
        record = {"key": str(key), "device": device, "status": status, "training_seconds": seconds}
        store.put(record, Recipe())


@pytest.fixture(scope="module")
def config(root):
    return load(root / "config/quick.yaml")


@pytest.fixture(scope="module")
def results(config, tmp_path_factory):
    results, stamp = tmp_path_factory.mktemp("run of a # reviewer") / "results", provenance(config)
    write_golden(results, steps=40)
    draw_figures(results, config, stamp)
    write_tables(results, stamp)
    claims = claims_table(results, config, stamp)
    claims.loc[claims["claim"] == "C3", "measured"] = ATTACK
    write_table(claims, results / "claims.csv", stamp)
    write_table(pd.DataFrame({"method": ["dqn"], "chance": [0.0625]}), results / "exp1/summary.csv", stamp)
    exact = compared()
    write_table(exact, results / f"{EXACT}.csv", {})
    save(replay_figure(exact), results / EXACT, replay_stamp(), 150)
    (results / "notebooks").mkdir()
    (results / "notebooks/exp1_curves.ipynb").write_text("{}")
    fill_store(results)
    write_report(results, results / "report.html", config)
    return results


@pytest.fixture(scope="module")
def page(results):
    return Page((results / "report.html").read_text(encoding="utf-8"))


def test_every_item_of_the_paper_is_there_by_its_title(page, config):
    text = plain(page.text)
    for item in [*panels(config), *TABLES]:
        assert item.title in text, item
        assert item.caption in text, item
    headings = [plain(heading.text) for heading in page.all("h2")]
    exact = "Reproduced exactly: random search's episode lengths"
    assert headings == ["Verdicts on the paper's claims", exact, *EXPERIMENTS.values(), "Provenance"]


def test_images_are_inline_pngs_with_descriptions(page, config):
    exact, *images = page.all("img")
    assert exact.attributes["alt"].startswith("Mean length of random search's episodes")
    assert exact.attributes["src"].startswith("data:image/png;base64,")
    assert len(images) == len(panels(config)) - 2
    for image in images:
        assert re.match(r"Figure \d+( [a-i])?, drawn from this run: \w", image.attributes["alt"])
        head, _, content = image.attributes["src"].partition(",")
        assert head == "data:image/png;base64"
        assert Image.open(io.BytesIO(base64.b64decode(content))).size == (840, 680)
        # 840 pixels of 200 dots an inch are 4.2 inches, of 96 CSS pixels each
        assert (image.attributes["width"], image.attributes["height"]) == ("403", "326")


def test_the_page_needs_nothing_from_elsewhere(page):
    assert not page.all("script", "link", "iframe", "object", "embed", "base", "style", src=True)
    for element in page.elements:
        assert not {"srcset", "poster", "background"} & element.attributes.keys()
        assert not [name for name in element.attributes if name.startswith("on")]
        assert element.attributes.get("src", "data:").startswith("data:")
    styles = " ".join(style.text for style in page.all("style"))
    assert "url(" not in styles
    assert "@import" not in styles
    web = {urlparse(a.attributes["href"]).netloc for a in page.all("a")} - {""}
    assert web == {"arxiv.org"}


def test_links_lead_to_files_that_exist(page, results):
    targets = {element.attributes.get("id") for element in page.elements}
    files = set()
    for address in (a.attributes["href"] for a in page.all("a")):
        if address.startswith("#"):
            assert address[1:] in targets
        elif not urlparse(address).netloc:
            assert (results / unquote(address)).is_file(), address
            files.add(unquote(address))
    assert {"figures/fig09a.pdf", "tables/table3.csv", "notebooks/exp1_curves.ipynb", "exp1/summary.csv"} <= files
    assert not files & {"notebooks/exp2_curves.ipynb", "tables/table3.tex", f"tables/{NO_TABLE}.csv"}


def test_links_are_relative_to_the_page(results, config, tmp_path):
    output = tmp_path / "page" / "report.html"
    write_report(results, output, config)
    addresses = [unquote(a.attributes["href"]) for a in Page(output.read_text(encoding="utf-8")).all("a")]
    files = [address for address in addresses if not address.startswith(("#", "http"))]
    assert files
    assert all((output.parent / file).is_file() for file in files)


def test_each_claim_has_its_verdict_as_a_word(page, results):
    verdicts = pd.read_csv(results / "claims.csv", comment="#").set_index("claim")["verdict"]
    for claim in CLAIMS:
        row = page.all("tr", id=claim.id)
        badges = [e for e in page.of_class("badge") if row[0] in e.within]
        small = "" if verdicts[claim.id] == "not run" else " (quick, stand-ins)"
        assert plain(badges[0].text).endswith(verdicts[claim.id] + small)
        assert verdicts[claim.id].replace(" ", "-") in badges[0].attributes["class"]
        assert claim.statement in plain(row[0].text)
        assert claim.rule in plain(next(e.text for e in page.all("details") if row[0] in e.within))


def test_text_is_escaped(page, results):
    assert ATTACK in page.text
    assert "<script" not in (results / "report.html").read_text(encoding="utf-8")
    assert not page.all("b")


def test_gaps_are_named(page):
    gaps = [plain(gap.text) for gap in page.of_class("gap")]
    assert len(gaps) == 3
    assert gaps[0].startswith("Figure 11: missing. Proportion of each action on the training datasets.")
    assert gaps[0].endswith("figures/fig11.png was not made.")
    assert gaps[1].startswith("Figure 16: missing.")
    assert "figures/fig16.png cannot be read" in gaps[1]
    assert gaps[2] == "Table 9: missing. Running times of the hardness study. tables/table9.csv was not made."


def test_a_figure_of_another_run_is_marked(page):
    warnings = [plain(warning.text) for warning in page.of_class("warning")]
    assert warnings == ["Made by another run: scale reduced, data: drawn stand-ins, not the paper's images."]


def test_claims_without_caveats(tmp_path, config):
    claims = claims_table(tmp_path, config, provenance(config)).assign(caveat="")
    write_table(claims, tmp_path / "claims.csv", {})
    write_report(tmp_path, tmp_path / "report.html", config)
    page = Page((tmp_path / "report.html").read_text(encoding="utf-8"))
    assert [plain(badge.text) for badge in page.of_class("badge")] == ["– not run"] * 2 * len(CLAIMS)


def test_empty_results_give_a_page_of_gaps(tmp_path, config):
    write_report(tmp_path, tmp_path / "report.html", config)
    page = Page((tmp_path / "report.html").read_text(encoding="utf-8"))
    gaps = [plain(gap.text) for gap in page.of_class("gap")]
    assert len(gaps) == 1 + 2 + len(panels(config)) + len(TABLES) + 1
    assert gaps[0].startswith("Claims: missing.")
    assert gaps[1].endswith("exact/random_search_lengths.csv was not made.")
    assert gaps[2].endswith("exact/random_search_lengths.png was not made.")
    assert not page.all("img")


def test_a_small_run_is_no_reproduction(page):
    banner = plain(page.of_class("banner")[0].text)
    assert banner.startswith("This is not a reproduction of the paper. It was made at the scale “quick”")
    for text in (
        "Scalequick",
        "Datadrawn stand-ins, not the paper's images",
        "Fidelitypaper",
        "Seeds1 (1024)",
        "No accuracy can be compared",
    ):
        assert text in banner


@pytest.mark.parametrize(
    ("changes", "genuine"),
    [
        ({}, True),
        ({"seeds": (1, 2, 3), "fidelity": "released", "resources": {"search_threads": 8}}, True),
        ({"scale": "quick"}, False),
        ({"data": {"source": "standin"}}, False),
        ({"early_stop": {"epochs": 1}}, False),
        ({"plots": {"bin_episodes": 1}}, False),  # the intervals' block
        ({"plots": {"dpi": 72}}, True),
        ({"data": {"require_official_counts": False}}, False),
    ],
)
def test_only_the_papers_scale_unchanged_and_its_images_are_a_reproduction(tmp_path, changes, genuine):
    write_report(tmp_path, tmp_path / "report.html", Config.model_validate(changes))
    banner = Page((tmp_path / "report.html").read_text(encoding="utf-8")).of_class("banner")[0]
    assert ("not a reproduction" not in banner.text) == genuine
    assert ("not" not in banner.attributes["class"].split()) == genuine


def test_headings_and_tables_can_be_read_aloud(page):
    levels = [int(e.tag[1]) for e in page.elements if re.fullmatch(r"h\d", e.tag)]
    assert levels[0] == 1
    assert levels.count(1) == 1
    assert all(after <= before + 1 for before, after in itertools.pairwise(levels))
    assert page.all("html", lang="en")
    assert {th.attributes.get("scope") for th in page.all("th")} == {"col", "row", "colgroup"}
    ids = [e.attributes["id"] for e in page.elements if "id" in e.attributes]
    assert len(ids) == len(set(ids))


def rows_of(page, table):
    """Texts of a table's rows, headings too."""
    box = next(e for e in page.of_class("scroll") if e.attributes["aria-label"].startswith(f"{table}:"))
    rows = [row for row in page.all("tr") if box in row.within]
    return [[plain(cell.text) for cell in page.all("th", "td") if row in cell.within] for row in rows]


def test_tables_have_the_papers_numbers_beside(page):
    groups, heads, *rows = rows_of(page, "Table 3")
    assert groups == ["", "This run", "Paper"]
    assert heads == ["Dataset", "Classes", "Classes"]
    assert rows == [["Omniglot", "16", "1,623"], ["GTSRB", "missing", "43"]]
    assert rows_of(page, "Table 6")[1:] == [
        ["Dataset", "Mean (%)", "± 2 sd (%)", "Mean (%)"],
        ["CUB-200-2011", "48.01", "–", "23.97"],
    ]
    assert rows_of(page, "Table 7")[1:] == [["Method", "Time as trained", "Time"], ["σ = 0.1", "1h 13m", "11d 9h"]]
    assert rows_of(page, "Summary")[-1] == ["DQN", "6.2 %"]


def test_random_search_is_beside_the_published_lengths(page):
    heads, *rows = rows_of(page, "Agreement")
    assert heads == ["Dataset", "Ended early at", "Episodes", "Steps", "Bins", "Exact bins"]
    assert len(rows) == len(REPLAYED) + 1
    assert rows[0] == ["Omniglot", "", "1,294", "6,495", "27", "3"]
    assert rows[3] == ["Describable Textures", "", "999", "5,075", "21", "21"]
    assert "52 of 52 bins of VGG Flower, Describable Textures" in plain(page.text)


def test_the_store_is_summed_by_device_and_status(page):
    assert rows_of(page, "Store")[1:] == [["CPU", "out_of_memory", "1", "10.0s"], ["GPU X", "ok", "2", "59m 0s"]]
    assert "3 evaluations of networks with 59m 10s of training in all." in plain(page.text)


def test_provenance_and_configuration_are_there(page, config):
    text = plain(page.text)
    for value in [*provenance(config).values(), *hardware().values()]:
        assert plain(value) in text
    assert "norm_momentum: 0.9" in page.all("pre")[0].text


@pytest.mark.parametrize(
    ("name", "value", "cell"),
    [
        ("steps", 200.0, "200"), ("networks", 1234.6, "1,235"), ("share", 0.123456, "0.123"), ("chance", 0.5, "50.0 %"),
        ("paper_mean_percent", 6.66, "6.66"), ("training_seconds", 3661.0, "1h 1m"), ("seed", 1024, "1024"),
        ("images", "32460", "32,460"), ("images", "missing", "missing"), ("mean_percent", float("nan"), "–"),
        ("method", "meta_a2c", "Deep meta-RL"), ("layers", "conv3 max2", "conv3 max2"),
    ],
)  # fmt: skip
def test_cells_are_for_people(name, value, cell):
    assert shown(name, value) == cell


def test_numbers_and_labels():
    assert [number(value) for value in (-0.00012345, 0.0, 12.345, 10**7)] == ["-0.000123", "0", "12.3", "10,000,000"]
    assert label_of("training_seconds") == "Training time"
    assert label_of("paper_early_stop_percent") == "Early stop (%)"
    assert columns_of(pd.DataFrame(columns=["method", "steps"]))[1].cells == []


# A frame is as narrow as it is told to be, a window is not; the script is the host's, since the page forbids any.
HOST = """<!DOCTYPE html><iframe width="{width}" height="2000" style="border: 0" srcdoc="{page}"></iframe><script>
addEventListener("load", () => {{
  const page = document.querySelector("iframe").contentDocument, broken = [...page.images].filter(i => !i.naturalWidth);
  const measured = [page.defaultView.innerWidth, page.documentElement.scrollWidth, page.images.length, broken.length];
  document.body.innerHTML = "measured " + measured.join(" ");
}})</script>"""


@pytest.fixture
def browser(tmp_path):
    """Runs a browser of the Chromium family, without a window, with options, and returns what it prints."""
    name = next(filter(None, map(shutil.which, BROWSERS)), None)
    if name is None:
        pytest.skip(f"no browser: none of {', '.join(BROWSERS)} is on the path")
    always = [
        "--headless=new",
        "--no-sandbox",
        "--disable-gpu",
        "--hide-scrollbars",
        f"--user-data-dir={tmp_path}/user",
    ]

    def run(*options):
        return subprocess.run([name, *always, *options], capture_output=True, text=True, timeout=120, check=True).stdout

    return run


def check_layout(browser, file, width, folder, images):
    """In a frame of this width nothing scrolls sideways, and all images are shown."""
    page, host = file.read_text(encoding="utf-8"), folder / "host.html"
    host.write_text(HOST.format(width=width, page=html.escape(page)), encoding="utf-8")
    printed = browser("--dump-dom", host.as_uri())
    inner, needed, found, broken = map(int, re.search(r"measured (\d+) (\d+) (\d+) (\d+)", printed).groups())
    assert inner == width
    assert needed <= width
    assert (found, broken) == (images, 0)


@pytest.mark.parametrize("width", [1280, 390])
def test_nothing_scrolls_sideways_and_no_image_is_broken(results, config, browser, width, tmp_path):
    check_layout(browser, results / "report.html", width, tmp_path, len(panels(config)) - 1)


@pytest.mark.parametrize(("width", "height"), [(1280, 4000), (390, 9000)])
def test_a_screenshot_shows_banner_and_figures(results, browser, width, height, tmp_path):
    browser(f"--window-size={width},{height}", f"--screenshot={tmp_path}/page.png", (results / "report.html").as_uri())
    with Image.open(tmp_path / "page.png") as screenshot:
        colors = {color for _, color in screenshot.convert("RGB").getcolors(2**24)}
    assert {(0, 114, 178), (253, 241, 239)} <= colors  # of the test's figures, and of the banner's ground
    assert screenshot.width == width
