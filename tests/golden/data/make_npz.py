"""Writes the NPZ files of this folder. Made with numpy 2.4.6, Python 3; run it here: `python make_npz.py`.

x is the formula of tests/data.rs: x[n, i, j] = (n*6 + i*3 + j) / 4 - 2 for shape [5, 2, 3] (exact in f16), class n % 3.
"""
import numpy as np

n = np.arange(5)[:, None, None]
i = np.arange(2)[None, :, None]
j = np.arange(3)[None, None, :]
k = n * 6 + i * 3 + j
x = k / 4 - 2
y = np.arange(5) % 3

np.savez("f64.npz", x_train=x.astype(np.float64), y_train=y.astype(np.int64))
np.savez("f32_fortran.npz", x_train=np.asfortranarray(x.astype(np.float32)), y_train=y.astype(np.uint8))
np.savez("f16.npz", x_train=x.astype(np.float16), y_train=y.astype(np.int32))
np.savez_compressed("u8_compressed.npz", x_train=k.astype(np.uint8), y_train=y.astype(np.uint16))
np.savez("i64_fortran.npz", x_train=np.asfortranarray(k.astype(np.int64)), y_train=y.astype(np.int8))
np.savez("big_endian.npz", x_train=x.astype(">f8"), y_train=y.astype(">i4"))
np.savez("split.npz", x_train=x.astype(np.float32), y_train=y, x_val=x[:2].astype(np.float32), y_val=np.array([4, 0]))
np.savez("regression.npz", x_train=x[:, 0, 0].astype(np.float64), y_train=(x[:, 0, 0] * 3).astype(np.float32))
np.savez("regression_wide.npz", x_train=x.astype(np.float64), y_train=x[:, 0, :2].astype(np.float64))

# What must be refused.
np.savez("no_y.npz", x_train=x, other=y)
np.savez("complex.npz", x_train=x.astype(np.complex64), y_train=y)
np.savez("text_labels.npz", x_train=x, y_train=np.array(["a", "b", "c", "d", "e"]))
np.savez("lengths.npz", x_train=x, y_train=y[:4])
np.savez("val_shape.npz", x_train=x, y_train=y, x_val=x[:, :1], y_val=y)
np.savez("val_kind.npz", x_train=x, y_train=y, x_val=x, y_val=y.astype(np.float32))
np.savez("no_y_val.npz", x_train=x, y_train=y, x_val=x)
np.savez("negative.npz", x_train=x, y_train=y - 1)
np.savez("one_hot.npz", x_train=x, y_train=np.eye(3, dtype=np.int64)[y])
bad = x.copy()
bad[3, 1, 0] = np.nan
np.savez("nan.npz", x_train=bad, y_train=y)
bad = x[:, 0, :2].copy()
bad[2, 1] = -np.inf
np.savez("inf_target.npz", x_train=x, y_train=bad)
np.savez("empty.npz", x_train=x[:0], y_train=y[:0])
np.savez("scalar.npz", x_train=np.float64(1.0), y_train=y)
np.savez("objects.npz", x_train=np.array([{}, []], dtype=object), y_train=y)
