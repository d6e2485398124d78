"""Golden trajectories of the update rules, in f64.

    python tests/golden/optim/generate.py        # needs torch and numpy; writes *.json beside itself

`pytorch` cases are runs of torch.optim itself, gradients by its autograd. `cs231n` cases are the snippets of the
CS231n notes, "Neural Networks 3", written out in numpy; gradients by hand. Where the two conventions are the same
mathematics (constant rate), the script checks numpy against torch before it writes anything.

Each case holds the gradients that were met, so that a test replays the rule alone, and for every step the learning
rate, the parameters after it and the states after the last one.
"""

import json
import pathlib

import numpy as np
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


def run_torch(make, base, falling, states):
    x = torch.nn.Parameter(torch.tensor(START, dtype=torch.float64))
    optimizer = make([x])
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
    held = optimizer.state[x]
    return {"gradients": gradients, "parameters": parameters, "states": {s: held[s].tolist() for s in states}}


def run_numpy(rule, base, falling):
    x, held = np.array(START), {}
    gradients, parameters = [], []
    for t, rate in enumerate(rates(base, falling)):
        dx = gradient(x, t)
        gradients.append(dx.tolist())
        x = rule(x, dx, rate, t + 1, held)
        parameters.append(x.tolist())
    return {"gradients": gradients, "parameters": parameters, "states": {s: v.tolist() for s, v in held.items()}}


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


def torch_cases():
    T = torch.optim

    def case(name, fields, make, states=()):
        for falling in (False, True):
            base = fields["learning_rate"]
            run = run_torch(make, base, falling, states)
            yield {"name": name, "convention": "pytorch", "fields": fields, "rates": rates(base, falling), "start": START, **run}

    for wd in (0.0, 0.03):
        f = {"learning_rate": 0.05, "weight_decay": wd}
        yield from case("sgd", f, lambda p: T.SGD(p, lr=0.05, weight_decay=wd))
        for name, mu in (("momentum", 0.9), ("nesterov", 0.9)):
            f = {"learning_rate": 0.03, "momentum": mu, "weight_decay": wd}
            make = lambda p: T.SGD(p, lr=0.03, momentum=mu, nesterov=name == "nesterov", weight_decay=wd)
            yield from case(name, f, make, ["momentum_buffer"])
        f = {"learning_rate": 0.1, "epsilon": 1e-10, "weight_decay": wd}
        yield from case("adagrad", f, lambda p: T.Adagrad(p, lr=0.1, eps=1e-10, weight_decay=wd), ["sum"])
        f = {"learning_rate": 0.5, "decay": 0.9, "epsilon": 1e-6, "weight_decay": wd}
        yield from case("adadelta", f, lambda p: T.Adadelta(p, lr=0.5, rho=0.9, eps=1e-6, weight_decay=wd), ["square_avg", "acc_delta"])
        for b1, b2, eps in ((0.9, 0.999, 1e-8), (0.7, 0.95, 1e-3)):
            f = {"learning_rate": 0.05, "beta1": b1, "beta2": b2, "epsilon": eps, "weight_decay": wd}
            for name, kind in (("adam", T.Adam), ("adamw", T.AdamW)):
                make = lambda p: kind(p, lr=0.05, betas=(b1, b2), eps=eps, weight_decay=wd)
                yield from case(name, f, make, ["exp_avg", "exp_avg_sq"])
        for centered in (False, True):
            for mu in (0.0, 0.8):
                f = {"learning_rate": 0.02, "decay": 0.95, "epsilon": 1e-8, "centered": centered, "momentum": mu, "weight_decay": wd}
                make = lambda p: T.RMSprop(p, lr=0.02, alpha=0.95, eps=1e-8, centered=centered, momentum=mu, weight_decay=wd)
                states = ["square_avg"] + ["grad_avg"] * centered + ["momentum_buffer"] * (mu > 0)
                yield from case("rmsprop", f, make, states)


def cs231n_cases():
    T = torch.optim

    def case(name, fields, rule, same=None):
        for falling in (False, True):
            base = fields["learning_rate"]
            run = run_numpy(rule, base, falling)
            if same and not falling:
                other = run_torch(same, base, falling, [])
                assert np.allclose(run["parameters"], other["parameters"], rtol=1e-12, atol=1e-13), name
            yield {"name": name, "convention": "cs231n", "fields": fields, "rates": rates(base, falling), "start": START, **run}

    yield from case("sgd", {"learning_rate": 0.05}, sgd(), lambda p: T.SGD(p, lr=0.05))
    f = {"learning_rate": 0.03, "momentum": 0.9}
    yield from case("momentum", f, momentum(0.9), lambda p: T.SGD(p, lr=0.03, momentum=0.9))
    yield from case("nesterov", f, nesterov(0.9), lambda p: T.SGD(p, lr=0.03, momentum=0.9, nesterov=True))
    f = {"learning_rate": 0.1, "epsilon": 1e-4}
    yield from case("adagrad", f, adagrad(1e-4), lambda p: T.Adagrad(p, lr=0.1, eps=1e-4))
    f = {"learning_rate": 0.02, "decay": 0.9, "epsilon": 1e-5}
    yield from case("rmsprop", f, rmsprop(0.9, 1e-5), lambda p: T.RMSprop(p, lr=0.02, alpha=0.9, eps=1e-5))
    f = {"learning_rate": 1.0, "decay": 0.95, "epsilon": 1e-6}
    yield from case("adadelta", f, adadelta(0.95, 1e-6), lambda p: T.Adadelta(p, lr=1.0, rho=0.95, eps=1e-6))
    f = {"learning_rate": 0.05, "beta1": 0.9, "beta2": 0.999, "epsilon": 1e-8}
    yield from case("adam", f, adam(0.9, 0.999, 1e-8, True), lambda p: T.Adam(p, lr=0.05, betas=(0.9, 0.999), eps=1e-8))
    yield from case("adam", {**f, "bias_correction": False}, adam(0.9, 0.999, 1e-8, False))


def main():
    torch.set_default_dtype(torch.float64)
    files = {}
    for case in [*torch_cases(), *cs231n_cases()]:
        files.setdefault(case["name"], []).append(case)
    for name, cases in files.items():
        made_by = {"torch": torch.__version__, "numpy": np.__version__}
        lines = ",\n".join(json.dumps(case) for case in cases)
        text = f'{{"made_by": {json.dumps(made_by)},\n"cases": [\n{lines}\n]}}\n'
        (HERE / f"{name}.json").write_text(text)


if __name__ == "__main__":
    main()
