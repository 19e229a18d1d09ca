"""Which evals belong together because they read the same documents."""

from __future__ import annotations

from collections.abc import Iterable, Sequence


def label_clusters(documents: Sequence[Iterable[str] | None]) -> list[int]:
    """Number the clusters of evals that share documents, directly or through other evals.

    The clusters are the connected components of the graph that joins two evals with a document in
    common. An eval without documents is a cluster of its own.

    Args:
        documents: For every eval the ids (or names) of its documents, or None.

    Returns:
        For every eval the number of its cluster, from 0 in the order in which they first appear.

    Example:
        >>> label_clusters([["a"], ["b"], ["a", "c"], None, ["c"]])
        [0, 1, 0, 2, 0]
    """
    parents = list(range(len(documents)))
    first_with: dict[str, int] = {}
    for at, names in enumerate(documents):
        for name in names or ():
            first = first_with.setdefault(name, at)
            if first != at:  # most documents are of one eval
                parents[_root(parents, at)] = _root(parents, first)
    numbers: dict[int, int] = {}
    return [numbers.setdefault(_root(parents, at), len(numbers)) for at in range(len(parents))]


def _root(parents: list[int], at: int) -> int:
    """The eval that stands for a cluster; paths are halved on the way, so that they stay short."""
    while parents[at] != at:
        parents[at] = parents[parents[at]]
        at = parents[at]
    return at
