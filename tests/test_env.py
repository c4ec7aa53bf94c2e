"""NASEnv against Sections 3 and 4, and gymnasium's own checker."""

import gymnasium
import numpy as np
import pytest
from gymnasium.error import ResetNeeded
from gymnasium.utils.env_checker import check_env

from nasdmrl.space.actions import CHAIN, MULTI_BRANCH
from nasdmrl.space.environment import NASEnv
from nasdmrl.space.evaluation import Evaluation
from nasdmrl.space.nsc import canonical, encode, is_valid, parse

CONV1, CONV3, CONV5, MAX2, MAX3, AVG2, AVG3, TERMINAL, ADD, CONCAT, P1_UP, P1_DOWN, P2_UP, P2_DOWN = range(14)


def table(network):
    """Reward without training: a tenth for every layer, on images of 84 pixels."""
    form = canonical(network)
    if not is_valid(form, (84, 84, 3)):
        return Evaluation(form, 0.0, 0.0, "invalid")
    return Evaluation(form, len(form) / 10, len(form) / 10)


def play(env, actions):
    env.reset()
    return [env.step(action) for action in actions]


def test_actions_are_the_papers():
    names = ["conv1", "conv3", "conv5", "max2", "max3", "avg2", "avg3", "terminal", "add", "concat"]
    assert [action.name for action in CHAIN] == names[:8]
    assert [action.name for action in MULTI_BRANCH] == [*names, "p1 up", "p1 down", "p2 up", "p2 down"]


@pytest.mark.parametrize(("name", "shape", "actions"), [("Chain", (10, 25), 8), ("MultiBranch", (10, 36), 14)])
def test_gymnasium_accepts_it(name, shape, actions):
    env = gymnasium.make(f"nasdmrl/{name}-v0", evaluator=table, render_mode="ansi")
    check_env(env.unwrapped)
    assert env.observation_space.shape == shape
    assert env.action_space.n == actions


def test_reward_at_every_step_and_the_encoding():
    env = NASEnv(table)
    steps = play(env, [CONV3, MAX2, TERMINAL])
    assert [reward for _, reward, *_ in steps] == [0.1, 0.2, 0.2]
    assert [ended for _, _, ended, *_ in steps] == [False, False, True]
    np.testing.assert_array_equal(steps[-1][0], encode(parse("conv3 max2 terminal"), 10, False))
    assert steps[1][4]["network"] == "conv3 max2"


def test_episode_ends_at_d_layers():
    steps = play(NASEnv(table, max_actions=100), [CONV1] * 10)
    assert [ended for _, _, ended, *_ in steps] == [False] * 9 + [True]


def test_episode_ends_after_tau_actions():
    steps = play(NASEnv(table, max_actions=3), [CONV1] * 3)
    assert [(ended, truncated) for _, _, ended, truncated, _ in steps] == [(False, False)] * 2 + [(True, False)]


def test_invalid_network_earns_nothing_and_ends():
    # 84, 28, 9, 3, 1, vanished
    steps = play(NASEnv(table), [MAX3] * 5)
    assert [reward for _, reward, *_ in steps] == pytest.approx([0.1, 0.2, 0.3, 0.4, 0.0])
    assert steps[-1][2] is True
    assert steps[-1][4]["valid"] is False


def test_step_after_the_end_is_refused():
    env = NASEnv(table)
    play(env, [TERMINAL])
    with pytest.raises(ResetNeeded):
        env.step(CONV3)


@pytest.mark.parametrize("action", [-1, 8, -8, np.int64(-1)])
def test_actions_that_the_space_does_not_have_are_refused(action):
    env = NASEnv(table)
    env.reset()
    with pytest.raises(ValueError, match=f"action {action}: the actions of space `chain` are 0 to 7"):
        env.step(action)
    assert env.network == ()
    with pytest.raises(ValueError, match="action 14: the actions of space `multi_branch` are 0 to 13"):
        play(multi(), [14])


def test_terminal_first_is_the_prediction_module_alone():
    (step,) = play(NASEnv(table), [TERMINAL])
    assert (step[1], step[2], step[4]["layers"]) == (0.0, True, 0)


def multi(sigma=0.1):
    return NASEnv(table, "multi_branch", max_actions=20, sigma=sigma)


def test_pointers_follow_the_newest_layer():
    env = multi()
    play(env, [CONV3, MAX2, P1_DOWN])
    assert env.pointers == (1, 2)
    env.step(CONV5)  # on layer 1
    assert env.network == parse("conv3 max2 conv5@1")
    assert env.pointers == (2, 3)  # the shifts are kept
    env.step(ADD)
    assert env.network == parse("conv3 max2 conv5@1 add@2,3")


def test_shift_scales_the_reward_and_leaves_the_network():
    steps = play(multi(0.1), [CONV3, MAX2, P2_DOWN, P2_UP])
    assert [reward for _, reward, *_ in steps] == pytest.approx([0.1, 0.2, 0.02, 0.02])
    assert [reward for _, reward, *_ in play(multi(0.0), [CONV3, P1_DOWN])] == [0.1, 0.0]
    np.testing.assert_array_equal(steps[1][0], steps[3][0])


@pytest.mark.parametrize("actions", [[P1_DOWN], [P1_UP], [CONV3, P1_DOWN, P1_DOWN], [CONV3, P2_UP]])
def test_pointer_out_of_bounds_earns_nothing_and_ends(actions):
    *_, (_, reward, ended, _, info) = play(multi(), actions)
    assert (reward, ended, info["status"], info["valid"]) == (0.0, True, "out_of_bounds", False)


def test_merging_the_image_is_invalid():
    *_, (_, reward, ended, _, info) = play(multi(), [CONV3, P1_DOWN, CONCAT])
    assert (reward, ended, info["status"]) == (0.0, True, "invalid")


def test_pointers_start_at_zero_in_each_episode():
    env = multi()
    play(env, [CONV3, P1_DOWN])
    env.reset()
    assert env.pointers == (0, 0)


def test_looked_up_means_met_before_in_any_form():
    env = NASEnv(table)
    first = [info["looked_up"] for *_, info in play(env, [CONV3, MAX2, TERMINAL])]
    second = [info["looked_up"] for *_, info in play(env, [CONV3, CONV3])]
    assert (first, second) == ([False, False, True], [True, False])


def test_render(capsys):
    env = NASEnv(table, render_mode="ansi")
    play(env, [CONV3, MAX2])
    assert env.render() == "conv3 max2"
    play(NASEnv(table, render_mode="human"), [CONV5])
    assert capsys.readouterr().out == "conv5\n"
