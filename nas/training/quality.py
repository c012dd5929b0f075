"""How good a network's scores are: the share of right classes, or how well its masks cover the objects."""

from __future__ import annotations

from collections.abc import Callable

import torch

from nas.datasets.splits import Split, Tensor

_BATCH = 512
_PIXELS = _BATCH * 28 * 28
"""Of a batch at most, so that large images do not fill the memory."""


@torch.no_grad()
def accuracy_of(forward: Callable[[Tensor], Tensor], split: Split, *, batch_size: int = _BATCH) -> float:
    """Judge scores by a split's labels, in [0, 1].

    Of classes, it is the share of images whose highest score is their label's. Of masks, it is the intersection over
    the union of the pixels of a class and the pixels that are given to it, each summed over the whole split; the mean
    over the classes but the background, 0. A class that is neither there nor given to any pixel does not count.

    Args:
        forward: from images to scores, (N, classes) or (N, classes, H, W).
        split: what is judged on.
        batch_size: images at once, fewer where they are large.
    """
    batch_size = min(batch_size, max(1, _PIXELS // (split.images.shape[2] * split.images.shape[3])))
    counts = torch.zeros(0)
    for start in range(0, len(split), batch_size):
        images, labels = split.batch(slice(start, start + batch_size))
        scores = forward(images)
        classes = scores.shape[1]
        pairs = (labels * classes + scores.argmax(1)).flatten()
        found = torch.bincount(pairs, minlength=classes * classes).reshape(classes, classes)
        counts = found if counts.numel() == 0 else counts + found
    if split.labels.ndim == 1:
        return float(counts.diagonal().sum() / counts.sum())
    return _intersection_over_union(counts)


def _intersection_over_union(counts: Tensor) -> float:
    """Give the mean over the objects' classes of pixel counts (true class, given class)."""
    both = counts.diagonal()[1:]
    either = (counts.sum(0) + counts.sum(1) - counts.diagonal())[1:]
    seen = either > 0
    return float((both[seen] / either[seen]).mean()) if seen.any() else 0.0
