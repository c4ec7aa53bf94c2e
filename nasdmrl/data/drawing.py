"""Draws the stand-ins' pictures: styles as of the paper's datasets, traits for each class, chance for each.

How much a class tells is what makes a style hard: signs differ by shape and colour, flowers by colour and petals,
glyphs by strokes, birds by three colours among leaves, textures by pattern but not by colour, aircraft by outline
alone.
"""

import math
from collections.abc import Callable

import numpy as np
from PIL import Image, ImageDraw, ImageFilter

SIZE = 48
GLYPH_SIZE = 105
Points = list[tuple[float, float]]


def draw(style: str, seed: int, label: int, number: int) -> Image.Image:
    """Picture `number` of class `label` in a style of `STYLES`; the same arguments draw the same picture.

    Another seed of the same style draws other classes.
    """
    traits = np.random.RandomState([seed, label])
    chance = np.random.RandomState([seed, label, number])
    return STYLES[style](traits, chance)


def _colour(random: np.random.RandomState, low: int = 0, high: int = 255) -> tuple[int, int, int]:
    red, green, blue = random.randint(low, high, 3)
    return int(red), int(green), int(blue)


def _turned(points: Points, angle: float, scale: float, centre: tuple[float, float]) -> Points:
    cos, sin = scale * math.cos(angle), scale * math.sin(angle)
    return [(centre[0] + cos * x - sin * y, centre[1] + sin * x + cos * y) for x, y in points]


def _centre(chance: np.random.RandomState, jitter: float) -> tuple[float, float]:
    x, y = SIZE / 2 + chance.uniform(-jitter, jitter, 2)
    return x, y


def _noisy(image: Image.Image, chance: np.random.RandomState, amount: float) -> Image.Image:
    pixels = np.asarray(image, dtype=np.float64) + chance.normal(0, amount, (SIZE, SIZE, 3))
    return Image.fromarray(np.clip(pixels, 0, 255).astype(np.uint8))


def _glyph(traits: np.random.RandomState, chance: np.random.RandomState) -> Image.Image:
    image = Image.new("1", (GLYPH_SIZE, GLYPH_SIZE), 1)
    pen = ImageDraw.Draw(image)
    t = np.linspace(0, 1, 12)[:, None]
    for _ in range(traits.randint(2, 5)):
        a, b, c = traits.uniform(15, GLYPH_SIZE - 15, (3, 2)) + chance.normal(0, 3, (3, 2))
        curve = (1 - t) ** 2 * a + 2 * t * (1 - t) * b + t**2 * c
        pen.line([tuple(point) for point in curve], fill=0, width=3)
    return image


def _flower(traits: np.random.RandomState, chance: np.random.RandomState) -> Image.Image:
    petal, heart = _colour(traits, 60), _colour(traits)
    count, width, length = traits.randint(4, 10), traits.uniform(0.25, 0.6), traits.uniform(0.6, 1.0)
    image = Image.new("RGB", (SIZE, SIZE), (chance.randint(20, 80), chance.randint(60, 140), chance.randint(20, 80)))
    pen = ImageDraw.Draw(image)
    centre, turn, scale = _centre(chance, 5), chance.uniform(0, 7), SIZE * chance.uniform(0.3, 0.48)
    for i in range(count):
        outline = [(0, 0), (length / 2, -width / 2), (length, 0), (length / 2, width / 2)]
        pen.polygon(_turned(outline, turn + 2 * math.pi * i / count, scale, centre), fill=petal)
    radius = scale * 0.2
    pen.ellipse([centre[0] - radius, centre[1] - radius, centre[0] + radius, centre[1] + radius], fill=heart)
    return _noisy(image, chance, 18)


def _texture(traits: np.random.RandomState, chance: np.random.RandomState) -> Image.Image:
    kind, frequency = traits.randint(4), traits.uniform(0.25, 1.2)
    angle, ratio = traits.uniform(0, math.pi), traits.uniform(0.4, 1.0)
    y, x = np.mgrid[0:SIZE, 0:SIZE] * frequency * chance.uniform(0.85, 1.15)
    angle += chance.normal(0, 0.12)
    u, v = math.cos(angle) * x + math.sin(angle) * y, ratio * (math.cos(angle) * y - math.sin(angle) * x)
    phase1, phase2 = chance.uniform(0, 7, 2)
    waves = [
        np.sin(u + phase1),
        np.sin(u + phase1) * np.sin(v + phase2),
        np.sign(np.sin(u + phase1) * np.sin(v + phase2)),
        np.sin(u + 2 * np.sin(v + phase2) + phase1),
    ]
    mix = (waves[kind][..., None] + 1) / 2
    light, dark = np.array(_colour(chance, 130)), np.array(_colour(chance, 0, 130))
    return _noisy(Image.fromarray((mix * light + (1 - mix) * dark).astype(np.uint8)), chance, 22)


