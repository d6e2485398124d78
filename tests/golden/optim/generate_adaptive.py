"""Golden trajectories of Adamax, NAdam, RAdam, Lion and LAMB, in f64.

    python tests/golden/optim/generate_adaptive.py      # needs torch, optax, jax and keras; writes *.json beside itself

`pytorch`, `optax` and `keras` cases are runs of those libraries, all in f64 (`jax_enable_x64`, Keras's floatx `float64` on
its JAX backend). `paper` cases are the papers' algorithms written out in numpy; where a library can be set to the same
mathematics, the script checks numpy against it before it writes anything. The form of the files is that of generate.py,
whose function supplies the gradients. LAMB's vector is one tensor.
"""

import json
import os
import pathlib

os.environ["KERAS_BACKEND"] = "jax"
os.environ["JAX_ENABLE_X64"] = "1"

import jax
import jax.numpy as jnp
import keras
import numpy as np
import optax
import torch

from generate import START, STEPS, gradient, rates

HERE = pathlib.Path(__file__).parent


def run(step, states, base, falling):
    """`step(x, g, rate, t)` gives the new x; `states()` what is held after the last step."""
    x = np.array(START)
    gradients, parameters = [], []
    for t, rate in enumerate(rates(base, falling)):
        g = gradient(x, t)
        gradients.append(g.tolist())
        x = np.asarray(step(x, g, rate, t))
        assert x.dtype == np.float64
        parameters.append(x.tolist())
    held = {name: np.asarray(value) for name, value in states().items()}
    assert all(value.dtype == np.float64 for value in held.values())
    return {"gradients": gradients, "parameters": parameters, "states": {k: v.tolist() for k, v in held.items()}}


def run_torch(make, names, base, falling):
    p = torch.nn.Parameter(torch.tensor(START, dtype=torch.float64))
    optimizer = make([p])

    def step(x, g, rate, t):
        optimizer.param_groups[0]["lr"] = rate
        p.grad = torch.tensor(g)
        optimizer.step()
        return p.detach().numpy().copy()

    return run(step, lambda: {name: optimizer.state[p][name].numpy() for name in names}, base, falling)


def run_optax(make, names, base, falling):
    table = jnp.asarray(rates(base, falling))
    chain = make(lambda count: table[count])
    held = [chain.init(jnp.array(START))]

    def step(x, g, rate, t):
        p = jnp.asarray(x)
        updates, held[0] = chain.update(jnp.asarray(g), held[0], p)
        return optax.apply_updates(p, updates)

    return run(step, lambda: {ours: getattr(held[0][0], theirs) for ours, theirs in names.items()}, base, falling)


def run_keras(make, names, base, falling):
    p = keras.Variable(np.array(START))
    optimizer = make()
    optimizer.build([p])

    def step(x, g, rate, t):
        optimizer.learning_rate = rate
        optimizer.apply([jnp.asarray(g)], [p])
        return np.array(p.value)

    return run(step, lambda: {ours: getattr(optimizer, theirs)[0].value for ours, theirs in names.items()}, base, falling)


def run_numpy(make, names, base, falling):
    rule, held = make(), {}
    return run(lambda x, g, rate, t: rule(x, g, rate, t + 1, held), lambda: {n: held[n] for n in names}, base, falling)


# Algorithms of the papers. `s` holds the states.


def mean(s, name, beta, x):
    s[name] = beta * s.get(name, np.zeros_like(x)) + (1 - beta) * x
    return s[name]


def adamax(beta1, beta2):
    """Kingma & Ba 2015, algorithm 2."""

    def rule(x, g, rate, t, s):
        m = mean(s, "exp_avg", beta1, g)
        s["exp_inf"] = np.maximum(beta2 * s.get("exp_inf", np.zeros_like(x)), np.abs(g))
        return x - rate / (1 - beta1**t) * m / s["exp_inf"]

    return rule


def lion(beta1, beta2, decay):
    """Chen et al. 2023, algorithm 2."""

    def rule(x, g, rate, t, s):
        m = s.get("exp_avg", np.zeros_like(x))
        c = beta1 * m + (1 - beta1) * g
        mean(s, "exp_avg", beta2, g)
        return x - rate * (np.sign(c) + decay * x)

    return rule


def lamb(beta1, beta2, eps, decay):
    """You et al. 2020, algorithm 2, with φ(z) = z."""

    def rule(x, g, rate, t, s):
        m = mean(s, "exp_avg", beta1, g) / (1 - beta1**t)
        v = mean(s, "exp_avg_sq", beta2, g * g) / (1 - beta2**t)
        u = m / (np.sqrt(v) + eps) + decay * x
        return x - rate * np.sqrt((x * x).sum()) / np.sqrt((u * u).sum()) * u

    return rule


