//! Channels of mean 0 and standard deviation 1.

use super::{DataError, Dataset, Split, Targets, Values};

/// Mean and standard deviation of every channel, fitted to one data set and applied to others.
///
/// ```text
/// x′ = (x − μ_c) / σ_c      μ_c = Σ x / n      σ_c = √(Σ (x − μ_c)² / n)
/// ```
///
/// The sums go over all numbers of channel `c`. A channel is an index of the first axis of an example: a colour of
/// images `[C, H, W]`, a feature of rows `[F]`. A channel of one value throughout has σ = 1, so that it becomes 0. Sums
/// and quotients are taken in f64; data held in f32 are rounded to it once.
///
/// σ is the population's, as torchvision's and scikit-learn's are, not the sample's.
///
/// ```
/// use thalweg::Shape;
/// use thalweg::data::{Dataset, Standardisation, Targets, Values};
/// let targets = Targets::Classes { labels: vec![0, 1], classes: 2 };
/// let set = Dataset::new(Values::F64(vec![1.0, 7.0, 5.0, 7.0]), Shape::from([2]), targets)?;
/// let fitted = Standardisation::fit(&set)?;
/// assert_eq!(fitted, Standardisation { mean: vec![3.0, 7.0], std: vec![2.0, 1.0] });
/// assert_eq!(fitted.apply(set)?.features().to_f64(), [-1.0, 0.0, 1.0, 0.0]);
/// # Ok::<(), thalweg::data::DataError>(())
/// ```
#[derive(Clone, Debug, PartialEq, serde::Serialize, serde::Deserialize)]
pub struct Standardisation {
    /// μ of each channel, finite.
    pub mean: Vec<f64>,
    /// σ of each channel, finite and above 0.
    pub std: Vec<f64>,
}

impl Standardisation {
    /// The numbers of `data`, in two passes: the second sums squares of what is left of the mean, so that a large mean
    /// takes nothing from a small σ.
    ///
    /// # Errors
    ///
    /// [`DataError::BadChannel`] if a sum is beyond f64, or σ too small for it.
    pub fn fit(data: &Dataset) -> Result<Self, DataError> {
        Self::fitted(data).map(|(fitted, _)| fitted)
    }

    /// And how many channels are of one value throughout.
    fn fitted(data: &Dataset) -> Result<(Self, usize), DataError> {
        let (channels, plane) = planes(data);
        let of = |channel: usize| {
            let values = data.features();
            let starts = (0..data.rows()).map(move |row| (row * channels + channel) * plane);
            starts.flat_map(move |start| (start..start + plane).map(|i| values.get(i)))
        };
        let n = (data.rows() * plane) as f64;
        let (mut mean, mut std, mut constant) = (Vec::new(), Vec::new(), 0);
        for channel in 0..channels {
            let first = data.features().get(channel * plane);
            // Not σ = 0: the mean of equal numbers may be rounded, and σ be that error.
            if of(channel).all(|x| x == first) {
                mean.push(first);
                std.push(1.0);
                constant += 1;
                continue;
            }
            let centre = of(channel).sum::<f64>() / n;
            mean.push(centre);
            std.push((of(channel).map(|x| (x - centre) * (x - centre)).sum::<f64>() / n).sqrt());
        }
        let fitted = Self { mean, std };
        fitted.check(channels)?;
        Ok((fitted, constant))
    }

    /// The same examples, every channel less its mean and divided by its standard deviation.
    ///
    /// # Errors
    ///
    /// If the data have another number of channels, a number here is out of its range, or one of the result beyond what
    /// the data are held in.
    pub fn apply(&self, mut data: Dataset) -> Result<Dataset, DataError> {
        let (channels, plane) = planes(&data);
        self.check(channels)?;
        let map = |i: usize, x: f64| {
            let channel = i / plane % channels;
            (x - self.mean[channel]) / self.std[channel]
        };
        match &mut data.features {
            Values::F32(v) => v.iter_mut().enumerate().for_each(|(i, x)| *x = map(i, f64::from(*x)) as f32),
            Values::F64(v) => v.iter_mut().enumerate().for_each(|(i, x)| *x = map(i, *x)),
        }
        let labelled = data.is_labelled();
        let targets = std::mem::replace(&mut data.targets, Targets::Classes { labels: Vec::new(), classes: 0 });
        let mut standardised = match labelled {
            true => Dataset::new(data.features, data.shape, targets)?,
            false => Dataset::unlabelled(data.features, data.shape)?,
        };
        (standardised.origin, standardised.class_names) = (data.origin, data.class_names);
        Ok(standardised)
    }

    /// What 0 becomes in each channel: the black around an image that is padded after it was standardised.
    ///
    /// ```
    /// let fitted = thalweg::data::Standardisation { mean: vec![3.0, -1.0], std: vec![2.0, 4.0] };
    /// assert_eq!(fitted.of_zero(), [-1.5, 0.25]);
    /// ```
    #[must_use]
    pub fn of_zero(&self) -> Vec<f64> {
        self.mean.iter().zip(&self.std).map(|(mean, std)| (0.0 - mean) / std).collect()
    }

    fn check(&self, channels: usize) -> Result<(), DataError> {
        if (self.mean.len(), self.std.len()) != (channels, channels) {
            return Err(DataError::Channels { mean: self.mean.len(), std: self.std.len(), channels });
        }
        let good = |mean: f64, std: f64| mean.is_finite() && std.is_finite() && std > 0.0;
        match self.mean.iter().zip(&self.std).position(|(&mean, &std)| !good(mean, std)) {
            Some(channel) => Err(DataError::BadChannel { channel, mean: self.mean[channel], std: self.std[channel] }),
            None => Ok(()),
        }
    }
}

impl Split {
    /// Both parts with the channels of the training part brought to mean 0 and standard deviation 1, and the numbers it
    /// took, which are the training part's alone.
    ///
    /// The description counts the constant channels, which only lose their mean.
    ///
    /// # Errors
    ///
    /// As [`Standardisation::fit`] and [`Standardisation::apply`].
    pub fn standardised(self) -> Result<(Self, Standardisation), DataError> {
        let (fitted, constant) = Standardisation::fitted(&self.train)?;
        let note = match constant {
            0 => String::new(),
            n => format!(" ({n} of {} channels constant: σ taken as 1)", fitted.std.len()),
        };
        let train = fitted.apply(self.train)?;
        let validation = self.validation.map(|held| fitted.apply(held)).transpose()?;
        let description = format!("{}; standardised{note}", self.description);
        Ok((Self { train, validation, description }, fitted))
    }
}

/// How many channels an example has, and how many numbers each.
fn planes(data: &Dataset) -> (usize, usize) {
    let channels = data.shape().first().copied().unwrap_or(1);
    (channels, data.shape().elements() / channels)
}
