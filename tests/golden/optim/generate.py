"""Golden trajectories of the update rules, in f64.

    python tests/golden/optim/generate.py        # needs torch, keras, jax, optax and numpy; writes *.json beside itself

`pytorch` cases are runs of torch.optim itself, gradients by its autograd; `keras` cases runs of keras.optimizers on the jax
backend with floatx float64, `optax` cases runs of optax in x64, gradients by hand. `cs231n` cases are the snippets of the
CS231n notes, "Neural Networks 3", and `paper` cases the papers' algorithms, written out in numpy; gradients by hand. Where
one of those is the same mathematics as a library, the script checks numpy against it before it writes anything.

Each case holds the gradients that were met, so that a test replays the rule alone, and for every step the learning
rate, the parameters after it and the states after the last one. A case without fields is the library without arguments (but
for a learning rate where it asks for one, and momentum where it has none): what is left out in TOML must mean the same.
"""

import json
import os
import pathlib

os.environ.setdefault("KERAS_BACKEND", "jax")

import jax
import jax.numpy as jnp
import keras
import numpy as np
import optax
import torch

STEPS = 24
START = [1.3, -0.7, 0.2, 2.1, -1.6, 0.05, -0.4]
HERE = pathlib.Path(__file__).parent


def loss(x, t):
    """Coupled, not quadratic, and another function at each step, as with minibatches."""
    a, b = x[:-1], x[1:]
    phase = torch.arange(len(x), dtype=torch.float64) + t
    return (0.5 * (1 - a) ** 2 + 0.3 * (b - torch.tanh(a)) ** 2).sum() + (0.4 * torch.sin(2 * x) * torch.cos(phase)).sum()


def gradient(x, t):
    """The derivative of `loss`, by hand."""
    a, b = x[:-1], x[1:]
    phase = np.arange(len(x), dtype=np.float64) + t
    g = 0.8 * np.cos(2 * x) * np.cos(phase)
    h = np.tanh(a)
    g[:-1] += -(1 - a) - 0.6 * (b - h) * (1 - h * h)
    g[1:] += 0.6 * (b - h)
    return g


