"""docs/published.md: every number on the page, computed again from the published data in the package."""

import numpy as np
import pytest
from scipy.stats import chi2_contingency, norm, wilcoxon

from nasdmrl.analysis.random_replay import DATASETS, agreement, compared, first_bin, first_bin_networks, played
from nasdmrl.paper.datasets import with_role
from nasdmrl.paper.published import actions, curve, curves, numbers

TRANSFER = ("vgg_flower", "dtd")
SPANS = ((0, 1500), (2500, 3000), (3000, 4050))


@pytest.fixture(scope="module")
def page(root):
    return " ".join((root / "docs/published.md").read_text(encoding="utf-8").split())


def weighted(bins):
    """Mean over the episodes of some bins."""
    return np.average(bins["mean"], weights=bins["n_episodes"].astype(float))


def first_size(dataset, method):
    return int(curve(dataset, method, "best_reward")["n_episodes"][0])


def total(dataset, method):
    return int(curve(dataset, method, "length")["sum"].sum())


def at_step(dataset, method, step):
    """Best reward at an environment step: bins in the middle of their steps, linear between."""
    steps = curve(dataset, method, "length")["sum"].astype(float)
    return np.interp(step, steps.cumsum() - steps / 2, curve(dataset, method, "best_reward")["mean"])


def counts(dataset):
    table = actions()
    return table[(table["dataset"] == dataset) & (table["figure"] != "fig16")]["count"].to_numpy()


def signed_rank(a, b, method="asymptotic"):
    first, second = counts(a), counts(b)
    return wilcoxon(second / second.sum(), first / first.sum(), method=method)


def printed(item):
    table = numbers()
    (value,) = table.loc[table["item"].str.startswith(item), "value"]
    return value


def says(page, *texts):
    for text in texts:
        assert text in page, text


def test_data(page):
    table = curves()
    errors = table.groupby("metric")["reading_error"].max()
    says(page, f"gives the {len(table):,} points", f"{table['figure'].nunique()} images of curves")
    says(
        page,
        f"at most {errors['best_reward']:.4f} for best rewards, {errors['accumulated_reward']:.4f} for accumulated",
    )
    says(page, f"{errors['entropy']:.4f} for entropies")
    first = curve("omniglot", "sigma0.0", "length")["sum"][:60].sum()
    assert first == float(printed("time-steps covered by the first 3000 episodes"))
    says(page, f"first 3,000 episodes of sigma 0.0 have {first:,} steps")
    sums = [f"{counts(name).sum():,}" for name in DATASETS]
    says(page, f"sum to {', '.join(sums[:-1])} and {sums[-1]} steps")
    wide = actions().query("figure == 'fig16'")
    assert round(20_000 * ((wide["high"] - wide["low"]) / 2).max()) == 9
    says(page, "known to about 9 of 20,000")


def test_first_bins(page):
    assert first_size("aircraft", "random_search") == first_size("cu_birds", "random_search")
    dqn = f"DQN on dtd {first_size('dtd', 'dqn')} and on vgg_flower {first_size('vgg_flower', 'dqn')}"
    says(
        page,
        f"the first point of meta-RL on dtd is the mean of {first_size('dtd', 'meta_a2c')} episodes**, those of {dqn}",
    )
    says(page, f"of meta-RL on vgg_flower {first_size('vgg_flower', 'meta_a2c')}, of random search on aircraft and")
    says(page, f"cu_birds {first_size('aircraft', 'random_search')}.")


def test_random_search(page):
    found = agreement(compared())
    for row in found.itertuples():
        name = row.dataset + (", one episode ended early" if row.ended_early_at else "")
        says(page, f"| {name} | {row.episodes:,} | {row.steps:,} | {row.bins} | {row.exact_bins} |")
        says(
            page, f"`{row.ended_early_at}`, one episode makes {row.exact_bins} of the 27" if row.ended_early_at else ""
        )
    says(
        page,
        f"the 6,500 steps make {len(played()):,} whole episodes here, {found['episodes'][0]:,} in the authors' log",
    )
    others = found[found["dataset"] != "omniglot"]
    says(page, f"So {others['exact_bins'].sum()} of {others['bins'].sum()} bins on four datasets are exact")


def test_trials(page):
    training, unseen = with_role("training"), with_role("evaluation")
    for name, datasets, method in (
        ("meta-RL", training, "meta_a2c"),
        ("DQN", training, "dqn"),
        ("random search", training, "random_search"),
        ("fixed policy", unseen, "meta_a2c"),
        ("random search", unseen, "random_search"),
    ):
        steps = [
            printed(
                f"t_max {method} {data}"
                if method == "meta_a2c"
                else f"t_max dqn (and, by the sentence, random search) {data}"
            )
            if data in training
            else printed("t_max evaluation")
            for data in datasets
        ]
        sums = [str(total(data, method)) for data in datasets]
        says(page, f"| {name} on {', '.join(datasets)} | {', '.join(steps)} | {', '.join(sums)} |")
    says(page, f"keeps {int(printed('time-steps kept of the random search')):,} steps")


