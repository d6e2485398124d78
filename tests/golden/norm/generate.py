"""Normalisations by PyTorch in float64, with gradients and running statistics: what thalweg's layers must find.

    python tests/golden/norm/generate.py      # needs torch; writes cases.json beside itself

Inputs are multiples of 1/64 in [-2, 2), so that JSON and f32 hold them exactly; `far` cases lie around 1000. Each layer takes two
training steps (without an optimizer: only its running statistics move), then one evaluation of the first step's input. Each pass's loss
is the sum of the output weighted by `weights`; gradients are of it.
"""

import json
import pathlib

import torch

HERE = pathlib.Path(__file__).parent
torch.manual_seed(30)


def draw(*shape, far=0):
    return (torch.randint(-128, 128, shape).double() / 64) + far


def listed(tensor):
    return {"shape": list(tensor.shape), "values": tensor.detach().flatten().tolist()}


def one(layer, x):
    """One pass: output, gradients of input and parameters."""
    x = x.clone().requires_grad_()
    layer.zero_grad()
    y = layer(x)
    weights = draw(*y.shape)
    (y * weights).sum().backward()
    return {
        "x": listed(x),
        "y": listed(y),
        "weights": listed(weights),
        "gradients": {"x": listed(x.grad), **{name: listed(p.grad) for name, p in layer.named_parameters()}},
        "buffers": {name: listed(b.double()) for name, b in layer.named_buffers()},
    }


def case(toml, layer, shape, far=0):
    layer = layer.double()
    with torch.no_grad():
        for p in layer.parameters():
            p.copy_(draw(*p.shape))
    parameters = {name: listed(p) for name, p in layer.named_parameters()}
    inputs = [draw(*shape, far=far), draw(*shape, far=far)]
    train = [one(layer, x) for x in inputs]
    layer.eval()
    return {"toml": toml, "parameters": parameters, "train": train, "evaluate": one(layer, inputs[0])}


nn = torch.nn
batch = '{ type = "batch_norm" }'
cases = [
    case(batch, nn.BatchNorm1d(3), [7, 3]),
    case(batch, nn.BatchNorm1d(1), [2, 1]),
    case('{ type = "batch_norm", momentum = 0.3, epsilon = 0.01 }', nn.BatchNorm1d(5, eps=0.01, momentum=0.3), [4, 5, 9]),
    case(batch, nn.BatchNorm2d(3), [2, 3, 5, 4]),
    case(batch, nn.BatchNorm2d(2), [1, 2, 7, 3]),
    case(batch, nn.BatchNorm2d(4), [9, 4, 3, 3], far=1000),
    case('{ type = "layer_norm" }', nn.LayerNorm(11), [5, 11]),
    case('{ type = "layer_norm", epsilon = 0.1 }', nn.LayerNorm([3, 5, 2], eps=0.1), [3, 3, 5, 2]),
    case('{ type = "layer_norm" }', nn.LayerNorm(13), [1, 13], far=1000),
    case('{ type = "group_norm", groups = 2 }', nn.GroupNorm(2, 6), [3, 6, 5]),
    case('{ type = "group_norm", groups = 3, epsilon = 0.001 }', nn.GroupNorm(3, 9, eps=0.001), [2, 9, 3, 4]),
    case('{ type = "group_norm", groups = 4 }', nn.GroupNorm(4, 4), [1, 4, 3, 3]),
    case('{ type = "group_norm", groups = 2 }', nn.GroupNorm(2, 8), [5, 8]),
]
(HERE / "cases.json").write_text(json.dumps({"torch": torch.__version__, "cases": cases}) + "\n")