def rates(base, falling):
    return [base * 0.8 ** (t // 4) if falling else base for t in range(STEPS)]


def default_rate(optimizer):
    return optimizer.param_groups[0]["lr"]


def run_torch(make, base, falling, states):
    x = torch.nn.Parameter(torch.tensor(START, dtype=torch.float64))
    optimizer = make([x])
    base = default_rate(optimizer) if base is None else base
    gradients, parameters = [], []
    for t, rate in enumerate(rates(base, falling)):
        for group in optimizer.param_groups:
            group["lr"] = rate
        optimizer.zero_grad()
        loss(x, t).backward()
        by_hand = gradient(x.detach().numpy(), t)
        assert np.allclose(x.grad.numpy(), by_hand, rtol=1e-12, atol=1e-14)
        gradients.append(x.grad.tolist())
        optimizer.step()
        parameters.append(x.detach().tolist())
    held = {s: optimizer.state[x][s].tolist() for s in states}
    return {"rates": rates(base, falling), "gradients": gradients, "parameters": parameters, "states": held}


def run_keras(make, base, falling, states):
    """`states` maps a state's name here to the attribute of the optimizer that holds it."""
    x = keras.Variable(np.array(START), dtype="float64")
    optimizer = make()
    optimizer.build([x])
    base = float(optimizer.learning_rate) if base is None else base
    gradients, parameters = [], []
    for t, rate in enumerate(rates(base, falling)):
        optimizer.learning_rate = rate
        g = gradient(np.asarray(x.value), t)
        gradients.append(g.tolist())
        optimizer.apply([jnp.asarray(g)], [x])
        parameters.append(np.asarray(x.value).tolist())
    held = {s: getattr(optimizer, a)[0] for s, a in states.items()}
    assert all(v.dtype == "float64" for v in [x, *held.values()])
    held = {s: np.asarray(v.value).tolist() for s, v in held.items()}
    return {"rates": rates(base, falling), "gradients": gradients, "parameters": parameters, "states": held}


def leaf(state, name):
    """The array of that name in a chain's state."""
    if name in getattr(state, "_fields", ()):
        return getattr(state, name)
    found = [leaf(part, name) for part in state] if isinstance(state, tuple) else []
    return next((part for part in found if part is not None), None)


def run_optax(make, base, falling, states):
    """`make` is given the learning rate, as a schedule. `states` maps a state's name here to optax's."""
    table = jnp.asarray(rates(base, falling))
    optimizer = make(lambda count: table[count])
    x = jnp.asarray(START)
    state = optimizer.init(x)
    gradients, parameters = [], []
    for t in range(STEPS):
        g = gradient(np.asarray(x), t)
        gradients.append(g.tolist())
        updates, state = optimizer.update(jnp.asarray(g), state, x)
        x = optax.apply_updates(x, updates)
        parameters.append(np.asarray(x).tolist())
    held = {s: leaf(state, a) for s, a in states.items()}
    assert all(v.dtype == jnp.float64 for v in [x, *held.values()])
    held = {s: np.asarray(v).tolist() for s, v in held.items()}
    return {"rates": rates(base, falling), "gradients": gradients, "parameters": parameters, "states": held}


def run_numpy(rule, base, falling):
    x, held = np.array(START), {}
    gradients, parameters = [], []
    for t, rate in enumerate(rates(base, falling)):
        dx = gradient(x, t)
        gradients.append(dx.tolist())
        x = rule(x, dx, rate, t + 1, held)
        parameters.append(x.tolist())
    held = {s: v.tolist() for s, v in held.items() if not s.startswith("_")}
    return {"rates": rates(base, falling), "gradients": gradients, "parameters": parameters, "states": held}


# The snippets of CS231n's notes. `s` keeps what they keep in variables, under the names of the states here.


def sgd():
    return lambda x, dx, learning_rate, t, s: x - learning_rate * dx


def momentum(mu):
    def rule(x, dx, learning_rate, t, s):
        v = s.get("momentum_buffer", np.zeros_like(x))
        v = mu * v - learning_rate * dx
        s["momentum_buffer"] = v
        return x + v

    return rule


def nesterov(mu):
    def rule(x, dx, learning_rate, t, s):
        v_prev = s.get("momentum_buffer", np.zeros_like(x))
        v = mu * v_prev - learning_rate * dx
        s["momentum_buffer"] = v
        return x + (-mu * v_prev + (1 + mu) * v)

    return rule


def adagrad(eps):
    def rule(x, dx, learning_rate, t, s):
        cache = s.get("sum", np.zeros_like(x))
        cache = cache + dx**2
        s["sum"] = cache
        return x + -learning_rate * dx / (np.sqrt(cache) + eps)

    return rule


def rmsprop(decay_rate, eps):
    def rule(x, dx, learning_rate, t, s):
        cache = s.get("square_avg", np.zeros_like(x))
        cache = decay_rate * cache + (1 - decay_rate) * dx**2
        s["square_avg"] = cache
        return x + -learning_rate * dx / (np.sqrt(cache) + eps)

    return rule


def adadelta(rho, eps):
    """Zeiler 2012, algorithm 1; CS231n's notes name it without a snippet. The rate is a factor on the step."""

    def rms(mean):
        return np.sqrt(mean + eps)

    def rule(x, dx, learning_rate, t, s):
        zero = np.zeros_like(x)
        s["square_avg"] = rho * s.get("square_avg", zero) + (1 - rho) * dx**2
        delta = -rms(s.get("acc_delta", zero)) / rms(s["square_avg"]) * dx
        s["acc_delta"] = rho * s.get("acc_delta", zero) + (1 - rho) * delta**2
        return x + learning_rate * delta

    return rule


def adam(beta1, beta2, eps, corrected):
    def rule(x, dx, learning_rate, t, s):
        zero = np.zeros_like(x)
        m = beta1 * s.get("exp_avg", zero) + (1 - beta1) * dx
        v = beta2 * s.get("exp_avg_sq", zero) + (1 - beta2) * (dx**2)
        s["exp_avg"], s["exp_avg_sq"] = m, v
        if corrected:
            mt = m / (1 - beta1**t)
            vt = v / (1 - beta2**t)
            return x + -learning_rate * mt / (np.sqrt(vt) + eps)
        return x + -learning_rate * m / (np.sqrt(v) + eps)

    return rule


# The algorithms of the papers, line by line. What they keep beside the states here has a name that begins with `_`.


def polyak(beta):
    """Polyak 1964: x_{n+1} = x_n - alpha f'(x_n) + beta (x_n - x_{n-1})."""

    def rule(x, dx, alpha, t, s):
        x_next = x - alpha * dx + beta * (x - s.get("_x_prev", x))
        s["_x_prev"], s["momentum_buffer"] = x, x_next - x
        return x_next

    return rule


def look_ahead(mu):
    """Sutskever et al. 2013, equations 3 and 4; the gradient given is that at theta + mu v, which is what is returned."""

    def rule(ahead, dx, epsilon, t, s):
        theta, v = s.get("_theta", ahead), s.get("momentum_buffer", np.zeros_like(ahead))
        assert np.allclose(ahead, theta + mu * v, rtol=1e-15, atol=0)
        v = mu * v - epsilon * dx
        theta = theta + v
        s["_theta"], s["momentum_buffer"] = theta, v
        return theta + mu * v

    return rule


def duchi(delta):
    """Duchi et al. 2011, figure 1, primal-dual or mirror descent alike where phi = 0 and X is all of space; diagonal."""

    def rule(x, dx, eta, t, s):
        s["_g"] = np.vstack([s["_g"], dx]) if "_g" in s else dx[None]
        norms = np.linalg.norm(s["_g"], axis=0)
        s["sum"] = norms**2
        return x - eta * dx / (delta + norms)

    return rule


def graves(aleph, beth, daleth):
    """Graves 2013, arXiv 1308.0850, equations 38 to 45; gimel is the learning rate."""

    def rule(w, eps, gimel, t, s):
        zero = np.zeros_like(w)
        n = aleph * s.get("square_avg", zero) + (1 - aleph) * eps**2
        g = aleph * s.get("grad_avg", zero) + (1 - aleph) * eps
        delta = beth * s.get("momentum_buffer", zero) - gimel * eps / np.sqrt(n - g**2 + daleth)
        s["square_avg"], s["grad_avg"], s["momentum_buffer"] = n, g, delta
        return w + delta

    return rule


def kingma(beta1, beta2, epsilon):
    """Kingma & Ba 2015, algorithm 1."""

    def rule(theta, g, alpha, t, s):
        zero = np.zeros_like(theta)
        m = beta1 * s.get("exp_avg", zero) + (1 - beta1) * g
        v = beta2 * s.get("exp_avg_sq", zero) + (1 - beta2) * g**2
        s["exp_avg"], s["exp_avg_sq"] = m, v
        return theta - alpha * (m / (1 - beta1**t)) / (np.sqrt(v / (1 - beta2**t)) + epsilon)

    return rule


def kingma_uncorrected(beta1, beta2, epsilon):
    """Kingma & Ba 2015, section 6.4."""

    def rule(theta, g, alpha, t, s):
        zero = np.zeros_like(theta)
        m = beta1 * s.get("exp_avg", zero) + (1 - beta1) * g
        v = beta2 * s.get("exp_avg_sq", zero) + (1 - beta2) * g**2
        s["exp_avg"], s["exp_avg_sq"] = m, v
        return theta - alpha * m / (np.sqrt(v) + epsilon)

    return rule


def loshchilov(base, beta1, beta2, epsilon, decay):
    """Loshchilov & Hutter 2019, algorithm 2, AdamW: alpha is `base`, eta_t the schedule multiplier."""

    def rule(theta, g, rate, t, s):
        zero, eta = np.zeros_like(theta), rate / base
        m = beta1 * s.get("exp_avg", zero) + (1 - beta1) * g
        v = beta2 * s.get("exp_avg_sq", zero) + (1 - beta2) * g**2
        s["exp_avg"], s["exp_avg_sq"] = m, v
        m_hat, v_hat = m / (1 - beta1**t), v / (1 - beta2**t)
        return theta - eta * (base * m_hat / (np.sqrt(v_hat) + epsilon) + decay * theta)

    return rule


def reddi(beta1, beta2, epsilon):
    """Reddi et al. 2018, algorithm 2, X all of space; the paper has no epsilon, which stands where Adam has it."""

    def rule(x, g, alpha, t, s):
        zero = np.zeros_like(x)
        m = beta1 * s.get("exp_avg", zero) + (1 - beta1) * g
        v = beta2 * s.get("exp_avg_sq", zero) + (1 - beta2) * g**2
        v_hat = np.maximum(s.get("max_exp_avg_sq", zero), v)
        s["exp_avg"], s["exp_avg_sq"], s["max_exp_avg_sq"] = m, v, v_hat
        return x - alpha * m / (np.sqrt(v_hat) + epsilon)

    return rule


def cases(convention, run, *pairs):
    """`pairs` of a rule's fields and what `run` takes. Without a learning rate the library's own holds, and does not fall."""
    for name, fields, make, states in pairs:
        base = fields.get("learning_rate")
        for falling in [False] if base is None else [False, True]:
            found = run(make, base, falling, states)
            yield {"name": name, "convention": convention, "fields": fields, "start": START, **found}


ADAM = ("exp_avg", "exp_avg_sq")
MOMENTUM = ("momentum_buffer",)


def torch_cases():
    T = torch.optim
    adadelta, amsgrad = ("square_avg", "acc_delta"), (*ADAM, "max_exp_avg_sq")
    yield from cases(
        "pytorch",
        run_torch,
        ("sgd", {}, lambda p: T.SGD(p), ()),
        ("momentum", {}, lambda p: T.SGD(p, momentum=0.9), MOMENTUM),
        ("nesterov", {}, lambda p: T.SGD(p, momentum=0.9, nesterov=True), MOMENTUM),
        ("adagrad", {}, lambda p: T.Adagrad(p), ("sum",)),
        ("rmsprop", {}, lambda p: T.RMSprop(p), ("square_avg",)),
        ("adadelta", {}, lambda p: T.Adadelta(p), adadelta),
        ("adam", {}, lambda p: T.Adam(p), ADAM),
        ("adamw", {}, lambda p: T.AdamW(p), ADAM),
        ("amsgrad", {}, lambda p: T.Adam(p, amsgrad=True), amsgrad),
    )
    for wd in (0.0, 0.03):
        f = {"learning_rate": 0.05, "weight_decay": wd}
        yield from cases("pytorch", run_torch, ("sgd", f, lambda p: T.SGD(p, lr=0.05, weight_decay=wd), ()))
        f = {"learning_rate": 0.03, "momentum": 0.8, "weight_decay": wd}
        for name in ("momentum", "nesterov"):
            make = lambda p: T.SGD(p, lr=0.03, momentum=0.8, nesterov=name == "nesterov", weight_decay=wd)
            yield from cases("pytorch", run_torch, (name, f, make, MOMENTUM))
        f = {**f, "dampening": 0.4}
        make = lambda p: T.SGD(p, lr=0.03, momentum=0.8, dampening=0.4, weight_decay=wd)
        yield from cases("pytorch", run_torch, ("momentum", f, make, MOMENTUM))
        f = {"learning_rate": 0.5, "decay": 0.8, "epsilon": 1e-5, "weight_decay": wd}
        make = lambda p: T.Adadelta(p, lr=0.5, rho=0.8, eps=1e-5, weight_decay=wd)
        yield from cases("pytorch", run_torch, ("adadelta", f, make, adadelta))
        f = {"learning_rate": 0.05, "beta1": 0.7, "beta2": 0.95, "epsilon": 1e-3, "weight_decay": wd}
        for name, kind in (("adam", T.Adam), ("adamw", T.AdamW)):
            make = lambda p: kind(p, lr=0.05, betas=(0.7, 0.95), eps=1e-3, weight_decay=wd)
            yield from cases("pytorch", run_torch, (name, f, make, ADAM))
        make = lambda p: T.Adam(p, lr=0.05, betas=(0.7, 0.95), eps=1e-3, weight_decay=wd, amsgrad=True)
        yield from cases("pytorch", run_torch, ("amsgrad", f, make, amsgrad))
    f = {**f, "decoupled_weight_decay": True}
    make = lambda p: T.AdamW(p, lr=0.05, betas=(0.7, 0.95), eps=1e-3, weight_decay=0.03, amsgrad=True)
    yield from cases("pytorch", run_torch, ("amsgrad", f, make, amsgrad))
    for wd in (0.0, 0.03):
        for centered in (False, True):
            for mu in (0.0, 0.8):
                f = {"learning_rate": 0.02, "decay": 0.95, "epsilon": 1e-4}
                f = {**f, "centered": centered, "momentum": mu, "weight_decay": wd}
                make = lambda p: T.RMSprop(p, lr=0.02, alpha=0.95, eps=1e-4, centered=centered, momentum=mu, weight_decay=wd)
                states = ["square_avg"] + ["grad_avg"] * centered + ["momentum_buffer"] * (mu > 0)
                yield from cases("pytorch", run_torch, ("rmsprop", f, make, states))
    for decay, start, wd in ((0.25, 0.0, 0.0), (0.0, 0.3, 0.0), (0.25, 0.3, 0.03)):
        f = {"learning_rate": 0.1, "lr_decay": decay, "epsilon": 1e-4, "initial_accumulator_value": start, "weight_decay": wd}
        make = lambda p: T.Adagrad(p, lr=0.1, lr_decay=decay, eps=1e-4, initial_accumulator_value=start, weight_decay=wd)
        yield from cases("pytorch", run_torch, ("adagrad", f, make, ("sum",)))


def keras_cases():
    K = keras.optimizers
    momentum, adagrad = {"momentum_buffer": "momentums"}, {"sum": "_accumulators"}
    adadelta = {"square_avg": "_accumulated_grads", "acc_delta": "_accumulated_delta_vars"}
    adam = {"exp_avg": "_momentums", "exp_avg_sq": "_velocities"}
    amsgrad = {**adam, "max_exp_avg_sq": "_velocity_hats"}
    yield from cases(
        "keras",
        run_keras,
        ("sgd", {}, lambda: K.SGD(), {}),
        ("momentum", {}, lambda: K.SGD(momentum=0.9), momentum),
        ("nesterov", {}, lambda: K.SGD(momentum=0.9, nesterov=True), momentum),
        ("adagrad", {}, lambda: K.Adagrad(), adagrad),
        ("rmsprop", {}, lambda: K.RMSprop(), {"square_avg": "_velocities"}),
        ("adadelta", {}, lambda: K.Adadelta(), adadelta),
        ("adam", {}, lambda: K.Adam(), adam),
        ("adamw", {}, lambda: K.AdamW(), adam),
        ("amsgrad", {}, lambda: K.Adam(amsgrad=True), amsgrad),
    )
    for wd in (0.0, 0.3):
        f = {"learning_rate": 0.05, "weight_decay": wd}
        yield from cases("keras", run_keras, ("sgd", f, lambda: K.SGD(0.05, weight_decay=wd), {}))
        f = {"learning_rate": 0.03, "momentum": 0.8, "weight_decay": wd}
        for name in ("momentum", "nesterov"):
            make = lambda: K.SGD(0.03, momentum=0.8, nesterov=name == "nesterov", weight_decay=wd)
            yield from cases("keras", run_keras, (name, f, make, momentum))
        f = {"learning_rate": 0.1, "epsilon": 1e-3, "initial_accumulator_value": 0.3, "weight_decay": wd}
        make = lambda: K.Adagrad(0.1, initial_accumulator_value=0.3, epsilon=1e-3, weight_decay=wd)
        yield from cases("keras", run_keras, ("adagrad", f, make, adagrad))
        f = {"learning_rate": 0.5, "decay": 0.8, "epsilon": 1e-5, "weight_decay": wd}
        make = lambda: K.Adadelta(0.5, rho=0.8, epsilon=1e-5, weight_decay=wd)
        yield from cases("keras", run_keras, ("adadelta", f, make, adadelta))
        f = {"learning_rate": 0.05, "beta1": 0.7, "beta2": 0.95, "epsilon": 1e-3, "weight_decay": wd}
        arguments = {"beta_1": 0.7, "beta_2": 0.95, "epsilon": 1e-3, "weight_decay": wd}
        yield from cases(
            "keras",
            run_keras,
            ("adam", f, lambda: K.Adam(0.05, **arguments), adam),
            ("adamw", f, lambda: K.AdamW(0.05, **arguments), adam),
            ("amsgrad", f, lambda: K.Adam(0.05, amsgrad=True, **arguments), amsgrad),
        )
        for centered in (False, True):
            for mu in (0.0, 0.8):
                f = {"learning_rate": 0.02, "decay": 0.95, "epsilon": 1e-4}
                f = {**f, "centered": centered, "momentum": mu, "weight_decay": wd}
                make = lambda: K.RMSprop(0.02, rho=0.95, epsilon=1e-4, centered=centered, momentum=mu, weight_decay=wd)
                states = {"square_avg": "_velocities"}
                states |= {"grad_avg": "_average_gradients"} if centered else {}
                states |= {"momentum_buffer": "_momentums"} if mu > 0 else {}
                yield from cases("keras", run_keras, ("rmsprop", f, make, states))


def optax_cases():
    momentum, adagrad = {"momentum_buffer": "trace"}, {"sum": "sum_of_squares"}
    adadelta, adam = {"square_avg": "e_g", "acc_delta": "e_x"}, {"exp_avg": "mu", "exp_avg_sq": "nu"}
    amsgrad = {**adam, "max_exp_avg_sq": "nu_max"}
    # Optax has no learning rates of its own.
    slow, f = {"learning_rate": 1e-3}, {"learning_rate": 0.03, "momentum": 0.8}
    yield from cases(
        "optax",
        run_optax,
        ("sgd", slow, lambda r: optax.sgd(r), {}),
        ("sgd", {"learning_rate": 0.05}, lambda r: optax.sgd(r), {}),
        ("momentum", slow, lambda r: optax.sgd(r, momentum=0.9), momentum),
        ("momentum", f, lambda r: optax.sgd(r, momentum=0.8), momentum),
        ("nesterov", slow, lambda r: optax.sgd(r, momentum=0.9, nesterov=True), momentum),
        ("nesterov", f, lambda r: optax.sgd(r, momentum=0.8, nesterov=True), momentum),
        ("adagrad", slow, lambda r: optax.adagrad(r), adagrad),
        ("rmsprop", slow, lambda r: optax.rmsprop(r), {"square_avg": "nu"}),
        ("adadelta", {"learning_rate": 1.0}, lambda r: optax.adadelta(r), adadelta),
        ("adam", slow, lambda r: optax.adam(r), adam),
        ("adamw", slow, lambda r: optax.adamw(r), adam),
        ("amsgrad", slow, lambda r: optax.amsgrad(r), amsgrad),
    )
    f = {"learning_rate": 0.1, "epsilon": 1e-3, "initial_accumulator_value": 0.3}
    make = lambda r: optax.adagrad(r, initial_accumulator_value=0.3, eps=1e-3)
    yield from cases("optax", run_optax, ("adagrad", f, make, adagrad))
    f = {"learning_rate": 0.1, "initial_accumulator_value": 0.0}
    make = lambda r: optax.adagrad(r, initial_accumulator_value=0.0)
    yield from cases("optax", run_optax, ("adagrad", f, make, adagrad))
    f = {"learning_rate": 0.5, "decay": 0.8, "epsilon": 1e-5, "weight_decay": 0.03}
    make = lambda r: optax.adadelta(r, rho=0.8, eps=1e-5, weight_decay=0.03)
    yield from cases("optax", run_optax, ("adadelta", f, make, adadelta))
    for root in (0.0, 0.01):
        f = {"learning_rate": 0.05, "beta1": 0.7, "beta2": 0.95, "epsilon": 1e-3, "epsilon_root": root}
        arguments = {"b1": 0.7, "b2": 0.95, "eps": 1e-3, "eps_root": root}
        yield from cases(
            "optax",
            run_optax,
            ("adam", f, lambda r: optax.adam(r, **arguments), adam),
            ("adamw", {**f, "weight_decay": 0.3}, lambda r: optax.adamw(r, weight_decay=0.3, **arguments), adam),
            ("amsgrad", f, lambda r: optax.amsgrad(r, **arguments), amsgrad),
        )
    for mu, nu in ((False, True), (True, False), (False, False)):
        f = {"learning_rate": 0.05, "epsilon_root": 0.01, "bias_correction_mu": mu, "bias_correction_nu": nu}
        make = lambda r: optax.amsgrad(r, eps_root=0.01, bias_correction_mu=mu, bias_correction_nu=nu)
        yield from cases("optax", run_optax, ("amsgrad", f, make, amsgrad))
    for centered in (False, True):
        for momentum in (0.0, 0.8):
            for inside, nesterov, corrected, start in ((True, False, False, 0.3), (False, True, True, 0.0), (True, True, True, 0.3)):
                f = {"learning_rate": 0.02, "decay": 0.95, "epsilon": 1e-4, "epsilon_in_root": inside, "initial_scale": start}
                f = {**f, "centered": centered, "momentum": momentum, "nesterov": nesterov, "bias_correction": corrected}
                arguments = {"decay": 0.95, "eps": 1e-4, "eps_in_sqrt": inside, "initial_scale": start, "centered": centered}
                arguments |= {"momentum": momentum or None, "nesterov": nesterov, "bias_correction": corrected}
                states = {"square_avg": "nu"}
                states |= {"grad_avg": "mu"} if centered else {}
                states |= {"momentum_buffer": "trace"} if momentum else {}
                make = lambda r: optax.rmsprop(r, **arguments)
                # The first corrected variance is that of one number, 0 give or take a rounding: no golden value is right.
                if centered and corrected and not inside:
                    f["initial_scale"] = arguments["initial_scale"] = 0.5
                yield from cases("optax", run_optax, ("rmsprop", f, make, states))


def by_hand(convention, name, fields, rule, same=None, while_falling=True):
    """`same`: a library's run of the same mathematics, while the rate is constant or always."""
    for falling in (False, True):
        base = fields["learning_rate"]
        run = run_numpy(rule, base, falling)
        if same and (while_falling or not falling):
            other = same(base, falling)
            assert np.allclose(run["parameters"], other["parameters"], rtol=1e-12, atol=1e-13), (convention, name)
        yield {"name": name, "convention": convention, "fields": fields, "start": START, **run}


def by_torch(make):
    return lambda base, falling: run_torch(make, base, falling, [])


def cs231n_cases():
    T = torch.optim

    def case(name, fields, rule, make=None, while_falling=True):
        yield from by_hand("cs231n", name, fields, rule, make and by_torch(make), while_falling)

    yield from case("sgd", {"learning_rate": 0.05}, sgd(), lambda p: T.SGD(p, lr=0.05))
    f = {"learning_rate": 0.03, "momentum": 0.8}
    yield from case("momentum", f, momentum(0.8), lambda p: T.SGD(p, lr=0.03, momentum=0.8), False)
    yield from case("nesterov", f, nesterov(0.8), lambda p: T.SGD(p, lr=0.03, momentum=0.8, nesterov=True), False)
    f = {"learning_rate": 0.1, "epsilon": 1e-4}
    yield from case("adagrad", f, adagrad(1e-4), lambda p: T.Adagrad(p, lr=0.1, eps=1e-4))
    f = {"learning_rate": 0.02, "decay": 0.9, "epsilon": 1e-5}
    yield from case("rmsprop", f, rmsprop(0.9, 1e-5), lambda p: T.RMSprop(p, lr=0.02, alpha=0.9, eps=1e-5))
    for rate, decay, eps in ((1.0, 0.95, 1e-6), (0.5, 0.8, 1e-5)):
        f = {"learning_rate": rate, "decay": decay, "epsilon": eps}
        yield from case("adadelta", f, adadelta(decay, eps), lambda p: T.Adadelta(p, rho=decay, eps=eps))
    for b1, b2, eps in ((0.9, 0.999, 1e-8), (0.7, 0.95, 1e-3)):
        f = {"learning_rate": 0.05, "beta1": b1, "beta2": b2, "epsilon": eps}
        yield from case("adam", f, adam(b1, b2, eps, True), lambda p: T.Adam(p, lr=0.05, betas=(b1, b2), eps=eps))
        yield from case("adam", {**f, "bias_correction": False}, adam(b1, b2, eps, False))


def paper_cases():
    T, K = torch.optim, keras.optimizers

    def case(name, fields, rule, same=None, while_falling=True):
        yield from by_hand("paper", name, fields, rule, same, while_falling)

    f = {"learning_rate": 0.03, "momentum": 0.8}
    same = lambda nesterov: lambda b, falling: run_keras(lambda: K.SGD(b, momentum=0.8, nesterov=nesterov), b, falling, {})
    yield from case("momentum", f, polyak(0.8), same(False))
    yield from case("nesterov", f, look_ahead(0.8), same(True))
    f = {"learning_rate": 0.1, "epsilon": 1e-4}
    yield from case("adagrad", f, duchi(1e-4), by_torch(lambda p: T.Adagrad(p, eps=1e-4)))
    # Graves's own numbers are the defaults.
    for fields, numbers in (({}, (0.95, 0.9, 1e-4)), ({"decay": 0.9, "momentum": 0.7, "epsilon": 1e-3}, (0.9, 0.7, 1e-3))):
        aleph, beth, daleth = numbers
        for gimel in (1e-4, 0.01):
            make = lambda: K.RMSprop(rho=aleph, momentum=beth, epsilon=daleth, centered=True)
            same = lambda b, falling: run_keras(make, b, falling, {})
            yield from case("rmsprop", {"learning_rate": gimel, **fields}, graves(*numbers), same)
    for rate, decay, eps in ((1.0, 0.95, 1e-6), (0.5, 0.8, 1e-5)):
        f = {"learning_rate": rate, "decay": decay, "epsilon": eps}
        yield from case("adadelta", f, adadelta(decay, eps), by_torch(lambda p: T.Adadelta(p, rho=decay, eps=eps)))
    for b1, b2, eps in ((0.9, 0.999, 1e-8), (0.7, 0.95, 1e-3)):
        f = {"learning_rate": 0.05, "beta1": b1, "beta2": b2, "epsilon": eps}
        yield from case("adam", f, kingma(b1, b2, eps), by_torch(lambda p: T.Adam(p, betas=(b1, b2), eps=eps)))
        yield from case("adam", {**f, "bias_correction": False}, kingma_uncorrected(b1, b2, eps))
        make = lambda r: optax.amsgrad(r, b1, b2, eps, bias_correction_mu=False, bias_correction_nu=False)
        yield from case("amsgrad", f, reddi(b1, b2, eps), lambda b, falling: run_optax(make, b, falling, {}))
        f = {**f, "weight_decay": 0.01}
        # A library's decay is scaled by alpha besides.
        make = lambda p: T.AdamW(p, betas=(b1, b2), eps=eps, weight_decay=0.01 / 0.05)
        yield from case("adamw", f, loshchilov(0.05, b1, b2, eps, 0.01), by_torch(make))


def main():
    torch.set_default_dtype(torch.float64)
    jax.config.update("jax_enable_x64", True)
    keras.config.set_floatx("float64")
    files = {}
    for case in [*torch_cases(), *keras_cases(), *optax_cases(), *cs231n_cases(), *paper_cases()]:
        files.setdefault(case["name"], []).append(case)
    made_by = {module.__name__: module.__version__ for module in (torch, keras, optax, jax, np)}
    for name, found in files.items():
        lines = ",\n".join(json.dumps(case) for case in found)
        text = f'{{"made_by": {json.dumps(made_by)},\n"cases": [\n{lines}\n]}}\n'
        (HERE / f"{name}.json").write_text(text)


if __name__ == "__main__":
    main()
