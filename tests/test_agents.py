"""The agents against NumPy, hand values, and tasks with known answers."""

import json

import gymnasium
import numpy as np
import pytest
import tensorflow as tf
from test_env import table as by_depth

from nasdmrl.agents.dqn import ADAM, DQN, QNetwork, ReplayBuffer
from nasdmrl.agents.meta_a2c import MetaA2C, Released, discounted_returns
from nasdmrl.agents.policy_files import PolicyError, Spaces
from nasdmrl.env import NASEnv
from nasdmrl.evaluation import Evaluation
from nasdmrl.nsc import canonical, to_text
from nasdmrl.sections import DQN as DQNSettings
from nasdmrl.sections import MetaA2C as A2CSettings

SMALL = Spaces((2, 2), 3)


def sigmoid(x):
    return 1 / (1 + np.exp(-x))


def numeric_gradient(loss, weights, step=1e-5):
    """Central differences of a float64 loss: independent of any automatic derivative."""
    gradients = [np.zeros_like(w) for w in weights]
    for w, g in zip(weights, gradients, strict=True):
        for place in np.ndindex(w.shape):
            kept = w[place]
            values = []
            for sign in (1, -1):
                w[place] = kept + sign * step
                values.append(loss())
            w[place] = kept
            g[place] = (values[0] - values[1]) / (2 * step)
    return gradients


def a2c_loss(weights, inputs, actions, returns, hidden, cell, settings, constants):
    """Equation 1 and the LSTM of Section 5, in NumPy; `constants` holds the advantages, which have no gradient."""
    wx, wh, b, wp, bp, wv, bv = weights
    policy, value, entropy = [], [], []
    for t, x in enumerate(inputs):
        i, f, o, g = np.split(x @ wx + hidden @ wh + b, 4, axis=1)
        cell = sigmoid(f) * cell + sigmoid(i) * np.tanh(g)
        hidden = sigmoid(o) * np.tanh(cell)
        logits = hidden @ wp + bp
        p = np.exp(logits) / np.exp(logits).sum(axis=1, keepdims=True)
        v = (hidden @ wv + bv)[:, 0]
        if len(constants) <= t:
            constants.append(returns[t] - v)
        policy.append(-np.log(p[np.arange(len(x)), actions[t]]) * constants[t])
        value.append((returns[t] - v) ** 2)
        entropy.append(-(p * np.log(p)).sum(axis=1))
    return np.mean(policy) + settings.value_weight * np.mean(value) - settings.entropy_weight * np.mean(entropy)


def weights_of(network):
    names = ("input_weights", "state_weights", "bias", "policy_weights", "policy_bias", "value_weights", "value_bias")
    return [getattr(network, name) for name in names]


@pytest.mark.parametrize("max_norm", [0.05, 100.0])
def test_one_a2c_update_is_numpys(max_norm):
    settings = A2CSettings(lstm_units=3, update_steps=4, max_gradient_norm=max_norm, rmsprop_initial=0.5)
    agent, random = MetaA2C(SMALL, 0, settings), np.random.RandomState(1)
    for variable in agent.network.trainable_variables:
        variable.assign(random.normal(0, 0.5, variable.shape))
    before = [v.numpy().astype(np.float64) for v in weights_of(agent.network)]
    hidden, cell = random.normal(size=(2, 1, 3))
    agent._state = agent._window_state = [np.float32(hidden), np.float32(cell)]
    seen, observation = [], random.normal(size=(2, 2))
    for step in range(4):
        last = ([0.0] * 3 if not seen else np.eye(3)[seen[-1][1]], 0.0 if not seen else seen[-1][2])
        episode_step = [0, 1, 0, 1][step]  # an episode ends with the second step
        action, reward = agent.act(observation), float(random.normal())
        seen.append((np.concatenate([observation.ravel(), last[0], [last[1], episode_step]]), action, reward))
        following = random.normal(size=(2, 2))
        agent.observe(observation, action, reward, following, step == 1)
        observation = following
    inputs, actions, rewards = (np.array(column) for column in zip(*seen, strict=True))
    # The value after the window, by NumPy's LSTM, starts the returns; the second step's return is its reward.
    wx, wh, b, _, _, wv, bv = before
    h, c = hidden, cell
    final = np.concatenate([observation.ravel(), np.eye(3)[actions[-1]], [rewards[-1], 2]])
    for x in (*inputs, final):
        i, f, o, g = np.split(x[None] @ wx + h @ wh + b, 4, axis=1)
        c = sigmoid(f) * c + sigmoid(i) * np.tanh(g)
        h = sigmoid(o) * np.tanh(c)
    returns = np.zeros((4, 1))
    returns[3] = rewards[3] + 0.9 * (h @ wv + bv)[0]
    returns[2] = rewards[2] + 0.9 * returns[3]
    returns[1] = rewards[1]
    returns[0] = rewards[0] + 0.9 * returns[1]
    constants = []
    arguments = (inputs[:, None], actions[:, None], returns, hidden, cell, settings, constants)
    gradients = numeric_gradient(lambda: a2c_loss(before, *arguments), before)
    norm = np.sqrt(sum((g**2).sum() for g in gradients))
    for variable, weight, gradient in zip(weights_of(agent.network), before, gradients, strict=True):
        g = gradient * min(1.0, max_norm / norm)
        square = 0.99 * 0.5 + 0.01 * g**2
        np.testing.assert_allclose(variable.numpy(), weight - 0.001 * g / np.sqrt(square + 1e-5), atol=1e-5)
    assert agent.progress[0]["gradient_norm"] == pytest.approx(norm, rel=1e-3)
    assert agent.progress[0]["entropy"] > 0


