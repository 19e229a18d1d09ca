"""Clusters of evals that read the same documents."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

Ints = NDArray[np.int64]


def find_clusters(evals: Ints, documents: Ints, n: int) -> Ints:
    """Number the clusters of evals that share documents, directly or through other evals.

    The clusters are the connected components of the graph that joins two evals with a document in
    common. Each pair of ``evals`` and ``documents`` says that an eval reads a document. Both are
    numbered from 0, and so are the clusters, in the order of their first appearance. An eval
    without documents is a cluster of its own. In each round a cluster joins the one with the
    smallest number among the clusters that share a document with it; a few rounds are enough.

    Source: Y. Shiloach and U. Vishkin, "An O(log n) parallel connectivity algorithm", Journal of
    Algorithms 3 (1982) 57-67.

    Example:
        >>> import numpy as np
        >>> find_clusters(np.array([0, 1, 2, 2, 4]), np.array([0, 1, 0, 2, 2]), 5).tolist()
        [0, 1, 0, 2, 0]
    """
    cluster = np.arange(n)
    while True:
        own = cluster[evals]
        first = np.full(documents.max(initial=-1) + 1, n)
        np.minimum.at(first, documents, own)
        joined = cluster.copy()
        np.minimum.at(joined, own, first[documents])
        while (joined != joined[joined]).any():
            joined = joined[joined]
        if (joined == cluster).all():
            return np.asarray(np.unique(cluster, return_inverse=True)[1])
        cluster = joined
