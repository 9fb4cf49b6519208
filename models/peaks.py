"""What cards can do at most, to tell how much of it a training uses."""

from collections.abc import Mapping

PEAK_BF16_FLOPS: Mapping[str, float] = {
    "B200": 2250e12,
    "H200": 989e12,
    "H100 PCIe": 756e12,
    "H100 NVL": 835e12,
    "H100": 989e12,
    "GH200": 989e12,
    "A100": 312e12,
    "L40S": 362e12,
    "A10": 125e12,
    "RTX 4090": 165e12,
}
"""Dense bfloat16 matrix products with float32 sums, FLOP/s per card; names as drivers give them.

Source: the makers' data sheets, without sparsity. Longer names are looked for first.
"""


def peak_flops(device_name: str) -> float:
    """Return a card's peak in bfloat16, FLOP/s; 0 where it is not known."""
    for name in sorted(PEAK_BF16_FLOPS, key=len, reverse=True):
        if name in device_name:
            return PEAK_BF16_FLOPS[name]
    return 0.0
