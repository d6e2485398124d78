"""Golden trajectories of Muon and Adafactor, in f64, of matrices, of kernels of a convolution and of vectors.

    python tests/golden/optim/generate_tensor.py      # needs torch, optax, jax and keras; writes *.json beside itself

All are runs of the libraries, `paper` aside, which is numpy and checked against Keras. Tensors are in PyTorch's layout, `[out, in]`
and `[out, in, height, width]`; Keras and Optax get them in theirs, with in before out. Cases have a `shape`, and states are given
in the shape they have here. Three places in which a library itself computes in less than f64 are widened, the code otherwise being
its own:

- torch.optim.Muon iterates in bfloat16: `torch.bfloat16` means float64 while it does;
- keras.ops.mean and keras.ops.norm compute in float32 on the JAX backend, whatever they are given: they are replaced by
  jax.numpy's. With the float32 the parameters differ by less than 1e-6, which is asserted;
- optax.adafactor computes its decay `1 - t**-0.8` in float32: the function is replaced by the same in float64. With the float32
  the parameters differ by less than 1e-6, which is asserted.

PyTorch's Muon takes matrices alone, so a vector's case is torch.optim.AdamW.
"""

import contextlib
import json

import generate_adaptive as base
import jax
import jax.numpy as jnp
import keras
import numpy as np
import optax
import torch
from generate import STEPS, gradient, rates
from keras.src import ops as keras_ops
from optax._src import factorized

MATRIX, TALL, KERNEL, VECTOR = (3, 4), (5, 2), (2, 3, 2, 2), (7,)


def start(shape):
    n = int(np.prod(shape))
    return 1.5 * np.sin(1.7 * np.arange(n) + 0.3)


def run(shape, step, states, rate, falling):
    x = start(shape)
    out = {"start": x.tolist(), "gradients": [], "parameters": []}
    for t, eta in enumerate(rates(rate, falling)):
        g = gradient(x, t)
        out["gradients"].append(g.tolist())
        x = np.asarray(step(x.reshape(shape), g.reshape(shape), eta, t))
        assert x.dtype == np.float64 and x.shape == shape
        x = x.ravel()
        out["parameters"].append(x.tolist())
    held = {name: np.asarray(value) for name, value in states().items()}
    assert all(value.dtype == np.float64 for value in held.values()), held
    return {**out, "states": {name: value.ravel().tolist() for name, value in held.items()}}


@contextlib.contextmanager
def bfloat16_is_float64():
    narrow = torch.bfloat16
    torch.bfloat16 = torch.float64
    try:
        yield
    finally:
        torch.bfloat16 = narrow


def run_torch(make, shape, names, rate, falling):
    p = torch.nn.Parameter(torch.zeros(shape, dtype=torch.float64))
    p.data = torch.tensor(start(shape).reshape(shape))
    optimizer = make([p])

    def step(x, g, eta, t):
        group = optimizer.param_groups[0]
        group["lr"] = eta * group.get("ratio", 1.0)
        p.grad = torch.tensor(g)
        with bfloat16_is_float64():
            optimizer.step()
        return p.detach().numpy().copy()

    return run(shape, step, lambda: {name: optimizer.state[p][name].numpy() for name in names}, rate, falling)


def turned(shape):
    """From PyTorch's layout to Keras's, and back."""
    if len(shape) == 4:
        return (lambda x: x.transpose(2, 3, 1, 0)), (lambda x: x.transpose(3, 2, 0, 1))
    return (lambda x: x.T), (lambda x: x.T)


def run_optax(make, shape, held, rate, falling):
    table = jnp.asarray(rates(rate, falling))
    chain = make(lambda count: table[count])
    there, back = turned(shape)
    state = [chain.init(jnp.asarray(there(start(shape).reshape(shape))))]

    def step(x, g, eta, t):
        p = jnp.asarray(there(x))
        updates, state[0] = chain.update(jnp.asarray(there(g)), state[0], p)
        return np.asarray(back(np.asarray(optax.apply_updates(p, updates))))

    return run(shape, step, lambda: {k: back(np.asarray(v)) if np.ndim(v) == len(shape) else np.asarray(v) for k, v in held(state[0]).items()}, rate, falling)


def run_keras(make, shape, held, rate, falling):
    there, back = turned(shape)
    p = keras.Variable(np.ascontiguousarray(there(start(shape).reshape(shape))))
    optimizer = make()
    optimizer.build([p])

    def step(x, g, eta, t):
        optimizer.learning_rate = eta
        optimizer.apply([jnp.asarray(there(g))], [p])
        return np.array(back(np.array(p.value)))

    return run(shape, step, lambda: held(optimizer, back), rate, falling)


