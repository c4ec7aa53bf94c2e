"""The search space: codes of networks, actions, the environment, shapes and costs (Sections 1 to 4)."""
