"""Golden runs of second-order optimizers, in f64.

    python tests/golden/second/generate.py       # needs torch, scipy and numpy; writes *.json beside itself

`lbfgs.json`: torch.optim.LBFGS with line_search_fn="strong_wolfe" itself, gradients by its autograd. For each call of `step` the
loss it returns, the parameters after it, and the counts of iterations and evaluations so far.

`logistic.json`: a regression on classes with a penalty, its data and its minimiser by scipy.optimize (trust-exact with the Hessian
by hand, then Newton steps until nothing moves), and the same by PyTorch's L-BFGS.
"""

import json
import pathlib

import numpy as np
import scipy
import scipy.optimize
import torch

HERE = pathlib.Path(__file__).parent
torch.set_num_threads(1)


def rosenbrock(x):
    return (100 * (x[1:] - x[:-1] ** 2) ** 2 + (1 - x[:-1]) ** 2).sum()


def beale(x):
    a, b = x[0], x[1]
    return (1.5 - a + a * b) ** 2 + (2.25 - a + a * b**2) ** 2 + (2.625 - a + a * b**3) ** 2


def quadratic(condition):
    """Half of the sum of lambda (x - 1)^2, eigenvalues in a geometric row from 1 to the condition."""

    def f(x):
        n = len(x)
        eigenvalues = condition ** (torch.arange(n, dtype=torch.float64) / (n - 1))
        return 0.5 * (eigenvalues * (x - 1) ** 2).sum()

    return f


def chain(start, n):
    return [start[i % len(start)] for i in range(n)]


CASES = [
    # name, function, start, fields, calls of step
    ("rosenbrock 2", rosenbrock, [-1.2, 1.0], {}, 3),
    ("rosenbrock 2, short memory", rosenbrock, [-1.2, 1.0], {"history_size": 3}, 3),
    ("rosenbrock 2, small steps", rosenbrock, [-1.2, 1.0], {"lr": 0.25, "max_iter": 7, "max_eval": 12}, 6),
    ("rosenbrock 2, one evaluation", rosenbrock, [-1.2, 1.0], {"max_iter": 4, "max_eval": 1}, 4),
    ("rosenbrock 10", rosenbrock, chain([-1.2, 1.0], 10), {"history_size": 10}, 4),
    ("beale", beale, [1.0, 1.0], {}, 2),
    ("beale, from afar", beale, [-3.0, 2.0], {"tolerance_change": 0.0}, 3),
    ("quadratic 1e3", quadratic(1e3), [0.0] * 8, {}, 3),
]


def steps_from(f, start, fields, calls):
    x = torch.nn.Parameter(torch.tensor(start, dtype=torch.float64))
    optimizer = torch.optim.LBFGS([x], line_search_fn="strong_wolfe", **fields)

    def closure():
        optimizer.zero_grad()
        loss = f(x)
        loss.backward()
        return loss

    steps = []
    for _ in range(calls):
        loss = float(optimizer.step(closure).detach())
        state = optimizer.state[x]
        steps.append({"loss": loss, "x": x.tolist(), "iterations": state["n_iter"], "evaluations": state["func_evals"]})
    return steps


def run(name, f, start, fields, calls):
    """Steps are kept as long as PyTorch agrees with itself, started one rounding away, to 1e-10: later ones say nothing."""
    steps = steps_from(f, start, fields, calls)
    moved = steps_from(f, [float(np.nextafter(v, 9.0)) for v in start], fields, calls)
    apart = [np.abs(np.array(a["x"]) - b["x"]).max() for a, b in zip(steps, moved)]
    kept = next((n for n, by in enumerate(apart) if by > 1e-10), calls)
    assert kept >= 1, (name, apart)
    named = {"learning_rate" if key == "lr" else key: value for key, value in fields.items()}
    return {"name": name, "start": start, "fields": named, "steps": steps[:kept]}


