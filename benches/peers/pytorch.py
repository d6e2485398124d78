"""The workloads of `peers` in PyTorch, eager, in f32. Alone it prints medians; with --serve it answers requests.

A request is a line of JSON, {"workload": "small", "device": "cpu", "count": 10}: so many steps, then the last one's loss is read.
The answer is {"wall": seconds, "cpu": seconds of all threads, "loss": number or null}. A count of 0 forgets the workload.
"""

import argparse
import json
import math
import statistics
import sys
import time

import torch
from torch import nn

BATCHES, CLASSES, RATE, PARAMETERS = 64, 10, 1e-3, 1 << 24


def mlp(inputs, hidden):
    return nn.Sequential(
        nn.Linear(inputs, hidden), nn.ReLU(), nn.Linear(hidden, hidden), nn.ReLU(), nn.Linear(hidden, CLASSES)
    )


def cnn():
    return nn.Sequential(
        *(nn.Conv2d(1, 32, 3, padding=1), nn.ReLU(), nn.MaxPool2d(2)),
        *(nn.Conv2d(32, 64, 3, padding=1), nn.ReLU(), nn.MaxPool2d(2)),
        *(nn.Flatten(), nn.Linear(64 * 7 * 7, 128), nn.ReLU(), nn.Linear(128, CLASSES)),
    )


def noise(*shape):
    return 2 * torch.rand(*shape) - 1


def wait(device):
    if device == "cuda":
        torch.cuda.synchronize()


def training(model, shape, batch, device):
    """Steps through minibatches that lie on the device, as the other sides have them: noise for each class, and half as much on it."""
    model.to(device)
    loss_of, optimizer = nn.CrossEntropyLoss(), torch.optim.Adam(model.parameters(), lr=RATE)
    labels = torch.arange(BATCHES * batch) % CLASSES
    features = noise(CLASSES, *shape)[labels] + 0.5 * noise(BATCHES * batch, *shape)
    batches = [(x.to(device), y.to(device)) for x, y in zip(features.split(batch), labels.split(batch))]
    done = 0

    def run(count):
        nonlocal done
        for _ in range(count):
            x, y = batches[done % BATCHES]
            optimizer.zero_grad()
            loss = loss_of(model(x), y)
            loss.backward()
            optimizer.step()
            done += 1
        loss = loss.item()
        wait(device)
        return loss

    return run


def update(device):
    """Adam's update alone; waits for each."""
    p = nn.Parameter(torch.zeros(PARAMETERS, device=device))
    p.grad = noise(PARAMETERS).to(device)
    optimizer = torch.optim.Adam([p], lr=RATE)

    def run(count):
        for _ in range(count):
            optimizer.step()
            wait(device)

    run(1)
    wanted = -RATE * p.grad / (p.grad.abs() + 1e-8)
    # A chain of less than 30 roundings of 6e-8.
    assert (p.detach() - wanted).abs().max().item() <= 30 * 6e-8 * RATE, "the first update is not Adam's"
    return run


def product(rows, inner, columns, device):
    """Products of what the last one gave."""
    x, w = noise(rows, inner).to(device), (noise(inner, columns) * math.sqrt(3 / inner)).to(device)

    def run(count):
        y = x
        for _ in range(count):
            y = y @ w
        wait(device)

    return run


WORKLOADS = {
    "small": lambda device: training(mlp(64, 128), (64,), 64, device),
    "large": lambda device: training(mlp(784, 1024), (784,), 256, device),
    "cnn": lambda device: training(cnn(), (1, 28, 28), 64, device),
    "adam": update,
    "square": lambda device: product(1024, 1024, 1024, device),
    "flat": lambda device: product(256, 1024, 1024, device),
}
made = {}


def lap(workload, device, count):
    if count == 0:
        made.pop((workload, device), None)
        return {}
    if (workload, device) not in made:
        made[workload, device] = WORKLOADS[workload](device)
    wall, cpu = time.perf_counter(), time.process_time()
    loss = made[workload, device](count)
    return {"wall": time.perf_counter() - wall, "cpu": time.process_time() - cpu, "loss": loss}


def serve():
    card = torch.cuda.get_device_name() if torch.cuda.is_available() else None
    print(json.dumps({"version": torch.__version__, "card": card}), flush=True)
    for line in sys.stdin:
        request = json.loads(line)
        print(json.dumps(lap(request["workload"], request["device"], request["count"])), flush=True)


def alone(rounds):
    devices = ["cpu", "cuda"] if torch.cuda.is_available() else ["cpu"]
    print(f"PyTorch {torch.__version__}, {torch.get_num_threads()} threads; milliseconds, medians of {rounds} rounds")
    for workload in WORKLOADS:
        for device in devices:
            first = lap(workload, device, 1)
            if first["loss"] is not None:
                assert abs(first["loss"] - math.log(CLASSES)) < 0.5, f"{workload}: the first loss is {first['loss']}"
            step = min(lap(workload, device, 3)["wall"] / 3 for _ in range(3))
            count = max(1, min(4096, int(0.3 / step)))
            laps = [lap(workload, device, count) for _ in range(rounds)]
            last = laps[-1]["loss"]
            assert last is None or last < 0.5 * first["loss"], f"{workload}: the loss went to {last}"
            per_step = [1e3 * one["wall"] / count for one in laps]
            print(f"{workload:8} {device:5} {statistics.median(per_step):10.4f} ms, {count} steps a round")
            lap(workload, device, 0)


if __name__ == "__main__":
    arguments = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    arguments.add_argument("--serve", action="store_true", help="answer requests on the standard input")
    arguments.add_argument("--threads", type=int, help="threads of PyTorch; by default its own choice")
    arguments.add_argument("--rounds", type=int, default=7, help="rounds of what runs alone")
    given = arguments.parse_args()
    torch.manual_seed(1)
    if given.threads:
        torch.set_num_threads(given.threads)
    serve() if given.serve else alone(given.rounds)
