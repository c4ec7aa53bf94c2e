"""The agents against equations in float64 with TensorFlow's gradients, hand values, and tasks with known answers."""

import json

import gymnasium
import numpy as np
import pytest
import tensorflow as tf
from test_env import table as by_depth

from nasdmrl.agents.descent import Adam, RMSProp
from nasdmrl.agents.dqn import ADAM, DQN, ReplayBuffer
from nasdmrl.agents.meta_a2c import MetaA2C, Released, discounted_returns
from nasdmrl.agents.policies import PolicyError, Spaces
from nasdmrl.agents.q_network import QNetwork
from nasdmrl.config.sections import DQN as DQNSettings
from nasdmrl.config.sections import MetaA2C as A2CSettings
from nasdmrl.space.environment import NASEnv
from nasdmrl.space.evaluation import Evaluation
from nasdmrl.space.nsc import canonical, to_text

SMALL = Spaces((2, 2), 3)


def in_float64(network):
    """A network's weights by name, as variables of TensorFlow."""
    return {name: tf.Variable(array, dtype=tf.float64) for name, array in network.weights.arrays.items()}


def randomise(network, random, scale=0.5):
    network.weights.flat[:] = random.normal(0, scale, network.weights.flat.size)


# --- deep meta-RL ---------------------------------------------------------------------------------------------


def lstm_step(weights, inputs, hidden, cell):
    """The LSTM and the heads of Section 5: logits, values, hidden and cell state."""
    gates = tf.concat([inputs, hidden], axis=1) @ weights["lstm_weights"] + weights["lstm_bias"]
    into, forget, out, candidate = tf.split(gates, 4, axis=1)
    cell = tf.sigmoid(forget) * cell + tf.sigmoid(into) * tf.tanh(candidate)
    hidden = tf.sigmoid(out) * tf.tanh(cell)
    heads = hidden @ weights["head_weights"] + weights["head_bias"]
    return heads[:, :-1], heads[:, -1], hidden, cell


def a2c_gradients(weights, inputs, keep, state, actions, returns, advantages, settings):
    """Gradients of equation 1 by name, and their global norm, from the state before the window."""
    with tf.GradientTape() as tape:
        hidden, cell = state
        policy, value, entropy = [], [], []
        for t, now in enumerate(inputs):
            logits, values, hidden, cell = lstm_step(weights, now, hidden * keep[t], cell * keep[t])
            logs = tf.nn.log_softmax(logits)
            policy.append(-tf.gather(logs, actions[t], batch_dims=1) * advantages[t])
            value.append(tf.square(returns[t] - values))
            entropy.append(-tf.reduce_sum(tf.exp(logs) * logs, axis=1))
        policy, value, entropy = (tf.reduce_mean(part) for part in (policy, value, entropy))
        loss = policy + settings.value_weight * value - settings.entropy_weight * entropy
    gradients = tape.gradient(loss, weights)
    norm = float(tf.linalg.global_norm(list(gradients.values())))
    numbers = {"policy_loss": policy, "value_loss": value, "entropy": entropy, "gradient_norm": norm}
    return {name: gradient.numpy() for name, gradient in gradients.items()}, numbers


WINDOW, SCALE = 4, 0.5
ENDS = np.array([[0, 1, 0], [1, 0, 0], [0, 0, 0], [0, 0, 1], [0, 1, 0], [0, 0, 0], [1, 0, 0], [0, 0, 0]])
"""Which of three workers' episodes end with each of eight steps, two windows."""


