"""Every figure of the searches against values worked out by hand, NumPy, SciPy or pandas, and its place on the page."""

import itertools
import math
import zlib

import numpy as np
import pandas as pd
import pytest
from golden import write_golden
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.colors import to_hex
from matplotlib.container import BarContainer, ErrorbarContainer
from PIL import Image
from scipy import stats

from nasdmrl.agents.registry import AGENTS
from nasdmrl.agents.search import COLUMNS, TIME_COLUMNS
from nasdmrl.analysis.episodes import (
    MULTI_BRANCH_NETWORKS,
    accuracies,
    action_proportions,
    episodes,
    is_branched,
    multi_branch_counts,
    read_logs,
    read_progress,
)
from nasdmrl.analysis.figures.bars import action_panel, hardness_bars, hardness_box, wilcoxon_note
from nasdmrl.analysis.figures.curves import curve_panel, curve_points, entropy_chain, entropy_panel
from nasdmrl.analysis.figures.panels import in_style, save
from nasdmrl.analysis.provenance import provenance
from nasdmrl.analysis.statistics import signed_rank_test
from nasdmrl.analysis.styles import METRICS, in_order, name_of, style_of, styles_of
from nasdmrl.config.model import Config
from nasdmrl.errors import DataError
from nasdmrl.paper.datasets import DATASETS
from nasdmrl.space import nsc

BIN = 10
CHAIN = ["conv1", "conv3", "conv5", "max2", "max3", "avg2", "avg3", "terminal"]
MULTI_BRANCH = [*CHAIN, "add", "concat", "p1 up", "p1 down", "p2 up", "p2 down"]  # Section 3, A0 to A13
CLASSES = {name: dataset.classes for name, dataset in DATASETS.items()}


@pytest.fixture(scope="module")
def results(tmp_path_factory):
    folder = tmp_path_factory.mktemp("results")
    write_golden(folder, traffic_sign=False)
    return folder


def logs(results, experiment, method="*"):
    return read_logs(sorted(results.glob(f"{experiment}/{method}/*/seed*/steps.csv")))


def progress(results, experiment):
    return read_progress(sorted(results.glob(f"{experiment}/*/*/seed*/progress.csv")))


@pytest.fixture(scope="module")
def figures(results):
    """All panels, by a name like those of the paper's figures; fresh ones at each call."""
    exp1, exp2, exp3, hard = (logs(results, name) for name in ("exp1", "exp2", "exp3", "appendix_a"))
    tables = {"9": episodes(exp1), "12": episodes(exp2), "14": episodes(exp3), "15b": multi_branch_counts(exp3)}
    metrics = {"15b": [MULTI_BRANCH_NETWORKS]}
    panels = {
        f"{figure} {dataset} {metric}": (curve_panel, table, dataset, metric, BIN)
        for figure, table in tables.items()
        for dataset in table["dataset"].unique()
        for metric in metrics.get(figure, METRICS)
    }
    panels |= {
        "10": (entropy_chain, progress(results, "exp1"), 5),
        "11": (action_panel, action_proportions(exp1[exp1["method"] == "meta_a2c"])),
        "13": (action_panel, action_proportions(exp2[exp2["method"] == "meta_a2c"]), 12 * "signed-rank p = 0.48 "),
        "15a": (entropy_panel, progress(results, "exp3"), 5),
        "16": (action_panel, action_proportions(exp3)),
        "17a": (hardness_box, accuracies(hard), ["traffic_sign"], CLASSES),
        "17b": (hardness_bars, accuracies(hard), ["traffic_sign"], CLASSES),
    }
    return {name: lambda call=call: call[0](*call[1:]) for name, call in panels.items()}


def legend_texts(figure):
    return [text.get_text() for legend in figure.legends for text in legend.get_texts()]


def lines(figure):
    """Labelled lines of a figure, by label."""
    return {line.get_label(): line for line in figure.axes[0].lines if not line.get_label().startswith("_")}


# --- styles -------------------------------------------------------------------------------------------------


def test_names_are_printed_as_the_paper_does():
    assert [name_of(name) for name in ("meta_a2c", "sigma0.1", "dtd")] == [
        "Deep meta-RL", "σ = 0.1", "Describable Textures",
    ]  # fmt: skip
    assert [name_of(name) for name in ("sb3_a2c", "sigmoid", "sigma")] == ["sb3_a2c", "sigmoid", "sigma"]