def logistic():
    rng = np.random.default_rng(20261122)
    rows, width, classes, penalty = 60, 5, 3, 0.05
    x = rng.normal(size=(rows, width)) * [1.0, 0.3, 3.0, 1.0, 0.1]
    truth = rng.normal(size=(classes, width))
    y = np.argmax(x @ truth.T + rng.gumbel(size=(rows, classes)), axis=1)
    x = np.round(x, 3)
    ones = np.concatenate([x, np.ones((rows, 1))], axis=1)
    # weight [classes, width], then bias: the penalty is on the weights alone.
    weights, count = classes * width, classes * (width + 1)
    decay = np.concatenate([np.full(weights, penalty), np.zeros(classes)])
    place = np.array([[k * width + j for j in range(width)] + [weights + k] for k in range(classes)])

    def parts(p):
        scores = ones @ p[place].T
        scores -= scores.max(axis=1, keepdims=True)
        total = np.exp(scores).sum(axis=1, keepdims=True)
        return scores - np.log(total), np.exp(scores) / total

    def value(p):
        logs, _ = parts(p)
        return -logs[np.arange(rows), y].mean() + 0.5 * (decay * p * p).sum()

    def gradient(p):
        _, q = parts(p)
        q = q.copy()
        q[np.arange(rows), y] -= 1
        g = np.zeros(count)
        g[place] = q.T @ ones / rows
        return g + decay * p

    def hessian(p):
        _, q = parts(p)
        h = np.diag(decay)
        for k in range(classes):
            for l in range(classes):
                weight = q[:, k] * ((k == l) - q[:, l]) / rows
                h[np.ix_(place[k], place[l])] += ones.T @ (weight[:, None] * ones)
        return h

    start = np.zeros(count)
    found = scipy.optimize.minimize(value, start, jac=gradient, hess=hessian, method="trust-exact", options={"gtol": 1e-12})
    p = found.x
    for _ in range(5):
        # The biases may all be shifted alike: of least length.
        p = p - np.linalg.lstsq(hessian(p), gradient(p), rcond=1e-12)[0]
    p = p - np.concatenate([np.zeros(weights), np.full(classes, p[weights:].mean())])
    assert np.abs(gradient(p)).max() < 1e-14

    t = torch.nn.Linear(width, classes, dtype=torch.float64)
    torch.nn.init.zeros_(t.weight)
    torch.nn.init.zeros_(t.bias)
    optimizer = torch.optim.LBFGS(t.parameters(), line_search_fn="strong_wolfe", tolerance_grad=1e-10, tolerance_change=0.0)
    tx, ty = torch.tensor(x), torch.tensor(y)

    def closure():
        optimizer.zero_grad()
        loss = torch.nn.functional.cross_entropy(t(tx), ty) + 0.5 * penalty * (t.weight**2).sum()
        loss.backward()
        return loss

    steps = []
    for _ in range(2):
        loss = float(optimizer.step(closure).detach())
        flat = torch.cat([t.weight.detach().reshape(-1), t.bias.detach()]).tolist()
        state = optimizer.state[t.weight]
        steps.append({"loss": loss, "x": flat, "iterations": state["n_iter"], "evaluations": state["func_evals"]})
    best = np.array(steps[-1]["x"])
    # PyTorch comes no nearer: where the loss falls by less than its rounding, its line search ends.
    assert np.abs(best - p).max() < 1e-5, np.abs(best - p).max()
    return {
        "rows": x.tolist(),
        "classes": y.tolist(),
        "penalty": penalty,
        "minimiser": p.tolist(),
        "minimum": value(p),
        "hessian": hessian(p).tolist(),
        "lbfgs": steps,
    }


made_by = {"torch": torch.__version__, "scipy": scipy.__version__, "numpy": np.__version__}


def write(name, content):
    text = ",\n".join(f"{json.dumps(key)}: {json.dumps(value)}" for key, value in {"made_by": made_by, **content}.items())
    (HERE / name).write_text("{" + text + "}\n")


write("lbfgs.json", {"cases": [run(*case) for case in CASES]})
write("logistic.json", logistic())