@pytest.mark.parametrize("max_norm", [0.05, 100.0])
@pytest.mark.parametrize(
    ("workers", "released", "cut"),
    [
        (1, Released(), False),
        (3, Released(), False),
        (1, Released(forgets=True), False),
        (1, Released(shifted_inputs=True), False),
        (3, Released(forgets=True, shifted_inputs=True, starts_with_zero=True), False),
        (3, Released(), True),
    ],
)
def test_a2c_updates_are_those_of_the_equations(workers, released, cut, max_norm):
    """Two windows of a trial, everything but the sampled actions computed anew from Sections 5 and 9."""
    settings = A2CSettings(
        lstm_units=3, update_steps=WINDOW, max_gradient_norm=max_norm, rmsprop_initial=0.5, learning_rate=0.5
    )
    agent = MetaA2C(SMALL, 7, settings, released, workers=workers, step_scale=SCALE, forget_always=cut)
    random = np.random.RandomState(1)
    randomise(agent.network, random)
    first = np.zeros(workers, int) if released.starts_with_zero else np.random.RandomState(7).randint(3, size=workers)
    last_action, last_reward, last_return, counter = np.eye(3)[first], *np.zeros((3, workers))
    weights, squares = in_float64(agent.network), np.full(agent.network.weights.flat.size, 0.5)
    state = before = [np.zeros((workers, 3))] * 2
    observation, window = random.normal(size=(workers, 2, 2)), []

    def seen():
        flat = observation.reshape(workers, -1)
        return np.concatenate([flat, last_action, last_reward[:, None], SCALE * counter[:, None]], axis=1)

    for ends in ENDS[:, :workers]:
        inputs = seen()
        _, values, *state = lstm_step(weights, inputs, *state)
        actions, rewards = np.atleast_1d(agent.act(observation)), np.float32(random.normal(size=workers))
        following = random.normal(size=(workers, 2, 2))
        one = workers == 1
        agent.observe(
            observation, actions[0] if one else actions, float(rewards[0]) if one else rewards, following,
            bool(ends[0]) if one else ends,
        )  # fmt: skip
        window.append((inputs, actions, rewards.astype(np.float64), ends, values))
        kept = np.zeros((workers, 1)) if cut else 1.0 - ends[:, None] * released.forgets
        state = [kept * part for part in state]
        last_action, last_reward, counter = np.eye(3)[actions], rewards, np.where(ends, 0, counter + 1)
        observation = following
        if len(window) < WINDOW:
            continue

        _, after, *_ = lstm_step(weights, seen(), *state)
        inputs, actions, rewards, ended, values = (np.array(parts) for parts in zip(*window, strict=True))
        returns = np.zeros_like(rewards)
        for t in reversed(range(WINDOW)):
            after = returns[t] = rewards[t] + 0.9 * (1 - ended[t]) * after
        if released.shifted_inputs:
            inputs[:, :, -2] = [last_return, *returns[:-1]]
            inputs[:, :, -1] = np.where(ended, 0, inputs[:, :, -1] + SCALE)
        forgotten = np.ones_like(ended) if cut else ended * released.forgets
        keep = 1.0 - np.concatenate([np.zeros((1, workers)), forgotten[:-1]])[..., None]
        gradients, numbers = a2c_gradients(weights, inputs, keep, before, actions, returns, returns - values, settings)
        gradient = np.concatenate([g.ravel() for g in gradients.values()])
        gradient *= min(1.0, max_norm / numbers["gradient_norm"])
        squares = 0.99 * squares + 0.01 * gradient**2
        expected = np.concatenate([w.numpy().ravel() for w in weights.values()])
        expected -= 0.5 * gradient / np.sqrt(squares + 1e-5)
        np.testing.assert_allclose(agent.network.weights.flat, expected, atol=3e-6)
        np.testing.assert_allclose(agent._optimizer.squares, squares, rtol=1e-5)
        for name, number in numbers.items():
            assert agent.progress[-1][name] == pytest.approx(float(number), abs=1e-5), name
        weights, before, window, last_return = in_float64(agent.network), state, [], returns[-1]
    assert [row["step"] for row in agent.progress] == [4, 8]


def test_returns_by_hand():
    rewards, ends = np.float32([[1], [2], [3]]), np.float32([[0], [1], [0]])
    returns = discounted_returns(rewards, ends, np.float32([10]), 0.5)
    assert returns[:, 0].tolist() == [1 + 0.5 * 2, 2, 3 + 0.5 * 10]


def test_first_weights_are_baselines():
    network = MetaA2C(Spaces((10, 25), 8), 0).network
    of_input, of_state = np.split(network.weights["lstm_weights"], [250 + 8 + 2])
    for matrix, rows in ((of_input, 260), (of_state, 128)):
        np.testing.assert_allclose(matrix @ matrix.T, np.eye(rows), atol=1e-5)
    policy, value = np.split(network.weights["head_weights"], [8], axis=1)
    np.testing.assert_allclose(policy.T @ policy, 1e-4 * np.eye(8), atol=1e-8)
    assert np.linalg.norm(value) == pytest.approx(1)
    assert np.abs(network.weights["lstm_bias"]).max() == np.abs(network.weights["head_bias"]).max() == 0


# --- optimisers -----------------------------------------------------------------------------------------------


