//! `[data]`.

use std::path::Path;

use super::read::{Section, owned, unknown};
use crate::data::{Source, Split, Standardisation};
use crate::error::{ConfigError, DataError};
use crate::nn::Augment;

/// `[data]`: what is learnt from.
#[derive(Clone, Debug, PartialEq)]
pub struct DataConfig {
    /// Where the data come from; default `"digits"`.
    pub source: Source,
    /// The fraction held out where the source has no split of its own, in `[0, 1)`; default 0.2.
    pub validation: f64,
    /// Whether the channels are brought to mean 0 and standard deviation 1 (of the training part); default false.
    pub standardise: bool,
    /// `[data.augment]`: how images are changed at random while training; default: not at all. It has `crop_padding` and
    /// `horizontal_flip`; the fill follows from the standardisation, see [`augment`](Self::augment).
    pub augment: Augment,
}

impl Default for DataConfig {
    fn default() -> Self {
        Self { source: Source::Digits, validation: 0.2, standardise: false, augment: Augment::default() }
    }
}

impl DataConfig {
    pub(super) fn read(section: &Section<'_>) -> Result<Self, ConfigError> {
        let default = Self::default();
        let source = match section.text("source")? {
            None => default.source,
            Some(text) => text
                .parse()
                .map_err(|_: DataError| unknown(section.key("source"), "data source", text, owned(Source::FORMS)))?,
        };
        let share = section.number("validation")?.unwrap_or(default.validation);
        let validation = section.within("validation", "in [0, 1)", share, (0.0..1.0).contains(&share))?;
        let standardise = section.flag("standardise")?.unwrap_or(default.standardise);
        let augment = section.open("augment")?;
        augment.only("[data.augment]", &["crop_padding", "horizontal_flip"])?;
        let augment = Augment {
            crop_padding: augment.count("crop_padding", 0)?.unwrap_or(default.augment.crop_padding),
            horizontal_flip: augment.flag("horizontal_flip")?.unwrap_or(default.augment.horizontal_flip),
            fill: default.augment.fill,
        };
        Ok(Self { source, validation, standardise, augment })
    }

    /// How images are changed while training, black coming in from outside: 0, or what the standardisation made of it.
    pub fn augment(&self, fitted: Option<&Standardisation>) -> Augment {
        let fill = fitted.map_or_else(Vec::new, Standardisation::of_zero);
        Augment { fill, ..self.augment.clone() }
    }

    /// Reads, splits and standardises the data as asked; a relative path is relative to `base`. With the numbers that
    /// standardised them, if they are.
    ///
    /// # Errors
    ///
    /// As [`Source::load`] and [`Split::standardised`].
    pub fn load(&self, base: &Path) -> Result<(Split, Option<Standardisation>), DataError> {
        let split = self.source.load(base, self.validation)?;
        if !self.standardise {
            return Ok((split, None));
        }
        let (split, fitted) = split.standardised()?;
        Ok((split, Some(fitted)))
    }
}
