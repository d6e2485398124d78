"""The network of ../pytorch trained by PyTorch in float64 with parameter groups: what thalweg must find.

    python tests/golden/groups/generate.py      # needs torch, numpy and safetensors; writes beside itself

runs.json   for each run its optimizer, its groups by the pattern of their names, the loss of every step and the
            parameters after the last. The first group that matches a name has it; `frozen` is requires_grad = False.

Weights, rows and minibatches are those of ../pytorch/generate.py. So is `spread`, how far rounding may carry a run in units
of its unit roundoff: the largest deviation over DRAWS runs whose gradients are taken at weights and examples, and whose
updates are made, each moved by up to ROUNDINGS roundings of f32, divided by 2^-24.
"""

import fnmatch
import json
import pathlib

import numpy as np
import torch
import torch.nn.functional as F
from safetensors.torch import load_file
from torch.func import functional_call

HERE = pathlib.Path(__file__).parent
ROWS, BATCH, EPOCHS = 13, 5, 4
ROUNDINGS, DRAWS, UNIT = 48, 64, 2.0**-24
NEAR = 1e-3

RULES = {
    "sgd": lambda p, lr, **more: torch.optim.SGD(p, lr=lr, **more),
    "momentum": lambda p, lr, **more: torch.optim.SGD(p, lr=lr, **more),
    "adam": lambda p, lr, **more: torch.optim.Adam(p, lr=lr, **more),
    "adamw": lambda p, lr, **more: torch.optim.AdamW(p, lr=lr, **more),
}
RUNS = [
    ("momentum", {"learning_rate": 0.08, "momentum": 0.9, "weight_decay": 0.05}, [{"pattern": "*.bias", "weight_decay": 0.0}]),
    ("adamw", {"learning_rate": 0.02, "weight_decay": 0.1}, [
        {"pattern": "3.*", "learning_rate_factor": 0.25, "weight_decay": 2.0},
        {"pattern": "*.bias", "weight_decay": 0.0},
    ]),
    ("adam", {"learning_rate": 0.01, "weight_decay": 0.02}, [
        {"pattern": "1.weight", "frozen": True},
        {"pattern": "?.bias", "learning_rate_factor": 4.0},
    ]),
    ("sgd", {"learning_rate": 0.5}, [{"pattern": "1.*", "frozen": True}]),
]


def network():
    return torch.nn.Sequential(
        torch.nn.Flatten(), torch.nn.Linear(6, 5), torch.nn.ReLU(), torch.nn.Linear(5, 4)
    ).double()


def grouped(net, learning_rate, groups, **fields):
    """PyTorch's list of groups, the rest last."""
    lists, rest = [[] for _ in groups], []
    for name, p in net.named_parameters():
        owner = next((i for i, g in enumerate(groups) if fnmatch.fnmatchcase(name, g["pattern"])), None)
        if owner is not None and groups[owner].get("frozen"):
            p.requires_grad_(False)
        else:
            (rest if owner is None else lists[owner]).append(p)
    made = []
    for list_, g in zip(lists, groups):
        if list_:
            own = {"params": list_, "lr": learning_rate * g.get("learning_rate_factor", 1.0)}
            if "weight_decay" in g:
                own["weight_decay"] = g["weight_decay"]
            made.append(own)
    return made + ([{"params": rest}] if rest else [])


def run(start, x, target, rule, fields, groups, noise=None):
    net = network()
    net.load_state_dict(start)
    more = {name: value for name, value in fields.items() if name != "learning_rate"}
    optimizer = RULES[rule](grouped(net, groups=groups, **fields), fields["learning_rate"], **more)
    moved = lambda t: t if noise is None else t * (1 + ROUNDINGS * UNIT * (2 * torch.rand(t.shape, generator=noise, dtype=t.dtype) - 1))
    losses = []
    for _ in range(EPOCHS):
        for rows in torch.arange(ROWS).split(BATCH):
            near = net[1](net[0](x[rows])).abs().min() < NEAR
            assert noise is not None or not near, "near a kink: another seed"
            weights = {name: moved(p) for name, p in net.named_parameters()}
            value = F.cross_entropy(functional_call(net, weights, (moved(x[rows]),)), target[rows])
            optimizer.zero_grad()
            value.backward()
            losses.append(moved(value.detach()).item())
            optimizer.step()
            with torch.no_grad():
                for p in (p for p in net.parameters() if p.requires_grad and noise is not None):
                    p.copy_(p + (moved(p) - p) / ROUNDINGS)
    return losses, {name: p.detach().clone() for name, p in net.named_parameters()}


start = load_file(HERE.parent / "pytorch" / "mlp.safetensors")
arrays = np.load(HERE.parent / "pytorch" / "classes.npz")
x, target = torch.from_numpy(arrays["x_train"]), torch.from_numpy(arrays["y_train"])

runs = []
for rule, fields, groups in RUNS:
    losses, parameters = run(start, x, target, rule, fields, groups)
    spread = {"loss": 0.0, "parameter": 0.0}
    for draw in range(DRAWS):
        noise = torch.Generator().manual_seed(draw)
        other, far = run(start, x, target, rule, fields, groups, noise)
        spread["loss"] = max(spread["loss"], max(abs(a - b) for a, b in zip(losses, other)) / UNIT)
        off = max((far[name] - p).abs().max().item() for name, p in parameters.items())
        spread["parameter"] = max(spread["parameter"], off / UNIT)
    runs.append({
        "optimizer": {"name": rule, **fields}, "groups": groups, "epochs": EPOCHS, "losses": losses,
        "parameters": {name: p.flatten().tolist() for name, p in parameters.items()}, "spread": spread,
    })
    print(rule, losses[0], losses[-1], spread)
lines = ",\n".join(json.dumps(r) for r in runs)
(HERE / "runs.json").write_text(f'{{"torch": "{torch.__version__}", "batch_size": {BATCH}, "runs": [\n{lines}\n]}}\n')