def test_optimisers_are_tensorflows():
    """The kernels that TensorFlow 1's RMSProp and Adam ran."""
    random = np.random.RandomState(0)
    ours = np.float32(random.normal(size=(2, 50)))
    theirs, slots = [tf.Variable(row) for row in ours], [tf.Variable(tf.zeros(50)) for _ in range(3)]
    squares = tf.Variable(tf.fill([50], 0.7))
    rmsprop, adam = RMSProp(50, 0.99, 1e-5, 0.7), Adam(50, **ADAM)
    for update in range(1, 31):
        gradient = np.float32(random.normal(size=50) * 10.0 ** random.uniform(-6, 1, 50))
        tf.raw_ops.ResourceApplyRMSProp(
            var=theirs[0].handle, ms=squares.handle, mom=slots[0].handle, grad=gradient, lr=0.01, rho=0.99,
            momentum=0.0, epsilon=1e-5,
        )  # fmt: skip
        tf.raw_ops.ResourceApplyAdam(
            var=theirs[1].handle, m=slots[1].handle, v=slots[2].handle, grad=gradient, lr=0.01,
            beta1_power=0.9**update, beta2_power=0.999**update, **ADAM,
        )  # fmt: skip
        rmsprop.apply(ours[0], gradient, 0.01)
        adam.apply(ours[1], gradient, 0.01)
    np.testing.assert_allclose(ours, [their.numpy() for their in theirs], rtol=2e-5, atol=2e-6)
    np.testing.assert_allclose(rmsprop.squares, squares.numpy(), rtol=1e-5)


def test_moments_without_gradient_do_not_become_denormal():
    weights, gradient = np.zeros((2, 4), np.float32)
    rmsprop, adam = RMSProp(4, 0.9, 1e-5, 1.0), Adam(4, 0.9, 0.9, 1e-8)
    gradient[:] = 1
    for _ in range(2000):
        for optimizer in (rmsprop, adam):
            optimizer.apply(weights, gradient, 0.01)
        gradient[:] = 0
    for moments in (rmsprop.squares, adam._first, adam._second):
        assert np.finfo(np.float32).tiny < moments.min() <= moments.max() < 1e-25


# --- DQN ------------------------------------------------------------------------------------------------------


def q_values(weights, x, dueling):
    """Baselines' network (Section 5)."""
    for name in ("trunk1", "trunk2"):
        x = tf.tanh(x @ weights[f"{name}_weights"] + weights[f"{name}_bias"])

    def stream(hidden, output):
        y = tf.nn.relu(x @ weights[f"{hidden}_weights"] + weights[f"{hidden}_bias"])
        return y @ weights[f"{output}_weights"] + weights[f"{output}_bias"]

    advantages = stream("action_hidden", "action_values")
    if not dueling:
        return advantages
    return stream("state_hidden", "state_values") + advantages - tf.reduce_mean(advantages, axis=1, keepdims=True)


@pytest.mark.parametrize("max_norm", [0.05, 100.0])
@pytest.mark.parametrize("dueling", [True, False])
def test_dqn_updates_are_those_of_the_equations(dueling, max_norm):
    settings = DQNSettings(
        hidden_units=4, dueling_units=5, dueling=dueling, max_gradient_norm=max_norm, discount=0.9, learning_rate=0.01
    )
    agent, random = DQN(Spaces((2,), 3), 0, 100, settings), np.random.RandomState(3)
    for network in (agent.network, agent.target):
        randomise(network, random, 0.7)
    fixed, weights = in_float64(agent.target), in_float64(agent.network)
    first, second = ({name: np.zeros(w.shape) for name, w in weights.items()} for _ in range(2))
    for update in (1, 2):
        x, following = np.float32(random.normal(size=(2, 6, 2)))
        actions, rewards = random.randint(3, size=6), np.float32(random.normal(0, 2, 6))
        ends = np.float32([0, 0, 1, 0, 1, 0])
        best = tf.argmax(q_values(weights, following.astype(np.float64), dueling), axis=1)
        future = tf.gather(q_values(fixed, following.astype(np.float64), dueling), best, batch_dims=1)
        targets = rewards + 0.9 * (1 - ends) * future
        with tf.GradientTape() as tape:
            chosen = tf.gather(q_values(weights, x.astype(np.float64), dueling), actions, batch_dims=1)
            size = tf.abs(chosen - targets)
            loss = tf.reduce_mean(tf.where(size < 1, size**2 / 2, size - 0.5))
        gradients = tape.gradient(loss, weights)
        numbers = agent._learn(x, actions, rewards, following, ends)
        assert numbers["loss"] == pytest.approx(float(loss), rel=1e-5)
        assert numbers["gradient_norm"] == pytest.approx(
            float(tf.linalg.global_norm(list(gradients.values()))), rel=1e-5
        )
        assert 0 < np.sum(size < 1) < 6  # both halves of Huber's loss are met
        for name, gradient in gradients.items():
            gradient = gradient.numpy()
            g = gradient * min(1.0, max_norm / np.linalg.norm(gradient))
            m = first[name] = 0.9 * first[name] + 0.1 * g
            v = second[name] = 0.999 * second[name] + 0.001 * g**2
            rate = 0.01 * np.sqrt(1 - 0.999**update) / (1 - 0.9**update)
            expected = weights[name].numpy() - rate * m / (np.sqrt(v) + 1e-8)
            np.testing.assert_allclose(agent.network.weights[name], expected, atol=2e-5, err_msg=name)
        weights = in_float64(agent.network)


