"""Learning rates (and momenta) by the schedulers of PyTorch, Optax and Keras in float64: what thalweg's schedules must find.

    KERAS_BACKEND=jax python tests/golden/schedule/generate.py    # needs torch, optax, keras; writes curves.json beside itself

Each case is a [schedule] table of thalweg, the base rate, steps an epoch, epochs, and one rate a step, in `source`'s own
recursion or closed form. Where t counts epochs the library is stepped once an epoch and the rate repeated for its steps.
`noam` is in none of the three: it is the formula of section 5.3 of arXiv 1706.03762, in numpy. A warm-up is PyTorch's
SequentialLR with LinearLR; before a curve that PyTorch's cannot follow it with (its OneCycleLR rewrites the rates it
starts from; Keras' and the paper's are no torch schedulers) it is LinearLR's rates, then those of the curve alone.
For `plateau` the case holds the validation loss of each epoch too. Nothing lies behind the end of a curve but where the
library itself says that it stays there.
"""

import json
import math
import os
import pathlib
import warnings

os.environ.setdefault("KERAS_BACKEND", "jax")
import jax

jax.config.update("jax_enable_x64", True)
import keras
import numpy
import optax
import torch
from torch.optim import lr_scheduler as lr

keras.config.set_floatx("float64")
warnings.filterwarnings("ignore")
HERE = pathlib.Path(__file__).parent


def sgd(base, momentum=0.9):
    return torch.optim.SGD([torch.nn.Parameter(torch.zeros(1, dtype=torch.float64))], lr=base, momentum=momentum)


def torch_rates(base, count, make):
    """`count` rates and momenta of a scheduler that is stepped between them."""
    optimizer = sgd(base)
    scheduler = make(optimizer)
    rates, momenta = [], []
    for done in range(count):
        if done:
            optimizer.step()
            scheduler.step()
        rates.append(float(optimizer.param_groups[0]["lr"]))
        momenta.append(float(optimizer.param_groups[0]["momentum"]))
    return rates, momenta


cases = []


def case(source, table, base, per, epochs, rates, momenta=None, losses=None):
    """`rates` holds one for each epoch or for each step; two equal lengths mean one step an epoch."""
    if len(rates) == epochs and per > 1:
        rates = [rate for rate in rates for _ in range(per)]
        momenta = momenta and [m for m in momenta for _ in range(per)]
    assert len(rates) == per * epochs, (table, len(rates))
    found = {"source": source, "table": table, "base": base, "steps_per_epoch": per, "epochs": epochs, "rates": rates}
    if momenta:
        found["momenta"] = momenta
    if losses:
        found["losses"] = losses
    cases.append(found)


def pytorch(table, base, per, epochs, make, unit=None):
    """A case of one torch scheduler, at steps where the unit says so."""
    unit = unit or table.get("unit", "epoch")
    count = epochs if unit == "epoch" else per * epochs
    case(f"torch {torch.__version__}", table, base, per, epochs, torch_rates(base, count, make)[0])


def warm(table, base, per, epochs, over, start, make):
    """PyTorch's own chain: LinearLR, then another."""
    def chained(optimizer):
        first = lr.LinearLR(optimizer, start_factor=start, total_iters=over)
        return lr.SequentialLR(optimizer, [first, make(optimizer)], milestones=[over])
    pytorch(table, base, per, epochs, chained)


# constant, step, multi_step, exponential

pytorch({"name": "constant"}, 0.3, 3, 4, lambda o: lr.ConstantLR(o, factor=1.0))
pytorch({"name": "step", "every": 5, "factor": 0.5}, 0.8, 4, 23, lambda o: lr.StepLR(o, 5, 0.5))
pytorch({"name": "step", "every": 20, "factor": 0.1}, 0.1, 1, 90, lambda o: lr.StepLR(o, 20, 0.1))
pytorch({"name": "multi_step", "milestones": [82, 123], "factor": 0.1}, 0.1, 2, 164,
        lambda o: lr.MultiStepLR(o, [82, 123], 0.1))
pytorch({"name": "multi_step", "milestones": [1, 2, 7, 400], "factor": 0.3, "unit": "step"}, 2.0, 5, 3,
        lambda o: lr.MultiStepLR(o, [1, 2, 7, 400], 0.3))
pytorch({"name": "exponential", "rate": 0.3}, 0.1, 3, 12, lambda o: lr.ExponentialLR(o, math.exp(-0.3)))
pytorch({"name": "exponential", "rate": 0.01, "unit": "step"}, 0.1, 30, 12,
        lambda o: lr.ExponentialLR(o, math.exp(-0.01)))
decay = optax.exponential_decay(0.7, transition_steps=20, decay_rate=math.exp(-1.0))
case(f"optax {optax.__version__}", {"name": "exponential", "rate": 0.05, "unit": "step"}, 0.7, 10, 6,
     [float(decay(t)) for t in range(60)])

# inverse

