"""Writes the safetensors files of this folder. Made with safetensors 0.8.0 and numpy 2.4.6; run it here: `python make_safetensors.py`.

numpy has no bfloat16, so that file is written byte by byte after the format's specification.
"""
import json
import struct

import numpy as np
from safetensors.numpy import save_file

w = np.array([[0.1, -2.0, 3.5], [1e-3, 65504.0, -0.0]])
b = np.array([1 / 3, np.inf])
for name, dtype in [("f16", np.float16), ("f32", np.float32), ("f64", np.float64)]:
    with np.errstate(over="raise"):
        save_file({"0.weight": w.astype(dtype), "0.bias": b.astype(dtype)}, f"{name}.safetensors")
save_file({"0.weight": w.astype(np.float32), "0.bias": b.astype(np.float32), "1.num_batches_tracked": np.array(3, np.int64)},
          "batch_norm.safetensors", metadata={"format": "pt"})

# bf16: the upper halves of the f32 words of 1.0, -2.5, 3.140625, 1e-40 (cut off to bf16), as words.
words = [0x3F80, 0xC020, 0x4049, 0x0001]
header = json.dumps({"0.weight": {"dtype": "BF16", "shape": [2, 2], "data_offsets": [0, 8]}}).encode()
header += b" " * (-len(header) % 8)
with open("bf16.safetensors", "wb") as file:
    file.write(struct.pack("<Q", len(header)) + header + struct.pack("<4H", *words))