def test_lengths(page):
    length = {(d, m): curve(d, m, "length") for d in TRANSFER for m in ("meta_a2c", "dqn", "random_search")}
    whole = {key: weighted(bins) for key, bins in length.items()}
    assert {round(whole[d, "meta_a2c"], 1) for d in TRANSFER} == {9.5}
    assert {round(whole[d, "random_search"], 1) for d in TRANSFER} == {5.1}
    begin, end = ([length[d, "dqn"]["mean"].iloc[place] for d in TRANSFER] for place in (0, -1))
    dqn = [whole[d, "dqn"] for d in TRANSFER]
    says(page, "meta-RL's have 9.5 steps on both datasets", "random search's have 5.1")
    says(page, f"DQN's begin at {begin[0]:.1f} and {begin[1]:.1f} and end at {end[0]:.1f} and {end[1]:.1f}")
    says(page, f"({dqn[0]:.1f} and {dqn[1]:.1f} on the whole)")
    ratios = [whole[d, "meta_a2c"] / whole[d, "dqn"] for d in TRANSFER]
    says(page, f"{ratios[0]:.1f} and {ratios[1]:.1f} times as many as DQN's on the whole")
    for d in TRANSFER:
        assert 1.8 < length[d, "meta_a2c"]["mean"][0] / length[d, "dqn"]["mean"][0] < 2.1


def test_by_episode(page):
    for d in TRANSFER:
        for metric in ("best_reward", "length", "accumulated_reward"):
            ours = curve(d, "meta_a2c", metric)
            assert len(ours) == 16
            for rival in ("dqn", "random_search"):
                assert (ours["mean"] > curve(d, rival, metric)["mean"][:16]).all()
        assert (curve(d, "meta_a2c", "best_reward")["sd"] < curve(d, "dqn", "best_reward")["sd"][:16]).all()
    says(page, "in 16 of the 16 bins that they share", "below DQN's in 16 of 16")
    ours, dqn = (curve("omniglot", method, "best_reward") for method in ("meta_a2c", "dqn"))
    above = dqn["mean"] > ours["mean"][: len(dqn)]
    assert above[dqn["x"] >= 150].all()
    says(page, f"above in {above.sum()} of {len(dqn)} common bins, all from x = {dqn['x'][above].min()} on")


def test_by_step(page):
    ours, dqn = ({d: lambda step, d=d, m=m: at_step(d, m, step) for d in TRANSFER} for m in ("meta_a2c", "dqn"))
    level = (dqn["vgg_flower"](4000), ours["vgg_flower"](4000))
    says(page, f"at about 4,000 steps on vgg_flower ({level[0]:.3f} and {level[1]:.3f})")
    assert (total("vgg_flower", "dqn") + 5) // 100 == 48  # 4,891 and an unfinished episode
    says(page, "its log ends at about 4,900")
    steps = (4500, 5000, 5500, 6000)
    said = [f"at {step:,}: {dqn['dtd'](step):.3f} and {ours['dtd'](step):.3f}" for step in steps]
    says(page, f"({'; '.join(said)})")
    last = curve("dtd", "meta_a2c", "best_reward")["mean"].iloc[-1]
    says(page, f"At 7,000 DQN has {dqn['dtd'](7000):.3f}, and meta-RL's last bin {last:.3f}")
    for d, step in (("vgg_flower", 3500), ("dtd", 4000)):  # before, meta-RL is above at every step
        assert all(ours[d](s) > dqn[d](s) for s in range(100, step, 100))


def test_accumulated_reward_on_dtd(page):
    reward, length = (curve("dtd", "meta_a2c", metric) for metric in ("accumulated_reward", "length"))
    ends = [(weighted(bins[:3]), weighted(bins[-3:])) for bins in (reward, length)]
    says(page, f"first three bins {ends[0][0]:.2f}, of the last three {ends[0][1]:.2f}")
    says(page, f"episodes go from {ends[1][0]:.2f} to {ends[1][1]:.2f} steps")


