//! Lines on standard output that never panic when nobody reads them.

use std::io::Write;

use super::error::CliError;

/// Prints one line.
pub(crate) fn line(text: impl std::fmt::Display) -> Result<(), CliError> {
    let mut out = std::io::stdout().lock();
    writeln!(out, "{text}")?;
    Ok(out.flush()?)
}

/// Prints one JSON object with `event` first.
pub(crate) fn event(name: &str, fields: impl serde::Serialize) -> Result<(), CliError> {
    #[derive(serde::Serialize)]
    struct Tagged<'a, T> {
        event: &'a str,
        #[serde(flatten)]
        fields: T,
    }
    let text = serde_json::to_string(&Tagged { event: name, fields }).map_err(std::io::Error::from)?;
    line(text)
}

/// One word of a command line.
pub(crate) fn word(text: &str) -> String {
    let plain = |c: char| c.is_alphanumeric() || "-_./\\:".contains(c);
    if !text.is_empty() && text.chars().all(plain) {
        text.to_owned()
    } else {
        format!("'{}'", text.replace('\'', "'\\''"))
    }
}
