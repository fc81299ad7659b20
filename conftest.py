"""The tests run in random order; the cells of a notebook never do."""

import pytest


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Put nbval's cells back into the order of their notebooks, each cell in a place where a cell stood."""
    places = [i for i, item in enumerate(items) if hasattr(item, "cell_num")]
    cells = sorted((items[i] for i in places), key=lambda item: (str(item.path), item.cell_num))
    for place, cell in zip(places, cells, strict=True):
        items[place] = cell