def test_tests(page):
    near, exact = (signed_rank("aircraft", "cu_birds", method) for method in ("asymptotic", "exact"))
    assert near.pvalue == pytest.approx(float(printed("Wilcoxon p-value, action proportions")))
    says(
        page, f"W = {near.statistic:.0f}, p = {near.pvalue:.2f} by the normal approximation ({exact.pvalue:.2f} exact)"
    )
    says(page, f"would not differ either (p = {signed_rank('omniglot', 'vgg_flower').pvalue:.2f})")
    far, close = (
        chi2_contingency([counts(a), counts(b)]) for a, b in (("omniglot", "vgg_flower"), ("aircraft", "cu_birds"))
    )
    says(page, f"gives {far.statistic:.0f} with {far.dof} degrees of freedom")
    says(page, f"the chi-square is {close.statistic:.2f} with {close.dof} degrees, p = {close.pvalue:.3f}")


def test_missing_values(page):
    """W = 0 of n pairs, by the normal approximation: mean n (n + 1) / 4, variance n (n + 1) (2n + 1) / 24."""
    n = 16
    p = 2 * norm.sf((n * (n + 1) / 4) / np.sqrt(n * (n + 1) * (2 * n + 1) / 24))
    assert p == pytest.approx(float(printed("Wilcoxon p-value, vgg_flower - dtd as printed")))
    says(page, f"W = 0 with n = {n} gives exactly that p, {p:.6f}")
    right = signed_rank("vgg_flower", "dtd")
    says(page, f"give W = {right.statistic:.0f}, p = {right.pvalue:.2f}")


def test_counts_and_table6(page):
    multi, every = (
        int(printed(item)) for item in ("unique multi-branch architectures", "unique architectures, sigma 0.1")
    )
    says(page, f"{multi} of {every} distinct networks of sigma 0.1")
    says(page, f"{100 * multi / every:.1f} %, or 1 to {(every - multi) / multi:.1f} others")
    paper = printed("accuracy after intensive training, aircraft, VGG19-like").replace("+-", "±")
    says(page, f"has {paper} for the VGG cut", f"has {printed('network benchmark mean')} with the same 10.82")
    assert printed("network benchmark 2 sd") == "10.82"


def test_names_of_actions(page):
    table = actions().query("method == 'sigma0.0' and 7 <= action <= 9")
    assert table["name_in_notebook"].tolist() == ["Terminal", "Concat", "Addition"]
    assert table["name_in_table2"].tolist() == ["terminal", "addition", "concatenation"]
    assert table["name_in_config"].tolist() == ["add", "concat", "terminal"]


def test_entropy(page):
    flower = curve("vgg_flower", "meta_a2c", "entropy")
    assert set(np.diff(flower["x"])) == {120}
    assert set(np.diff(flower["step"])[1:]) == {125}
    span = flower[flower["x"].between(9005, 12005)]["step"]
    says(page, f"are steps {span.min():,} to {span.max():,} of vgg_flower")
    omniglot = curve("omniglot", "meta_a2c", "entropy")
    flat = int((omniglot["mean"] > 0.99 * np.log(8)).cumprod().sum())
    says(page, f"The first {flat} rows on omniglot", f"ln 8: {omniglot['step'][flat - 1]:,} steps without a change")


def of_spans(method, metric):
    bins = curve("omniglot", method, metric)
    return [weighted(bins[(bins["x"] >= low) & (bins["x"] < high)]) for low, high in SPANS]


def test_multi_branch(page):
    (a, b, c), (d, e, f) = (of_spans(sigma, "best_reward") for sigma in ("sigma0.0", "sigma0.1"))
    says(page, f"best reward is {a:.3f} (sigma 0.0) and {d:.3f} (0.1), from 2,500 to 3,000 it is {b:.3f} and {e:.3f}")
    says(page, f"afterwards {c:.3f} and {f:.3f}")
    plain, other = (
        ", ".join(f"{mean:.2f}" for mean in of_spans(sigma, "multi_branch_networks"))
        for sigma in ("sigma0.0", "sigma0.1")
    )
    says(page, f"{plain} (sigma 0.0) and {other} (0.1)")
    lengths = [of_spans(sigma, "length") for sigma in ("sigma0.0", "sigma0.1")]
    assert {round(spans[0], 1) for spans in lengths} == {3.0}
    says(page, f"episodes grow from 3.0 steps to {lengths[0][2]:.1f} and {lengths[1][2]:.1f}")


@pytest.mark.parametrize("dataset", DATASETS)
def test_networks_of_the_first_bins(page, dataset):
    point = curve(dataset, "random_search", "best_reward").iloc[0]
    sizes = f"{len(first_bin(dataset))} | {len(first_bin_networks(dataset))}"
    assert len(first_bin(dataset)) == point["n_episodes"]
    says(page, f"| {dataset} | {sizes} | {point['mean']:.4f} | {point['sd']:.3f} |")