def test_returns_by_hand():
    rewards, ends = np.float32([[1], [2], [3]]), np.float32([[0], [1], [0]])
    returns = discounted_returns(rewards, ends, np.float32([10]), 0.5)
    assert returns[:, 0].tolist() == [1 + 0.5 * 2, 2, 3 + 0.5 * 10]


def test_one_dqn_update_is_numpys():
    agent = DQN(Spaces((2,), 3), 0, 100, DQNSettings(hidden_units=4, max_gradient_norm=0.1, discount=0.9))
    random = np.random.RandomState(3)
    for variable in (*agent.network.trainable_variables, *agent.target.trainable_variables):
        variable.assign(random.normal(0, 0.7, variable.shape))

    def q(weights, x):
        for matrix, bias in zip(weights[0:2], weights[3:5], strict=True):
            x = np.tanh(x @ matrix + bias)
        return x @ weights[2] + weights[5]

    ours, target = ([*net.matrices, *net.biases] for net in (agent.network, agent.target))
    before, fixed = ([v.numpy().astype(np.float64) for v in variables] for variables in (ours, target))
    x, following = random.normal(size=(2, 6, 2))
    actions, rewards = random.randint(3, size=6), random.normal(0, 2, 6)
    ends = np.array([0, 0, 1, 0, 1, 0.0])
    best = q(before, following).argmax(axis=1)
    targets = rewards + 0.9 * (1 - ends) * q(fixed, following)[np.arange(6), best]

    def loss():
        error = np.abs(q(before, x)[np.arange(6), actions] - targets)
        return np.mean(np.where(error < 1, 0.5 * error**2, error - 0.5))

    gradients = numeric_gradient(loss, before)
    agent._train(
        *map(
            tf.constant,
            (np.float32(x), np.int32(actions), np.float32(rewards), np.float32(following), np.float32(ends)),
        )
    )
    for variable, weight, gradient in zip(ours, before, gradients, strict=True):
        g = gradient * min(1.0, 0.1 / np.linalg.norm(gradient))
        # Adam's first step is the learning rate times the sign, but for its small constant.
        step = g / (np.abs(g) + ADAM["epsilon"] / np.sqrt(1 - ADAM["beta2"]))
        np.testing.assert_allclose(variable.numpy(), weight - 0.0005 * step, atol=1e-5)


def test_dqn_exploration_and_buffer_follow_section_5():
    agent = DQN(Spaces((2,), 3), 0, 1000)
    assert agent.exploration == 1.0
    agent.steps = 500
    assert agent.exploration == pytest.approx(0.55)
    agent.steps = 1000
    assert agent.exploration == pytest.approx(0.1)
    assert len(agent.buffer._actions) == 500


def test_replay_buffer_forgets_the_oldest():
    buffer = ReplayBuffer(3, 1)
    for i in range(5):
        buffer.add(np.array([i]), i, i, np.array([i + 1]), False)
    _, actions, *_ = buffer.sample(200, np.random.RandomState(0))
    assert set(actions) == {2, 3, 4}


def test_dqn_target_follows_every_hundred_steps():
    agent = DQN(Spaces((1,), 2), 0, 400, DQNSettings(learning_starts=0))
    random = np.random.RandomState(0)
    for step in range(1, 151):
        agent.observe(random.normal(size=1), random.randint(2), float(random.normal()), random.normal(size=1), False)
        if step == 100:
            kept = [v.numpy() for v in agent.network.trainable_variables]
    for a, b, c in zip(agent.target.trainable_variables, kept, agent.network.trainable_variables, strict=True):
        np.testing.assert_array_equal(a.numpy(), b)
        assert not np.array_equal(b, c.numpy())


