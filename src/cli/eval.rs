//! `thalweg eval`

use clap::Args;
use serde_json::json;
use thalweg::train::checkpoint::model_step;
use thalweg::train::{Confusion, Evaluation};

use super::error::CliError;
use super::given;
use super::output::{event, line};

/// Classes whose whole matrix fits on a screen.
const MATRIX: usize = 20;
/// Classes whose whole matrix is in the JSON, and which all have a line in the table: 65,536 counts. Above it there are only the
/// pairs and the classes that occur.
const WHOLE: usize = 256;
/// Pairs listed where the matrix does not fit.
const PAIRS: usize = 20;

#[derive(Debug, Args)]
pub(crate) struct Arguments {
    #[command(flatten)]
    given: given::Inputs,
    /// One JSON object instead of tables; a share of nothing (0/0) is null. Above 256 classes `confusion_pairs`, [true class,
    /// answer, rows], stands for the matrix `confusion`, and `classes` lists those that occur or are answered
    #[arg(long)]
    json: bool,
}

pub(crate) fn run(arguments: &Arguments) -> Result<bool, CliError> {
    let mut opened = arguments.given.open(true)?;
    let found = opened.model.evaluate(&opened.data);
    let found = opened.of_data(found)?;
    super::tune::warn(&opened.device);
    let loss = opened.model.config().model.loss.name();
    if arguments.json {
        let confusion = found.confusion.as_ref();
        event(
            "eval",
            json!({
                "run": arguments.given.run, "step": model_step(&arguments.given.run)?, "data": opened.source.to_string(),
                "part": opened.part.map(given::Part::name), "rows": found.rows, "device": opened.why,
                "precision": opened.device.precision().name(), "loss_name": loss, "loss": found.loss,
                "accuracy": found.accuracy, "rmse": found.rmse,
                "confusion": confusion.filter(|c| c.classes() <= WHOLE).map(|c| c.rows().collect::<Vec<_>>()),
                "confusion_pairs": confusion.filter(|c| c.classes() > WHOLE).map(|c| c.pairs().collect::<Vec<_>>()),
                "classes": confusion.map(|c| listed(c).map(|class| c.scores(class)).collect::<Vec<_>>()),
                "class_names": confusion.and(opened.model.class_names()),
                "macro": confusion.map(Confusion::macro_average),
            }),
        )?;
        return Ok(true);
    }
    line(format!("device:   {}", opened.why))?;
    line(format!("data:     {}", opened.description))?;
    line(report(&found, loss, opened.model.class_names().unwrap_or_default()).trim_end())?;
    Ok(true)
}

/// What was found, for people.
fn report(found: &Evaluation, loss: &str, names: &[String]) -> String {
    let mut text = format!("loss:     {:.4} ({loss})\n", found.loss);
    if let Some(rmse) = found.rmse {
        text += &format!("rmse:     {rmse:.4}\n");
    }
    if let (Some(accuracy), Some(confusion)) = (found.accuracy, &found.confusion) {
        text += &format!("accuracy: {:.2} % ({} of {})\n\n", 100.0 * accuracy, confusion.right(), found.rows);
        text += &match confusion.classes() {
            0..=MATRIX => matrix(confusion),
            _ => pairs(confusion),
        };
        text += "\n";
        text += &table(confusion, names);
    }
    text
}

/// The classes that are listed.
fn listed(confusion: &Confusion) -> Box<dyn Iterator<Item = usize> + '_> {
    match confusion.classes() {
        classes @ 0..=WHOLE => Box::new(0..classes),
        _ => Box::new(confusion.met()),
    }
}

fn matrix(confusion: &Confusion) -> String {
    let most = confusion.pairs().map(|(.., rows)| rows).max().unwrap_or(0).max(confusion.classes() as u64);
    let width = most.to_string().len() + 1;
    let mut text = String::from("rows by true class (down) and answer (across)\n");
    text += &format!("{:>5} |", "");
    text.extend((0..confusion.classes()).map(|class| format!("{class:>width$}")));
    text += &format!("\n{}+{}\n", "-".repeat(6), "-".repeat(width * confusion.classes()));
    for (class, row) in confusion.rows().enumerate() {
        text += &format!("{class:>5} |");
        // A dot for nothing: the mistakes stand out.
        text.extend(row.iter().map(|&n| if n == 0 { format!("{:>width$}", ".") } else { format!("{n:>width$}") }));
        text += "\n";
    }
    text
}

fn pairs(confusion: &Confusion) -> String {
    let pairs = confusion.most_confused(PAIRS);
    let mut text = String::from("most confused\n true answer  rows\n");
    text.extend(pairs.iter().map(|(truth, answer, rows)| format!("{truth:>5} {answer:>6} {rows:>5}\n")));
    if pairs.is_empty() { "no class was taken for another\n".into() } else { text }
}

fn table(confusion: &Confusion, names: &[String]) -> String {
    let share = |x: Option<f64>| x.map_or_else(|| "-".to_owned(), |x| format!("{x:.4}"));
    let row = |name: &str, [p, r, f]: [Option<f64>; 3], support: u64| {
        format!("{name:>5} {:>9} {:>9} {:>9} {support:>8}\n", share(p), share(r), share(f))
    };
    let mut text = format!("{:>5} {:>9} {:>9} {:>9} {:>8}\n", "class", "precision", "recall", "F1", "support");
    let (mut rows, mut undefined) = (0, false);
    for scores in listed(confusion).map(|class| confusion.scores(class)) {
        text += row(&scores.class.to_string(), [scores.precision, scores.recall, scores.f1], scores.support).trim_end();
        text += &names.get(scores.class).map_or("\n".into(), |name| format!("  {name}\n"));
        rows += scores.support;
        undefined |= [scores.precision, scores.recall, scores.f1].contains(&None);
    }
    let mean = confusion.macro_average();
    text += &row("macro", [mean.precision, mean.recall, mean.f1], rows);
    if confusion.classes() > WHOLE {
        let rest = confusion.classes() - confusion.met().count();
        text += &format!("{rest} classes more neither occur nor are answered\n");
    }
    if undefined {
        text += "-: a share of nothing (0/0), which the means leave out\n";
    }
    text
}
