"""Networks of PyTorch in float64, what they answer, and how well: what thalweg must say of the same files.

    python tests/golden/predict/generate.py      # needs torch, numpy and safetensors; writes beside itself

classifier/      a run's folder: run.toml (by hand, here) and model.safetensors, as safetensors.torch.save_file writes it
regressor/       the same for `mse`, and binary/ for `bce_with_logits`
classes.npz      x, y: 40 pictures of shape [2, 6, 6], one of 6 classes each; the class 4 does not occur
alone.npz        the same x, with nothing beside it
numbers.npz      x_test, y_test: 40 rows of 3 numbers, with two numbers in [0, 1] to answer
expected.json    loss, probabilities, confusion matrix, precision, recall and F1, the outputs of the others, and `rounding`

Weights and data are exact in f32, so that f32 starts at the same point. Precision, recall and F1 are counted here row by
row, by their definitions over sets of rows, in exact fractions; they use neither thalweg's formula nor scikit-learn.

`rounding` is how far one roundoff of f32 may carry an output, in units of the roundoff: the largest change over DRAWS runs
in which every weight, every bias, every example and every intermediate value is moved by up to ROUNDINGS roundings.
"""

import json
import pathlib
from fractions import Fraction

import numpy as np
import torch
import torch.nn.functional as F
from safetensors.torch import save_file

HERE = pathlib.Path(__file__).parent
ROWS, CLASSES = 40, 6
# The longest chain: 18 products of the convolution and its bias, 27 of the linear layer, 8 of the last, exp and sums.
ROUNDINGS, DRAWS, UNIT = 64, 64, 2.0**-24


def exact(t, steps=64):
    return torch.round(t * steps) / steps


def classifier():
    return torch.nn.Sequential(
        torch.nn.Conv2d(2, 3, 3, padding=1), torch.nn.ReLU(), torch.nn.MaxPool2d(2), torch.nn.Flatten(),
        torch.nn.Linear(27, 8), torch.nn.Tanh(), torch.nn.Linear(8, CLASSES),
    ).double()


def dense():
    return torch.nn.Sequential(torch.nn.Linear(3, 5), torch.nn.Tanh(), torch.nn.Linear(5, 2)).double()


def make(build, seed, scale):
    torch.manual_seed(seed)
    net = build()
    with torch.no_grad():
        for p in net.parameters():
            p.copy_(exact(p * scale))
    return net


def rounding(net, x, answer):
    """The largest change of `answer(net(x))`, elementwise, over all draws; in units of the roundoff."""
    right = answer(net(x))
    start = {name: p.detach().clone() for name, p in net.named_parameters()}
    worst = 0.0
    for draw in range(DRAWS):
        noise = torch.Generator().manual_seed(draw)
        moved = lambda t: t * (1 + ROUNDINGS * UNIT * (2 * torch.rand(t.shape, generator=noise, dtype=t.dtype) - 1))
        with torch.no_grad():
            for name, p in net.named_parameters():
                p.copy_(moved(start[name]))
            h = moved(x)
            for layer in net:
                h = moved(layer(h))
            worst = max(worst, (moved(answer(h)) - right).abs().max().item() / UNIT)
    with torch.no_grad():
        for name, p in net.named_parameters():
            p.copy_(start[name])
    return worst


def keep(name, net, toml):
    folder = HERE / name
    folder.mkdir(exist_ok=True)
    save_file(net.state_dict(), folder / "model.safetensors")
    (folder / "run.toml").write_text(toml)


def judged(truth, answer):
    """Each class's numbers, by sets of rows."""
    scores = []
    for c in range(CLASSES):
        of, called = ({i for i, k in enumerate(ks) if k == c} for ks in (truth, answer))
        both = len(of & called)
        share = lambda part, whole: float(Fraction(part, whole)) if whole else None
        scores.append({
            "precision": share(both, len(called)), "recall": share(both, len(of)),
            "f1": share(2 * both, len(of) + len(called)), "support": len(of),
        })
    return scores


def average(scores, key):
    there = [s[key] for s in scores if s[key] is not None]
    return float(np.mean(there))


net = make(classifier, 11, 3.0)
torch.manual_seed(5)
x = exact(torch.randn(ROWS, 2, 6, 6, dtype=torch.float64), 16)
scores = net(x).detach()
answer = scores.argmax(1)
# Two rows of three are as the network says, the others as chance has it; the class 4 is no row's.
y = torch.where(torch.arange(ROWS) % 3 == 0, torch.randint(0, CLASSES, (ROWS,)), answer)
y = torch.where(y == 4, 5, y)
best = scores.topk(2, dim=1).values
assert (best[:, 0] - best[:, 1]).min() > 1e-3, "a winner that rounding may change: another seed"
keep("classifier", net, """[data]
source = "npz:nowhere.npz"

[model]
layers = [
  { type = "conv2d", out = 3, kernel = 3, padding = 1 },
  { type = "relu" },
  { type = "max_pool2d", kernel = 2 },
  { type = "flatten" },
  { type = "linear", out = 8 },
  { type = "tanh" },
  { type = "linear", out = 6 },
]
loss = "cross_entropy"
l2 = 0.25
""")
np.savez(HERE / "classes.npz", x=x.numpy().astype(np.float32), y=y.numpy())
np.savez(HERE / "alone.npz", x=x.numpy().astype(np.float32))
confusion = np.zeros((CLASSES, CLASSES), int)
np.add.at(confusion, (y.numpy(), answer.numpy()), 1)
classes = judged(y.tolist(), answer.tolist())
softmax = lambda s: F.softmax(s, dim=1)
expected = {"torch": torch.__version__, "classifier": {
    "loss": F.cross_entropy(scores, y).item(), "accuracy": (answer == y).double().mean().item(),
    "probabilities": softmax(scores).flatten().tolist(), "answers": answer.tolist(), "confusion": confusion.tolist(),
    "classes": classes, "macro": {key: average(classes, key) for key in ("precision", "recall", "f1")},
    "rounding": {
        "values": rounding(net, x, softmax), "loss": rounding(net, x, lambda s: F.cross_entropy(s, y)),
    },
}}

rows = exact(torch.randn(ROWS, 3, dtype=torch.float64), 16)
numbers = exact(torch.rand(ROWS, 2, dtype=torch.float64), 16)
np.savez(HERE / "numbers.npz", x_test=rows.numpy(), y_test=numbers.numpy())
for name, loss, of, answer_of, seed in [
    ("regressor", "mse", F.mse_loss, lambda s: s, 21),
    ("binary", "bce_with_logits", F.binary_cross_entropy_with_logits, torch.sigmoid, 22),
]:
    net = make(dense, seed, 2.0)
    keep(name, net, f"""[model]
input = [3]
layers = [{{ type = "linear", out = 5 }}, {{ type = "tanh" }}, {{ type = "linear", out = 2 }}]
loss = "{loss}"
""")
    scores = net(rows).detach()
    expected[name] = {
        "loss": of(scores, numbers).item(), "values": answer_of(scores).flatten().tolist(),
        "rounding": {"values": rounding(net, rows, answer_of), "loss": rounding(net, rows, lambda s: of(s, numbers))},
    }
expected["regressor"]["rmse"] = expected["regressor"]["loss"] ** 0.5
(HERE / "expected.json").write_text(json.dumps(expected) + "\n")
print(confusion, classes, {k: expected[k]["rounding"] for k in ("classifier", "regressor", "binary")}, sep="\n")
