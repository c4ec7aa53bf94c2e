"""Registers the environments with gymnasium (called by gymnasium through the package's entry point)."""


def register_environments() -> None:
    """Register `nasdmrl/Chain-v0` and `nasdmrl/MultiBranch-v0`; both take an `evaluator` (see `NASEnv`)."""
    from gymnasium.envs.registration import register

    for name, space in (("Chain", "chain"), ("MultiBranch", "multi_branch")):
        register(f"nasdmrl/{name}-v0", entry_point="nasdmrl.env:NASEnv", kwargs={"space": space})