def case(name, convention, shape, runner, make, held, defaults, change, falling=True):
    fields = {**defaults, **change}
    rate = fields["learning_rate"]
    result = runner(lambda *args: make(fields, *args), shape, held, rate, falling)
    return {"name": name, "convention": convention, "shape": list(shape), "fields": fields, "rates": rates(rate, falling), **result}


def muon_cases():
    fast = {"learning_rate": 0.05}
    changes = [
        {**fast, "momentum": 0.6},
        {**fast, "nesterov": False},
        {**fast, "ns_steps": 2.0},
        {**fast, "rms_rate": 0.3},
        {**fast, "weight_decay": 0.4},
    ]
    common = {"learning_rate": 1e-3, "momentum": 0.95, "nesterov": True, "ns_steps": 5.0, "adam_lr_ratio": 1.0, "beta1": 0.9, "beta2": 0.999}

    # PyTorch. The rank of r is that of adjust_lr_fn: 0.2 is the one other number it has.
    d = {**common, "epsilon": 1e-7, "rms_rate": 0.0, "weight_decay": 0.1, "adam_epsilon": 1e-8, "adam_weight_decay": 0.01}

    def make(f, p):
        assert f["rms_rate"] in (0.0, 0.2)
        adjust = "match_rms_adamw" if f["rms_rate"] else "original"
        return torch.optim.Muon(p, weight_decay=f["weight_decay"], momentum=f["momentum"], nesterov=f["nesterov"], eps=f["epsilon"], ns_steps=int(f["ns_steps"]), adjust_lr_fn=adjust)

    held = ["momentum_buffer"]
    yield case("muon", "pytorch", MATRIX, run_torch, make, held, d, {}, False)
    yield case("muon", "pytorch", TALL, run_torch, make, held, d, fast)
    for change in [*changes[:3], {**fast, "rms_rate": 0.2}, changes[4], {**fast, "epsilon": 20.0}]:
        yield case("muon", "pytorch", MATRIX, run_torch, make, held, d, change)
    adamw = lambda f, p: torch.optim.AdamW([{"params": p, "ratio": f["adam_lr_ratio"]}], betas=(f["beta1"], f["beta2"]), eps=f["adam_epsilon"], weight_decay=f["adam_weight_decay"])
    vector = {"learning_rate": 0.05, "beta1": 0.7, "beta2": 0.95, "adam_epsilon": 1e-3, "adam_weight_decay": 0.3}
    yield case("muon", "pytorch", VECTOR, run_torch, adamw, ["exp_avg", "exp_avg_sq"], d, {**vector, "adam_lr_ratio": 0.5})

    # Keras
    d = {**common, "rms_rate": 0.2, "weight_decay": 0.004, "adam_epsilon": 1e-7, "adam_weight_decay": 0.004}
    make = lambda f: keras.optimizers.Muon(
        learning_rate=f["learning_rate"],
        adam_beta_1=f["beta1"],
        adam_beta_2=f["beta2"],
        adam_weight_decay=f["adam_weight_decay"],
        epsilon=f["adam_epsilon"],
        weight_decay=f["weight_decay"],
        adam_lr_ratio=f["adam_lr_ratio"],
        momentum=f["momentum"],
        ns_steps=int(f["ns_steps"]),
        nesterov=f["nesterov"],
        rms_rate=f["rms_rate"] or None,
    )
    held = lambda o, back: {"momentum_buffer": back(np.array(o.momentums[0].value))}
    keras_make, keras_held, keras_d = make, held, d

    def keras_cases():
        yield case("muon", "keras", MATRIX, run_keras, keras_make, keras_held, keras_d, {}, False)
        yield case("muon", "keras", TALL, run_keras, keras_make, keras_held, keras_d, fast)
        for change in [*changes, {**fast, "rms_rate": 0.0}]:
            yield case("muon", "keras", MATRIX, run_keras, keras_make, keras_held, keras_d, change)

    narrow = list(keras_cases())
    keras_ops.norm = lambda x, *args, **more: jnp.linalg.norm(keras_ops.convert_to_tensor(x), *args, **more)
    yield from widened(keras_cases(), narrow)
    held = lambda o, back: {"exp_avg": np.array(o.momentums[0].value), "exp_avg_sq": np.array(o.adam_velocities[0].value)}
    yield case("muon", "keras", VECTOR, run_keras, make, held, d, {}, False)
    yield case("muon", "keras", VECTOR, run_keras, make, held, d, {**vector, "adam_lr_ratio": 0.5})

    # Optax
    d = {**common, "epsilon": 1e-8, "rms_rate": 0.0, "weight_decay": 0.0, "adam_weight_decay": 0.0}
    make = lambda f, rate: optax.contrib.muon(
        rate,
        ns_steps=int(f["ns_steps"]),
        beta=f["momentum"],
        eps=f["epsilon"],
        weight_decay=f["weight_decay"],
        nesterov=f["nesterov"],
        adam_b1=f["beta1"],
        adam_b2=f["beta2"],
        adam_weight_decay=f["adam_weight_decay"],
        adam_learning_rate=lambda count: f["adam_lr_ratio"] * rate(count),
        consistent_rms=f["rms_rate"] or None,
    )
    held = lambda s: {"momentum_buffer": s.inner_states["muon"].inner_state[0].mu}
    yield case("muon", "optax", MATRIX, run_optax, make, held, d, {}, False)
    yield case("muon", "optax", TALL, run_optax, make, held, d, fast)
    for change in [*changes, {**fast, "epsilon": 20.0}]:
        yield case("muon", "optax", MATRIX, run_optax, make, held, d, change)
    held = lambda s: {"exp_avg": s.inner_states["adam"].inner_state[0].mu, "exp_avg_sq": s.inner_states["adam"].inner_state[0].nu}
    vector = {"learning_rate": 0.05, "beta1": 0.7, "beta2": 0.95, "epsilon": 1e-3, "adam_weight_decay": 0.3, "adam_lr_ratio": 0.5}
    yield case("muon", "optax", VECTOR, run_optax, make, held, d, vector)
    yield case("muon", "optax", VECTOR, run_optax, make, held, d, {**vector, "nesterov": False})