def same(cases, other):
    """`other` gives the same parameters from the same gradients."""
    for case in cases:
        twin = other(case["fields"], case["rates"][0] != case["rates"][-1])
        assert np.allclose(case["parameters"], twin["parameters"], rtol=1e-11, atol=1e-12), case["fields"]
        yield case


def cases(name, convention, runner, make, states, defaults, *changes):
    """The convention's defaults at a constant and a falling rate, then each change of them at a falling one."""
    for i, change in enumerate([{}, {}, *changes]):
        fields = {**defaults, **change}
        rate, falling = fields["learning_rate"], i > 0
        result = runner(lambda *args: make(fields, *args), states, rate, falling)
        yield {"name": name, "convention": convention, "fields": fields, "rates": rates(rate, falling), "start": START, **result}


BETAS = {"beta1": 0.7, "beta2": 0.95}


def all_cases():
    T, K, O = torch.optim, keras.optimizers, optax
    wd = {"weight_decay": 0.3}

    def betas(f):
        return {"betas": (f["beta1"], f["beta2"])}

    def k(f):
        return {"learning_rate": f["learning_rate"], "beta_1": f["beta1"], "beta_2": f["beta2"], "weight_decay": f["weight_decay"] or None}

    # Adamax
    two = ["exp_avg", "exp_inf"]
    d = {"learning_rate": 2e-3, "beta1": 0.9, "beta2": 0.999, "epsilon": 1e-8, "weight_decay": 0.0}
    changes = [{"learning_rate": 0.05}, {"learning_rate": 0.05, **BETAS}, {"learning_rate": 0.05, "epsilon": 0.1}, {"learning_rate": 0.05, **wd}]
    make = lambda f, p: T.Adamax(p, eps=f["epsilon"], weight_decay=f["weight_decay"], **betas(f))
    yield from cases("adamax", "pytorch", run_torch, make, two, d, *changes)
    make = lambda f: K.Adamax(epsilon=f["epsilon"], **k(f))
    yield from cases("adamax", "keras", run_keras, make, {"exp_avg": "_m", "exp_inf": "_u"}, {**d, "learning_rate": 1e-3, "epsilon": 1e-7}, *changes)
    make = lambda f, rate: O.adamaxw(rate, f["beta1"], f["beta2"], f["epsilon"], f["weight_decay"])
    yield from cases("adamax", "optax", run_optax, make, {"exp_avg": "mu", "exp_inf": "nu"}, {**d, "learning_rate": 1e-3}, *changes)
    d = {"learning_rate": 2e-3, "beta1": 0.9, "beta2": 0.999}
    paper = cases("adamax", "paper", run_numpy, lambda f: adamax(f["beta1"], f["beta2"]), two, d, *changes[:2])
    twin = lambda f, falling: run_torch(lambda p: T.Adamax(p, eps=1e-300, **betas(f)), two, f["learning_rate"], falling)
    yield from same(paper, twin)

    # NAdam
    two = ["exp_avg", "exp_avg_sq"]
    moments = {"exp_avg": "_momentums", "exp_avg_sq": "_velocities"}
    optax_moments = {"exp_avg": "mu", "exp_avg_sq": "nu"}
    d = {"learning_rate": 2e-3, "beta1": 0.9, "beta2": 0.999, "epsilon": 1e-8, "weight_decay": 0.0}
    mine = {"momentum_decay": 4e-3, "decoupled_weight_decay": False}
    further = [{"learning_rate": 0.05, "momentum_decay": 0.3}, {"learning_rate": 0.05, "decoupled_weight_decay": True, **wd}]
    make = lambda f, p: T.NAdam(
        p,
        eps=f["epsilon"],
        weight_decay=f["weight_decay"],
        momentum_decay=f["momentum_decay"],
        decoupled_weight_decay=f["decoupled_weight_decay"],
        **betas(f),
    )
    yield from cases("nadam", "pytorch", run_torch, make, two, {**d, **mine}, *changes, *further)
    make = lambda f: K.Nadam(epsilon=f["epsilon"], **k(f))
    yield from cases("nadam", "keras", run_keras, make, moments, {**d, "learning_rate": 1e-3, "epsilon": 1e-7}, *changes)
    root = {"learning_rate": 0.05, "epsilon_root": 0.2}
    make = lambda f, rate: O.nadamw(rate, f["beta1"], f["beta2"], f["epsilon"], f["epsilon_root"], weight_decay=f["weight_decay"])
    o = {**d, "learning_rate": 1e-3, "epsilon_root": 0.0}
    yield from cases("nadam", "optax", run_optax, make, optax_moments, o, *changes, root)

    # RAdam: at β₂ = 0.999 and 0.95 the rectification begins at step 6; at 0.6 it never does, ρ∞ = 4.
    d = {"learning_rate": 1e-3, "beta1": 0.9, "beta2": 0.999, "epsilon": 1e-8, "weight_decay": 0.0, "decoupled_weight_decay": False}
    short = {"learning_rate": 0.05, "beta2": 0.6}
    further = [short, {"learning_rate": 0.05, "decoupled_weight_decay": True, **wd}]
    make = lambda f, p: T.RAdam(p, eps=f["epsilon"], weight_decay=f["weight_decay"], decoupled_weight_decay=f["decoupled_weight_decay"], **betas(f))
    yield from cases("radam", "pytorch", run_torch, make, two, d, *changes, *further)
    make = lambda f, rate: O.radam(rate, f["beta1"], f["beta2"], f["epsilon"], f["epsilon_root"], nesterov=f["nesterov"])
    o = {"learning_rate": 1e-3, "beta1": 0.9, "beta2": 0.999, "epsilon": 1e-8, "epsilon_root": 0.0, "nesterov": False}
    yield from cases("radam", "optax", run_optax, make, optax_moments, o, *changes[:3], root, short, {"learning_rate": 0.05, "nesterov": True})

    # Lion
    d = {"learning_rate": 1e-3, "beta1": 0.9, "beta2": 0.99, "weight_decay": 0.0}
    changes = [{"learning_rate": 0.05}, {"learning_rate": 0.05, **BETAS}, {"learning_rate": 0.05, **wd}]
    make = lambda f: K.Lion(**k(f))
    yield from cases("lion", "keras", run_keras, make, {"exp_avg": "_momentums"}, d, *changes)
    optax_lion = lambda f, rate: O.lion(rate, f["beta1"], f["beta2"], weight_decay=f["weight_decay"])
    yield from cases("lion", "optax", run_optax, optax_lion, {"exp_avg": "mu"}, {**d, "weight_decay": 1e-3}, *changes)
    make = lambda f: lion(f["beta1"], f["beta2"], f["weight_decay"])
    paper = cases("lion", "paper", run_numpy, make, ["exp_avg"], {**d, "learning_rate": 1e-4}, *changes)
    twin = lambda f, falling: run_optax(lambda rate: optax_lion(f, rate), {"exp_avg": "mu"}, f["learning_rate"], falling)
    yield from same(paper, twin)

    # LAMB
    d = {"learning_rate": 1e-3, "beta1": 0.9, "beta2": 0.999, "epsilon": 1e-6, "weight_decay": 0.0}
    changes = [{"learning_rate": 0.05}, {"learning_rate": 0.05, **BETAS}, {"learning_rate": 0.05, "epsilon": 0.1}, {"learning_rate": 0.05, **wd}]
    make = lambda f: K.Lamb(epsilon=f["epsilon"], **k(f))
    yield from cases("lamb", "keras", run_keras, make, moments, {**d, "epsilon": 1e-7}, *changes)
    optax_lamb = lambda f, rate: O.lamb(rate, f["beta1"], f["beta2"], f["epsilon"], f.get("epsilon_root", 0.0), f["weight_decay"])
    yield from cases("lamb", "optax", run_optax, optax_lamb, optax_moments, {**d, "epsilon_root": 0.0}, *changes, root)
    make = lambda f: lamb(f["beta1"], f["beta2"], f["epsilon"], f["weight_decay"])
    paper = cases("lamb", "paper", run_numpy, make, two, {**d, "weight_decay": 0.01}, *changes)
    twin = lambda f, falling: run_optax(lambda rate: optax_lamb(f, rate), optax_moments, f["learning_rate"], falling)
    yield from same(paper, twin)


def main():
    torch.set_default_dtype(torch.float64)
    keras.config.set_floatx("float64")
    made_by = {m.__name__: m.__version__ for m in (torch, optax, jax, keras, np)}
    files = {}
    for case in all_cases():
        assert len(case["rates"]) == STEPS
        files.setdefault(case["name"], []).append(case)
    for name, cases_of in files.items():
        lines = ",\n".join(json.dumps(case) for case in cases_of)
        (HERE / f"{name}.json").write_text(f'{{"made_by": {json.dumps(made_by)},\n"cases": [\n{lines}\n]}}\n')
        print(name, len(cases_of))


if __name__ == "__main__":
    main()
