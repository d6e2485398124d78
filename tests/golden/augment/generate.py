"""Random crops with padding and mirror images by PyTorch, with draws by Threefry written out here: what thalweg's op must find.

    python tests/golden/augment/generate.py      # needs torch; writes cases.json beside itself

The draws are those that src/op/augment.rs documents: words 4n, 4n + 1 and 4n + 2 of the stream say the shift down, the shift to
the right and the mirror image of example n. Each image is padded by its channels' fill, cropped at (p + down, p + right) and then
mirrored, as RandomCrop(size, padding = p) and RandomHorizontalFlip do. Gradients are those of the sum of the output weighted by
`weights`. All numbers are multiples of 1/64.
"""

import json
import pathlib

import torch
import torch.nn.functional as F

HERE = pathlib.Path(__file__).parent
MASK = 0xFFFFFFFF
torch.manual_seed(29)


def threefry(key, counter):
    """Threefry-2x32 with 20 rounds, after Salmon et al. (2011)."""
    rotations = [13, 15, 26, 6, 17, 29, 16, 24]
    schedule = [key[0], key[1], 0x1BD11BDA ^ key[0] ^ key[1]]
    a, b = (counter[0] + schedule[0]) & MASK, (counter[1] + schedule[1]) & MASK
    for r in range(20):
        a = (a + b) & MASK
        n = rotations[r % 8]
        b = ((b << n | b >> (32 - n)) & MASK) ^ a
        if r % 4 == 3:
            i = r // 4 + 1
            a, b = (a + schedule[i % 3]) & MASK, (b + schedule[(i + 1) % 3] + i) & MASK
    return a, b


# Random123, kat_vectors.
assert threefry((0, 0), (0, 0)) == (0x6B200159, 0x99BA4EFE)
assert threefry((0x13198A2E, 0x03707344), (0x243F6A88, 0x85A308D3)) == (0xC4923A9C, 0x483DF7A0)


def draw(*shape):
    return torch.randint(-128, 128, shape).double() / 64


def listed(tensor):
    return {"shape": list(tensor.shape), "values": tensor.detach().flatten().tolist()}


def case(shape, padding, flip, fill, seed, step):
    key = threefry((seed & MASK, seed >> 32), (step, 0))
    word = lambda i: threefry(key, (i // 2, 0))[i % 2]
    x = draw(*shape).requires_grad_()
    height, width = shape[2:]
    fills = (fill or [0.0]) * (1 if len(fill) > 1 else shape[1])
    images = []
    for n in range(shape[0]):
        down, right = ((word(4 * n + k) * (2 * padding + 1) >> 32) - padding for k in (0, 1))
        planes = [F.pad(x[n, c], (padding,) * 4, value=fills[c]) for c in range(shape[1])]
        top, left = padding + down, padding + right
        image = torch.stack(planes)[:, top : top + height, left : left + width]
        images.append(image.flip(-1) if word(4 * n + 2) / 2**32 < flip else image)
    y = torch.stack(images)
    weights = draw(*shape)
    (y * weights).sum().backward()
    settings = {"padding": padding, "flip": flip, "fill": fill, "seed": str(seed), "step": step}
    return settings | {"x": listed(x), "y": listed(y), "weights": listed(weights), "gradient": listed(x.grad)}


cases = [
    case([6, 3, 5, 4], 2, 0.5, [-1.5, 0.25, 2.0], 7, 0),
    case([9, 1, 4, 6], 3, 0.25, [0.5], 0x123456789ABCDEF0, 3),
    case([4, 5, 3, 3], 1, 0.0, [], 1, 1_000_000),
    case([5, 2, 1, 7], 0, 0.5, [], 2**63 - 1, 12),
]
(HERE / "cases.json").write_text(json.dumps({"torch": torch.__version__, "cases": cases}) + "\n")