def adafactor_paper(f, shape):
    """Shazeer & Stern, algorithms 4 and 5, for a matrix."""
    r, k = np.zeros(shape[0]), np.zeros(shape[1])

    def step(x, g, eta, t):
        nonlocal r, k
        t, rms = t + 1, lambda a: np.sqrt((a * a).mean())
        beta = 1 - t ** -f["decay_rate"]
        s = g * g + f["epsilon"]
        r, k = beta * r + (1 - beta) * s.sum(1), beta * k + (1 - beta) * s.sum(0)
        u = g / np.sqrt(np.outer(r, k) / r.sum())
        u = u / max(1.0, rms(u) / f["clip_threshold"])
        return x - max(f["epsilon_scale"], rms(x)) * min(eta, t**-0.5) * u

    return step, lambda: {"row_var": r / shape[1], "col_var": k / shape[0]}


def run_paper(make, shape, names, rate, falling):
    step, states = make(shape)
    return run(shape, step, states, rate, falling)


def decay_rate_f64(i, exponent=0.8):
    return 1.0 - jnp.array(i + 1, jnp.float64) ** (-exponent)


def widened(wide, narrow):
    for made, rounded in zip(wide, narrow, strict=True):
        difference = np.abs(np.array(made["parameters"]) - rounded["parameters"]).max()
        assert 0 < difference < 1e-6, difference
        yield made


