"""Networks of PyTorch with every layer: what thalweg must read, say of the same examples, and become by the same steps.

    python tests/golden/interchange/generate.py      # needs torch, numpy and safetensors; writes beside itself

conv/ dense/ words/      a run's folder each:
    run.toml             by hand, here; layers.py says which module of PyTorch a layer is
    model.safetensors    the `state_dict` after WARM training steps elsewhere, so that running statistics are not 0 and 1
    data.npz             x_train, y_train: 13 examples, in minibatches of 5, 5 and 3
    examples.npz         x: 7 examples to answer
    after.safetensors    the `state_dict` after the run's steps from model.safetensors, dropout's p being 0
    expected.json        outputs (evaluation) of examples.npz, the loss of every step, and how far rounding may carry each
half/ brain/             conv/ as float16 and bfloat16: run.toml, model.safetensors, expected.json with outputs alone, of
                         the network with the rounded numbers, computed in float64
untracked.safetensors    dense/ with `track_running_stats=False`: no buffers

All weights and data are exact in f32, so that f32 starts at the same point. Outputs and states are PyTorch's in float64.

`spread` is how far rounding may carry a number, to first order, in units of the unit roundoff: the largest deviation over
DRAWS runs in which every weight, every example, every layer's output, every gradient that goes back through one, every
weight's gradient, every loss and every update is moved by up to ROUNDINGS roundings of f32, divided by 2^-24. (A sum of n
products computed in any order is the exact one of products moved by at most n roundings each.) The script takes the first
seed whose training comes near no kink, and refuses draws that cross one: there it would say nothing. (What a network answers
bends at a kink but does not jump.)
"""

import json
import pathlib
import shutil
import tomllib

import numpy as np
import torch
import torch.nn.functional as F
from safetensors.torch import save_file
from torch import nn

from layers import Maxout, Residual, network

HERE = pathlib.Path(__file__).parent
ROWS, BATCH, EXAMPLES, WARM = 13, 5, 7, 3
# The longest sums: 5 images of 5 x 6 places of a convolution's weight gradient and of a batch's statistics (150), twice:
# forward and backward.
ROUNDINGS, DRAWS, UNIT = 300, 32, 2.0**-24
NEAR = 2e-4

CONV = """[data]
source = "npz:data.npz"
validation = 0.0

[model]
loss = "cross_entropy"
layers = [
  { type = "conv2d", out = 6, kernel = [3, 2], stride = [2, 1], padding = [1, 0], dilation = [1, 2], groups = 2, bias = false },
  { type = "batch_norm", momentum = 0.3, epsilon = 1e-3 },
  { type = "relu" },
  { type = "max_pool2d", kernel = [2, 3], stride = 1, padding = [0, 1] },
  { type = "residual", layers = [
    { type = "conv2d", out = 8, kernel = 3, stride = 2, padding = 1, bias = false },
    { type = "batch_norm" },
    { type = "silu" },
    { type = "dropout2d", p = 0.5 },
    { type = "conv2d", out = 8, kernel = 3, padding = 1 },
  ], projection = [
    { type = "conv2d", out = 8, kernel = 1, stride = 2, bias = false },
    { type = "batch_norm" },
  ] },
  { type = "group_norm", groups = 2 },
  { type = "gelu" },
  { type = "avg_pool2d", kernel = 2, stride = 1, padding = 1 },
  { type = "global_avg_pool2d" },
  { type = "flatten" },
  { type = "linear", out = 5 },
]

[optimizer]
name = "momentum"
learning_rate = 0.05
momentum = 0.9

[train]
epochs = 2
batch_size = 5
shuffle = false
"""
DENSE = """[data]
source = "npz:data.npz"
validation = 0.0

[model]
loss = "mse"
layers = [
  { type = "linear", out = 8, bias = false },
  { type = "batch_norm" },
  { type = "softplus" },
  { type = "linear", out = 12 },
  { type = "maxout", pieces = 3 },
  { type = "layer_norm" },
  { type = "leaky_relu", slope = 0.2 },
  { type = "elu", alpha = 0.5 },
  { type = "residual", layers = [{ type = "linear", out = 4 }, { type = "batch_norm" }, { type = "sigmoid" }] },
  { type = "dropout", p = 0.5 },
  { type = "identity" },
  { type = "linear", out = 3 },
  { type = "softmax" },
]

[optimizer]
name = "sgd"
learning_rate = 0.5

[train]
epochs = 2
batch_size = 5
shuffle = false
"""
WORDS = """[data]
source = "npz:data.npz"
validation = 0.0

[model]
loss = "cross_entropy"
layers = [
  { type = "embedding", count = 9, dimension = 5 },
  { type = "batch_norm" },
  { type = "layer_norm", epsilon = 1e-2 },
  { type = "flatten" },
  { type = "linear", out = 6 },
  { type = "tanh" },
  { type = "linear", out = 3 },
  { type = "log_softmax" },
]

[optimizer]
name = "adam"
learning_rate = 0.01

[train]
epochs = 2
batch_size = 5
shuffle = false
"""
RULES = {
    "sgd": lambda p, learning_rate: torch.optim.SGD(p, lr=learning_rate),
    "momentum": lambda p, learning_rate, momentum: torch.optim.SGD(p, lr=learning_rate, momentum=momentum),
    "adam": lambda p, learning_rate: torch.optim.Adam(p, lr=learning_rate),
}
LOSSES = {"cross_entropy": F.cross_entropy, "mse": F.mse_loss}


