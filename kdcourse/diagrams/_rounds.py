"""One round of federated averaging: weights go out, learn where the images are, and come back as their mean."""

from matplotlib.axes import Axes

from kdcourse.diagrams import _drawing as draw
from kdcourse.plots import Shown

OWNERS = {  # name: images shown, and how many the owner has (an example)
    "1": (("Sneaker", "Sandal", "Ankle boot"), 300),
    "2": (("Coat", "Pullover", "Shirt"), 100),
    "3": (("Bag", "Dress", "Trouser"), 100),
}
LEFT, APART, WIDE, FOOT = 3.35, 1.86, 1.62, 0.52
SERVER = (0.35, 1.17, 2.0, 1.05)  # left, low, width, height


def rounds() -> Shown:
    """A server and three owners: the weights w go down to each, each one's own weights come up, and the mean is taken.

    Source: McMahan et al. 2017.
    """
    figure, axis = draw.canvas()
    left, low, width, height = SERVER
    draw.box(axis, left, low, width, height, "Server", "holds the weights w,\nnone of the images", colour=draw.TEACHER)
    for k, name in enumerate(OWNERS):
        _owner(axis, LEFT + APART * k, name)
    total = sum(n for _, n in OWNERS.values())
    shares = " + ".join(f"{n / total:g} {_weights(name)}" for name, (_, n) in OWNERS.items())
    draw.text(axis, left + width / 2, 0.83, "④ takes the mean", weight="bold")
    draw.text(axis, left + width / 2, 0.6, f"w = {shares}", size=8.5)
    sizes = ", ".join(f"owner {name} has {n}" for name, (_, n) in OWNERS.items())
    return draw.finish(
        figure,
        "In a round the weights travel, and the images stay where they are.",
        f"A server without images, and three owners with images of other classes each: {sizes}. Step 1: the server "
        "sends its weights w to every owner. Step 2: every owner trains them on its images. Step 3: each sends back "
        f"what they have become. Step 4: the server takes the mean, weighted by images: w = {shares}.",
        "Owners with more images weigh more. Then the next round begins, from the new w.",
    )


def _weights(name: str) -> str:
    """The weights of one owner: w with its number below."""
    return "w" + chr(0x2080 + int(name))


def _owner(axis: Axes, left: float, name: str) -> None:
    """One owner: its images, what it does, the weights on their way to it and back."""
    images, count = OWNERS[name]
    draw.box(axis, left, FOOT + 0.62, WIDE, 0.52, f"Owner {name}", f"② w becomes {_weights(name)}", colour=draw.STUDENT)
    for i, image in enumerate(images):
        draw.image(axis, draw.asset(f"image:{image}"), left + 0.03 + 0.54 * i, FOOT + 0.03, 0.48)
    draw.text(axis, left + WIDE / 2, FOOT - 0.14, f"{count} images such as these", size=8.5)
    top = FOOT + 1.14
    server_left, low, _, height = SERVER
    out, back = 2.72, 2.42  # heights of the two lines along which the weights travel
    x = left + WIDE / 2
    draw.arrow(axis, (server_left + 0.6, low + height), (server_left + 0.6, out), (x - 0.4, out), (x - 0.4, top),
               colour=draw.TEACHER)  # fmt: skip
    draw.arrow(axis, (x + 0.4, top), (x + 0.4, back), (server_left + 1.5, back), (server_left + 1.5, low + height),
               colour=draw.STUDENT)  # fmt: skip
    draw.text(axis, x - 0.58, (out + top) / 2 - 0.18, "① w", colour=draw.TEACHER, weight="bold")
    draw.text(axis, x + 0.66, (back + top) / 2 - 0.02, f"③ {_weights(name)}", colour=draw.STUDENT, weight="bold")