# --- memory -------------------------------------------------------------------------------------------------


def acted(released=None, **options):
    """An agent after an episode of three steps, the last of which ended it."""
    agent = MetaA2C(SMALL, 0, A2CSettings(update_steps=100), released, **options)
    for step in range(3):
        agent.act(np.ones((2, 2)))
        agent.observe(np.ones((2, 2)), 1, 0.5, np.ones((2, 2)), step == 2)
    return agent


def test_memory_lives_through_the_trial():
    agent = acted()
    assert np.abs(agent._state[0]).max() > 0
    assert agent._last_reward == [0.5]
    assert agent._episode_step == [0]
    agent.new_trial()
    assert np.abs(agent._state[0]).max() == 0
    assert agent._last_reward == [0]


def test_released_code_forgets_at_the_end_of_an_episode():
    assert np.abs(acted(Released(forgets=True))._state[0]).max() == 0  # D3


def test_released_update_sees_returns_and_steps_one_ahead():
    # D4
    agent = acted(Released(shifted_inputs=True))
    inputs = np.stack([row[0] for row in agent._window])
    returns = np.float32([[7], [8], [9]])
    shifted = agent._shifted(inputs, returns)
    assert inputs[:, 0, -2:].tolist() == [[0, 0], [0.5, 1], [0.5, 2]]
    assert shifted[:, 0, -2:].tolist() == [[0, 1], [7, 2], [8, 3]]


class Cue(gymnasium.Env):
    """The first observation shows a cue, which only memory can bring to the rewarded last action two steps later."""

    observation_space = gymnasium.spaces.Box(-1, 1, (1,), np.float32)
    action_space = gymnasium.spaces.Discrete(2)

    def __init__(self, seed):
        self.random = np.random.RandomState(seed)

    def reset(self, **_):
        self.cue, self.time = self.random.choice([-1, 1]), 0
        return np.float32([self.cue]), {}

    def step(self, action):
        self.time += 1
        ended = self.time == 3
        reward = float(ended and action == (self.cue > 0))
        return np.float32([0]), reward, ended, False, {}


def play(agent, env, steps):
    """Rewards of all steps."""
    rewards, ended = [], True
    for _ in range(steps):
        if ended:
            observation, _ = env.reset()
        action = agent.act(observation)
        following, reward, ended, truncated, _ = env.step(action)
        agent.observe(observation, action, reward, following, ended)
        observation, ended = following, ended or truncated
        rewards.append(reward)
    return np.array(rewards)


@pytest.mark.parametrize(("cut", "low", "high"), [(False, 0.9, 1.0), (True, 0.0, 0.65)])
def test_memory_is_needed_and_learned(cut, low, high):
    settings = A2CSettings(lstm_units=16, update_steps=6, learning_rate=0.003, rmsprop_initial=0)
    agent = MetaA2C(Spaces.of(Cue(0)), 0, settings, forget_always=cut)
    play(agent, Cue(1), 9000)
    success = play(agent, Cue(2), 1500).sum() / 500
    assert low <= success <= high


# --- a small space with a table of rewards ------------------------------------------------------------------

BEST = "conv3 max2"


def small_table(network):
    """Only one network is good; its first layer alone is a hint."""
    text = to_text(canonical(network))
    reward = {BEST: 1.0, "conv3": 0.3}.get(text, 0.1)
    return Evaluation(canonical(network), reward, reward)


def greedy_network(choose, env):
    observation, _ = env.reset()
    networks, ended = {}, False
    while not ended:
        observation, reward, ended, _, info = env.step(choose(observation))
        networks[info["network"]] = reward
    return max(networks, key=networks.get)


def test_dqn_finds_the_best_network():
    env = NASEnv(small_table, max_layers=2, max_actions=2)
    agent = DQN(Spaces.of(env), 0, 3000, DQNSettings(learning_starts=100))
    play(agent, env, 3000)
    assert greedy_network(agent.best_action, env) == BEST


def test_meta_a2c_finds_the_best_network():
    env = NASEnv(small_table, max_layers=2, max_actions=2)
    agent = MetaA2C(Spaces.of(env), 0, A2CSettings(rmsprop_initial=0))
    play(agent, env, 6000)
    assert play(agent, env, 200).reshape(-1, 2).max(axis=1).mean() > 0.9


# --- policies -----------------------------------------------------------------------------------------------


