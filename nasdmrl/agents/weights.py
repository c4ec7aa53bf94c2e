"""A network's weights: named arrays that are views of one flat vector; and how they are drawn at first."""

import math

import numpy as np


class Weights:
    """Named float32 arrays that lie one after the other in the vector `flat`: what changes one changes the other.

    An optimiser takes the vector, a network the arrays (`weights["name"]`), and neither copies.
    """

    def __init__(self, arrays: dict[str, np.ndarray]) -> None:
        self.shapes = {name: array.shape for name, array in arrays.items()}
        self.flat = np.concatenate([array.ravel() for array in arrays.values()]).astype(np.float32)
        ends = np.cumsum([array.size for array in arrays.values()])
        parts = np.split(self.flat, ends[:-1])
        self.arrays = {
            name: part.reshape(shape) for (name, shape), part in zip(self.shapes.items(), parts, strict=True)
        }

    def __getitem__(self, name: str) -> np.ndarray:
        return self.arrays[name]

    def zeros(self) -> "Weights":
        """Zeros of the same names and shapes, such as for a gradient."""
        return Weights({name: np.zeros(shape, np.float32) for name, shape in self.shapes.items()})


def orthogonal(random: np.random.RandomState, rows: int, columns: int, scale: float = 1.0) -> np.ndarray:
    """A random matrix with orthogonal rows or columns (Saxe et al., 2014), float32."""
    flat = random.normal(size=(max(rows, columns), min(rows, columns)))
    q, r = np.linalg.qr(flat)
    q = q * np.sign(np.diag(r))
    return (scale * (q if rows >= columns else q.T)).astype(np.float32)


def xavier_uniform(random: np.random.RandomState, rows: int, columns: int) -> np.ndarray:
    """A random matrix, uniform within +-sqrt(6 / (rows + columns)) (Glorot and Bengio, 2010), float32."""
    limit = math.sqrt(6 / (rows + columns))
    return random.uniform(-limit, limit, (rows, columns)).astype(np.float32)