def test_any_name_has_a_style_of_its_own():
    others = [f"agent{number}" for number in range(20)]
    styles = styles_of([*AGENTS, *others, "sigma0.25"])
    assert len(set(styles.values())) == len(styles) == 24
    assert len({(style.color, style.marker) for style in styles.values()}) == 24
    assert len({style.color for style in styles_of([*AGENTS, *others[:4]]).values()}) == 7
    assert style_of("sb3_a2c") == styles_of([*AGENTS, "sb3_a2c"])["sb3_a2c"]
    assert len({style_of(name) for name in DATASETS}) == 6
    assert style_of("sigma0.0") != style_of("sigma0.1")


def test_methods_are_ordered_as_in_the_paper_and_sigmas_by_value():
    names = ["zeta", "sigma0.5", "random_search", "sigma0.25", "sigma10.0", "alpha", "meta_a2c", "zeta"]
    known = ["meta_a2c", "random_search", "sigma0.25", "sigma0.5", "sigma10.0", "alpha", "zeta"]
    assert in_order(names) == known
    assert in_order(["aircraft", "omniglot"]) == ["omniglot", "aircraft"]


# --- every figure -------------------------------------------------------------------------------------------

CURVES = {"9": ("omniglot", "vgg_flower", "dtd"), "12": ("aircraft", "cu_birds"), "14": ("omniglot",)}
PANELS = [f"{figure} {dataset} {metric}" for figure in CURVES for dataset in CURVES[figure] for metric in METRICS]
PANELS += [f"15b omniglot {MULTI_BRANCH_NETWORKS}", "10", "11", "13", "15a", "16", "17a", "17b"]


def test_all_panels_are_tested(figures):
    assert set(PANELS) == set(figures)
    assert len(PANELS) == 9 + 6 + 3 + 1 + 7  # Figures 9 a-i, 12 a-f, 14 a-c, 15 b, the others


def boxes(figure):
    """Places of axes with labels, legends and stamp in pixels, which must not touch each other."""
    return [artist.get_tightbbox() for artist in (*figure.axes, *figure.legends, *figure.texts)]


@pytest.mark.parametrize("name", PANELS)
def test_nothing_overlaps_or_leaves_the_figure(figures, name):
    figure = figures[name]()
    figure.draw_without_rendering()
    for box in boxes(figure):
        assert figure.bbox.x0 - 1 <= box.x0 < box.x1 <= figure.bbox.x1 + 1
        assert figure.bbox.y0 - 1 <= box.y0 < box.y1 <= figure.bbox.y1 + 1
    assert not any(first.overlaps(second) for first, second in itertools.combinations(boxes(figure), 2))
    (axes,) = figure.axes
    assert axes.get_ylabel()
    assert axes.get_ylim()[0] == 0


ONE_SEED, MANY_SEEDS = (1024,), tuple(range(1000, 1040))


@pytest.mark.parametrize(
    ("name", "seeds"),
    [("9 omniglot best_reward", MANY_SEEDS), ("10", ONE_SEED), ("13", MANY_SEEDS), ("17b", ONE_SEED)],
)
def test_stamp_is_below_everything_and_moves_nothing(figures, tmp_path, name, seeds):
    figure, dpi = figures[name](), 100
    canvas = FigureCanvasAgg(figure)
    in_style(canvas.draw)()  # the number of ticks follows matplotlib's settings at that time
    drawn = np.asarray(canvas.buffer_rgba())[..., :3].astype(int)
    for _ in range(2):  # a second time changes nothing
        save(figure, tmp_path / "panel", provenance(Config(scale="reduced", seeds=seeds)), dpi)
    (stamp,) = [text for text in figure.texts if "scale: reduced" in text.get_text()]
    assert stamp.get_text().replace("\n", " ").endswith(f"| {provenance(Config())['date']}")
    assert not any(first.overlaps(second) for first, second in itertools.combinations(boxes(figure), 2))
    assert max(box.y1 for box in boxes(figure) if box.y0 < 0) == stamp.get_window_extent().y1 < 0
    with Image.open(tmp_path / "panel.png") as image:
        saved = np.asarray(image.convert("RGB")).astype(int)
    assert saved.shape[1] == drawn.shape[1] == figure.get_size_inches()[0] * dpi
    assert saved.shape[0] > drawn.shape[0]
    # The file shows the figure as it was drawn: nothing has moved but by parts of a pixel.
    above, below = saved[: len(drawn)], saved[len(drawn) :]
    assert below.min() < 150
    assert (np.abs(shift_free(above) - shift_free(drawn)) > 60).mean() < 0.002