@pytest.mark.parametrize(
    ("dueling", "size"),
    [
        # 250 -> 64 -> 64, and streams 64 -> 256 -> 8 and 64 -> 256 -> 1, each with biases
        (True, 55_817),
        (False, 251 * 64 + 65 * 64 + 65 * 256 + 257 * 8),
    ],
)
def test_q_network_is_baselines(dueling, size):
    weights = QNetwork(250, 8, DQNSettings(dueling=dueling), 0).weights
    assert weights.flat.size == size
    for name, columns in (("trunk1", 64), ("trunk2", 64)):
        matrix = weights[f"{name}_weights"]
        np.testing.assert_allclose(matrix.T @ matrix, 2 * np.eye(columns), atol=1e-5)
    for name, array in weights.arrays.items():
        if name.endswith("bias"):
            assert np.abs(array).max() == 0
        elif not name.startswith("trunk"):
            limit = np.sqrt(6 / sum(array.shape))
            assert 0.9 * limit < np.abs(array).max() <= limit
            assert array.std() == pytest.approx(limit / np.sqrt(3), rel=0.1)


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


def newest(agent):
    """The observation that was remembered last."""
    return agent.buffer._observations.max()


@pytest.mark.parametrize("options", [{}, {"train_every": 4, "learning_starts": 50, "target_every": 30}])
def test_dqn_learns_when_baselines_does(options, monkeypatch):
    settings = DQNSettings(**options)
    agent, updates, copies = DQN(Spaces((1,), 2), 0, 1301, settings), [], []
    # Each observation is the number of its step.
    monkeypatch.setattr(agent, "_learn", lambda *_: updates.append((newest(agent), agent.buffer._count)) or {})
    monkeypatch.setattr(agent, "_renew_target", lambda: copies.append(newest(agent)))
    for t in range(1301):
        agent.observe(np.array([t]), 0, 0.0, np.array([t + 1]), False)
    # The loop of Baselines' `learn`, t from 0
    due = [t for t in range(1301) if t > settings.learning_starts and t % settings.train_every == 0]
    assert [at for at, _ in updates] == due
    assert [known for _, known in updates] == [at + 1 for at in due]
    assert copies == [t for t in range(1301) if t > settings.learning_starts and t % settings.target_every == 0]
    if not options:
        assert (updates[0], copies) == ((1001, 1002), [1100, 1200, 1300])


def test_dqn_target_follows_every_hundred_steps():
    agent = DQN(Spaces((1,), 2), 0, 400, DQNSettings(learning_starts=0))
    np.testing.assert_array_equal(agent.target.weights.flat, agent.network.weights.flat)
    random = np.random.RandomState(0)
    for step in range(151):
        agent.observe(random.normal(size=1), random.randint(2), float(random.normal()), random.normal(size=1), False)
        if step == 100:
            kept = agent.network.weights.flat.copy()
    np.testing.assert_array_equal(agent.target.weights.flat, kept)
    assert not np.array_equal(kept, agent.network.weights.flat)


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
    steps, *_, ends = zip(*agent._window, strict=True)
    returns = np.float32([[7], [8], [9]])
    assert [step.inputs[0, 7:9].tolist() for step in steps] == [[0, 0], [0.5, 1], [0.5, 2]]
    assert agent._shifted(steps, np.stack(ends), returns)[:, 0, -2:].tolist() == [[0, 1], [7, 2], [8, 0]]
    agent._last_return = np.float32([5])
    assert agent._shifted(steps, np.stack(ends), returns)[0, 0, -2:].tolist() == [5, 1]
    agent.new_trial()
    assert agent._last_return == [0]


