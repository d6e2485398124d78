"""The layers of thalweg's TOML form as modules of PyTorch, in an `nn.Sequential`: names and numbers must be the same."""

import torch
from torch import nn


class Residual(nn.Module):
    """As the rustdoc of `nn::Residual` gives it."""

    def __init__(self, layers, projection=()):
        super().__init__()
        self.layers, self.projection = nn.Sequential(*layers), nn.Sequential(*projection)

    def forward(self, x):
        return self.layers(x) + self.projection(x)


class Maxout(nn.Module):
    def __init__(self, pieces):
        super().__init__()
        self.pieces = pieces

    def forward(self, x):
        return x.unflatten(-1, (-1, self.pieces)).amax(-1)


def batch_norm(f, shape):
    kind = nn.BatchNorm2d if len(shape) == 4 else nn.BatchNorm1d
    return kind(shape[1], eps=f.get("epsilon", 1e-5), momentum=f.get("momentum", 0.1))


def conv2d(f, shape):
    more = {key: f[key] for key in ("stride", "padding", "dilation", "groups", "bias") if key in f}
    return nn.Conv2d(shape[1], f["out"], f["kernel"], **more)


# Fields and the shape of the batch that comes in.
MAKE = {
    "linear": lambda f, shape: nn.Linear(shape[-1], f["out"], bias=f.get("bias", True)),
    "conv2d": conv2d,
    "max_pool2d": lambda f, _: nn.MaxPool2d(f["kernel"], f.get("stride"), f.get("padding", 0)),
    "avg_pool2d": lambda f, _: nn.AvgPool2d(f["kernel"], f.get("stride"), f.get("padding", 0)),
    "global_avg_pool2d": lambda f, _: nn.AdaptiveAvgPool2d(1),
    "identity": lambda f, _: nn.Identity(),
    "relu": lambda f, _: nn.ReLU(),
    "tanh": lambda f, _: nn.Tanh(),
    "sigmoid": lambda f, _: nn.Sigmoid(),
    "softplus": lambda f, _: nn.Softplus(),
    "silu": lambda f, _: nn.SiLU(),
    "gelu": lambda f, _: nn.GELU(),
    "leaky_relu": lambda f, _: nn.LeakyReLU(f.get("slope", 0.01)),
    "elu": lambda f, _: nn.ELU(f.get("alpha", 1.0)),
    "batch_norm": batch_norm,
    "layer_norm": lambda f, shape: nn.LayerNorm(shape[1:], eps=f.get("epsilon", 1e-5)),
    "group_norm": lambda f, shape: nn.GroupNorm(f["groups"], shape[1], eps=f.get("epsilon", 1e-5)),
    "maxout": lambda f, _: Maxout(f.get("pieces", 2)),
    "dropout": lambda f, _: nn.Dropout(f.get("p", 0.5)),
    "dropout2d": lambda f, _: nn.Dropout2d(f.get("p", 0.5)),
    "embedding": lambda f, _: nn.Embedding(f["count"], f["dimension"]),
    "flatten": lambda f, _: nn.Flatten(),
    "softmax": lambda f, _: nn.Softmax(-1),
    "log_softmax": lambda f, _: nn.LogSoftmax(-1),
}


def modules(layers, x):
    """The modules of a list of layers, and what they make of `x`; what no module knows is an error."""
    made = []
    for fields in layers:
        fields = {key: tuple(v) if key != "layers" and key != "projection" and isinstance(v, list) else v
                  for key, v in fields.items()}
        kind = fields.pop("type")
        if kind == "residual":
            module = Residual(modules(fields["layers"], x)[0], modules(fields.get("projection", []), x)[0])
        else:
            module = MAKE[kind](fields, x.shape)
        # Two examples, of which no channel has a single value; evaluated, so that no buffer moves.
        x = module.double().eval()(x)
        made.append(module)
    return made, x


def network(model, example):
    """The network of a run's `[model]` for examples of this shape, in float64, evaluating."""
    first = torch.long if model["layers"][0]["type"] == "embedding" else torch.float64
    made, _ = modules(model["layers"], torch.zeros(2, *model.get("input", example), dtype=first))
    return nn.Sequential(*made).double().eval()