for table, base, per, epochs in [({"name": "inverse", "rate": 0.5}, 0.2, 3, 15),
                                 ({"name": "inverse", "rate": 0.03, "unit": "step"}, 0.2, 20, 5)]:
    decay = keras.optimizers.schedules.InverseTimeDecay(base, decay_steps=1, decay_rate=table["rate"])
    count = per * epochs if "unit" in table else epochs
    case(f"keras {keras.__version__}", table, base, per, epochs,
         [float(decay(numpy.float64(t))) for t in range(count)])

# polynomial

for power in [1.0, 0.5, 2.0, 0.9]:
    pytorch({"name": "polynomial", "power": power}, 0.4, 3, 17, lambda o: lr.PolynomialLR(o, 17, power))
pytorch({"name": "polynomial", "power": 3.0, "over": 30, "unit": "step"}, 0.4, 10, 5,
        lambda o: lr.PolynomialLR(o, 30, 3.0))
for power, end in [(1.0, 0.01), (2.5, 1e-4), (1.0, 0.9)]:
    way = optax.polynomial_schedule(0.5, end, power, transition_steps=33)
    case(f"optax {optax.__version__}",
         {"name": "polynomial", "power": power, "end": end, "over": 33, "unit": "step"}, 0.5, 8, 5,
         [float(way(t)) for t in range(40)])
    way = keras.optimizers.schedules.PolynomialDecay(0.5, 33, end_learning_rate=end, power=power)
    case(f"keras {keras.__version__}",
         {"name": "polynomial", "power": power, "end": end, "over": 33, "unit": "step"}, 0.5, 8, 5,
         [float(way(numpy.float64(t))) for t in range(40)])

# cosine (not Keras' CosineDecay: it computes in float32 even here)

for epochs in [1, 2, 10, 90]:
    pytorch({"name": "cosine"}, 0.1, 2, epochs, lambda o: lr.CosineAnnealingLR(o, epochs))
pytorch({"name": "cosine", "minimum": 1e-3, "unit": "step"}, 0.1, 20, 15,
        lambda o: lr.CosineAnnealingLR(o, 300, eta_min=1e-3))
pytorch({"name": "cosine", "unit": "step"}, 0.1, 1, 1, lambda o: lr.CosineAnnealingLR(o, 1))
# Behind its end Optax's stays there, where PyTorch's would rise again.
way = optax.cosine_decay_schedule(0.1, decay_steps=40, alpha=0.0)
case(f"optax {optax.__version__}", {"name": "cosine", "over": 40, "unit": "step"}, 0.1, 10, 12,
     [float(way(t)) for t in range(120)])
way = optax.cosine_decay_schedule(0.1, decay_steps=40, alpha=0.25)
case(f"optax {optax.__version__}", {"name": "cosine", "over": 40, "minimum": 0.025, "unit": "step"}, 0.1, 10, 12,
     [float(way(t)) for t in range(120)])
for first, more in [(10, 1), (1, 1), (7, 2), (3, 3), (50, 2)]:
    pytorch({"name": "cosine", "period": first, "multiplier": more, "minimum": 1e-4}, 0.1, 2, 45,
            lambda o: lr.CosineAnnealingWarmRestarts(o, first, more, eta_min=1e-4))
pytorch({"name": "cosine", "period": 16, "unit": "step"}, 0.1, 10, 10,
        lambda o: lr.CosineAnnealingWarmRestarts(o, 16))

# one_cycle

for given in [
    {},
    {"anneal_strategy": "linear"},
    {"three_phase": True},
    {"three_phase": True, "anneal_strategy": "linear", "pct_start": 0.4},
    {"pct_start": 0.1, "div_factor": 10.0, "final_div_factor": 100.0},
    {"pct_start": 1.0},
    {"pct_start": 0.0},
    {"base_momentum": 0.7, "max_momentum": 0.99},
]:
    for per, epochs in [(10, 12), (1, 1), (7, 1), (1, 33)]:
        total = per * epochs
        if total * given.get("pct_start", 0.3) == 1.0:
            continue  # A rise without length: PyTorch divides by 0.
        named = {"anneal_strategy": "cos", **given}
        rates, momenta = torch_rates(0.5, total, lambda o: lr.OneCycleLR(o, max_lr=0.5, total_steps=total, **named))
        case(f"torch {torch.__version__}", {"name": "one_cycle", "cycle_momentum": True, **given}, 0.5, per, epochs,
             rates, momenta)
pytorch({"name": "one_cycle", "unit": "epoch"}, 0.5, 3, 20,
        lambda o: lr.OneCycleLR(o, max_lr=0.5, total_steps=20, cycle_momentum=False))

# noam


def noam(base, size, warmup, count):
    s = numpy.arange(1, count + 1, dtype=numpy.float64)
    return (base * size**-0.5 * numpy.minimum(s**-0.5, s * warmup**-1.5)).tolist()


for size, warmup in [(512, 40), (64, 1), (512, 4000)]:
    case(f"arXiv 1706.03762, numpy {numpy.__version__}",
         {"name": "noam", "model_size": size, "warmup_steps": warmup}, 1.0, 25, 8, noam(1.0, size, warmup, 200))

# plateau