def test_first_previous_action_of_a_trial():
    # D10
    def first(seed, **options):
        agent = MetaA2C(SMALL, seed, A2CSettings(lstm_units=1), **options)
        agent.act(np.ones((agent.workers, 2, 2)))
        return agent._step.inputs[:, 4:7]

    drawn = np.concatenate([first(seed) for seed in range(600)])
    assert np.abs(drawn.sum(axis=0) - 200).max() < 5 * np.sqrt(600 * 2 / 9)  # five standard deviations
    assert set(drawn.sum(axis=1)) == {1}
    np.testing.assert_array_equal(first(5), first(5))
    assert len(np.unique(first(0, workers=50), axis=0)) == 3
    assert first(5, released=Released(starts_with_zero=True)).tolist() == [[1, 0, 0]]
    agent = MetaA2C(SMALL, 0)
    starts = [agent._last_action.argmax() for _ in range(50) if agent.new_trial() is None]
    assert set(starts) == {0, 1, 2}


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
    np.testing.assert_array_equal(first.network.weights.flat, second.network.weights.flat)
    second.save(tmp_path / "again", history)
    files = sorted(path.name for path in (tmp_path / "policy").iterdir())
    squares = ["rmsprop_squares.npy"] if first.name == "meta_a2c" else []
    assert files == ["card.json", *squares, "weights.npy"]
    for name in files:
        assert (tmp_path / "policy" / name).read_bytes() == (tmp_path / "again" / name).read_bytes()


def wanting(kernel, best):
    """A table: up to four convolutions of this kernel are worth something."""

    def evaluate(network):
        form = canonical(network)
        reward = best * min(sum((layer.type, layer.kernel) == (1, kernel) for layer in form), 4) / 4
        return Evaluation(form, reward, reward)

    return NASEnv(evaluate)


def trial(agent, steps, seed=None):
    """A trial in an environment with a table; with a seed, the sampler is set back to it."""
    if seed is not None:
        agent._random = np.random.RandomState(seed)
        agent.new_trial()
    play(agent, wanting(3, 0.6), steps)
    return agent


def test_second_trial_goes_on_as_if_the_policy_had_not_been_saved(tmp_path):
    """The policy passed on is all that was learned: weights and RMSProp's mean squares (Section 5)."""
    spaces, settings = Spaces.of(wanting(3, 0.6)), A2CSettings(lstm_units=16)
    uninterrupted = trial(MetaA2C(spaces, 4, settings), 203)
    uninterrupted.save(tmp_path / "policy", [])
    trial(uninterrupted, 200, seed=4)
    loaded = MetaA2C(spaces, 4, settings)
    loaded.load(tmp_path / "policy")
    trial(loaded, 200)
    restarted = MetaA2C(spaces, 4, settings.model_copy(update={"restart_rmsprop": True}))
    restarted.load(tmp_path / "policy")
    assert set(restarted._optimizer.squares) == {1}
    trial(restarted, 200)
    weights = [agent.network.weights.flat.tobytes() for agent in (uninterrupted, loaded, restarted)]
    assert weights[0] == weights[1] != weights[2]
    assert loaded._optimizer.squares.tobytes() == uninterrupted._optimizer.squares.tobytes()


