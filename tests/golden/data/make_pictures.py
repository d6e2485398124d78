"""Makes the PNG and JPEG files in `pictures/`, with Pillow 13.0: python3 make_pictures.py

PNG: 6 x 4 pixels (width x height), of which pixel k (row by row) is grey 10 k, or red 10 k, green 255 - 10 k, blue 3 k.
JPEG: 16 x 8 pixels, two blocks of one colour each, at quality 100, where every quantiser is 1. So a block is its DC
coefficient alone, 8 (v - 128), which any decoder turns back into v exactly; grey 10 and 200, or colours that survive the
rounding to whole YCbCr, which the script asserts.
"""

import pathlib

import numpy
from PIL import Image

folder = pathlib.Path(__file__).parent / "pictures"
folder.mkdir(exist_ok=True)

k = numpy.arange(24).reshape(4, 6)
grey = (10 * k).astype(numpy.uint8)
colour = numpy.stack([10 * k, 255 - 10 * k, 3 * k], axis=2).astype(numpy.uint8)
opaque = numpy.full((4, 6, 1), 255, numpy.uint8)
glass = opaque.copy()
glass[2, 1] = 254


def png(name, array, **more):
    Image.fromarray(array).save(folder / name, **more)


png("grey.png", grey)
png("grey16.png", (1000 * k).astype(numpy.uint16))
png("grey_alpha.png", numpy.concatenate([grey[..., None], opaque], axis=2))
png("colour.png", colour)
png("colour_alpha.png", numpy.concatenate([colour, opaque], axis=2))
png("glass.png", numpy.concatenate([colour, glass], axis=2))
png("tall.png", grey.T.copy())
palette = Image.frombytes("P", (6, 4), k.astype(numpy.uint8).tobytes())
palette.putpalette(colour.reshape(-1).tolist())
palette.save(folder / "palette.png")
Image.fromarray((k % 2 * 255).astype(numpy.uint8)).convert("1", dither=Image.Dither.NONE).save(folder / "bits.png")

blocks = numpy.repeat(numpy.array([[10] * 8 + [200] * 8], numpy.uint8), 8, axis=0)
Image.fromarray(blocks).save(folder / "grey.jpg", quality=100)
Image.fromarray(blocks).save(folder / "grey_progressive.jpg", quality=100, progressive=True)

first, second = (200, 100, 50), (22, 52, 236)
for r, g, b in (first, second):
    y = round(0.299 * r + 0.587 * g + 0.114 * b)
    cb = round(128 - 0.168736 * r - 0.331264 * g + 0.5 * b)
    cr = round(128 + 0.5 * r - 0.418688 * g - 0.081312 * b)
    back = (y + 1.402 * (cr - 128), y - 0.344136 * (cb - 128) - 0.714136 * (cr - 128), y + 1.772 * (cb - 128))
    assert all(abs(x - v) < 0.45 for x, v in zip(back, (r, g, b))), back
blocks = numpy.array([[first] * 8 + [second] * 8] * 8, numpy.uint8)
Image.fromarray(blocks).save(folder / "colour.jpg", quality=100, subsampling=0)
Image.fromarray(blocks).convert("CMYK").save(folder / "cmyk.jpg", quality=100)