class Kink(Exception):
    pass


class Draw:
    """Moves numbers by up to ROUNDINGS roundings; without a seed it leaves them."""

    def __init__(self, seed):
        self.noise = None if seed is None else torch.Generator().manual_seed(seed)

    def __call__(self, t, roundings=ROUNDINGS):
        if self.noise is None or not t.is_floating_point():
            return t
        return t * (1 + roundings * UNIT * (2 * torch.rand(t.shape, generator=self.noise, dtype=t.dtype) - 1))


class Rounded(torch.autograd.Function):
    @staticmethod
    def forward(ctx, x, draw):
        ctx.draw = draw
        return draw(x)

    @staticmethod
    def backward(ctx, dy):
        return ctx.draw(dy), None


class Walk:
    """The network layer by layer, each rounded, with what its kinks decide."""

    def __init__(self, seed, smooth):
        self.draw, self.smooth, self.sides = Draw(seed), smooth, []

    def decide(self, sides, gap):
        self.sides.append(sides)
        if self.smooth and self.draw.noise is None and not gap.min() > NEAR:
            raise Kink

    def kinks(self, layer, x):
        if isinstance(layer, (nn.ReLU, nn.LeakyReLU, nn.ELU)):
            self.decide(x > 0, x.abs())
        elif isinstance(layer, Maxout):
            top = x.unflatten(-1, (-1, layer.pieces)).topk(2, -1)
            self.decide(top.indices[..., 0], top.values[..., 0] - top.values[..., 1])
        elif isinstance(layer, nn.MaxPool2d):
            pair = lambda n: n if isinstance(n, tuple) else (n, n)
            (kh, kw), (sh, sw), (ph, pw) = pair(layer.kernel_size), pair(layer.stride), pair(layer.padding)
            windows = F.pad(x, (pw, pw, ph, ph), value=-torch.inf).unfold(2, kh, sh).unfold(3, kw, sw).flatten(4)
            top = windows.topk(2, -1)
            # Zeros of a ReLU: whichever wins, nothing goes back through it.
            dead = top.values[..., 0] == 0
            gap = torch.where(dead, torch.inf, top.values[..., 0] - top.values[..., 1])
            self.decide(torch.where(dead, -1, top.indices[..., 0]), gap)

    def __call__(self, layers, x):
        for layer in layers:
            if isinstance(layer, Residual):
                x = self(layer.layers, x) + self(layer.projection, x)
            else:
                self.kinks(layer, x)
                x = layer(x)
            x = Rounded.apply(x, self.draw)
        return x


def loaded(net, state):
    net.load_state_dict(state)
    return net


def answers(net, state, x, seed=None):
    walk = Walk(seed, smooth=False)
    loaded(net, {name: walk.draw(t) for name, t in state.items()}).eval()
    with torch.no_grad():
        return walk(net, walk.draw(x)), []


def steps(net, state, x, y, toml, epochs, seed=None):
    """The loss of every step, the state after the last, and the kinks' sides."""
    loaded(net, state).train()
    for layer in net.modules():
        if isinstance(layer, (nn.Dropout, nn.Dropout2d)):
            layer.p = 0.0
    fields = dict(toml["optimizer"])
    optimizer = RULES[fields.pop("name")](net.parameters(), **fields)
    walk, losses = Walk(seed, smooth=True), []
    for _ in range(epochs):
        for rows in torch.arange(len(x)).split(BATCH):
            before = [p.detach().clone() for p in net.parameters()]
            with torch.no_grad():
                for p in net.parameters():
                    p.copy_(walk.draw(p))
            loss = LOSSES[toml["model"]["loss"]](walk(net, walk.draw(x[rows])), y[rows])
            optimizer.zero_grad()
            loss.backward()
            losses.append(walk.draw(loss.detach()).item())
            with torch.no_grad():
                for p, kept in zip(net.parameters(), before):
                    p.copy_(kept)
                    p.grad.copy_(walk.draw(p.grad))
            optimizer.step()
            # A rule, and a running mean, are of a few operations each.
            with torch.no_grad():
                for p in net.parameters():
                    p.copy_(walk.draw(p, 8))
                for b in net.buffers():
                    b.copy_(walk.draw(b, 8))
    return losses, {name: t.clone() for name, t in net.state_dict().items()}, walk.sides


