//! What a model says of examples, and the files it is written to.

use std::borrow::Cow;
use std::io::{self, Cursor, Write};

use npyz::WriterBuilder;
use npyz::npz::NpzWriter;
use npyz::zip::write::FileOptions;
use npyz::zip::{CompressionMethod, DateTime};

use super::Outputs;
use super::evaluation::winner;
use crate::data::Values;
use crate::loss::Loss;
use crate::shape::Shape;

/// What the numbers of a prediction are; the run's loss decides.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Meaning {
    /// `cross_entropy`: softmax over the scores of a row, so a row sums to 1.
    ClassProbabilities,
    /// `hinge`: the scores themselves, for it gives them no probabilities.
    ClassScores,
    /// `bce_with_logits`: the sigmoid of each output, each a probability of its own.
    Probabilities,
    /// `mse`, `huber`: the outputs themselves.
    Numbers,
}

impl Meaning {
    /// What a model trained by `loss` says.
    pub fn of(loss: Loss) -> Self {
        match loss {
            Loss::CrossEntropy => Self::ClassProbabilities,
            Loss::Hinge => Self::ClassScores,
            Loss::BceWithLogits => Self::Probabilities,
            Loss::Mse | Loss::Huber => Self::Numbers,
        }
    }

    /// The array's name in an NPZ file: `probabilities`, `scores` or `outputs`.
    pub fn name(self) -> &'static str {
        match self {
            Self::ClassProbabilities | Self::Probabilities => "probabilities",
            Self::ClassScores => "scores",
            Self::Numbers => "outputs",
        }
    }

    /// The letter before the number of a column in a CSV file.
    fn column(self) -> &'static str {
        match self {
            Self::ClassProbabilities | Self::Probabilities => "p",
            Self::ClassScores => "s",
            Self::Numbers => "y",
        }
    }
}

/// What a model says of each row.
///
/// Softmax and sigmoid are taken on the host in f64 of the device's scores and rounded once to the device's precision.
#[derive(Clone, Debug, PartialEq)]
pub struct Predictions {
    meaning: Meaning,
    rows: usize,
    shape: Shape,
    values: Values,
    classes: Option<Vec<u32>>,
    class_names: Option<Vec<String>>,
}

impl Predictions {
    pub(super) fn of(loss: Loss, outputs: Outputs, class_names: Option<Vec<String>>) -> Self {
        let (meaning, width) = (Meaning::of(loss), outputs.shape.elements().max(1));
        let mut scores = outputs.values.to_f64();
        let classes = loss.takes_classes().then(|| scores.chunks(width).map(|row| winner(row) as u32).collect());
        match meaning {
            Meaning::ClassProbabilities => scores.chunks_mut(width).for_each(softmax),
            Meaning::Probabilities => scores.iter_mut().for_each(|x| *x = sigmoid(*x)),
            Meaning::ClassScores | Meaning::Numbers => {}
        }
        let values = match outputs.values {
            Values::F32(_) => Values::F32(scores.into_iter().map(|x| x as f32).collect()),
            Values::F64(_) => Values::F64(scores),
        };
        let class_names = class_names.filter(|_| loss.takes_classes());
        Self { meaning, rows: outputs.rows, shape: outputs.shape, values, classes, class_names }
    }

    /// What the numbers are.
    pub fn meaning(&self) -> Meaning {
        self.meaning
    }

    /// How many rows.
    pub fn rows(&self) -> usize {
        self.rows
    }

    /// Shape of one row's numbers.
    pub fn shape(&self) -> &Shape {
        &self.shape
    }

    /// The numbers, row-major: f32, or f64 where they were computed in it.
    pub fn values(&self) -> &Values {
        &self.values
    }

    /// The class of each row: the largest score, the first of equals. `None` for losses over numbers.
    pub fn classes(&self) -> Option<&[u32]> {
        self.classes.as_deref()
    }

    /// The names of the classes, the first that of class 0, where the run keeps any.
    pub fn class_names(&self) -> Option<&[String]> {
        self.class_names.as_deref()
    }

    /// The name of each row's class, empty for an output that no class has; `None` where the run keeps no names.
    pub fn labels(&self) -> Option<impl Iterator<Item = &str>> {
        let (classes, names) = self.classes.as_deref().zip(self.class_names.as_deref())?;
        Some(classes.iter().map(|&class| names.get(class as usize).map_or("", String::as_str)))
    }

