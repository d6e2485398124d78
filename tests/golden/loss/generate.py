"""Writes torch.json beside this file: each loss and its gradient by PyTorch in float64 (python 3, torch 2).

Inputs are multiples of 1/16, so that every one of them is exact in f32 too.
"""

import json
import pathlib

import torch
import torch.nn.functional as F

torch.manual_seed(20261122)
UPSTREAM = -1.75


def grid(*shape, scale=4.0):
    return torch.round((torch.rand(*shape, dtype=torch.float64) * 2 - 1) * scale * 16) / 16


def case(name, loss, x, target):
    x = x.clone().requires_grad_(True)
    value = loss(x, target)
    (UPSTREAM * value).backward()
    return {
        "loss": name,
        "shape": list(x.shape),
        "x": x.detach().flatten().tolist(),
        "target": target.flatten().tolist(),
        "classes": not target.is_floating_point(),
        "upstream": UPSTREAM,
        "value": value.item(),
        "gradient": x.grad.flatten().tolist(),
    }


def weston_watkins(scores, classes):
    """CS231n, linear classification notes: sum over the wrong classes of max(0, s_j - s_y + 1), mean over rows."""
    right = scores.gather(1, classes[:, None])
    margins = torch.clamp(scores - right + 1, min=0)
    return margins.scatter(1, classes[:, None], 0.0).sum(1).mean()


def pytorch_multi_margin(scores, classes):
    """The same by way of PyTorch, which divides by the number of classes besides."""
    return F.multi_margin_loss(scores, classes) * scores.shape[1]


cases = []
for rows, width in [(1, 1), (1, 10), (7, 5), (13, 3)]:
    scores = grid(rows, width)
    classes = torch.randint(0, width, (rows,))
    cases.append(case("cross_entropy", F.cross_entropy, scores, classes))
    torch.testing.assert_close(weston_watkins(scores, classes), pytorch_multi_margin(scores, classes))
    cases.append(case("hinge", weston_watkins, scores, classes))
    weights = torch.round(torch.rand(rows, width, dtype=torch.float64) * 16) / 16
    cases.append(case("soft_cross_entropy", F.cross_entropy, scores, weights))
big = torch.tensor([[1000.0, -1000.0, 0.0], [-1000.0, -1000.0, -1000.0], [1000.0, 1000.0, 1000.0]], dtype=torch.float64)
cases.append(case("cross_entropy", F.cross_entropy, big, torch.tensor([1, 2, 0])))
for shape in [(1,), (7, 5), (3, 2, 4)]:
    x, t = grid(*shape), grid(*shape)
    cases.append(case("mse", F.mse_loss, x, t))
    cases.append(case("huber", F.huber_loss, x, t))
    p = torch.round(torch.rand(*shape, dtype=torch.float64) * 16) / 16
    cases.append(case("bce_with_logits", F.binary_cross_entropy_with_logits, x, p))
wide = torch.tensor([1000.0, -1000.0, 0.0, 20.0, -20.0, 60.0], dtype=torch.float64)
half = torch.tensor([0.0, 1.0, 0.5, 1.0, 0.0, 0.25], dtype=torch.float64)
cases.append(case("bce_with_logits", F.binary_cross_entropy_with_logits, wide, half))

out = pathlib.Path(__file__).with_name("torch.json")
lines = ",\n".join(json.dumps(c) for c in cases)
out.write_text(f'{{"torch": "{torch.__version__.split("+")[0]}", "cases": [\n{lines}\n]}}\n')
