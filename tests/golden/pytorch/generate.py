"""A small network trained by PyTorch in float64: what thalweg reads, and what it must find.

    python tests/golden/pytorch/generate.py      # needs torch, numpy and safetensors; writes beside itself

mlp.safetensors  the `state_dict` of the network before the first step, as safetensors.torch.save_file writes it
classes.npz      x_train, y_train: 13 examples of shape [1, 2, 3], one of 4 classes each
numbers.npz      the same x_train with 4 numbers in [0, 1] to answer
runs.json        for each run its optimizer, loss, the loss of every step and the parameters after the last

Minibatches are 5, 5 and 3 rows in order. Weights and data are exact in f32, so that f32 starts at the same point.

`spread` is how far rounding may carry a run, to first order, in units of its unit roundoff: every step is repeated with
its gradient taken at weights and examples, and its update made, each moved by up to ROUNDINGS roundings of f32 (the
longest chain of operations from a weight to its gradient; by backward error analysis a computed product is the exact
one of factors moved so), and its loss, a sum of terms of one sign, moved by as many. The largest deviation over DRAWS such runs, for the losses and for the parameters, divided by
2^-24. The script refuses runs that come near a kink, where this would say nothing.
"""

import json
import pathlib

import numpy as np
import torch
import torch.nn.functional as F
from safetensors.torch import save_file
from torch.func import functional_call

HERE = pathlib.Path(__file__).parent
ROWS, BATCH, CLASSES = 13, 5, 4
# 6 + 5 products and 2 sums forward, exp and its sum (18), as many products backward, 5 rows, and the update.
ROUNDINGS, DRAWS, UNIT = 48, 64, 2.0**-24
NEAR = 1e-3


def network():
    return torch.nn.Sequential(
        torch.nn.Flatten(), torch.nn.Linear(6, 5), torch.nn.ReLU(), torch.nn.Linear(5, CLASSES)
    ).double()


def hinge(scores, classes):
    """CS231n's sum over the wrong classes; PyTorch divides by the number of classes besides."""
    return torch.nn.MultiMarginLoss(margin=1.0)(scores, classes) * CLASSES


LOSSES = {
    "cross_entropy": F.cross_entropy,
    "hinge": hinge,
    "mse": F.mse_loss,
    "bce_with_logits": F.binary_cross_entropy_with_logits,
    "huber": F.huber_loss,
}
RULES = {
    "sgd": lambda p, learning_rate: torch.optim.SGD(p, lr=learning_rate),
    "momentum": lambda p, learning_rate, momentum: torch.optim.SGD(p, lr=learning_rate, momentum=momentum),
    "adam": lambda p, learning_rate: torch.optim.Adam(p, lr=learning_rate),
    "adamw": lambda p, learning_rate, weight_decay: torch.optim.AdamW(p, lr=learning_rate, weight_decay=weight_decay),
}
RUNS = [("cross_entropy", 4, rule, fields) for rule, fields in [
    ("sgd", {"learning_rate": 0.5}),
    ("momentum", {"learning_rate": 0.1, "momentum": 0.9}),
    ("adam", {"learning_rate": 0.01}),
    ("adamw", {"learning_rate": 0.02, "weight_decay": 0.1}),
]] + [(loss, 1, "sgd", {"learning_rate": 0.1}) for loss in ["hinge", "mse", "bce_with_logits", "huber"]]


def near_a_kink(net, x, loss, target):
    before = net[1](net[0](x))
    near = before.abs().min() < NEAR
    if loss == "hinge":
        scores = net(x)
        margins = scores - scores.gather(1, target[:, None]) + 1
        wrong = torch.ones_like(margins).scatter(1, target[:, None], 0.0).bool()
        near |= margins[wrong].abs().min() < NEAR
    return bool(near)


def run(start, x, target, loss, epochs, rule, fields, noise=None):
    net = network()
    net.load_state_dict(start)
    optimizer = RULES[rule](net.parameters(), **fields)
    moved = lambda t: t if noise is None else t * (1 + ROUNDINGS * UNIT * (2 * torch.rand(t.shape, generator=noise, dtype=t.dtype) - 1))
    losses = []
    for _ in range(epochs):
        for rows in torch.arange(ROWS).split(BATCH):
            assert noise is not None or not near_a_kink(net, x[rows], loss, target[rows]), "near a kink: another seed"
            weights = {name: moved(p) for name, p in net.named_parameters()}
            value = LOSSES[loss](functional_call(net, weights, (moved(x[rows]),)), target[rows])
            optimizer.zero_grad()
            value.backward()
            losses.append(moved(value.detach()).item())
            optimizer.step()
            with torch.no_grad():
                for p in net.parameters():
                    p.copy_(p if noise is None else p + (moved(p) - p) / ROUNDINGS)
    return losses, {name: p.detach().clone() for name, p in net.named_parameters()}


torch.manual_seed(SEED := 3)
start = {name: p.float().double() for name, p in network().state_dict().items()}
x = torch.round(torch.randn(ROWS, 1, 2, 3, dtype=torch.float64) * 16) / 16
classes = torch.cat([torch.arange(CLASSES), torch.randint(0, CLASSES, (ROWS - CLASSES,))])
numbers = torch.round(torch.rand(ROWS, CLASSES, dtype=torch.float64) * 16) / 16
save_file(start, HERE / "mlp.safetensors")
np.savez(HERE / "classes.npz", x_train=x.numpy(), y_train=classes.numpy())
np.savez(HERE / "numbers.npz", x_train=x.numpy(), y_train=numbers.numpy())

runs = []
for loss, epochs, rule, fields in RUNS:
    kind, target = ("classes", classes) if loss in ("cross_entropy", "hinge") else ("numbers", numbers)
    losses, parameters = run(start, x, target, loss, epochs, rule, fields)
    spread = {"loss": 0.0, "parameter": 0.0}
    for draw in range(DRAWS):
        noise = torch.Generator().manual_seed(draw)
        other, moved = run(start, x, target, loss, epochs, rule, fields, noise)
        spread["loss"] = max(spread["loss"], max(abs(a - b) for a, b in zip(losses, other)) / UNIT)
        far = max((moved[name] - p).abs().max().item() for name, p in parameters.items())
        spread["parameter"] = max(spread["parameter"], far / UNIT)
    runs.append({
        "loss": loss, "data": kind, "epochs": epochs, "optimizer": {"name": rule, **fields}, "losses": losses,
        "parameters": {name: p.flatten().tolist() for name, p in parameters.items()}, "spread": spread,
    })
    print(loss, rule, losses[0], losses[-1], spread)
lines = ",\n".join(json.dumps(r) for r in runs)
(HERE / "runs.json").write_text(f'{{"torch": "{torch.__version__}", "batch_size": {BATCH}, "runs": [\n{lines}\n]}}\n')
