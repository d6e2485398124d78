"""A small network trained by PyTorch in float64: gone on with from what PyTorch saved, and under what an update does beside
its rule. What thalweg must find.

    python tests/golden/updates/generate.py    # needs torch, keras, jax, numpy, safetensors; writes beside itself

NAME.model.safetensors       the `state_dict` after BEFORE epochs
NAME.optimizer.safetensors   the optimizer's there, flattened by `save_optimizer` below; NAME.numbered.safetensors the same by
                             the numbers that `Optimizer.state_dict()` has for names (for two of them)
states.json                  for each of them the TOML that goes on with it, the loss of every further step, and parameters and
                             states after the last
runs.json                    runs from ../pytorch/mlp.safetensors that clip, accumulate and keep a running average: their TOML,
                             the loss of every minibatch, the parameters after the last, and their average

Rows are those of ../pytorch/classes.npz in their order; the network has tanh, so that no run comes near a kink of its own.
`spread` is how far rounding may carry a run, to first order, in units of its unit roundoff: the largest deviation over DRAWS
runs in which weights and examples of every gradient, and every loss, are moved by up to ROUNDINGS roundings of f32, what an
update leaves of each parameter by one and of each state by FEW (and so are the ones that a run starts with), divided by
2^-24. Gradients that are added up over minibatches are moved as they are added.
"""

import json
import os
import pathlib

# Its other backend rounds the norm of a gradient to f32.
os.environ["KERAS_BACKEND"] = "jax"
import jax
jax.config.update("jax_enable_x64", True)
import keras
import numpy as np
import torch
import torch.nn.functional as F
from safetensors.torch import load_file, save_file
from torch.func import functional_call
from torch.optim.swa_utils import AveragedModel, get_ema_multi_avg_fn

HERE = pathlib.Path(__file__).parent
BATCH, BEFORE, AFTER = 5, 2, 4
ROUNDINGS, FEW, DRAWS, UNIT = 48, 4, 64, 2.0**-24
torch.set_num_threads(1)
torch.set_default_dtype(torch.float64)
keras.config.set_floatx("float64")

arrays = np.load(HERE.parent / "pytorch" / "classes.npz")
X, TARGET = torch.from_numpy(arrays["x_train"]), torch.from_numpy(arrays["y_train"])
START = load_file(HERE.parent / "pytorch" / "mlp.safetensors")


def network():
    return torch.nn.Sequential(torch.nn.Flatten(), torch.nn.Linear(6, 5), torch.nn.Tanh(), torch.nn.Linear(5, 4))


def save_optimizer(optimizer, model, path):
    names = {p: name for name, p in model.named_parameters()}
    tensors = {
        f"state.{names[p]}.{field}": torch.as_tensor(value).contiguous()
        for p, fields in optimizer.state.items() for field, value in fields.items() if value is not None
    }
    groups = [{**group, "params": [names[p] for p in group["params"]]} for group in optimizer.param_groups]
    save_file(tensors, path, {"param_groups": json.dumps(groups, default=float)})


def save_numbered(optimizer, path):
    state = optimizer.state_dict()
    tensors = {
        f"state.{number}.{field}": torch.as_tensor(value).contiguous()
        for number, fields in state["state"].items() for field, value in fields.items() if value is not None
    }
    save_file(tensors, path, {"param_groups": json.dumps(state["param_groups"], default=float)})


def moved(t, noise, roundings):
    """`t`, each number by up to so many roundings of f32 another."""
    if noise is None or not t.is_floating_point():
        return t
    return t * (1 + roundings * UNIT * (2 * torch.rand(t.shape, generator=noise, dtype=t.dtype) - 1))


class KerasRule:
    """Keras's optimizer behind PyTorch's methods."""

    def __init__(self, parameters, make):
        self.parameters, self.state = list(parameters), {}
        self.variables = [keras.Variable(p.detach().numpy().copy()) for p in self.parameters]
        self.rule = make()
        self.rule.build(self.variables)

    def zero_grad(self):
        for p in self.parameters:
            p.grad = None

    @torch.no_grad()
    def step(self):
        for v, p in zip(self.variables, self.parameters):
            v.assign(p.numpy().copy())
        self.rule.apply([keras.ops.convert_to_tensor(p.grad.numpy().copy()) for p in self.parameters], self.variables)
        for v, p in zip(self.variables, self.parameters):
            p.copy_(torch.from_numpy(np.array(v.value)))


