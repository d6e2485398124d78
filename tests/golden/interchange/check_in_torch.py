"""Whether PyTorch takes what thalweg wrote, and answers the same: by hand, for any run.

    thalweg predict RUN DATA.npz --out ANSWERS.npz
    python tests/golden/interchange/check_in_torch.py RUN DATA.npz ANSWERS.npz      # needs torch, numpy, safetensors

RUN is a folder that `thalweg train` left (or one beside this script). Its model.safetensors goes into the network that
layers.py makes of its run.toml, by a strict `load_state_dict`, and has the names, shapes and types of that network's own
state (those of a network of f32 for f32). DATA.npz is what was predicted, `x` or `x_val` or `x_test`. Prints the largest difference
of a number that thalweg answered from PyTorch's in float64, and its size in units of the roundoff of what thalweg
computed in; exits with 1 where that is above LIMIT, or a class is another where rounding cannot decide it.
"""

import json
import pathlib
import sys
import tomllib

import numpy as np
import torch
import torch.nn.functional as F
from safetensors.torch import load_file

from layers import network

# What generate.py finds for its networks is below 1000.
LIMIT = 4096.0
NUMBERS = {
    "cross_entropy": ("probabilities", lambda s: F.softmax(s, dim=-1)),
    "bce_with_logits": ("probabilities", torch.sigmoid),
    "hinge": ("scores", lambda s: s),
}


def main(run, data, answers):
    run = pathlib.Path(run)
    toml = tomllib.loads((run / "run.toml").read_text())
    with np.load(data) as arrays:
        x = torch.from_numpy(next(arrays[name] for name in ("x_val", "x_test", "x") if name in arrays))
    if toml.get("data", {}).get("standardise"):
        fitted = json.loads((run / "standardisation.json").read_text())
        per_channel = lambda key: torch.tensor(fitted[key], dtype=torch.float64).reshape(-1, *[1] * (x.dim() - 2))
        x = (x.double() - per_channel("mean")) / per_channel("std")
    words = toml["model"]["layers"][0]["type"] == "embedding"
    x = x.long() if words else x.double()
    example = toml["model"].get("input", list(x.shape[1:]))

    state = load_file(run / "model.safetensors")
    kind = next(t.dtype for t in state.values() if t.is_floating_point())
    net = network(toml["model"], example).to(kind)
    own = net.state_dict()
    kinds = lambda tensors: {name: (tuple(t.shape), t.dtype) for name, t in tensors.items()}
    if kinds(state) != kinds(own):
        sys.exit(f"PyTorch's own state is another: {set(kinds(state).items()) ^ set(kinds(own).items())}")
    net.load_state_dict(state, strict=True)
    net.double().eval()

    with torch.no_grad():
        scores = net(x.reshape(len(x), *example))
    name, of = NUMBERS.get(toml["model"].get("loss", "cross_entropy"), ("outputs", lambda s: s))
    right = of(scores).numpy()
    with np.load(answers) as arrays:
        found = next(arrays[key] for key in arrays.files if key != "classes")
        classes = arrays["classes"] if "classes" in arrays.files else None
    unit = np.finfo(found.dtype).eps / 2
    if found.shape != right.shape:
        sys.exit(f"{found.shape} answers, PyTorch gives {right.shape}")
    far = np.abs(found.astype(np.float64) - right).max()
    counts = {name: t.item() for name, t in state.items() if t.dtype == torch.int64}
    print(f"{run}: {len(state)} tensors, {found.size} {name} of {found.dtype}: largest difference {far:.3e}, "
          f"{far / unit:.1f} roundings; counts {counts}")
    if classes is not None:
        best = np.sort(right, axis=1)
        sure = best[:, -1] - best[:, -2] > LIMIT * unit
        if (classes != right.argmax(1))[sure].any():
            sys.exit("another class")
    if not far <= LIMIT * unit:
        sys.exit("too far")


if __name__ == "__main__":
    if len(sys.argv) != 4:
        sys.exit(__doc__)
    main(*sys.argv[1:])
