"""What a run needs of the disk, against values by hand and against files."""

import pytest
from conftest import stripes
from stub_programs import failing

from nasdmrl.config.model import from_dict, load
from nasdmrl.data.images import ImageData
from nasdmrl.preflight.disk import count_images, disk_needs, vgg19_cut_parameters
from nasdmrl.preflight.doctor import check_space
from nasdmrl.training.checkpoints import save_checkpoint


def test_disk_of_the_papers_scale_by_hand(root):
    needs = disk_needs(load(root / "config/paper.yaml"))
    archives = [9464212, 6462886, 344862509, 502, 625239812, 2753340328, 1150585339, 276294756]
    assert needs["archives"] == sum(archives)
    assert needs["images"] == (32460 + 8189 + 5640 + 10000 + 11788 + 39209) * 84 * 84 * 3


def test_disk_within_limits_of_the_configuration():
    limits = {"source": "standin", "image_size": 10, "classes": 4, "images_per_class": 5}
    needs = disk_needs(from_dict({"data": limits, "appendix_a": {"traffic_sign": "skip"}}, "test"))
    assert needs["images"] == 5 * (4 * 5) * 10 * 10 * 3


def test_limits_of_a_dataset_count():
    limits = {"omniglot": {"classes": 3}, "dtd": {"images_per_class": 7}, "aircraft": {"classes": 2}}
    settings = from_dict({"data": {"source": "standin", "classes": 4, "images_per_class": 5, "limits": limits}}, "test")
    assert [count_images(name, settings) for name in ("omniglot", "dtd", "cu_birds")] == [3 * 5, 4 * 7, 4 * 5]
    all_classes = from_dict({"data": {"source": "standin"}}, "test")
    # Of the last layer, 4096 weights and a bias a class (Section 7); aircraft has officially 100 classes.
    assert vgg19_cut_parameters(all_classes, "aircraft") - vgg19_cut_parameters(settings, "aircraft") == 98 * 4097


def test_images_of_the_stand_ins_are_as_many_as_are_drawn():
    """16 classes of 40 images, of omniglot's characters 20 as in the paper's dataset."""
    settings = from_dict({"data": {"source": "standin"}}, "test")
    assert [count_images(name, settings) for name in ("omniglot", "dtd")] == [16 * 20, 16 * 40]


def test_disk_of_a_folder_of_archives_is_its_records(standins):
    settings = from_dict({"data": {"source": "archives", "archives": str(standins)}}, "test")
    needs = disk_needs(settings)
    size = sum(path.stat().st_size for path in standins.iterdir())
    assert needs["archives"] == 0
    assert size < needs["records"] < 6 * size


def test_checkpoint_is_as_large_as_said(tmp_path):
    from nasdmrl.training.early_stop import training_of
    from nasdmrl.training.long import model_of, parameters

    settings = from_dict(
        {"data": {"image_size": 16, "classes": 3}, "exp2": {"dense_units": 256, "vgg_filters": 8, "repeats": 2}}, "test"
    )
    recipe, images = settings.long_recipe(0), stripes(30, 16)
    data = ImageData("aircraft", images.images, images.labels, 3, "x")
    training = training_of(model_of("vgg19_cut", data, recipe), data, recipe)
    assert vgg19_cut_parameters(settings, "aircraft") == parameters(training.program.model)
    save_checkpoint(tmp_path / "c.npz", training.variables, [], {})
    one = 2 * (tmp_path / "c.npz").stat().st_size
    assert disk_needs(settings, jobs=1)["checkpoints"] == pytest.approx(one, rel=0.02)
    assert disk_needs(settings)["checkpoints"] == pytest.approx(2 * 3 * 2 * one, rel=0.02)


def test_more_than_the_disk_has(tmp_path):
    huge = from_dict({"data": {"image_size": 100_000}}, "test")  # 3 PB
    check = failing([check_space(huge, tmp_path)])
    assert check.state == "FAILED"
    assert "3,2" in check.found
    assert "larger disk" in check.fix


def test_what_is_there_is_not_needed_again(tmp_path, root):
    settings = load(root / "config/paper.yaml")
    before = check_space(settings, tmp_path / "results").found
    (tmp_path / "results/archives").mkdir(parents=True)
    with (tmp_path / "results/archives/file").open("wb") as file:
        file.truncate(5_000_000_000)  # a sparse file
    after = check_space(settings, tmp_path / "results").found
    needed = [float(text.split("about ")[1].split(" GB")[0]) for text in (before, after)]
    assert needed[0] - needed[1] == pytest.approx(5.0, abs=0.1)
