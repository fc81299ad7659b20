"""Where images come from: the bundled set, full sets, disjoint splits, batches, checks for leaks and shifts.

Images are float32 N x C x H x W in [0, 1] everywhere; labels are int64, float32 (regression) or absent.
"""

from kdcourse.data.batching import (
    augmenter,
    batch_sizes,
    batches,
    epoch_seed,
    flip_shift,
    pick_device,
    seed_all,
    seeded,
)  # fmt: skip
from kdcourse.data.comparing import digest, directions, duplicates, near_duplicates, shift
from kdcourse.data.loading import ASSETS, load, official_indices, read_idx
from kdcourse.data.part import NO_LABEL, ImageData, Part, Splits, as_part, is_pair, take, tidy
from kdcourse.data.splitting import few_labels, join, split, tile, unlabelled

__all__ = [
    "ASSETS", "NO_LABEL", "ImageData", "Part", "Splits", "as_part", "augmenter", "batch_sizes", "batches", "digest",
    "directions", "duplicates", "epoch_seed", "few_labels", "flip_shift", "is_pair", "join", "load", "near_duplicates",
    "official_indices", "pick_device", "read_idx", "seed_all", "seeded", "shift", "split", "take", "tidy", "tile",
    "unlabelled",
]  # fmt: skip