@pytest.fixture(params=["meta_a2c", "dqn"])
def make(request):
    """Makes an agent for some spaces."""
    if request.param == "dqn":
        return lambda spaces, seed: DQN(spaces, seed, 100)
    return lambda spaces, seed: MetaA2C(spaces, seed)


def test_policy_round_trip(make, tmp_path):
    first, second = make(SMALL, 0), make(SMALL, 1)
    history = [{"dataset": "omniglot", "steps": 5, "seed": 0}]
    first.save(tmp_path / "policy", history)
    assert second.load(tmp_path / "policy") == history
    for a, b in zip(first.network.trainable_variables, second.network.trainable_variables, strict=True):
        np.testing.assert_array_equal(a.numpy(), b.numpy())
    second.save(tmp_path / "again", history)
    for name in ("weights.npy", "card.json"):
        assert (tmp_path / "policy" / name).read_bytes() == (tmp_path / "again" / name).read_bytes()


def test_policy_for_other_spaces_is_refused(make, tmp_path):
    make(SMALL, 0).save(tmp_path / "policy", [])
    with pytest.raises(
        PolicyError, match=r"spaces is \{'observation': \[2, 2\], 'actions': 3\}, expected .*'actions': 4"
    ):
        make(Spaces((2, 2), 4), 0).load(tmp_path / "policy")


def test_policy_of_another_agent_is_refused(tmp_path):
    DQN(SMALL, 0, 10).save(tmp_path / "policy", [])
    with pytest.raises(PolicyError, match="the policy's agent is dqn, expected meta_a2c"):
        MetaA2C(SMALL, 0).load(tmp_path / "policy")


def test_damaged_policies_and_pickles_are_refused(tmp_path):
    MetaA2C(SMALL, 0).save(tmp_path / "policy", [])
    np.save(tmp_path / "policy/weights.npy", np.array([{"code": 1}], dtype=object), allow_pickle=True)
    with pytest.raises(PolicyError, match=r"cannot be read .*allow_pickle=False"):
        MetaA2C(SMALL, 0).load(tmp_path / "policy")
    np.save(tmp_path / "policy/weights.npy", np.zeros(3, np.float32))
    with pytest.raises(PolicyError, match="3 weights, expected"):
        MetaA2C(SMALL, 0).load(tmp_path / "policy")
    with pytest.raises(PolicyError, match="nowhere: cannot be read"):
        MetaA2C(SMALL, 0).load(tmp_path / "nowhere")


def test_card_says_what_the_policy_is(tmp_path):
    MetaA2C(Spaces((10, 25), 8), 0).save(tmp_path / "policy", [{"dataset": "dtd"}])
    card = json.loads((tmp_path / "policy/card.json").read_text())
    assert (card["agent"], card["lstm_units"]) == ("meta_a2c", 128)
    assert card["spaces"] == {"observation": [10, 25], "actions": 8}
    assert {w["name"]: w["shape"] for w in card["weights"]}["input_weights"] == [250 + 8 + 2, 512]
    assert card["history"] == [{"dataset": "dtd"}]


def test_fixed_policy_keeps_its_weights(make):
    if make(SMALL, 0).name == "dqn":
        pytest.skip("only deep meta-RL's policy is evaluated fixed (Exp. 2a)")
    env = NASEnv(by_depth)
    agent = MetaA2C(Spaces.of(env), 0, learning=False)
    before = [v.numpy() for v in agent.network.trainable_variables]
    play(agent, env, 50)
    for a, b in zip(before, agent.network.trainable_variables, strict=True):
        np.testing.assert_array_equal(a, b.numpy())
    assert agent.progress == []


@pytest.mark.parametrize("name", ["a2c", "dqn"])
def test_agents_are_deterministic(name):
    def run():
        env = NASEnv(by_depth)
        spaces = Spaces.of(env)
        agent = MetaA2C(spaces, 5) if name == "a2c" else DQN(spaces, 5, 150, DQNSettings(learning_starts=20))
        rewards = play(agent, env, 150)
        return rewards.tobytes(), b"".join(v.numpy().tobytes() for v in agent.network.trainable_variables)

    # Several runs: a difference that depends on the order of threads shows in one of some dozens.
    assert len({run() for _ in range(12)}) == 1


def test_q_network_is_two_tanh_layers_of_64():
    network = QNetwork([250, 64, 64, 8], 0)
    assert [tuple(m.shape) for m in network.matrices] == [(250, 64), (64, 64), (64, 8)]
    assert np.abs(network(tf.ones((1, 250)))).shape == (1, 8)
