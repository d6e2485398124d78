//! Small data sets in the true formats, made here byte by byte: every class has its own pattern, under noise, so that there is something to
//! learn.

use std::fs;
use std::io::Write;
use std::path::Path;

use npyz::WriterBuilder;
use npyz::npz::NpzWriter;
use thalweg::rng::{Stream, stream};

/// Where the examples of one part start to count, so that none is in two parts.
const HELD: usize = 1 << 16;

/// The images of an example, of class `row % 10`: of a digit's size a bright spot on black, where the class says; else a colour and
/// stripes, which shifts and mirrors leave as they are.
fn image(row: usize, [channels, height, width]: [usize; 3]) -> Vec<u8> {
    let (class, noise) = (row % 10, Stream::new(1, row as u32, stream::CHECK));
    let spot = |y: usize, x: usize| (y / 14, x / 5) == (class / 5, class % 5) && y % 14 > 3;
    let stripe = |y: usize| (y / (1 + class % 4)).is_multiple_of(2);
    let places = (0..channels).flat_map(|c| (0..height).flat_map(move |y| (0..width).map(move |x| (c, y, x))));
    let light = |(channel, y, x): (usize, usize, usize)| match channels {
        1 => 200 * usize::from(spot(y, x)),
        _ => 20 + 16 * ([3, 7, 9][channel] * class % 10) + 30 * usize::from(stripe(y)),
    };
    (0..).zip(places).map(|(i, place)| light(place) as u8 + (noise.word(i) % 32) as u8).collect()
}

fn label(row: usize) -> u8 {
    (row % 10) as u8
}

/// MNIST's four files, the labels plain and the images plain or packed.
pub fn mnist(folder: &Path, train: usize, held: usize, packed: bool) {
    for (part, rows) in [("train", 0..train), ("t10k", HELD..HELD + held)] {
        let count = (rows.len() as u32).to_be_bytes();
        let side = 28_u32.to_be_bytes();
        let mut images = [&[0, 0, 8, 3][..], &count, &side, &side].concat();
        images.extend(rows.clone().flat_map(|row| image(row, [1, 28, 28])));
        let labels: Vec<u8> = [0, 0, 8, 1].into_iter().chain(count).chain(rows.map(label)).collect();
        let name = format!("{part}-images-idx3-ubyte");
        if packed {
            let file = fs::File::create(folder.join(name + ".gz")).expect("a file");
            let mut file = flate2::write::GzEncoder::new(file, flate2::Compression::fast());
            file.write_all(&images).and_then(|()| file.finish()).expect("it is written");
        } else {
            fs::write(folder.join(name), images).expect("it is written");
        }
        fs::write(folder.join(format!("{part}-labels-idx1-ubyte")), labels).expect("it is written");
    }
}

/// CIFAR-10's six files, in the folder that its archive unpacks to; `train` is a multiple of 5.
pub fn cifar(folder: &Path, train: usize, held: usize) {
    let folder = folder.join("cifar-10-batches-bin");
    fs::create_dir(&folder).expect("a folder");
    let write = |name: &str, rows: std::ops::Range<usize>| {
        let records: Vec<u8> = rows.flat_map(|row| [vec![label(row)], image(row, [3, 32, 32])].concat()).collect();
        fs::write(folder.join(name), records).expect("it is written");
    };
    let batch = train / 5;
    (0..5).for_each(|n| write(&format!("data_batch_{}.bin", n + 1), n * batch..(n + 1) * batch));
    write("test_batch.bin", HELD..HELD + held);
}

/// Colour images of 8x8 as NumPy's arrays: what a net for CIFAR-10 takes too, for a sixteenth of the work.
pub fn small(file: &Path, rows: usize) {
    let mut npz = NpzWriter::new(fs::File::create(file).expect("a file"));
    let pixels = (0..rows).flat_map(|row| image(row, [3, 8, 8])).map(|byte| f32::from(byte) / 255.0).collect();
    array(&mut npz, "x_train", &[rows as u64, 3, 8, 8], pixels);
    array(&mut npz, "y_train", &[rows as u64], (0..rows).map(|row| i64::from(label(row))).collect());
    npz.zip_writer().finish().expect("it is written");
}

fn array<T: npyz::AutoSerialize>(npz: &mut NpzWriter<fs::File>, name: &str, shape: &[u64], values: Vec<T>) {
    let array = npz.array(name, Default::default()).expect("an array").default_dtype().shape(shape);
    let mut array = array.begin_nd().expect("an array");
    array.extend(values).and_then(|()| array.finish()).expect("it is written");
}
