"""What a population publishes: names that are known at once, numbers computed when asked for.

A moment never changes after it was made, so a number that is asked for late, after further
steps, is still the one of its moment.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from typing import Any, Generic, TypeVar

from numpy.typing import NDArray

from energymeter.simulator.physics.noise import Floats

__all__ = ["PHASE_NAMES", "Published", "Recipe", "by_row", "frozen"]

PHASE_NAMES = ("a", "b", "c")

MomentT = TypeVar("MomentT")
Recipe = Callable[[MomentT], NDArray[Any]]
"""Makes one quantity of a moment, shape (size,); two names of one recipe share their array."""


class Published(Mapping[str, NDArray[Any]], Generic[MomentT]):
    """The quantities of one moment: canonical name -> read-only array of shape (size,)."""

    def __init__(self, recipes: Mapping[str, Recipe[MomentT]], moment: MomentT) -> None:
        """Publish `moment`, which must not change any more, under the names of `recipes`."""
        self._recipes = recipes
        self._moment = moment
        self._made: dict[Recipe[MomentT], NDArray[Any]] = {}

    def __getitem__(self, name: str) -> NDArray[Any]:
        recipe = self._recipes[name]
        array = self._made.get(recipe)
        if array is None:
            array = recipe(self._moment)
            array.flags.writeable = False
            self._made[recipe] = array
        return array

    def __contains__(self, name: object) -> bool:
        return name in self._recipes

    def __iter__(self) -> Iterator[str]:
        return iter(self._recipes)

    def __len__(self) -> int:
        return len(self._recipes)


def by_row(block: Callable[[MomentT], NDArray[Any]], row: int) -> Recipe[MomentT]:
    """Return the recipe of one row of a block, shape (rows, size), that a moment keeps."""
    return lambda moment: block(moment)[row]


def frozen(array: Floats) -> Floats:
    """Make an array read-only, so that its views can be handed out, and return it."""
    array.flags.writeable = False
    return array