def train(net, optimizer, epochs, noise=None, batch=BATCH, drop_last=False, accumulate=1, naive=False, clip=None, ema=None):
    """Losses of all minibatches and the average. `clip` cuts the gradients of a list of parameters in place."""
    average = AveragedModel(net, multi_avg_fn=get_ema_multi_avg_fn(ema)) if ema is not None else None
    losses = []
    for _ in range(epochs):
        parts = [rows for rows in torch.arange(len(X)).split(batch) if len(rows) == batch or not drop_last]
        for first in range(0, len(parts), accumulate):
            group = parts[first:first + accumulate]
            rows_of_group = sum(len(rows) for rows in group)
            optimizer.zero_grad()
            for rows in group:
                weights = {name: moved(p, noise, ROUNDINGS) for name, p in net.named_parameters()}
                value = F.cross_entropy(functional_call(net, weights, (moved(X[rows], noise, ROUNDINGS),)), TARGET[rows])
                losses.append(moved(value.detach(), noise, ROUNDINGS).item())
                (value / accumulate if naive else value * (len(rows) / rows_of_group)).backward()
                for p in net.parameters():
                    p.grad.copy_(moved(p.grad, noise, FEW))
            if clip is not None:
                clip(list(net.parameters()))
            optimizer.step()
            with torch.no_grad():
                for p in net.parameters():
                    p.copy_(moved(p, noise, 1))
                for fields in optimizer.state.values():
                    for value in fields.values():
                        if torch.is_tensor(value) and value.dim() > 0:
                            value.copy_(moved(value, noise, FEW))
            if average is not None:
                average.update_parameters(net)
                with torch.no_grad():
                    for p in average.module.parameters():
                        p.copy_(moved(p, noise, 1))
    return losses, {} if average is None else named(average.module)


def named(net):
    return {name: p.detach().clone() for name, p in net.named_parameters()}


def states(net, optimizer):
    names = {p: name for name, p in net.named_parameters()}
    return {
        f"{names[p]}.{field}": value.detach().clone() for p, fields in optimizer.state.items()
        for field, value in fields.items() if torch.is_tensor(value) and value.dim() > 0
    }


def spread_of(run, exact, groups):
    """Over DRAWS runs the largest deviation of each group of numbers from `exact`, in units of the roundoff."""
    spread = dict.fromkeys(groups, 0.0)
    flat = lambda value: torch.cat([t.flatten() for t in value.values()]) if isinstance(value, dict) else torch.tensor(value)
    for draw in range(DRAWS):
        far = run(torch.Generator().manual_seed(draw))
        for group, a, b in zip(groups, exact, far):
            if len(a) > 0:
                spread[group] = max(spread[group], ((flat(a) - flat(b)).abs().max() / UNIT).item())
    return spread


SGD = torch.optim.SGD
STATES = [
    ("sgd", 'name = "sgd"\nlearning_rate = 0.4', lambda p: SGD(p, lr=0.4)),
    ("momentum", 'name = "momentum"\nlearning_rate = 0.1\nmomentum = 0.9\ndampening = 0.25\nweight_decay = 0.01',
     lambda p: SGD(p, lr=0.1, momentum=0.9, dampening=0.25, weight_decay=0.01)),
    ("nesterov", 'name = "nesterov"\nlearning_rate = 0.1\nmomentum = 0.8',
     lambda p: SGD(p, lr=0.1, momentum=0.8, nesterov=True)),
    ("adagrad", 'name = "adagrad"\nlearning_rate = 0.1\nlr_decay = 0.05\ninitial_accumulator_value = 0.02',
     lambda p: torch.optim.Adagrad(p, lr=0.1, lr_decay=0.05, initial_accumulator_value=0.02)),
    ("rmsprop", 'name = "rmsprop"\nlearning_rate = 0.01\ndecay = 0.9',
     lambda p: torch.optim.RMSprop(p, lr=0.01, alpha=0.9)),
    ("rmsprop_centered", 'name = "rmsprop"\nlearning_rate = 0.003\ndecay = 0.9\ncentered = true\nmomentum = 0.5',
     lambda p: torch.optim.RMSprop(p, lr=0.003, alpha=0.9, centered=True, momentum=0.5)),
    ("adadelta", 'name = "adadelta"\nlearning_rate = 1.5\ndecay = 0.8', lambda p: torch.optim.Adadelta(p, lr=1.5, rho=0.8)),
    ("adam", 'name = "adam"\nlearning_rate = 0.02\nbeta2 = 0.99\nweight_decay = 0.01',
     lambda p: torch.optim.Adam(p, lr=0.02, betas=(0.9, 0.99), weight_decay=0.01)),
    ("amsgrad", 'name = "amsgrad"\nlearning_rate = 0.02\nbeta2 = 0.9',
     lambda p: torch.optim.Adam(p, lr=0.02, betas=(0.9, 0.9), amsgrad=True)),
    ("adamw", 'name = "adamw"\nlearning_rate = 0.02\nweight_decay = 0.1',
     lambda p: torch.optim.AdamW(p, lr=0.02, weight_decay=0.1)),
]

versions = {"torch": torch.__version__, "keras": keras.__version__}


def write(file, list_):
    lines = ",\n".join(json.dumps(r) for r in list_)
    (HERE / file).write_text(f'{{"versions": {json.dumps(versions)}, "runs": [\n{lines}\n]}}\n')