def shift_free(pixels):
    """Means over blocks of 5 x 5 pixels, which parts of a pixel hardly change."""
    height, width = (size // 5 * 5 for size in pixels.shape[:2])
    return pixels[:height, :width].reshape(height // 5, 5, width // 5, 5, 3).mean(axis=(1, 3, 4))


# --- curves -------------------------------------------------------------------------------------------------


def by_hand(steps, bin_episodes, measure):
    """Episode, mean and standard deviation of each bin, from lists of rewards of the episodes."""
    ended = [rows for _, rows in steps.groupby("episode") if rows["episode_end"].iloc[-1]]
    values = [measure(rows["reward"].tolist()) for rows in ended]
    starts = range(0, len(values), bin_episodes)
    bins = [values[start : start + bin_episodes] for start in starts]
    episode = [min(start + bin_episodes, len(values)) for start in starts]
    return episode, [np.mean(values) for values in bins], [np.std(values, ddof=1) for values in bins]


@pytest.mark.parametrize(("metric", "measure"), [("best_reward", max), ("length", len), ("accumulated_reward", sum)])
def test_curves_show_means_and_deviations(results, metric, measure):
    steps = logs(results, "exp1")
    figure = curve_panel(episodes(steps), "vgg_flower", metric, BIN)
    assert legend_texts(figure) == ["Deep meta-RL", "DQN", "Random search"]
    bands = dict(zip(AGENTS, figure.axes[0].collections, strict=True))
    for method, entry in AGENTS.items():
        rows = steps[(steps["method"] == method) & (steps["dataset"] == "vgg_flower")]
        episode, mean, sd = by_hand(rows, BIN, measure)
        line = lines(figure)[entry.title]
        assert line.get_xdata().tolist() == episode
        assert line.get_ydata().tolist() == pytest.approx(mean)
        assert (to_hex(line.get_color()).upper(), line.get_marker()) == (
            style_of(method).color,
            style_of(method).marker,
        )
        corners = bands[method].get_paths()[0].vertices
        for x, middle, half in zip(episode, mean, sd, strict=True):
            ends = corners[corners[:, 0] == x, 1]
            assert (ends.min(), ends.max()) == pytest.approx((middle - half, middle + half))


def test_curves_say_what_they_show():
    table = pd.DataFrame({"method": "dqn", "dataset": "dtd", "seed": [1, 2], "episode": 1, "length": [2, 4]})
    axes = curve_panel(table, "dtd", "length", 50).axes[0]
    assert axes.get_xlabel() == "Episode\n(mean ± 1 sd, every 50 episodes)"
    assert axes.get_ylabel() == "Episode length (steps)"
    assert axes.get_title(loc="left") == "Describable Textures"
    assert "IQM" in curve_panel(table, "dtd", "length", 50, "iqm").axes[0].get_xlabel()


def test_axes_end_where_values_end():
    """Mean 0.75 + sd 0.5 goes beyond 1, and 0.25 - 0.5 below 0: the band does, the axis does not."""
    rewards = {"dqn": [1, 1, 1, 0], "meta_a2c": [0, 0, 0, 1]}
    rows = [
        {"method": method, "dataset": "dtd", "seed": 1, "episode": i, "best_reward": r, "accumulated_reward": r}
        for method, values in rewards.items()
        for i, r in enumerate(values, start=1)
    ]
    table = pd.DataFrame(rows)
    axes = curve_panel(table, "dtd", "best_reward", 4).axes[0]
    assert axes.get_ylim() == (0, 1)
    points = curve_points(table, "best_reward", 4)
    assert points["low"].min() == pytest.approx(0.25 - 0.5)
    assert points["high"].max() == pytest.approx(0.75 + 0.5)
    assert curve_panel(table, "dtd", "accumulated_reward", 4).axes[0].get_ylim()[1] > 1


def test_interquartile_mean_over_seeds(tmp_path):
    write_golden(tmp_path, seeds=range(5), steps=60)
    table = episodes(logs(tmp_path, "exp3"))
    figure = curve_panel(table, "omniglot", "length", 4, "iqm")
    for sigma in ("0.0", "0.1"):
        rows = table[(table["method"] == f"sigma{sigma}") & (table["episode"] <= 4)]
        means = [seed["length"].mean() for _, seed in rows.groupby("seed")]
        assert len(means) == 5
        line = lines(figure)[f"σ = {sigma}"]
        assert line.get_ydata()[0] == pytest.approx(stats.trim_mean(means, 0.25))
    points = curve_points(table, "length", 4, "iqm")
    assert (points["low"] <= points["middle"] + 1e-9).all()
    assert legend_texts(figure) == ["σ = 0.0", "σ = 0.1"]


def test_methods_of_others_are_drawn():
    rows = {"dataset": "dtd", "seed": 1, "episode": 1, "best_reward": 0.5}
    table = pd.DataFrame([{"method": name, **rows} for name in ("sb3_a2c", "dqn", "sigma0.25")])
    figure = curve_panel(table, "dtd", "best_reward", 1)
    assert legend_texts(figure) == ["DQN", "σ = 0.25", "sb3_a2c"]
    assert len({line.get_color() for line in figure.axes[0].lines}) == 3


def test_many_methods_have_room_for_their_names():
    rows = {"dataset": "dtd", "seed": 1, "episode": 1, "best_reward": 0.5}
    names = [f"agent_with_a_long_name_{number}" for number in range(9)]
    figure = curve_panel(pd.DataFrame([{"method": name, **rows} for name in names]), "dtd", "best_reward", 1)
    figure.draw_without_rendering()
    assert legend_texts(figure) == names
    assert figure.bbox.x0 <= figure.legends[0].get_window_extent().x0
    assert not boxes(figure)[0].overlaps(boxes(figure)[1])


def test_a_dataset_without_episodes_says_so():
    table = pd.DataFrame({"method": ["dqn"], "dataset": "dtd", "seed": 1, "episode": 1, "length": 2})
    assert [text.get_text() for text in curve_panel(table, "omniglot", "length", 2).axes[0].texts] == ["no episodes"]


# --- multi-branch networks ----------------------------------------------------------------------------------


def hand_steps(rows, **constant):
    table = pd.DataFrame(rows, columns=["episode", "network", "episode_end"])
    return table.assign(**{"dataset": "omniglot", "seed": 1, **constant})


BRANCHED = "conv1 conv3@0 max2"  # first predecessors 0, 0, 2: the last is neither 0 nor 0 + 1


def test_multi_branch_by_the_authors_rule():
    """What their notebook's loop says of the rows' first predecessors."""
    rows = {"conv1 max2": False, "conv1 conv3@0": False, BRANCHED: True, "conv1 max2 conv3@1": True,
            "conv1 max2 add@2,1": False, "conv1 max2 add@1,2": True, "conv1 max2@0 terminal": False,
            "conv1 add@0,0 max2@1": False, "input": False}  # fmt: skip
    assert {text: is_branched(text) for text in rows} == rows
    # The package's own reading is wider: these two are a second chain from the image, and a merge of both layers.
    assert nsc.is_multi_branch(nsc.parse("conv1 conv3@0"))
    assert nsc.is_multi_branch(nsc.parse("conv1 max2 add@2,1"))


def test_multi_branch_counts_by_hand():
    """Every step of a finished episode counts, shifts and endings too; the last episode is cut off."""
    rows = [
        (1, "conv1", 0), (1, "conv1 conv3@0", 0), (1, BRANCHED, 0), (1, BRANCHED, 0), (1, f"{BRANCHED} terminal", 1),
        (2, "conv1", 1), (3, BRANCHED, 0), (3, BRANCHED, 1), (4, BRANCHED, 0),
    ]  # fmt: skip
    steps = pd.concat([hand_steps(rows, method="sigma0.0"), hand_steps(rows[-3:-1], method="sigma0.1")])
    counts = multi_branch_counts(steps)
    assert counts[["method", "episode", MULTI_BRANCH_NETWORKS]].to_numpy().tolist() == [
        ["sigma0.0", 1, 3], ["sigma0.0", 2, 0], ["sigma0.0", 3, 2], ["sigma0.1", 3, 2],
    ]  # fmt: skip
    figure = curve_panel(counts, "omniglot", MULTI_BRANCH_NETWORKS, 2)
    assert lines(figure)["σ = 0.0"].get_ydata().tolist() == [1.5, 2]
    assert figure.axes[0].get_ylabel() == "Multi-branch networks\nin an episode"


# --- actions ------------------------------------------------------------------------------------------------


def actions(names, method="meta_a2c", dataset="dtd", seed=1):
    ids = [MULTI_BRANCH.index(name) for name in names]
    return pd.DataFrame({"action": ids, "action_name": names}).assign(method=method, dataset=dataset, seed=seed)


def test_proportions_by_hand():
    steps = pd.concat(
        [
            actions(["max2", "conv1", "max2"], seed=1),
            actions(["terminal"], seed=2),
            actions(["conv5"], dataset="omniglot"),
        ]
    )
    shares = action_proportions(steps)
    assert shares.index.tolist() == CHAIN
    assert shares.columns.tolist() == ["omniglot", "dtd"]
    assert shares["dtd"].tolist() == [0.25, 0, 0, 0.5, 0, 0, 0, 0.25]
    assert shares["omniglot"].tolist() == [0, 0, 1, 0, 0, 0, 0, 0]


def test_proportions_of_sigmas_have_all_actions_of_their_space():
    steps = pd.concat([actions(["conv1"], f"sigma{sigma}") for sigma in (0.1, 0.0)])
    shares = action_proportions(steps)
    assert shares.index.tolist() == MULTI_BRANCH
    assert shares.columns.tolist() == ["sigma0.0", "sigma0.1"]
    assert action_proportions(actions(["conv1", "add"])).index.tolist() == MULTI_BRANCH


def test_proportions_of_several_methods_are_refused():
    with pytest.raises(DataError, match=r"several methods at once \(dqn, random_search\)"):
        action_proportions(pd.concat([actions(["conv1"], "random_search"), actions(["conv1"], "dqn")]))


@pytest.mark.parametrize(
    ("experiment", "method", "labels", "names"),
    [
        ("exp1", "meta_a2c", ["Omniglot", "VGG Flower", "Describable Textures"], CHAIN),
        ("exp2", "meta_a2c", ["FGVC-Aircraft", "CUB-200-2011"], CHAIN),
        ("exp3", "*", ["σ = 0.0", "σ = 0.1"], MULTI_BRANCH),
    ],
)
def test_bars_are_proportions(results, experiment, method, labels, names):
    steps = logs(results, experiment, method)
    figure = action_panel(action_proportions(steps), "p = 0.48")
    (axes,) = figure.axes
    assert [tick.get_text() for tick in axes.get_xticklabels()] == names
    assert legend_texts(figure) == labels
    assert axes.get_title(loc="left") == "p = 0.48"
    column = "method" if experiment == "exp3" else "dataset"
    for bars, group in zip(axes.containers, in_order(steps[column]), strict=True):
        heights = [bar.get_height() for bar in bars]
        taken = steps.loc[steps[column] == group, "action"]
        assert heights == pytest.approx(np.bincount(taken, minlength=len(names)) / len(taken))
        assert sum(heights) == pytest.approx(1)
        for place, bar in enumerate(bars):
            assert place - 0.41 < bar.get_x() < bar.get_x() + bar.get_width() < place + 0.41
    assert len({bars[0].get_hatch() for bars in axes.containers}) == len(labels)


# --- entropy ------------------------------------------------------------------------------------------------


def hand_progress(entropies, dataset, seed=1, method="meta_a2c", every=5):
    at = every * np.arange(1, len(entropies) + 1)
    return pd.DataFrame({"step": at, "entropy": entropies, "method": method, "dataset": dataset, "seed": seed})


def thick(figure):
    """Lines with markers: means."""
    return [line for line in figure.axes[0].lines if line.get_marker() not in ("None", None, "")]


def test_entropy_of_the_chain_by_hand():
    """Omniglot before VGG Flower; two updates are a bin, the last is short."""
    rows = pd.concat(
        [
            hand_progress([1.0, 0.6, 0.5], "vgg_flower"),
            hand_progress([2.0, 1.8, 1.6, 1.4], "omniglot"),
            hand_progress([math.nan] * 3, "omniglot", method="dqn"),
            hand_progress([2.0], "aircraft"),
        ]
    )
    figure = entropy_chain(rows, 2, {"omniglot": 22, "vgg_flower": 18})
    first, second = thick(figure)
    assert first.get_xdata().tolist() == [7.5, 17.5]
    assert first.get_ydata().tolist() == pytest.approx([1.9, 1.5])
    assert second.get_xdata().tolist() == [22 + 7.5, 22 + 15]
    assert second.get_ydata().tolist() == pytest.approx([0.8, 0.5])
    (axes,) = figure.axes
    raw = [line.get_ydata().tolist() for line in axes.lines if line.get_alpha() == 0.25]
    assert sorted(raw) == [[1.0, 0.6, 0.5], [2.0, 1.8, 1.6, 1.4]]
    assert [line.get_xdata()[0] for line in axes.lines if line.get_linestyle() == ":"] == [22, 40]
    assert [(text.get_text(), text.get_position()[0]) for text in axes.texts] == [("Omniglot", 11), ("VGG Flower", 31)]
    assert axes.get_xlim() == (0, 40)
    assert axes.get_ylabel() == "Policy entropy (nats)"
    assert legend_texts(figure) == ["Deep meta-RL", "Uniform policy, ln 8 = 2.08 nats"]


def test_entropy_of_several_seeds_is_their_mean():
    rows = pd.concat([hand_progress([2.0, 1.0], "omniglot", 1), hand_progress([1.0, 0.0], "omniglot", 2)])
    figure = entropy_chain(rows, 1)
    (line,) = thick(figure)
    assert line.get_ydata().tolist() == [1.5, 0.5]
    thin = [line.get_ydata().tolist() for line in figure.axes[0].lines if line.get_alpha() == 0.5]
    assert thin == [[2.0, 1.0], [1.0, 0.0]]
    assert "mean of 2 seeds" in figure.axes[0].get_xlabel()


def test_entropy_of_each_sigma(results):
    table = progress(results, "exp3")
    figure = entropy_panel(table, 5)
    assert legend_texts(figure) == ["σ = 0.0", "σ = 0.1", "Uniform policy, ln 14 = 2.64 nats"]
    for sigma in ("0.0", "0.1"):
        entropy = table.loc[table["method"] == f"sigma{sigma}", "entropy"].to_numpy()
        assert lines(figure)[f"σ = {sigma}"].get_ydata().tolist() == pytest.approx(entropy.reshape(-1, 5).mean(axis=1))
    assert lines(figure)["Uniform policy, ln 14 = 2.64 nats"].get_ydata()[0] == pytest.approx(np.log(14))


def test_trials_shorter_than_an_update_have_no_curve(tmp_path):
    path = tmp_path / "exp3/sigma0.0/omniglot/seed1/progress.csv"
    path.parent.mkdir(parents=True)
    pd.DataFrame([]).to_csv(path, index=False)
    for figure in (entropy_panel(read_progress([path])), entropy_chain(read_progress([path]))):
        assert [text.get_text() for text in figure.axes[0].texts] == ["no updates"]


def test_progress_elsewhere_is_refused(tmp_path):
    with pytest.raises(DataError, match=r"expected a progress file METHOD/DATASET/seedSEED/progress\.csv"):
        read_progress([tmp_path / "a/b/seed1/progress.csv"])


# --- hardness -----------------------------------------------------------------------------------------------


def test_accuracies_are_of_distinct_valid_networks(results):
    steps = logs(results, "appendix_a")
    met = accuracies(steps)
    assert met["dataset"].nunique() == 5
    for dataset, rows in steps.groupby("dataset"):
        valid = rows[rows["valid"] == 1]
        forms = {nsc.canonical(nsc.parse(text)): value for text, value in valid[["network", "accuracy"]].to_numpy()}
        found = met.loc[met["dataset"] == dataset, "accuracy"]
        assert 0 < len(forms) < len(valid)
        assert sorted(found) == sorted(forms.values())


def hand_accuracies():
    rows = {"dtd": [0.1, 0.2, 0.6], "omniglot": [0.5, 0.7]}
    table = [{"dataset": name, "accuracy": value} for name, values in rows.items() for value in values]
    return pd.DataFrame(table)


def test_boxes_by_hand():
    (axes,) = hardness_box(hand_accuracies(), ["traffic_sign", "dtd"], {"dtd": 47, "omniglot": 1623}).axes
    assert [tick.get_text() for tick in axes.get_xticklabels()] == ["Omniglot", "Describable Textures", "GTSRB"]
    medians = [line for line in axes.lines if line.get_linewidth() == 2]
    assert [line.get_ydata()[0] for line in medians] == pytest.approx([0.6, 0.2])
    boxes = [patch.get_path().vertices[:, 1] for patch in axes.patches]
    # Quartiles, interpolated: 0.55 and 0.65 of (0.5, 0.7); 0.15 and 0.4 of (0.1, 0.2, 0.6).
    assert [(box.min(), box.max()) for box in map(np.asarray, (b[:4] for b in boxes))] == [
        pytest.approx((0.55, 0.65)), pytest.approx((0.15, 0.4)),
    ]  # fmt: skip
    assert [to_hex(patch.get_facecolor()).upper() for patch in axes.patches] == [
        style_of("omniglot").color, style_of("dtd").color,
    ]  # fmt: skip
    chances = [lines.get_segments()[0][:, 1] for lines in axes.collections]
    assert np.ravel(chances).tolist() == pytest.approx([1 / 1623, 1 / 1623, 1 / 47, 1 / 47])
    (gap,) = axes.texts
    assert (gap.get_text(), gap.get_position()[0]) == ("missing", 2)
    assert legend_texts(axes.figure) == ["Median", "Chance, 1 / classes"]


def test_bars_by_hand():
    """dtd: mean 0.3, sd of the population sqrt((0.04 + 0.01 + 0.09) / 3) = 0.216, maximum 0.6."""
    (axes,) = hardness_bars(hand_accuracies(), ["traffic_sign"]).axes
    bars = [container for container in axes.containers if isinstance(container, BarContainer)]
    assert [bar[0].get_height() for bar in bars] == pytest.approx([0.6, 0.3])
    errors = [container for container in axes.containers if isinstance(container, ErrorbarContainer)]
    ends = [container[2][0].get_segments()[0][:, 1] for container in errors]
    assert ends[1].tolist() == pytest.approx([0.3 - math.sqrt(0.14 / 3), 0.3 + math.sqrt(0.14 / 3)])
    maxima = [line.get_ydata()[0] for line in axes.lines if line.get_marker() == "v"]
    assert maxima == [0.7, 0.6]
    assert [text.get_text() for text in axes.texts] == ["missing"]
    assert sorted(legend_texts(axes.figure)) == ["Maximum", "Mean ± 1 sd"]


def test_nothing_at_all_is_no_failure():
    empty = pd.DataFrame({"dataset": [], "accuracy": []})
    assert [text.get_text() for text in hardness_box(empty).axes[0].texts] == ["no networks"]
    assert [text.get_text() for text in hardness_bars(empty, ["dtd"]).axes[0].texts] == ["missing"]


# --- the golden results -------------------------------------------------------------------------------------


def test_golden_results_are_as_described(results):
    paths = sorted(results.glob("*/*/*/seed*/steps.csv"))
    assert len(paths) == 9 + 4 + 2 + 5
    for path in paths:
        table = pd.read_csv(path)
        assert list(table.columns) == [*COLUMNS, *TIME_COLUMNS]
        assert len(table) == 200
    fixed_or_random = [path for path in paths if not path.with_name("progress.csv").exists()]
    assert {path.parts[-4] for path in fixed_or_random if path.parts[-5] != "exp2"} == {"random_search"}
    assert len(list(results.glob("*/best/*/best*.json"))) == 3 + 4 + 2
    assert len(list(results.glob("exp2/long/*/*/repeat*/epochs.csv"))) == 2 * 3 * 5


def test_golden_results_are_always_the_same(results, tmp_path):
    write_golden(tmp_path, traffic_sign=False)
    files = sorted(path.relative_to(results) for path in results.rglob("*.*") if path.is_file())
    assert files == sorted(path.relative_to(tmp_path) for path in tmp_path.rglob("*.*") if path.is_file())
    sums = [[zlib.crc32((folder / file).read_bytes()) for file in files] for folder in (results, tmp_path)]
    assert sums[0] == sums[1]


def test_equal_proportions_are_told_in_place_of_a_test_of_nothing():
    equal = np.full(8, 1 / 8)
    assert wilcoxon_note(signed_rank_test(equal, equal)).endswith("so there is nothing to test")
    other = equal + np.array([1, -1, 2, -2, 3, -3, 4, -4]) / 100
    assert wilcoxon_note(signed_rank_test(equal, other)).startswith("Wilcoxon signed-rank: W = 18, p = 1.00")
