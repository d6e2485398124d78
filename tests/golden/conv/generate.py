"""Convolutions and poolings by PyTorch in float64, with gradients: what thalweg's twins must find.

    python tests/golden/conv/generate.py      # needs torch; writes cases.json beside itself

Inputs are multiples of 1/64 in [-2, 2), no two of one image equal within a window, so that JSON, f32 and a maximum have no choice.
Each case's loss is the sum of the output weighted by `weights`; gradients are with respect to it. The layers of `networks`
are built from the same TOML names that thalweg reads; their parameters are PyTorch's own, by PyTorch's names.
"""

import json
import pathlib

import torch
import torch.nn.functional as F

HERE = pathlib.Path(__file__).parent
torch.manual_seed(20)


def draw(*shape):
    """Distinct values on a grid as long as there are enough of them."""
    count = int(torch.tensor(shape).prod())
    values = torch.cat([torch.randperm(256) for _ in range(-(-count // 256))])[:count]
    return ((values - 128.0).double() / 64).reshape(shape)


def listed(tensor):
    return {"shape": list(tensor.shape), "values": tensor.detach().flatten().tolist()}


def finish(case, f, operands):
    leaves = [t.requires_grad_() for t in operands]
    y = f(*leaves)
    weights = draw(*y.shape)
    (y * weights).sum().backward()
    case |= {
        "operands": [listed(t) for t in leaves],
        "y": listed(y),
        "weights": listed(weights),
        "gradients": [listed(t.grad) for t in leaves],
    }
    return case


def convolution(x, out, kernel, stride, padding, dilation, groups, bias):
    operands = [draw(*x), draw(out, x[1] // groups, *kernel)] + ([draw(out)] if bias else [])
    settings = {"stride": stride, "padding": padding, "dilation": dilation, "groups": groups}
    return finish({"op": "conv2d", **settings}, lambda *t: F.conv2d(*t, **settings), operands)


def pooling(op, x, kernel, stride, padding):
    f = {"max_pool2d": F.max_pool2d, "avg_pool2d": F.avg_pool2d}[op]
    settings = {"kernel": kernel, "stride": stride, "padding": padding}
    return finish({"op": op, **settings}, lambda t: f(t, tuple(kernel), tuple(stride), tuple(padding)), [draw(*x)])


def ties(x, kernel, stride, padding):
    """Whole numbers from 0 to 2: most windows have several largest."""
    settings = {"kernel": kernel, "stride": stride, "padding": padding}
    values = torch.randint(0, 3, x).double()
    f = lambda t: F.max_pool2d(t, tuple(kernel), tuple(stride), tuple(padding))
    return finish({"op": "max_pool2d", **settings}, f, [values])


def network(toml, layers, x):
    model = torch.nn.Sequential(*layers).double()
    x = draw(*x)
    y = model(x)
    weights = draw(*y.shape)
    (y * weights).sum().backward()
    names = [name for name, _ in model.named_parameters()]
    return {
        "toml": toml,
        "x": listed(x),
        "y": listed(y),
        "weights": listed(weights),
        "parameters": {name: listed(p) for name, p in model.named_parameters()},
        "order": names,
        "gradients": {name: listed(p.grad) for name, p in model.named_parameters()},
    }


nn = torch.nn
cases = [
    convolution([2, 3, 5, 4], 4, [3, 3], [1, 1], [0, 0], [1, 1], 1, True),
    convolution([1, 2, 7, 6], 3, [3, 2], [2, 1], [1, 1], [1, 1], 1, False),
    convolution([2, 4, 6, 5], 6, [2, 3], [1, 2], [1, 0], [1, 1], 2, True),
    convolution([1, 3, 8, 9], 3, [3, 3], [3, 2], [2, 3], [2, 2], 3, True),
    convolution([1, 2, 4, 4], 5, [1, 1], [3, 3], [2, 1], [1, 1], 1, False),
    pooling("max_pool2d", [2, 3, 6, 5], [2, 2], [2, 2], [0, 0]),
    pooling("max_pool2d", [1, 2, 7, 7], [3, 3], [2, 2], [1, 1]),
    pooling("max_pool2d", [1, 2, 5, 8], [3, 2], [1, 3], [1, 0]),
    ties([2, 2, 7, 6], [3, 3], [2, 1], [1, 1]),
    pooling("avg_pool2d", [2, 3, 6, 5], [2, 2], [2, 2], [0, 0]),
    pooling("avg_pool2d", [1, 2, 7, 7], [3, 3], [2, 2], [1, 1]),
    pooling("avg_pool2d", [1, 2, 5, 8], [3, 2], [1, 3], [1, 0]),
]
networks = [
    network(
        """
        { type = "conv2d", out = 4, kernel = 3, padding = 1 },
        { type = "tanh" },
        { type = "max_pool2d", kernel = 2 },
        { type = "conv2d", out = 6, kernel = [3, 2], stride = [1, 2], dilation = [1, 2], groups = 2, bias = false },
        { type = "avg_pool2d", kernel = [2, 1], stride = 1, padding = [1, 0] },
        { type = "global_avg_pool2d" },
        { type = "flatten" },
        { type = "linear", out = 3 },
        """,
        [
            nn.Conv2d(2, 4, 3, padding=1),
            nn.Tanh(),
            nn.MaxPool2d(2),
            nn.Conv2d(4, 6, (3, 2), stride=(1, 2), dilation=(1, 2), groups=2, bias=False),
            nn.AvgPool2d((2, 1), stride=1, padding=(1, 0)),
            nn.AdaptiveAvgPool2d(1),
            nn.Flatten(),
            nn.Linear(6, 3),
        ],
        [3, 2, 9, 10],
    )
]
(HERE / "cases.json").write_text(json.dumps({"torch": torch.__version__, "cases": cases, "networks": networks}) + "\n")