    /// Writes a line for each row below a header: `class,p0,p1,…` of a classifier (`s0,…` for the scores of `hinge`),
    /// `p0,…` of `bce_with_logits`, `y0,…` of a regression. Where the classes have names, the class's stands in a column `label`
    /// behind `class`. A number is the shortest that is read back as the same.
    ///
    /// # Errors
    ///
    /// What the writer says.
    pub fn write_csv(&self, mut out: impl Write) -> io::Result<()> {
        let (width, letter) = (self.shape.elements(), self.meaning.column());
        let class = self.classes.as_ref().map(|_| "class".to_owned());
        let label = self.class_names.as_ref().map(|_| "label".to_owned());
        let mut labels = self.labels();
        let header: Vec<String> =
            class.into_iter().chain(label).chain((0..width).map(|k| format!("{letter}{k}"))).collect();
        writeln!(out, "{}", header.join(","))?;
        for row in 0..self.rows {
            let mut first = true;
            let mut cell = |text: std::fmt::Arguments<'_>| -> io::Result<()> {
                let comma = if std::mem::take(&mut first) { "" } else { "," };
                write!(out, "{comma}{text}")
            };
            if let Some(classes) = &self.classes {
                cell(format_args!("{}", classes[row]))?;
            }
            if let Some(label) = labels.as_mut().and_then(Iterator::next) {
                cell(format_args!("{}", quoted(label)))?;
            }
            for i in row * width..(row + 1) * width {
                // Debug writes 1e-30 short, and as both are read by everybody.
                match &self.values {
                    Values::F32(v) => cell(format_args!("{:?}", v[i]))?,
                    Values::F64(v) => cell(format_args!("{:?}", v[i]))?,
                }
            }
            writeln!(out)?;
        }
        out.flush()
    }

    /// The bytes of an NPZ file: `classes` (u32, `[N]`) of a classifier, and the numbers, `[N, …]`, f32 (f64 where they
    /// were computed in it), under [`Meaning::name`]. The same predictions give the same bytes.
    ///
    /// # Errors
    ///
    /// More than the format holds.
    pub fn to_npz(&self) -> io::Result<Vec<u8>> {
        let mut bytes = Cursor::new(Vec::new());
        let mut npz = NpzWriter::new(&mut bytes);
        let shape: Vec<u64> = [self.rows].iter().chain(self.shape.axes()).map(|&axis| axis as u64).collect();
        if let Some(classes) = &self.classes {
            array(&mut npz, "classes", &shape[..1], classes)?;
        }
        match &self.values {
            Values::F32(v) => array(&mut npz, self.meaning.name(), &shape, v)?,
            Values::F64(v) => array(&mut npz, self.meaning.name(), &shape, v)?,
        }
        npz.zip_writer().finish()?;
        drop(npz);
        Ok(bytes.into_inner())
    }
}

/// A cell as RFC 4180 has it: between quotes where it holds what parts cells or lines.
fn quoted(text: &str) -> Cow<'_, str> {
    match text.contains([',', '"', '\n', '\r']) {
        true => format!("\"{}\"", text.replace('"', "\"\"")).into(),
        false => text.into(),
    }
}

fn array<T: npyz::AutoSerialize + Copy>(
    npz: &mut NpzWriter<&mut Cursor<Vec<u8>>>,
    name: &str,
    shape: &[u64],
    values: &[T],
) -> io::Result<()> {
    let options = FileOptions::default()
        .compression_method(CompressionMethod::Stored)
        .last_modified_time(DateTime::default())
        .large_file(size_of_val(values) as u64 + 4096 > u64::from(u32::MAX));
    let mut writer = npz.array(name, options)?.default_dtype().shape(shape).begin_nd()?;
    writer.extend(values.iter().copied())?;
    writer.finish()
}

/// Less the largest score, so that no exponential overflows.
fn softmax(row: &mut [f64]) {
    let most = row.iter().fold(f64::NEG_INFINITY, |most, &x| most.max(x));
    row.iter_mut().for_each(|x| *x = (*x - most).exp());
    let sum: f64 = row.iter().sum();
    row.iter_mut().for_each(|x| *x /= sum);
}

/// By the exponential that does not overflow.
fn sigmoid(x: f64) -> f64 {
    let e = (-x.abs()).exp();
    if x >= 0.0 { 1.0 / (1.0 + e) } else { e / (1.0 + e) }
}