def _aircraft(traits: np.random.RandomState, chance: np.random.RandomState) -> Image.Image:
    body, nose, sweep = traits.uniform(0.05, 0.16), traits.uniform(0.0, 0.3), traits.uniform(-0.1, 0.5)
    span, chord, fin = traits.uniform(0.3, 0.9), traits.uniform(0.12, 0.35), traits.uniform(0.1, 0.4)
    image = Image.new("RGB", (SIZE, SIZE), _colour(chance, 120))
    pen = ImageDraw.Draw(image)
    turn, scale, centre = chance.normal(0, 0.2), SIZE * chance.uniform(0.38, 0.5), _centre(chance, 4)
    paint = _colour(chance, 0, 170)
    fuselage = [(-0.95, -body), (1 - nose, -body), (1, 0), (1 - nose, body), (-0.95, body)]
    parts = [fuselage, [(-0.95, 0), (-0.95 - fin / 3, -fin), (-0.75, -fin), (-0.6, 0)]]
    for side in (-1, 1):
        parts.append([(chord, 0), (-sweep + chord / 2, side * span), (-sweep, side * span), (-chord, 0)])
        parts.append([(-0.7, 0), (-0.95, side * span / 3), (-0.95, 0)])
    for part in parts:
        pen.polygon(_turned(part, turn, scale, centre), fill=paint)
    return _noisy(image, chance, 15)


def _bird(traits: np.random.RandomState, chance: np.random.RandomState) -> Image.Image:
    head, breast, wing = (_colour(traits) for _ in range(3))
    beak, plump = traits.uniform(0.15, 0.5), traits.uniform(0.3, 0.5)
    image = Image.new("RGB", (SIZE, SIZE), (chance.randint(40, 160), chance.randint(80, 180), chance.randint(40, 120)))
    pen = ImageDraw.Draw(image)
    for _ in range(6):
        x, y, r = *chance.uniform(0, SIZE, 2), chance.uniform(3, 9)
        pen.ellipse([x - r, y - r, x + r, y + r], fill=(40, chance.randint(70, 200), 30))
    side, scale, centre = chance.choice([-1, 1]), SIZE * chance.uniform(0.36, 0.48), _centre(chance, 4)

    def oval(x: float, y: float, width: float, height: float, fill: tuple[int, int, int]) -> None:
        cx, cy = centre[0] + side * scale * x, centre[1] + scale * y
        box = [cx - scale * width, cy - scale * height, cx + scale * width, cy + scale * height]
        pen.ellipse(box, fill=fill)

    oval(-0.1, 0.2, 0.6, plump, breast)
    oval(-0.25, 0.15, 0.4, plump * 0.6, wing)
    oval(0.45, -0.3, 0.25, 0.25, head)
    tip = [(0.65, -0.38), (0.65 + beak, -0.28), (0.65, -0.2)]
    pen.polygon([(centre[0] + side * scale * x, centre[1] + scale * y) for x, y in tip], fill=(230, 160, 30))
    return _noisy(image, chance, 20)


def _sign(traits: np.random.RandomState, chance: np.random.RandomState) -> Image.Image:
    corners, rim, face = traits.choice([3, 4, 8, 40]), _colour(traits), _colour(traits, 120)
    bars = traits.uniform(-0.5, 0.5, (2, 4))
    image = Image.new("RGB", (SIZE, SIZE), _colour(chance, 60, 200))
    pen = ImageDraw.Draw(image)
    scale, centre, turn = SIZE * chance.uniform(0.35, 0.48), _centre(chance, 3), chance.normal(0, 0.08)
    angles = [2 * math.pi * i / corners - math.pi / 2 for i in range(corners)]
    for size, fill in ((1.0, rim), (0.75, face)):
        outline = [(size * math.cos(a), size * math.sin(a)) for a in angles]
        pen.polygon(_turned(outline, turn, scale, centre), fill=fill)
    for x1, y1, x2, y2 in bars:
        pen.line(_turned([(x1, y1), (x2, y2)], turn, scale, centre), fill=(20, 20, 20), width=4)
    return _noisy(image.filter(ImageFilter.GaussianBlur(chance.uniform(0, 1.2))), chance, 10)


STYLES: dict[str, Callable[[np.random.RandomState, np.random.RandomState], Image.Image]] = {
    "glyph": _glyph,
    "flower": _flower,
    "texture": _texture,
    "aircraft": _aircraft,
    "bird": _bird,
    "sign": _sign,
}