numbers = lambda tensors: {name: t.flatten().tolist() for name, t in tensors.items()}
kept = []
for name, toml, make in STATES:
    net = network()
    net.load_state_dict(START)
    optimizer = make(net.parameters())
    train(net, optimizer, BEFORE)
    save_file(net.state_dict(), HERE / f"{name}.model.safetensors")
    save_optimizer(optimizer, net, HERE / f"{name}.optimizer.safetensors")
    if name in ("momentum", "adam"):
        save_numbered(optimizer, HERE / f"{name}.numbered.safetensors")

    def go_on(noise):
        other = network()
        other.load_state_dict({name: moved(t, noise, 1) for name, t in net.state_dict().items()})
        rule = make(other.parameters())
        rule.load_state_dict(optimizer.state_dict())
        for fields in rule.state.values():
            for field, value in fields.items():
                if torch.is_tensor(value) and value.dim() > 0:
                    fields[field] = moved(value.clone(), noise, 1)
                elif torch.is_tensor(value):
                    fields[field] = value.clone()
        losses, _ = train(other, rule, AFTER, noise)
        return losses, named(other), states(other, rule)

    exact = losses, parameters, last = go_on(None)
    spread = spread_of(go_on, exact, ["loss", "parameter", "state"])
    kept.append({
        "name": name, "toml": f"[optimizer]\n{toml}\n\n[train]\nepochs = {AFTER}\nbatch_size = {BATCH}\nshuffle = false\n",
        "updates": 3 * BEFORE, "losses": losses, "parameters": numbers(parameters), "states": numbers(last), "spread": spread,
    })
    print(name, losses[0], losses[-1], spread)

write("states.json", kept)
CUT = []


def by_norm(maximum):
    return lambda p: CUT.append(bool(torch.nn.utils.clip_grad_norm_(p, maximum) > maximum))


def by_value(maximum):
    def cut(p):
        CUT.extend(bool((q.grad.abs() > maximum).any()) for q in p)
        torch.nn.utils.clip_grad_value_(p, maximum)
    return cut


def keras_rule(**clip):
    return lambda p: KerasRule(p, lambda: keras.optimizers.SGD(0.4, **clip))


MOMENTUM = ('name = "momentum"\nlearning_rate = 0.3\nmomentum = 0.8', lambda p: SGD(p, lr=0.3, momentum=0.8))
ADAM = ('name = "adam"\nlearning_rate = 0.02', lambda p: torch.optim.Adam(p, lr=0.02))
KERAS = 'name = "sgd"\nconvention = "keras"\nlearning_rate = 0.4'
RUNS = [
    ("clip_grad_norm_", MOMENTUM, "\n[optimizer.clip]\nnorm = 0.4", "batch_size = 5", dict(clip=by_norm(0.4))),
    ("clip_grad_value_", MOMENTUM, "\n[optimizer.clip]\nvalue = 0.06", "batch_size = 5", dict(clip=by_value(0.06))),
    ("Keras's clipnorm", (KERAS, keras_rule(clipnorm=0.3125)), "\n[optimizer.clip]\ntensor_norm = 0.3125", "batch_size = 5", {}),
    ("Keras's global_clipnorm", (KERAS, keras_rule(global_clipnorm=0.375)), "\n[optimizer.clip]\nnorm = 0.375", "batch_size = 5", {}),
    ("Keras's clipvalue", (KERAS, keras_rule(clipvalue=0.0625)), "\n[optimizer.clip]\nvalue = 0.0625", "batch_size = 5", {}),
    ("loss / accumulate", ADAM, "", "batch_size = 4\ndrop_last = true\naccumulate = 3",
     dict(batch=4, drop_last=True, accumulate=3, naive=True)),
    ("ragged groups", ADAM, "", "batch_size = 3\naccumulate = 3", dict(batch=3, accumulate=3)),
    ("AveragedModel", ADAM, "", "batch_size = 5\naverage = 0.9", dict(ema=0.9)),
    ("all together", MOMENTUM, "\n[optimizer.clip]\nnorm = 0.35", "batch_size = 2\naccumulate = 3\naverage = 0.75",
     dict(batch=2, accumulate=3, ema=0.75, clip=by_norm(0.35))),
]
runs = []
for name, (toml, make), clip, lines, options in RUNS:
    CUT.clear()

    def whole(noise):
        net = network()
        net.load_state_dict(START)
        losses, average = train(net, make(net.parameters()), 6, noise, **options)
        return losses, named(net), average

    exact = losses, parameters, average = whole(None)
    assert "clip" not in options or {True, False} <= set(CUT), f"{name}: always or never"
    spread = spread_of(whole, exact, ["loss", "parameter", "average"])
    runs.append({
        "name": name, "toml": f"[optimizer]\n{toml}\n{clip}\n\n[train]\nepochs = 6\nshuffle = false\n{lines}\n",
        "losses": losses, "parameters": numbers(parameters), "average": numbers(average), "spread": spread,
    })
    print(name, losses[0], losses[-1], spread)

write("runs.json", runs)
