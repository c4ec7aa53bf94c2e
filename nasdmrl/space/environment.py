"""NASEnv: network design as a gymnasium environment (Sections 2-4)."""

from typing import Any, NamedTuple

import gymnasium
import numpy as np
from gymnasium.error import ResetNeeded

from nasdmrl.config.sections import Environment, Space
from nasdmrl.space.actions import OUT_OF_BOUNDS, SPACES, Action
from nasdmrl.space.evaluation import Evaluate, Evaluation
from nasdmrl.space.nsc import LayerType, Network, canonical, encode, is_multi_branch, to_text

_DEFAULTS = Environment()


class View(NamedTuple):
    """What follows from a network alone: observation, text, canonical form, and whether it is more than one chain."""

    observation: np.ndarray
    text: str
    form: Network
    multi_branch: bool


class NASEnv(gymnasium.Env):
    """One dataset's networks: an action adds a layer or shifts a pointer, the reward is the network's accuracy.

    evaluator: evaluates the network as it stands (an `Evaluator`, or a table). space: `chain` (8 actions) or
    `multi_branch` (14). max_layers: d. max_actions: tau. sigma: factor of a shifting action's reward.

    Observations are float32 of shape (d, 25) or (d, 36), 0 and 1 (Section 2). Rewards lie in [0, 1]. An episode
    ends (`terminated`) on a terminal action, d layers, tau actions, an invalid network, or a pointer out of
    bounds; `truncated` is never set, since reaching tau is part of the task (Section 4).

    `info` has: episode_step, network (text), layers, valid, status, accuracy, parameters, flops, looked_up (an
    earlier step since the last seeded reset had the network evaluated), multi_branch (the network is more than one
    chain) and training_seconds (of the evaluation, whoever made it). All of them are the same for the same seed,
    actions and store.
    """

    metadata = {"render_modes": ["ansi", "human"], "render_fps": 1}  # noqa: RUF012 (gymnasium's own form)

    def __init__(
        self,
        evaluator: Evaluate,
        space: Space = "chain",
        max_layers: int = _DEFAULTS.max_layers,
        max_actions: int = _DEFAULTS.max_actions,
        sigma: float = 0.0,
        render_mode: str | None = None,
    ) -> None:
        self.evaluator, self.space, self.sigma = evaluator, space, sigma
        self.max_layers, self.max_actions = max_layers, max_actions
        self.render_mode = render_mode
        self.actions = SPACES[space]
        self.action_space = gymnasium.spaces.Discrete(len(self.actions))
        shape = self._encode(()).shape
        self.observation_space = gymnasium.spaces.Box(0.0, 1.0, shape, np.float32)
        self._met: set[Network] = set()
        self._views: dict[Network, View] = {}
        self._ended = True

    def reset(self, *, seed: int | None = None, options: dict | None = None) -> tuple[np.ndarray, dict[str, Any]]:
        """Start an episode from the empty network; with a seed, as if no episode had been before."""
        super().reset(seed=seed)
        if seed is not None:
            self._met.clear()
        self.network: Network = ()
        self._shift1 = self._shift2 = 0
        self._count, self._ended = 0, False
        view = self._view()
        return view.observation.copy(), {"episode_step": 0, "network": view.text}

    def step(self, action: int) -> tuple[np.ndarray, float, bool, bool, dict[str, Any]]:
        """Apply an action; see the class for rewards and endings.

        Raises `ResetNeeded` after an ending, and `ValueError` for an action that the space does not have.
        """
        if self._ended:
            raise ResetNeeded("the episode has ended; call reset() before step()")
        if not 0 <= action < len(self.actions):
            raise ValueError(f"action {action}: the actions of space `{self.space}` are 0 to {len(self.actions) - 1}")
        choice = self.actions[action]
        self._count += 1
        evaluation = self._evaluated(choice)
        reward = evaluation.reward * (self.sigma if choice.is_shift else 1.0)
        self._ended = self._ends(choice, evaluation)
        view = self._view()
        info = self._info(evaluation, view)
        if self.render_mode == "human":
            self.render()
        return view.observation.copy(), float(reward), self._ended, False, info

    def render(self) -> str | None:
        """The network as text: returned in mode `ansi`, printed in mode `human`."""
        text = self._view().text
        if self.render_mode == "human":
            print(text)
            return None
        return text

    @property
    def pointers(self) -> tuple[int, int]:
        """Layers that p1 and p2 name: the newest layer plus their shifts (Section 3)."""
        return len(self.network) + self._shift1, len(self.network) + self._shift2

    def _evaluated(self, choice: Action) -> Evaluation:
        self._apply(choice)
        if choice.is_shift and not all(0 <= pointer <= len(self.network) for pointer in self.pointers):
            return Evaluation(self.network, 0.0, 0.0, OUT_OF_BOUNDS)
        return self.evaluator(self.network)

    def _apply(self, choice: Action) -> None:
        if choice.is_shift:
            self._shift1 += choice.shift1
            self._shift2 += choice.shift2
        else:
            self.network = (*self.network, choice.layer(*self.pointers))

    def _ends(self, choice: Action, evaluation: Evaluation) -> bool:
        unusable = evaluation.status in ("invalid", OUT_OF_BOUNDS)
        full = len(self.network) >= self.max_layers or self._count >= self.max_actions
        return choice.type == LayerType.TERMINAL or unusable or full

    def _view(self) -> "View":
        """Of the network as it stands; kept, since agents come back to the same networks for ever."""
        view = self._views.get(self.network)
        if view is None:
            network = self.network
            described = (self._encode(network), to_text(network), canonical(network), is_multi_branch(network))
            view = self._views[network] = View(*described)
        return view

    def _info(self, evaluation: Evaluation, view: "View") -> dict[str, Any]:
        met = view.form in self._met
        if evaluation.status != OUT_OF_BOUNDS:
            self._met.add(view.form)
        return {
            "episode_step": self._count,
            "network": view.text,
            "layers": len(view.form),
            "valid": evaluation.status not in ("invalid", OUT_OF_BOUNDS),
            "status": evaluation.status,
            "accuracy": evaluation.accuracy,
            "parameters": evaluation.parameters,
            "flops": evaluation.flops,
            "looked_up": met,
            "multi_branch": view.multi_branch,
            "training_seconds": evaluation.training_seconds,
        }

    def _encode(self, network: Network) -> np.ndarray:
        return encode(network, self.max_layers, self.space == "multi_branch")
