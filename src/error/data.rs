//! Errors of reading data and of training on it.

mod index;
mod words;

use std::path::PathBuf;

pub use self::index::NotAnIndex;
use self::words::{listed, of_array, of_content};
use super::{GivenError, number};
use crate::shape::Shape;

/// Why data cannot be read or trained on.
///
/// Lines and columns of a text file count from 1, as an editor shows them; rows and columns of an array from 0, as
/// NumPy indexes them; bytes of a file from 0.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum DataError {
    /// A source that is none of the known ones.
    #[error("unknown data source `{found}`; the known ones are {}", known.join(", "))]
    UnknownSource {
        /// What was written.
        found: String,
        /// The known sources.
        known: &'static [&'static str],
    },
    /// A file that is missing or cannot be read.
    #[error("cannot read the data file `{}`: {source}", path.display())]
    Unreadable {
        /// The file.
        path: PathBuf,
        /// What the operating system says.
        source: std::io::Error,
    },
    /// A folder without a file that the source consists of.
    #[error("`{}` has no {}; {advice}", folder.display(), names.join(" or "))]
    MissingFile {
        /// The folder.
        folder: PathBuf,
        /// The names that would do.
        names: Vec<String>,
        /// What to do.
        advice: &'static str,
    },
    /// Bytes that cannot stand there.
    #[error("`{}`, byte {offset}{}: expected {expected}, found {found}; {advice}", path.display(), of_content(*packed))]
    BadBytes {
        /// The file.
        path: PathBuf,
        /// Whether the file is packed, and the offset one in its content.
        packed: bool,
        /// Where, from 0.
        offset: u64,
        /// What can stand there.
        expected: Box<str>,
        /// What does.
        found: Box<str>,
        /// What to do.
        advice: &'static str,
    },
    /// A file that ends too early or too late.
    #[error(
        "`{}`{} must have {expected} bytes ({why}), found {found}: it {}; copy or download it again",
        path.display(), of_content(*packed), if found < expected { "is cut short" } else { "goes on behind its end" }
    )]
    WrongSize {
        /// The file.
        path: PathBuf,
        /// Whether the file is packed, and the bytes those of its content.
        packed: bool,
        /// Bytes it must have; at least, where it ends before it says how many.
        expected: u64,
        /// Bytes it has; at least, where it goes on.
        found: u64,
        /// Where the number comes from.
        why: String,
    },
    /// A gzip file that cannot be unpacked.
    #[error(
        "`{}` cannot be unpacked with gzip behind byte {offset}, which is byte {unpacked} of its content: {reason}; \
         copy or download it again",
        path.display()
    )]
    BadGzip {
        /// The file.
        path: PathBuf,
        /// How many of its bytes were read.
        offset: u64,
        /// How many bytes they gave.
        unpacked: u64,
        /// What is wrong.
        reason: String,
    },
    /// A PNG or JPEG file whose pixels cannot be read.
    #[error("`{}` cannot be decoded: {reason}; repair or remove it", path.display())]
    BadImage {
        /// The file.
        path: PathBuf,
        /// What the decoder says.
        reason: String,
    },
    /// Something in a folder of images that is none, or not where it belongs.
    #[error("`{}` is {found}, but {expected}; move, convert or remove it", path.display())]
    StrayFile {
        /// The file or folder.
        path: PathBuf,
        /// What it is.
        found: &'static str,
        /// What belongs there.
        expected: String,
    },
    /// Images of two sizes.
    #[error(
        "`{}` has {} x {} pixels, `{}` {} x {} (width x height); all images must have one size: scale or crop them",
        path.display(), found.0, found.1, first.display(), expected.0, expected.1
    )]
    ImageSize {
        /// The image.
        path: PathBuf,
        /// Its width and height.
        found: (u32, u32),
        /// The image that was read first.
        first: PathBuf,
        /// Its width and height.
        expected: (u32, u32),
    },
    /// Numbers fitted to data of other channels, or to none.
    #[error(
        "a standardisation of {mean} means and {std} standard deviations does not fit data of {channels} channels \
         (the first axis of an example); fit it to data of that shape"
    )]
    Channels {
        /// Means it has.
        mean: usize,
        /// Standard deviations it has.
        std: usize,
        /// Channels of the data.
        channels: usize,
    },
    /// A channel that cannot be brought to mean 0 and standard deviation 1.
    #[error(
        "channel {channel} (from 0) has mean {mean:?} and standard deviation {std:?}; to standardise, both must be \
         finite and the latter above 0: scale the data"
    )]
    BadChannel {
        /// The channel, from 0.
        channel: usize,
        /// Its mean.
        mean: f64,
        /// Its standard deviation.
        std: f64,
    },
    /// A share of held-out rows outside `[0, 1)`.
    #[error("`validation` must be in [0, 1), found {}", number(*found))]
    Validation {
        /// The value.
        found: f64,
    },
    /// A line with more or fewer cells than the first.
    #[error("`{}`, line {line}: found {found} columns, the first line has {expected}", path.display())]
    Ragged {
        /// The file.
        path: PathBuf,
        /// The line, from 1.
        line: u64,
        /// Its cells.
        found: usize,
        /// Cells of the first line.
        expected: usize,
    },
    /// A file of fewer than two columns: features and class.
    #[error(
        "`{}`, line {line}: found {found} column, at least 2 are needed: features, and the class in the last. \
         The columns must be separated by commas",
        path.display()
    )]
    TooFewColumns {
        /// The file.
        path: PathBuf,
        /// The line, from 1.
        line: u64,
        /// Its cells.
        found: usize,
    },
    /// A cell that is not a number.
    #[error("`{}`, line {line}, column {column}: `{found}` is not a number; every cell below a header must be one: mend or leave out the row", path.display())]
    NotANumber {
        /// The file.
        path: PathBuf,
        /// The line, from 1.
        line: u64,
        /// The column, from 1.
        column: usize,
        /// The cell.
        found: String,
    },
    /// A cell that is NaN or infinite, or too large for f64.
    #[error(
        "`{}`, line {line}, column {column}: `{found}` is not a finite number; remove or replace it",
        path.display()
    )]
    NotFiniteCell {
        /// The file.
        path: PathBuf,
        /// The line, from 1.
        line: u64,
        /// The column, from 1.
        column: usize,
        /// The cell.
        found: String,
    },
    /// A class in a text file that is not a non-negative integer.
    #[error(
        "`{}`, line {line}: the class (last column) must be a non-negative integer below 2^32 - 1, found `{found}`",
        path.display()
    )]
    BadClass {
        /// The file.
        path: PathBuf,
        /// The line, from 1.
        line: u64,
        /// The cell.
        found: String,
    },
    /// NaN or infinity in an array.
    #[error(
        "`{array}`, row {row}, column {column} (both from 0): {found} is not a finite number; remove or replace it"
    )]
    NotFinite {
        /// The array: `features`, `targets` or its name in the file.
        array: String,
        /// The example, from 0.
        row: usize,
        /// The place within the flattened example, from 0.
        column: usize,
        /// The value.
        found: f64,
    },
    /// A number whose magnitude is beyond `f32`.
    #[error(
        "`{array}`, row {row}, column {column} (both from 0): {found:?} is beyond the range of f32; scale the data, \
         or train on the cpu device with `--precision f64`"
    )]
    BeyondF32 {
        /// The array: `features` or `targets`.
        array: String,
        /// The example, from 0.
        row: usize,
        /// The place within the flattened example, from 0.
        column: usize,
        /// The value.
        found: f64,
    },
    /// A number that should name a row of an embedding and does not.
    #[error(transparent)]
    NotAnIndex(#[from] NotAnIndex),
    /// No example, or examples of no numbers.
    #[error("`{of}` holds no data: at least one example of at least one number is needed")]
    Empty {
        /// The file or array.
        of: String,
    },
    /// An NPZ file, or an array in it, that is cut short or is none.
    #[error("`{}` is not a readable NPZ file{}: {reason}", path.display(), of_array(array))]
    BadNpz {
        /// The file.
        path: PathBuf,
        /// The array, where the fault lies in one.
        array: Option<String>,
        /// What is wrong.
        reason: String,
    },
    /// An array that an NPZ file lacks.
    #[error("`{}` has no array `{name}`; it has: {}", path.display(), listed(present))]
    MissingArray {
        /// The file.
        path: PathBuf,
        /// The array.
        name: &'static str,
        /// The arrays that are there.
        present: Vec<String>,
    },
    /// An array whose elements are of a type that cannot be used there.
    #[error("`{}`: array `{array}` must hold {expected}, found NumPy dtype {found}", path.display())]
    WrongDtype {
        /// The file.
        path: PathBuf,
        /// The array.
        array: &'static str,
        /// NumPy's name of the type found.
        found: String,
        /// What can be used.
        expected: &'static str,
    },
    /// An array of the wrong number of axes.
    #[error("`{}`: array `{array}` must have shape {expected}, found {found}", path.display())]
    WrongShape {
        /// The file.
        path: PathBuf,
        /// The array.
        array: &'static str,
        /// The shape found.
        found: Shape,
        /// The shape needed, in words.
        expected: String,
    },
    /// A class in an array that is negative or does not fit in 32 bits.
    #[error(
        "`{}`: array `{array}`, row {row} (from 0): a class must be a non-negative integer below 2^32 - 1, \
         found {found}",
        path.display()
    )]
    BadClassAt {
        /// The file.
        path: PathBuf,
        /// The array.
        array: &'static str,
        /// The row, from 0.
        row: usize,
        /// The class.
        found: i128,
    },
    /// Features and targets of different numbers of examples.
    #[error("`{features}` has {rows} rows, but `{targets}` has {found}; they must be equal")]
    LengthMismatch {
        /// The features.
        features: String,
        /// Their rows.
        rows: usize,
        /// The targets.
        targets: String,
        /// Their rows.
        found: usize,
    },
    /// Values that do not fill their shape.
    #[error("`{array}`: {rows} examples of shape {shape} take {expected} numbers, found {found}")]
    WrongLength {
        /// `features` or `targets`.
        array: &'static str,
        /// Examples.
        rows: usize,
        /// Shape of one.
        shape: Shape,
        /// Their product.
        expected: usize,
        /// Numbers given.
        found: usize,
    },
    /// More examples than 32 bits count.
    #[error("{rows} examples are too many: at most 2^32 - 1 can be held")]
    TooManyRows {
        /// Examples.
        rows: usize,
    },
    /// Validation examples of another shape than the training ones.
    #[error("examples of `{validation}` have shape {found}, those of `{train}` {expected}; they must be equal")]
    SplitShape {
        /// The training array.
        train: &'static str,
        /// The validation array.
        validation: &'static str,
        /// Shape of one training example.
        expected: Shape,
        /// Shape of one validation example.
        found: Shape,
    },
    /// A class that the model has no output for.
    #[error(
        "row {row} (from 0) has class {label}, but there are {classes} classes, 0 to {}",
        classes.saturating_sub(1)
    )]
    Label {
        /// The row, from 0.
        row: usize,
        /// Its class.
        label: u32,
        /// Classes there are.
        classes: usize,
    },
    /// Classes where the loss needs numbers, or the other way round.
    #[error("the loss needs {expected} as targets, the data has {found}")]
    TargetKind {
        /// `"classes"` or `"numbers"`.
        expected: &'static str,
        /// The other one.
        found: &'static str,
    },
    /// Data that a trained model cannot be given.
    #[error(transparent)]
    Given(#[from] GivenError),
    /// A minibatch larger than the data.
    #[error("a minibatch of {batch} examples is larger than the training data of {rows}; use a smaller `batch_size`")]
    BatchTooLarge {
        /// Examples of a minibatch.
        batch: usize,
        /// Examples there are.
        rows: usize,
    },
}
