//! Which of an op's [variants](crate::graph::Op::variants) runs on this adapter: chosen by timing them once, kept in a file.
//!
//! A choice holds for a class of places on one adapter, driver and version of the library. Before a program is compiled, each class
//! of its graph that is met for the first time is settled, by the first of these that applies, and stays settled as long as
//! the adapter is open:
//!
//! 1. [`Options::variant`](super::Options::variant) names one of its variants;
//! 2. a run that goes on brings its own ([`Gpu::adopt`]), so that it goes on with the same bits;
//! 3. the file holds one, made among the same kernels;
//! 4. there is time left: its variants are checked and timed, and the file takes what was found;
//! 5. the op's default, which suits the kind of adapter.
//!
//! **The check.** Each variant computes random operands of full rank, once of the real lengths (halved until the twin takes little
//! time) and once of odd ones beside them, and every element must lie within [`Op::bound`](crate::graph::Op::bound) of the
//! f64 twin, and nothing behind the output may be written. A variant that fails, or that the compiler refuses, is not timed.
//!
//! A group of nodes that one launch computes ([`Fused`](crate::graph::Fused)) takes the variant of the op that it is
//! [like](crate::graph::Fused::like), and that op's plain launches are what was checked and timed. The group's kernel has the
//! same loop and other lines in its store; to check it here would need the group found again over shortened operands, and twins
//! and bounds carried through its nodes, for what the suite holds to the twins on each adapter it runs on, every variant of every
//! group (`tests/fusion.rs`). A driver that compiles only those lines wrongly is found by the suite there, not here.
//!
//! **The timing.** All variants of a class in turn, round after round, the least time of each; one that is not 3 % faster
//! than the default does not replace it. What takes above some 50 ms is timed over shorter operands.
//!
//! Timing makes no difference to what is computed but in the last bits: two runs with the same choices have the same bits.

mod choices;
mod choose;
mod file;
mod offer;
mod owner;
mod trial;
mod turn;

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};
use std::sync::{MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use serde::Serialize;

pub use self::choices::Choices;
use self::choose::{Outcome, choose};
pub use self::file::ClassTiming;
use self::offer::Offer;
pub use self::owner::Owner;
use super::Gpu;
use crate::error::{DeviceError, TuningError};
use crate::graph::{DynOp, Graph, NodeId};
use crate::kernel::Plan;

/// No budget is longer than a day.
const LONGEST: Duration = Duration::from_secs(86_400);

/// What is chosen where no variant is.
const DEFAULT: &str = "default";

/// What choosing between kernels may cost.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub enum Tuning {
    /// Nothing: each op launches what suits the kind of adapter, and no file is looked at. The library's default.
    #[default]
    Off,
    /// No time: what the file holds, the ops' defaults otherwise.
    Cached,
    /// About so much, from the adapter's opening on, for what the file does not hold: classes are timed one after the other, the
    /// dearest first, and those that are left when it is spent keep their default until the next time. The command's default
    /// is 2 s.
    Within(Duration),
}

impl Tuning {
    /// What the variable `THALWEG_TUNING` says (`off`, `cached`, or seconds), or `otherwise` where it is not set. The command
    /// asks this; the library never looks by itself. (Where the file lies is asked of `THALWEG_CACHE` and the system's variables
    /// by whoever tunes.)
    ///
    /// # Errors
    ///
    /// [`TuningError::Setting`] for another word.
    pub fn from_environment(otherwise: Self) -> Result<Self, TuningError> {
        const NAME: &str = "THALWEG_TUNING";
        match std::env::var_os(NAME).filter(|text| !text.is_empty()) {
            None => Ok(otherwise),
            Some(text) => Self::parse(NAME, &text.to_string_lossy()),
        }
    }

