//! A run back as TOML.

use std::fmt::{self, Display, Write};

use toml::{Table, Value};

use super::{RunConfig, groups, update};

impl RunConfig {
    /// The TOML that [`parse`](Self::parse) reads back to the same run, every field written out.
    pub fn to_toml(&self) -> String {
        self.to_string()
    }
}

impl Display for RunConfig {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "[data]")?;
        writeln!(f, "source = {}", Value::String(self.data.source.to_string()))?;
        writeln!(f, "validation = {:?}", self.data.validation)?;
        writeln!(f, "standardise = {}", self.data.standardise)?;
        writeln!(f, "\n[data.augment]")?;
        writeln!(f, "crop_padding = {}", self.data.augment.crop_padding)?;
        writeln!(f, "horizontal_flip = {}", self.data.augment.horizontal_flip)?;
        writeln!(f, "\n[model]")?;
        if let Some(input) = &self.model.input {
            writeln!(f, "input = {input}")?;
        }
        writeln!(f, "layers = [")?;
        for layer in &self.model.layers {
            writeln!(f, "  {layer},")?;
        }
        writeln!(f, "]")?;
        writeln!(f, "loss = \"{}\"", self.model.loss.name())?;
        writeln!(f, "l2 = {:?}", self.model.l2)?;
        writeln!(f, "\n[optimizer]")?;
        table(f, &self.optimizer.to_table())?;
        update::write_state(f, &self.update)?;
        update::write_clip(f, &self.update)?;
        groups::write(f, &self.groups)?;
        writeln!(f, "\n[schedule]")?;
        table(f, &self.schedule.to_table())?;
        writeln!(f, "\n[train]")?;
        writeln!(f, "epochs = {}", self.train.epochs)?;
        writeln!(f, "batch_size = {}", self.train.batch_size)?;
        writeln!(f, "seed = {}", self.train.seed)?;
        if let Some(seed) = self.train.shuffle_seed {
            writeln!(f, "shuffle_seed = {seed}")?;
        }
        writeln!(f, "shuffle = {}", self.train.shuffle)?;
        writeln!(f, "drop_last = {}", self.train.drop_last)?;
        update::write_train(f, &self.update)?;
        writeln!(f, "population = {}", self.train.population)?;
        if !self.population.is_none() {
            write!(f, "\n[population]\n{}", self.population)?;
        }
        Ok(())
    }
}

/// The keys of a table, `name` and `convention` first.
fn table(f: &mut fmt::Formatter<'_>, table: &Table) -> fmt::Result {
    let head = ["name", "convention"];
    let first = head.iter().filter_map(|&key| table.get_key_value(key));
    let rest = table.iter().filter(|(key, _)| !head.contains(&key.as_str()));
    for (key, value) in first.chain(rest) {
        write!(f, "{key} = ")?;
        match value {
            // Debug keeps the point of `1.0` and writes 1e-8 short.
            Value::Float(x) => write!(f, "{x:?}")?,
            other => write!(f, "{other}")?,
        }
        f.write_char('\n')?;
    }
    Ok(())
}