def adafactor_cases():
    fast = {"learning_rate": 0.3}
    changes = [{**fast, "decay_rate": 0.5}, {**fast, "epsilon": 0.2}, {**fast, "clip_threshold": 0.4}, {**fast, "weight_decay": 0.2}]
    scale = {**fast, "epsilon_scale": 2.0}

    # PyTorch
    d = {"learning_rate": 1e-2, "decay_rate": 0.8, "epsilon": 2.0**-23, "epsilon_scale": 1e-3, "clip_threshold": 1.0, "weight_decay": 0.0}
    make = lambda f, p: torch.optim.Adafactor(p, beta2_decay=-f["decay_rate"], eps=(f["epsilon"], f["epsilon_scale"]), d=f["clip_threshold"], weight_decay=f["weight_decay"])
    two = ["row_var", "col_var"]
    yield case("adafactor", "pytorch", MATRIX, run_torch, make, two, d, {}, False)
    above = {**fast, "clip_threshold": 1.5}  # PyTorch refuses d < 1
    for change in [*changes[:2], above, changes[3], scale]:
        yield case("adafactor", "pytorch", MATRIX, run_torch, make, two, d, change)
    yield case("adafactor", "pytorch", KERNEL, run_torch, make, two, d, fast)
    yield case("adafactor", "pytorch", VECTOR, run_torch, make, ["variance"], d, fast)
    yield case("adafactor", "pytorch", VECTOR, run_torch, make, ["variance"], d, changes[1])

    # Keras
    d = {**d, "learning_rate": 1e-3, "epsilon": 1e-30}
    make = lambda f: keras.optimizers.Adafactor(
        learning_rate=f["learning_rate"],
        beta_2_decay=-f["decay_rate"],
        epsilon_1=f["epsilon"],
        epsilon_2=f["epsilon_scale"],
        clip_threshold=f["clip_threshold"],
        weight_decay=f["weight_decay"] or None,
    )
    # Its r is without the last axis, out, and its c without in; ours are named by what is left.
    whole = lambda v, axis, back: back(np.expand_dims(np.array(v.value), axis))
    held = lambda o, back: {"row_var": whole(o._c[0], -2, back), "col_var": whole(o._r[0], -1, back)}
    held_whole = lambda o, back: {"variance": np.array(o._v[0].value)}
    keras_make = make

    def keras_cases():
        yield case("adafactor", "keras", MATRIX, run_keras, keras_make, held, d, {}, False)
        for change in [*changes, scale]:
            yield case("adafactor", "keras", MATRIX, run_keras, keras_make, held, d, change)
        yield case("adafactor", "keras", KERNEL, run_keras, keras_make, held, d, fast)
        yield case("adafactor", "keras", VECTOR, run_keras, keras_make, held_whole, d, fast)

    narrow = list(keras_cases())
    keras_ops.mean = lambda x, *args, **more: jnp.mean(keras_ops.convert_to_tensor(x), *args, **more)
    yield from widened(keras_cases(), narrow)

    # The paper
    d = {"learning_rate": 1e-2, "decay_rate": 0.8, "epsilon": 1e-30, "epsilon_scale": 1e-3, "clip_threshold": 1.0}
    for change, falling in [({}, False), *((c, True) for c in [*changes[:3], scale])]:
        made = case("adafactor", "paper", MATRIX, run_paper, adafactor_paper, two, d, change, falling)
        twin = case("adafactor", "keras", MATRIX, run_keras, keras_make, held, {**d, "weight_decay": 0.0}, change, falling)
        assert np.allclose(made["parameters"], twin["parameters"], rtol=1e-11, atol=1e-12)
        yield made

    # Optax
    d = {"learning_rate": 1e-3, "decay_rate": 0.8, "epsilon": 1e-30, "clip_threshold": 1.0, "weight_decay": 0.0}
    d |= {"min_dim_size_to_factor": 128.0, "multiply_by_parameter_scale": True}
    make = lambda f, rate: optax.adafactor(
        rate,
        min_dim_size_to_factor=f["min_dim_size_to_factor"],
        decay_rate=f["decay_rate"],
        multiply_by_parameter_scale=f["multiply_by_parameter_scale"],
        clipping_threshold=f["clip_threshold"],
        weight_decay_rate=f["weight_decay"] or None,
        eps=f["epsilon"],
    )

    # Of [out, in] its v_row is without the longest axis, its v_col without the second.
    held = lambda s: {"row_var": s[0].v_row, "col_var": s[0].v_col}
    factored = {**fast, "min_dim_size_to_factor": 2.0}

    def optax_cases():
        yield case("adafactor", "optax", MATRIX, run_optax, make, lambda s: {"variance": s[0].v}, d, {}, False)
        yield case("adafactor", "optax", MATRIX, run_optax, make, held, d, factored)
        yield case("adafactor", "optax", TALL, run_optax, make, held, d, factored)
        yield case("adafactor", "optax", KERNEL, run_optax, make, lambda s: {}, d, factored)
        for change in [*changes[:3], {**fast, "weight_decay": 0.01}, {**fast, "multiply_by_parameter_scale": False}]:
            yield case("adafactor", "optax", MATRIX, run_optax, make, held, d, {**factored, **change})
        yield case("adafactor", "optax", VECTOR, run_optax, make, lambda s: {"variance": s[0].v}, d, fast)

    narrow = list(optax_cases())
    defaults = factorized.scale_by_factored_rms.__defaults__
    assert defaults[-1] is factorized._decay_rate_pow
    factorized.scale_by_factored_rms.__defaults__ = (*defaults[:-1], decay_rate_f64)
    yield from widened(optax_cases(), narrow)


def main():
    torch.set_default_dtype(torch.float64)
    keras.config.set_floatx("float64")
    made_by = {m.__name__: m.__version__ for m in (torch, optax, jax, keras, np)}
    for name, cases in [("muon", [*muon_cases()]), ("adafactor", [*adafactor_cases()])]:
        assert all(len(c["rates"]) == STEPS for c in cases)
        lines = ",\n".join(json.dumps(c) for c in cases)
        (base.HERE / f"{name}.json").write_text(f'{{"made_by": {json.dumps(made_by)},\n"cases": [\n{lines}\n]}}\n')
        print(name, len(cases))


if __name__ == "__main__":
    main()