    /// `off`, `cached`, or seconds; `what` is the setting, for the error.
    ///
    /// ```
    /// use thalweg::device::gpu::Tuning;
    /// assert_eq!(Tuning::parse("x", "0.5"), Ok(Tuning::Within(std::time::Duration::from_millis(500))));
    /// assert_eq!(Tuning::parse("x", "off"), Ok(Tuning::Off));
    /// assert!(Tuning::parse("x", "-1").is_err());
    /// ```
    ///
    /// # Errors
    ///
    /// [`TuningError::Setting`].
    pub fn parse(what: &str, text: &str) -> Result<Self, TuningError> {
        let seconds = || text.parse::<f64>().ok().and_then(|s| Duration::try_from_secs_f64(s).ok());
        match text {
            "off" => Some(Self::Off),
            "cached" => Some(Self::Cached),
            _ => seconds().map(Self::Within),
        }
        .ok_or_else(|| TuningError::Setting { what: what.into(), found: text.into() })
    }
}

/// Where the choice of a class comes from.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Origin {
    /// [`Options::variant`](super::Options::variant).
    Given,
    /// The run that goes on.
    Run,
    /// The file.
    File,
    /// It was timed now.
    Timed,
    /// The op's default, since nothing else was said or found.
    Default,
}

/// One class that was met since the adapter was opened.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct ClassReport {
    /// The class.
    pub class: String,
    /// The variant in force; `default` for the op's own.
    pub variant: String,
    /// Where that comes from.
    pub origin: Origin,
    /// Why it was not timed, where there was time and it was not.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub left: Option<String>,
    /// What the file holds of it, or was found now.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub timing: Option<ClassTiming>,
}

/// What was chosen on an adapter since it was opened, and what the file holds for it.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct TuningReport {
    /// The file of choices; `None` where none is looked at or no folder is known.
    pub file: Option<PathBuf>,
    /// The classes met, in order of their names.
    pub classes: Vec<ClassReport>,
    /// All that the file holds for this adapter, driver and version, with what was found now.
    pub kept: BTreeMap<String, ClassTiming>,
    /// Seconds that checking and timing took.
    pub seconds: f64,
    /// What is wrong with the file: each thing once.
    pub warnings: Vec<TuningError>,
}

impl TuningReport {
    /// The classes that were timed since the adapter was opened.
    pub fn timed(&self) -> impl Iterator<Item = &ClassReport> {
        self.classes.iter().filter(|class| class.origin == Origin::Timed)
    }
}

/// What an open adapter knows of its variants.
#[derive(Default)]
pub(super) struct Tuner {
    /// The folder of the file, where it is not the usual one.
    folder: Option<PathBuf>,
    /// Whether the file was looked at.
    loaded: bool,
    path: Option<PathBuf>,
    kept: file::Classes,
    adopted: BTreeMap<String, String>,
    met: BTreeMap<String, Met>,
    spent: Duration,
    warnings: Vec<TuningError>,
}

struct Met {
    variant: String,
    origin: Origin,
    left: Option<String>,
}

impl Tuner {
    fn warn(&mut self, error: TuningError) {
        if !self.warnings.contains(&error) {
            self.warnings.push(error);
        }
    }

    /// Looks at the file, once.
    fn load(&mut self, gpu: &Gpu) {
        if std::mem::replace(&mut self.loaded, true) || gpu.options().tuning == Tuning::Off {
            return;
        }
        let place = self.folder.as_ref().map(|folder| Ok(folder.join(file::NAME))).unwrap_or_else(file::place);
        match place {
            Err(error) => self.warn(error),
            Ok(path) => {
                match file::load(&path, &Owner::new(gpu.adapter())) {
                    Ok(kept) => self.kept = kept,
                    Err(error) => self.warn(error),
                }
                self.path = Some(path);
            }
        }
    }

    fn keep(&mut self, gpu: &Gpu, found: &file::Classes) {
        let Some(path) = self.path.clone().filter(|_| !found.is_empty()) else { return };
        if let Err(error) = file::add(&path, &Owner::new(gpu.adapter()), found) {
            self.warn(error);
        }
    }

