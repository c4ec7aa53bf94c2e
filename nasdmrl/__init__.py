"""Reproduces *Learning to reinforcement learn for Neural Architecture Search* (arXiv 1911.03769).

Importing the package does not import TensorFlow. The gymnasium environments `nasdmrl/Chain-v0` and
`nasdmrl/MultiBranch-v0` are registered by gymnasium itself, through the package's entry point.
"""

__version__ = "0.1.0"
