"""Whether PyTorch goes on from the state that thalweg keeps as thalweg does: by hand.

    python tests/golden/updates/check_in_torch.py target/debug/thalweg      # needs torch, numpy, safetensors

For each rule of states.json: thalweg trains BEFORE epochs in f64, PyTorch takes model.safetensors and, with `load_optimizer`
below, optimizer.safetensors from there AFTER epochs on, and thalweg goes on with its run for as many. Prints the largest
difference of a parameter; exits with 1 where one is above LIMIT.
"""

import json
import pathlib
import subprocess
import sys
import tempfile

import numpy as np
import torch
import torch.nn.functional as F
from safetensors import safe_open
from safetensors.torch import load_file

HERE = pathlib.Path(__file__).parent
BATCH, BEFORE, AFTER, LIMIT = 5, 2, 3, 1e-12
LAYERS = "[{ type = 'flatten' }, { type = 'linear', out = 5 }, { type = 'tanh' }, { type = 'linear', out = 4 }]"
SGD = torch.optim.SGD
RULES = {
    "sgd": lambda p: SGD(p, lr=0.4),
    "momentum": lambda p: SGD(p, lr=0.1, momentum=0.9, dampening=0.25, weight_decay=0.01),
    "nesterov": lambda p: SGD(p, lr=0.1, momentum=0.8, nesterov=True),
    "adagrad": lambda p: torch.optim.Adagrad(p, lr=0.1, lr_decay=0.05, initial_accumulator_value=0.02),
    "rmsprop": lambda p: torch.optim.RMSprop(p, lr=0.01, alpha=0.9),
    "rmsprop_centered": lambda p: torch.optim.RMSprop(p, lr=0.003, alpha=0.9, centered=True, momentum=0.5),
    "adadelta": lambda p: torch.optim.Adadelta(p, lr=1.5, rho=0.8),
    "adam": lambda p: torch.optim.Adam(p, lr=0.02, betas=(0.9, 0.99), weight_decay=0.01),
    "amsgrad": lambda p: torch.optim.Adam(p, lr=0.02, betas=(0.9, 0.9), amsgrad=True),
    "adamw": lambda p: torch.optim.AdamW(p, lr=0.02, weight_decay=0.1),
}


def load_optimizer(optimizer, model, path):
    tensors = load_file(path)
    with safe_open(path, "pt") as file:
        note = json.loads(file.metadata()["thalweg"])
    step = float(note["scalars"]["updates"])
    for name, p in model.named_parameters():
        state = {field: tensors[f"state.{name}.{field}"].to(p.dtype) for field in note["states"]}
        optimizer.state[p] = {"step": torch.tensor(step), **state}


def main(thalweg):
    arrays = np.load(HERE.parent / "pytorch" / "classes.npz")
    x, target = torch.from_numpy(arrays["x_train"]), torch.from_numpy(arrays["y_train"])
    runs = {run["name"]: run for run in json.loads((HERE / "states.json").read_text())["runs"]}
    worst = 0.0
    for name, make in RULES.items():
        with tempfile.TemporaryDirectory() as folder:
            folder = pathlib.Path(folder)
            data = f"[data]\nsource = 'npz:{(HERE.parent / 'pytorch' / 'classes.npz').resolve()}'\nvalidation = 0.0\n"
            (folder / "run.toml").write_text(f"{data}[model]\nlayers = {LAYERS}\n{runs[name]['toml']}")
            train = [pathlib.Path(thalweg).resolve(), "train", "--device", "cpu", "--precision", "f64"]
            run = lambda *more: subprocess.run([*train, *more], cwd=folder, check=True, capture_output=True)
            run("run.toml", "--epochs", str(BEFORE), "--out", "out")
            net = torch.nn.Sequential(torch.nn.Flatten(), torch.nn.Linear(6, 5), torch.nn.Tanh(), torch.nn.Linear(5, 4)).double()
            net.load_state_dict(load_file(folder / "out/model.safetensors"))
            optimizer = make(net.parameters())
            load_optimizer(optimizer, net, folder / "out/optimizer.safetensors")
            for _ in range(AFTER):
                for rows in torch.arange(len(x)).split(BATCH):
                    optimizer.zero_grad()
                    F.cross_entropy(net(x[rows]), target[rows]).backward()
                    optimizer.step()
            run("--resume", "out", "--epochs", str(BEFORE + AFTER))
            ours = load_file(folder / "out/model.safetensors")
            off = max((ours[n] - p).abs().max().item() for n, p in net.named_parameters())
            print(f"{name:18} {off:.1e}")
            worst = max(worst, off) if off == off else float("inf")
    sys.exit(not worst <= LIMIT)


main(sys.argv[1])
