"""torch.nn.Embedding in float64, with the gradient of its weight: what thalweg's layer must find.

    python tests/golden/embedding/generate.py      # needs torch; writes cases.json beside itself

All numbers are multiples of 1/64, so that sums are exact in any order. The loss is the sum of the output weighted by
`weights`. Rows occur never, once and several times.
"""

import json
import pathlib

import torch

HERE = pathlib.Path(__file__).parent
torch.manual_seed(23)


def draw(*shape):
    return torch.randint(-128, 128, shape).double() / 64


def listed(tensor):
    return {"shape": list(tensor.shape), "values": tensor.detach().flatten().tolist()}


def case(count, dimension, index):
    layer = torch.nn.Embedding(count, dimension, dtype=torch.float64)
    layer.weight.data = draw(count, dimension)
    index = torch.tensor(index)
    y = layer(index)
    weights = draw(*y.shape)
    (y * weights).sum().backward()
    return {
        "weight": listed(layer.weight),
        "index": {"shape": list(index.shape), "values": index.flatten().tolist()},
        "y": listed(y),
        "weights": listed(weights),
        "gradient": listed(layer.weight.grad),
    }


cases = [
    case(5, 3, [[0, 4, 4, 1], [4, 1, 0, 4]]),
    case(7, 1, [[6], [6], [0]]),
    case(1, 4, [[0, 0, 0]]),
    case(11, 2, [[[1, 2], [3, 3]], [[10, 10], [3, 1]]]),
]
(HERE / "cases.json").write_text(json.dumps({"torch": torch.__version__, "cases": cases}) + "\n")