generator = numpy.random.default_rng(7)
falling = (1.0 / (1.0 + 0.2 * numpy.arange(60)) + 0.02 * generator.standard_normal(60)).tolist()
flat = [1.0] * 40
stairs = [1.0 - 0.1 * (e // 9) + 5e-5 * (e % 3) for e in range(60)]
nothing = [0.5, 0.5, 0.4999, 0.49995, 0.4998, 0.49985, 0.3, 0.3, 0.31, 0.29999, 0.2999, 0.0, 0.0, -1.0, -1.0, -1.00005, -2.0]
for losses in [falling, flat, stairs, nothing]:
    for given in [
        {},
        {"factor": 0.5, "patience": 2},
        {"factor": 0.5, "patience": 0, "threshold": 1e-2},
        {"factor": 0.3, "patience": 1, "threshold": 1e-2, "threshold_mode": "abs"},
        {"factor": 0.5, "patience": 1, "cooldown": 3},
        {"factor": 0.2, "patience": 1, "minimum": 3e-4},
        {"factor": 0.2, "patience": 1, "minimum": 1.0},
        {"factor": 0.1, "patience": 0, "epsilon": 1e-5},
    ]:
        names = {"minimum": "min_lr", "epsilon": "eps"}
        optimizer = sgd(0.1)
        scheduler = lr.ReduceLROnPlateau(optimizer, **{names.get(key, key): x for key, x in given.items()})
        rates = []
        for loss in losses:
            rates.append(float(optimizer.param_groups[0]["lr"]))
            scheduler.step(loss)
        case(f"torch {torch.__version__}", {"name": "plateau", **given}, 0.1, 2, len(losses), rates, losses=losses)

# warm-up

third = 1.0 / 3.0
warm({"name": "constant", "warmup": 5}, 0.1, 3, 12, 5, third, lambda o: lr.ConstantLR(o, factor=1.0))
warm({"name": "constant", "warmup": {"over": 1, "start": 0.5}}, 0.1, 3, 4, 1, 0.5, lambda o: lr.ConstantLR(o, factor=1.0))
warm({"name": "step", "every": 4, "factor": 0.5, "warmup": {"over": 3, "start": 0.1}}, 0.1, 2, 20, 3, 0.1,
     lambda o: lr.StepLR(o, 4, 0.5))
warm({"name": "multi_step", "milestones": [4, 9], "factor": 0.1, "warmup": 6}, 0.1, 2, 20, 6, third,
     lambda o: lr.MultiStepLR(o, [4, 9], 0.1))
warm({"name": "exponential", "rate": 0.2, "unit": "step", "warmup": {"over": 7, "unit": "step"}}, 0.1, 5, 6, 7, third,
     lambda o: lr.ExponentialLR(o, math.exp(-0.2)))
warm({"name": "polynomial", "power": 2.0, "warmup": {"over": 4, "start": 0.01}}, 0.1, 3, 19, 4, 0.01,
     lambda o: lr.PolynomialLR(o, 15, 2.0))
warm({"name": "cosine", "minimum": 1e-3, "warmup": 5}, 0.1, 2, 50, 5, third,
     lambda o: lr.CosineAnnealingLR(o, 45, eta_min=1e-3))
warm({"name": "cosine", "unit": "step", "warmup": {"over": 33, "unit": "step", "start": 0.001}}, 0.1, 10, 14, 33, 0.001,
     lambda o: lr.CosineAnnealingLR(o, 107))
warm({"name": "cosine", "period": 6, "multiplier": 2, "warmup": 5}, 0.1, 2, 50, 5, third,
     lambda o: lr.CosineAnnealingWarmRestarts(o, 6, 2))
# Longer than the run: the rise alone.
warm({"name": "cosine", "warmup": 30}, 0.1, 3, 8, 30, third, lambda o: lr.CosineAnnealingLR(o, 1))

rise, _ = torch_rates(0.1, 20, lambda o: lr.LinearLR(o, start_factor=0.25, total_iters=20))
cycle, _ = torch_rates(0.1, 60, lambda o: lr.OneCycleLR(o, max_lr=0.1, total_steps=60, cycle_momentum=False))
case(f"torch {torch.__version__}", {"name": "one_cycle", "warmup": {"over": 20, "unit": "step", "start": 0.25}}, 0.1, 8, 10,
     rise + cycle)
case(f"torch {torch.__version__}, arXiv 1706.03762",
     {"name": "noam", "model_size": 64, "warmup_steps": 10, "warmup": {"over": 20, "unit": "step", "start": 0.25}}, 0.1, 8, 10,
     rise + noam(0.1, 64, 10, 60))
decay = keras.optimizers.schedules.InverseTimeDecay(0.1, decay_steps=1, decay_rate=0.1)
case(f"torch {torch.__version__}, keras {keras.__version__}",
     {"name": "inverse", "rate": 0.1, "unit": "step", "warmup": {"over": 20, "unit": "step", "start": 0.25}}, 0.1, 8, 10,
     rise + [float(decay(numpy.float64(t))) for t in range(60)])

text = ",\n".join(json.dumps(found) for found in cases)
(HERE / "curves.json").write_text(f"[\n{text}\n]\n")
print(len(cases), "cases")