def deviations(run, right):
    """The largest deviation of each of `right`'s tensors over the draws, in units of the roundoff."""
    *right, sides = right
    worst = None
    for seed in range(DRAWS):
        *found, other = run(seed)
        assert len(sides) == len(other) and all(a.equal(b) for a, b in zip(sides, other)), "a draw crosses a kink"
        far = [(a.double() - b.double()).abs().max().item() / UNIT for a, b in zip(right, found)]
        worst = far if worst is None else [max(pair) for pair in zip(worst, far)]
    return worst


def exact(t):
    return t.float().double() if t.is_floating_point() else t


def start(toml, example, seed):
    """A network somewhat trained on data of its own, and data."""
    torch.manual_seed(seed)
    words, classes = toml["model"]["layers"][0].get("count"), toml["model"]["loss"] == "cross_entropy"

    def data(rows):
        if words:
            x = torch.randint(0, words, (rows, *example))
        else:
            x = torch.round(torch.randn(rows, *example, dtype=torch.float64) * 16) / 16 + 0.25
        outputs = toml["model"]["layers"][-2 if "softmax" in toml["model"]["layers"][-1]["type"] else -1]["out"]
        if classes:
            return x, torch.cat([torch.arange(outputs), torch.randint(0, outputs, (rows,))])[:rows]
        return x, torch.round(torch.rand(rows, outputs, dtype=torch.float64) * 16) / 16

    net = network(toml["model"], example).train()
    with torch.no_grad():
        for p in net.parameters():
            p.add_(0.1 * torch.randn_like(p))
    optimizer = torch.optim.SGD(net.parameters(), lr=0.1)
    for _ in range(WARM):
        x, y = data(8)
        optimizer.zero_grad()
        LOSSES[toml["model"]["loss"]](net(x), y).backward()
        optimizer.step()
    return {name: exact(t) for name, t in net.state_dict().items()}, data(ROWS), data(EXAMPLES)[0]


def keep(name, text, example):
    folder, toml = HERE / name, tomllib.loads(text)
    folder.mkdir(exist_ok=True)
    net, epochs = network(toml["model"], example), toml["train"]["epochs"]
    for seed in range(1000):
        state, (x, y), examples = start(toml, example, seed)
        try:
            outputs, sides = answers(net, state, examples)
            losses, after, trained = steps(net, state, x, y, toml, epochs)
            far = deviations(lambda s: answers(net, state, examples, s), (outputs, sides))

            def flat(found):
                losses, after, sides = found
                return torch.tensor(losses, dtype=torch.float64), *after.values(), sides

            moved = deviations(lambda s: flat(steps(net, state, x, y, toml, epochs, s)), flat((losses, after, trained)))
            break
        except Kink:
            continue
    else:
        raise SystemExit(f"{name}: every seed comes near a kink")
    # By PyTorch's own forward, not by the walk.
    assert torch.equal(loaded(net, state).eval()(examples), outputs)
    spread = {"outputs": far[0], "losses": moved[0], **dict(zip(after, moved[1:]))}
    (folder / "run.toml").write_text(text)
    save_file(state, folder / "model.safetensors")
    save_file(after, folder / "after.safetensors")
    number = lambda t: t.numpy() if t.is_floating_point() else t.numpy().astype(np.int64)
    np.savez(folder / "data.npz", x_train=number(x), y_train=number(y))
    np.savez(folder / "examples.npz", x=number(examples))
    said = {"torch": torch.__version__, "outputs": outputs.flatten().tolist(), "losses": losses, "spread": spread}
    (folder / "expected.json").write_text(json.dumps(said) + "\n")
    print(name, "seed", seed, losses[0], losses[-1], spread)
    return net, state, examples


net, state, examples = keep("conv", CONV, (4, 9, 8))
for name, kind in [("half", torch.float16), ("brain", torch.bfloat16)]:
    folder = HERE / name
    folder.mkdir(exist_ok=True)
    narrow = {key: t.to(kind) if t.is_floating_point() else t for key, t in state.items()}
    wide = {key: t.double() if t.is_floating_point() else t for key, t in narrow.items()}
    outputs, sides = answers(net, wide, examples)
    far = deviations(lambda s: answers(net, wide, examples, s), (outputs, sides))
    shutil.copy(HERE / "conv" / "run.toml", folder / "run.toml")
    save_file(narrow, folder / "model.safetensors")
    said = {"torch": torch.__version__, "outputs": outputs.flatten().tolist(), "spread": {"outputs": far[0]}}
    (folder / "expected.json").write_text(json.dumps(said) + "\n")
_, state, _ = keep("dense", DENSE, (6,))
save_file({n: t for n, t in state.items() if "running" not in n and "tracked" not in n}, HERE / "untracked.safetensors")
keep("words", WORDS, (4,))
