"""The paper's numbers: published.yaml against docs/paper.md, so that neither drifts."""

import re

import pytest

from nasdmrl.config.sections import Recipe
from nasdmrl.paper.datasets import DATASETS, with_role
from nasdmrl.paper.numbers import published, seconds
from nasdmrl.space.costs import costs
from nasdmrl.space.nsc import is_valid, parse, shapes, to_text

TIME = r"\d+[dh][ \d]*[hm]"


def bullet(root, start):
    """The bullet of Section 8 that begins with these words, on one line."""
    text = (root / "docs/paper.md").read_text().split("Published values")[1].split("\nClaims")[0]
    (found,) = [line for line in re.split(r"^- ", text, flags=re.MULTILINE) if line.startswith(start)]
    return " ".join(found.split())


def numbers(text):
    return [float(number) for number in re.findall(r"\d+\.\d+", text)]


@pytest.mark.parametrize(
    ("text", "expected"),
    [("11d 9h", 11 * 86400 + 9 * 3600), ("9h49m", 35340), ("16h20m", 58800), ("2d", 172800), ("5m", 300)],
)
def test_running_times_in_seconds(text, expected):
    assert seconds(text) == expected


@pytest.mark.parametrize("text", ["", "9", "9x", "d9", "9h 49", "-2d"])
def test_other_times_are_refused(text):
    with pytest.raises(ValueError, match="expected days, hours and minutes"):
        seconds(text)


def test_every_network_reads_and_is_valid():
    texts = [best.network for bests in published().best_networks.networks.values() for best in bests]
    assert len(texts) == 9  # one per training dataset, two per evaluation dataset, one per sigma
    for text in texts:
        assert to_text(parse(text)) == text
        assert is_valid(parse(text), (84, 84, 3))
        assert len(parse(text)) <= 10


def test_networks_are_those_of_the_page(root):
    """`omniglot conv5 max3 ...; ...; aircraft ... and ...`: each list is introduced by its dataset."""
    chains, multi_branch = bullet(root, "The best networks:").removeprefix("The best networks:").split(" Fig. 21: ")
    listed = {}
    for part in re.sub(r" \(.*", "", chains).split(";"):
        dataset, networks = part.strip().split(" ", 1)
        listed[dataset] = networks.split(" and ")
    found = {name: [best.network for best in bests] for name, bests in published().best_networks.networks.items()}
    assert listed == {name: networks for name, networks in found.items() if name in DATASETS}
    (branches,), (chain,) = found["sigma0.0"], found["sigma0.1"]
    assert multi_branch.startswith(f"sigma 0.1: {chain}; sigma 0.0: ")
    told = "conv5 conv5 avg3 conv5, then two branches max2 max2 max2 and max2 conv5 avg3, concatenated"
    assert told in multi_branch
    stem, first, second = re.match(r"(.*), then two branches (.*) and (.*), conc", told).groups()
    assert branches == " ".join([stem, first, second.replace("max2", "max2@4")])


# Of each network, by hand: classes (Table 3); sizes of the map after each layer; channels of the last map; kernel and
# input channels of each convolution. All have 32 filters. A convolution keeps size - kernel + 1 pixels, a pooling
# size // kernel. Figure 21's two branches end with 32 channels each: their concatenation has 64.
BY_HAND = {
    ("omniglot", 1): (1623, [80, 26, 26, 22, 22, 18, 18, 9, 3], 32, [(5, 3), *[(1, 32), (5, 32)] * 2, (1, 32)]),
    ("vgg_flower", 1): (102, [82, 80, 40, 20, 10, 5], 32, [(3, 3), (3, 32)]),
    ("dtd", 1): (47, [82, 82, 80, 40, 20, 10, 5], 32, [(3, 3), (1, 32), (3, 32)]),
    ("aircraft", 1): (100, [82, 78, 39, 19], 32, [(3, 3), (5, 32)]),
    ("aircraft", 2): (100, [84, 82, 80, 40, 13], 32, [(1, 3), (3, 32), (3, 32)]),
    ("cu_birds", 1): (200, [84, 82, 80, 40, 38, 19, 9, 4, 2], 32, [(1, 3), (3, 32), (3, 32), (3, 32)]),
    ("cu_birds", 2): (200, [82, 82, 80, 76, 38, 19, 9, 4, 2], 32, [(3, 3), (1, 32), (3, 32), (5, 32)]),
    ("sigma0.0", 1): (1623, [80, 76, 25, 21, 10, 5, 2, 10, 6, 2], 64, [(5, 3), (5, 32), (5, 32), (5, 32)]),
    ("sigma0.1", 1): (1623, [42, 38, 36, 18, 16, 8, 4, 4], 32, [(5, 3), (3, 32), (3, 32), (1, 32)]),
}  # fmt: skip