    /// What is known of a class without timing.
    fn known(&self, gpu: &Gpu, offer: &Offer) -> Option<(String, Origin)> {
        let offered = |name: &str| name == DEFAULT || offer.names.contains(&name);
        if let Some(given) = gpu.options().variant.filter(|name| offer.names.contains(name)) {
            return Some((given.into(), Origin::Given));
        }
        if let Some(own) = self.adopted.get(&offer.class).filter(|name| offered(name)) {
            return Some((own.clone(), Origin::Run));
        }
        let kept = self.kept.get(&offer.class)?;
        let holds = offered(&kept.variant) && kept.cut_after.is_none() && kept.kernels == offer.kernels(gpu);
        holds.then(|| (kept.variant.clone(), Origin::File))
    }

    fn settle(&mut self, class: String, variant: String, origin: Origin, left: Option<String>) {
        self.met.insert(class, Met { variant, origin, left });
    }

    /// How much time there is for a class: none where the file says that as much was too little.
    fn time_for(&self, gpu: &Gpu, offer: &Offer) -> Option<Duration> {
        let Tuning::Within(budget) = gpu.options().tuning else { return None };
        let left = budget.saturating_sub(self.spent);
        let kept = self.kept.get(&offer.class).filter(|kept| kept.kernels == offer.kernels(gpu));
        let cut = kept.and_then(|kept| kept.cut_after);
        (left > Duration::ZERO && !cut.is_some_and(|cut| left.as_secs_f64() < 1.5 * cut)).then_some(left)
    }
}

/// Settles every class that `live` nodes of a graph offer variants for.
pub(super) fn settle(gpu: &Gpu, graph: &Graph, live: &[bool]) -> Result<(), DeviceError> {
    let mut offers = offer::collect(gpu, graph, live);
    let mut tuner = gpu.tuner();
    offers.retain(|offer| !tuner.met.contains_key(&offer.class));
    if offers.is_empty() {
        return Ok(());
    }
    tuner.load(gpu);
    offers.sort_by(|a, b| b.cost.cmp(&a.cost).then_with(|| a.class.cmp(&b.class)));
    let mut found = file::Classes::new();
    for offer in offers {
        if let Some((variant, origin)) = tuner.known(gpu, &offer) {
            tuner.settle(offer.class, variant, origin, None);
            continue;
        }
        let Some(time) = tuner.time_for(gpu, &offer) else {
            tuner.settle(offer.class, DEFAULT.into(), Origin::Default, None);
            continue;
        };
        let began = Instant::now();
        // A class is not settled where the device fails: nothing is compiled then.
        let outcome = choose(gpu, &offer, began + time.min(LONGEST))?;
        tuner.spent += began.elapsed();
        match outcome {
            Outcome::Chosen(timing) => {
                found.insert(offer.class.clone(), timing.clone());
                tuner.kept.insert(offer.class.clone(), timing.clone());
                tuner.settle(offer.class, timing.variant, Origin::Timed, None);
            }
            Outcome::Left(why) => {
                // What took most of the budget would take it again at each run.
                if let Tuning::Within(budget) = gpu.options().tuning
                    && time >= budget / 2
                    && began.elapsed() >= time
                {
                    let cut_after = Some(time.as_secs_f64());
                    let kernels = offer.kernels(gpu);
                    let cut = ClassTiming { variant: DEFAULT.into(), cut_after, kernels, ..ClassTiming::default() };
                    found.insert(offer.class.clone(), cut);
                }
                tuner.settle(offer.class, DEFAULT.into(), Origin::Default, Some(why));
            }
        }
    }
    tuner.keep(gpu, &found);
    Ok(())
}

/// The classes that `live` nodes of a graph offer variants for.
pub(super) fn classes(gpu: &Gpu, graph: &Graph, live: &[bool]) -> impl Iterator<Item = String> {
    offer::collect(gpu, graph, live).into_iter().map(|offer| offer.class)
}

