"""A network for people: its rows, the shapes of its feature maps, and what it costs."""

from nasdmrl.config.sections import Recipe
from nasdmrl.space.costs import costs
from nasdmrl.space.nsc import Network, Shape, leaves, require_valid, shape_text, shapes, to_text


def describe(network: Network, input_shape: Shape, n_classes: int, recipe: Recipe) -> str:
    """Rows, shapes, parameters and FLOPs. Raises `NetworkError`, which says why, for an invalid network."""
    require_valid(network, input_shape)
    known = shapes(network, input_shape, recipe.filters_of)
    cost = costs(network, input_shape, n_classes, recipe)
    lines = [f"network     {to_text(network)}", f"image       {shape_text(known[0])}"]
    for index, (layer, shape) in enumerate(zip(network, known[1:], strict=False), start=1):
        row = "[" + ",".join(str(int(value)) for value in (index, *layer)) + "]"
        lines.append(f"{row:<11} {to_text((layer,)).split('@')[0]:<9} {shape_text(shape)}")
    lines.append(f"output      {shape_text(known[-1])}, the merged leaves {', '.join(map(str, leaves(network)))}")
    lines.append(f"parameters  {cost.parameters:,} trainable, with the prediction module for {n_classes} classes")
    lines.append(f"FLOPs       {cost.flops:,} for the forward pass of one image")
    return "\n".join(lines)