@pytest.mark.parametrize(("subject", "rank"), BY_HAND)
def test_parameters_of_the_best_networks_by_hand(subject, rank):
    """A convolution has k k c_in 32 weights, 32 biases, 32 scales and 32 shifts; the dense layers follow."""
    classes, sizes, channels, convolutions = BY_HAND[subject, rank]
    network = parse(published().best_networks.networks[subject][rank - 1].network)
    found = shapes(network, (84, 84, 3), lambda _: 32)
    assert [shape[:2] for shape in found[1:-1]] == [(size, size) for size in sizes]
    assert found[-1] == (sizes[-1], sizes[-1], channels)
    weights = sum(k * k * c_in * 32 + 3 * 32 for k, c_in in convolutions)
    dense = (sizes[-1] ** 2 * channels + 1) * 1024 + (1024 + 1) * classes
    assert costs(network, (84, 84, 3), classes, Recipe()).parameters == weights + dense


def test_early_stop_accuracies_are_those_of_the_page(root):
    text = bullet(root, "Best early-stop accuracy:")
    bests = published().best_networks.networks
    listed = dict.fromkeys(bests, ())
    for name in DATASETS.keys() & bests.keys():
        listed[name] = numbers(re.search(rf"{name} ([\d. ]+(?:and [\d.]+)?)", text)[1])
    for sigma in ("0.0", "0.1"):
        listed[f"sigma{sigma}"] = numbers(re.search(rf"sigma {sigma}: ([\d.]+)", text)[1])
    assert {name: [best.accuracy for best in values] for name, values in bests.items()} == listed
    assert sum(len(values) for values in listed.values()) == len(numbers(text.replace("sigma 0.", "sigma "))) == 9


def test_table_6_is_that_of_the_page(root):
    text = bullet(root, "Table 6:")
    scores = published().long_training.scores
    for dataset in with_role("evaluation"):
        (listed,) = re.findall(dataset + r" ([^;]+?)(?:;|\.$)", text)
        pairs = [numbers(pair) for pair in listed.split(",")]
        assert [[score.mean, score.two_sd] for score in scores[dataset].values()] == pairs
        assert list(scores[dataset]) == ["best1", "best2", "vgg19_cut"]
    assert list(scores) == with_role("evaluation")
    assert published().long_training.repeats == 5  # "mean +- 2 sd of five trainings"


def test_tables_4_5_and_7_are_those_of_the_page(root):
    text = bullet(root, "Table 4")
    times = published().running_times
    listed = [seconds(time) for time in re.findall(TIME, text)]
    exp1 = [[times["exp1"].times[method][name] for name in with_role("training")] for method in ("meta_a2c", "dqn")]
    exp2 = [times["exp2"].times["meta_a2c"][name] for name in with_role("evaluation")]
    exp3 = [times["exp3"].times[sigma]["omniglot"] for sigma in ("sigma0.0", "sigma0.1")]
    assert [*exp1[0], *exp1[1], *exp2, *exp3] == listed
    assert len(listed) == 10


def test_table_9_is_that_of_the_page(root):
    text = bullet(root, "Table 9")
    listed = {name: seconds(time) for name, time in re.findall(rf"(\w+) ({TIME})", text)}
    assert published().running_times["appendix_a"].times == {"meta_a2c": listed}
    assert listed.keys() == DATASETS.keys()


def test_p_and_share_are_those_of_the_page(root):
    assert [published().action_test.p] == numbers(bullet(root, "Wilcoxon"))
    (one_in,) = re.findall(r"about 1 in (\d+)", (root / "docs/paper.md").read_text())
    assert published().multi_branch.share == 1 / int(one_in)


def test_every_group_names_its_place():
    values = published()
    groups = [values.best_networks, values.long_training, *values.running_times.values(), values.action_test]
    assert all(re.match(r"(Figure|Table)s? \d", group.place) for group in [*groups, values.multi_branch])