impl Gpu {
    fn tuner(&self) -> MutexGuard<'_, Tuner> {
        self.shared.tuner.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The variant of an op to launch at a place; `None` for its default.
    pub(super) fn variant(&self, op: &dyn DynOp, plan: &Plan) -> Option<&'static str> {
        let offered = op.variants(plan);
        if offered.names.is_empty() {
            return None;
        }
        let named = |name: &str| offered.names.iter().copied().find(|n| *n == name);
        if let Some(given) = self.options().variant.and_then(named) {
            return Some(given);
        }
        self.tuner().met.get(&offer::class(op, &offered)).and_then(|met| named(&met.variant))
    }

    /// Settles the variants of a graph as compiling it would.
    ///
    /// # Errors
    ///
    /// A lost device or one that hangs. A variant that is wrong is none: [`tuning`](Self::tuning) names it.
    pub fn tune(&self, graph: &Graph, wanted: &[NodeId]) -> Result<(), DeviceError> {
        settle(self, graph, &graph.live(wanted))
    }

    /// What was chosen since the adapter was opened, and what the file holds for it.
    pub fn tuning(&self) -> TuningReport {
        let mut tuner = self.tuner();
        tuner.load(self);
        let report = |(class, met): (&String, &Met)| ClassReport {
            class: class.clone(),
            variant: met.variant.clone(),
            origin: met.origin,
            left: met.left.clone(),
            timing: tuner.kept.get(class).cloned(),
        };
        TuningReport {
            file: tuner.path.clone(),
            classes: tuner.met.iter().map(report).collect(),
            kept: tuner.kept.clone(),
            seconds: tuner.spent.as_secs_f64(),
            warnings: tuner.warnings.clone(),
        }
    }

    /// Keeps the file of choices in this folder instead of the usual one (`THALWEG_CACHE`, else the system's folder of
    /// caches). To be called before anything is compiled.
    pub fn keep_tuning_in(&self, folder: &Path) {
        let mut tuner = self.tuner();
        *tuner = Tuner { folder: Some(folder.into()), adopted: std::mem::take(&mut tuner.adopted), ..Tuner::default() };
    }

    /// Takes this adapter's choices out of the file; those in force stay.
    ///
    /// # Errors
    ///
    /// [`TuningError`]: the file cannot be read or written.
    pub fn forget_tuning(&self) -> Result<(), TuningError> {
        let mut tuner = self.tuner();
        tuner.load(self);
        tuner.kept.clear();
        tuner.path.as_ref().map_or(Ok(()), |path| file::forget(path, &Owner::new(self.adapter())))
    }

    /// The variants in force of these classes.
    pub(super) fn choices_of(&self, classes: &BTreeSet<String>) -> Choices {
        let tuner = self.tuner();
        let variants: BTreeMap<_, _> =
            classes.iter().filter_map(|class| Some((class.clone(), tuner.met.get(class)?.variant.clone()))).collect();
        if variants.is_empty() { Choices::default() } else { Choices { owner: Owner::new(self.adapter()), variants } }
    }

    /// The variants in force: those of every class met so far.
    pub fn choices(&self) -> Choices {
        let met = self.tuner().met.keys().cloned().collect();
        self.choices_of(&met)
    }

    /// Takes over the variants of a run, for classes that were not met yet. Those made on another adapter, with another driver or by
    /// another version of the library count for nothing, as they would in the file: nobody has checked them here. Neither do names
    /// that nobody offers. They hold for all that is compiled while the adapter is open, whoever asks: whoever wants
    /// two runs to know nothing of each other opens it twice.
    pub fn adopt(&self, choices: &Choices) {
        if choices.owner == Owner::new(self.adapter()) {
            self.tuner().adopted.extend(choices.variants.clone());
        }
    }
}