@pytest.mark.parametrize("seed", [1, 2])
def test_passed_on_squares_let_entropy_fall_at_once(seed, tmp_path):
    """Restarted at 1, RMSProp's steps are tiny again, and entropy rises in the second environment (Section 5)."""
    first = MetaA2C(Spaces.of(wanting(3, 0.6)), seed)
    trial(first, 6000).save(tmp_path / "policy", [])

    def rise(restart):
        agent = MetaA2C(first.spaces, seed, A2CSettings(restart_rmsprop=restart))
        agent.load(tmp_path / "policy")
        play(agent, wanting(5, 0.5), 2000)
        entropies = [row["entropy"] for row in agent.progress]
        return np.mean(entropies[-50:]) - np.mean(entropies[:50])

    assert rise(restart=False) < -0.1
    assert rise(restart=True) > 0


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
    agent = MetaA2C(SMALL, 0)
    agent.save(tmp_path / "policy", [])
    before = agent.network.weights.flat.copy()
    size = len(before)

    def refused(message):
        with pytest.raises(PolicyError, match=message):
            agent.load(tmp_path / "policy")
        np.testing.assert_array_equal(agent.network.weights.flat, before)

    np.save(tmp_path / "policy/rmsprop_squares.npy", np.array([{"code": 1}], dtype=object), allow_pickle=True)
    refused("cannot be read .*allow_pickle=False")
    np.save(tmp_path / "policy/rmsprop_squares.npy", np.zeros(3, np.float32))
    refused(rf"squares.npy: holds float32 of shape \(3,\), expected {size} numbers of float32; the policy is damaged")
    np.save(tmp_path / "policy/rmsprop_squares.npy", np.full(size, np.inf, np.float32))
    refused(rf"policy: {size} of {size} rmsprop_squares are not finite .*: the policy is damaged; run the search")
    (tmp_path / "policy/rmsprop_squares.npy").write_bytes(b"")
    refused("cannot be read")
    with pytest.raises(PolicyError, match="nowhere: cannot be read"):
        agent.load(tmp_path / "nowhere")


def test_policies_without_mean_squares_are_told_from_damaged_ones(tmp_path):
    agent = MetaA2C(SMALL, 0)
    agent.save(tmp_path / "policy", [])
    (tmp_path / "policy/rmsprop_squares.npy").unlink()
    with pytest.raises(PolicyError, match=r"has no rmsprop_squares.npy, .* meta_a2c.restart_rmsprop: true"):
        agent.load(tmp_path / "policy")
    MetaA2C(SMALL, 0, A2CSettings(restart_rmsprop=True)).load(tmp_path / "policy")
    card = json.loads((tmp_path / "policy/card.json").read_text())
    del card["format"]  # as saved before there were formats
    (tmp_path / "policy/card.json").write_text(json.dumps(card))
    with pytest.raises(
        PolicyError, match="has format 1, expected 2, without RMSProp's mean squares, .* run the search"
    ):
        agent.load(tmp_path / "policy")
    (tmp_path / "policy/card.json").write_text(json.dumps({**card, "format": 3}))
    with pytest.raises(PolicyError, match="has format 3, expected 2; run the search"):
        agent.load(tmp_path / "policy")


def test_weights_that_are_not_finite_are_not_saved(make, tmp_path):
    agent = make(SMALL, 0)
    agent.network.weights.flat[3:5] = np.nan
    with pytest.raises(PolicyError, match="policy: 2 of [0-9]+ weights are not finite .*learning has diverged"):
        agent.save(tmp_path / "policy", [])
    assert list(tmp_path.iterdir()) == []


def test_card_says_what_the_policy_is(tmp_path):
    MetaA2C(Spaces((10, 25), 8), 0).save(tmp_path / "policy", [{"dataset": "dtd"}])
    card = json.loads((tmp_path / "policy/card.json").read_text())
    assert (card["format"], card["agent"], card["lstm_units"]) == (2, "meta_a2c", 128)
    assert card["spaces"] == {"observation": [10, 25], "actions": 8}
    assert {w["name"]: w["shape"] for w in card["weights"]}["lstm_weights"] == [250 + 8 + 2 + 128, 512]
    assert card["history"] == [{"dataset": "dtd"}]


def test_fixed_policy_keeps_its_weights(make):
    if make(SMALL, 0).name == "dqn":
        pytest.skip("only deep meta-RL's policy is evaluated fixed (Exp. 2a)")
    env = NASEnv(by_depth)
    agent = MetaA2C(Spaces.of(env), 0, learning=False)
    before = agent.network.weights.flat.copy()
    play(agent, env, 50)
    np.testing.assert_array_equal(agent.network.weights.flat, before)
    assert agent.progress == []


@pytest.mark.parametrize("name", ["a2c", "dqn"])
def test_agents_are_deterministic(name):
    def run():
        env = NASEnv(by_depth)
        spaces = Spaces.of(env)
        agent = MetaA2C(spaces, 5) if name == "a2c" else DQN(spaces, 5, 150, DQNSettings(learning_starts=20))
        rewards = play(agent, env, 150)
        return rewards.tobytes(), agent.network.weights.flat.tobytes()

    # Several runs: a difference that depends on the order of threads shows in one of some dozens.
    assert len({run() for _ in range(12)}) == 1
