//! Reading Rust well enough to see which paths it names: comments, strings and `#[cfg(test)]` items are blanked out, line
//! for line.

use std::path::Path;

/// A file below a folder of the repository.
#[derive(Clone, Debug)]
pub struct Source {
    /// Its path below that folder, with `/`.
    pub path: String,
    pub text: String,
}

impl Source {
    /// Every file below `folder` with that ending, in order.
    pub fn all(folder: &str, ending: &str) -> Vec<Self> {
        let root = Path::new(env!("CARGO_MANIFEST_DIR")).join(folder);
        let (mut found, mut folders) = (Vec::new(), vec![root.clone()]);
        while let Some(folder) = folders.pop() {
            for entry in std::fs::read_dir(&folder).unwrap_or_else(|e| panic!("{}: {e}", folder.display())) {
                let path = entry.unwrap().path();
                if path.is_dir() {
                    folders.push(path);
                } else if path.extension().is_some_and(|e| e == ending) {
                    let below = path.strip_prefix(&root).unwrap().to_str().unwrap().replace('\\', "/");
                    found.push(Self { path: below, text: std::fs::read_to_string(&path).unwrap() });
                }
            }
        }
        assert!(!found.is_empty(), "no .{ending} files in {folder}");
        found.sort_by(|a, b| a.path.cmp(&b.path));
        found
    }

    /// The first part of its path.
    pub fn room(&self) -> &str {
        let first = self.path.split('/').next().unwrap_or_default();
        first.split('.').next().unwrap_or_default()
    }
}

/// The text with comments, literals and test items blanked; lines stay where they are.
pub fn code(text: &str) -> String {
    without_tests(&without_words(text))
}

fn without_words(text: &str) -> String {
    let chars: Vec<char> = text.chars().collect();
    let mut out = String::with_capacity(text.len());
    let mut i = 0;
    // Blanks everything up to `end`, but keeps line ends.
    let blank = |out: &mut String, from: usize, end: usize| {
        out.extend(chars[from..end.min(chars.len())].iter().map(|&c| if c == '\n' { '\n' } else { ' ' }));
        end.min(chars.len())
    };
    let find =
        |from: usize, stop: &dyn Fn(usize) -> bool| (from..chars.len()).find(|&j| stop(j)).unwrap_or(chars.len());
    while i < chars.len() {
        let next = chars.get(i + 1).copied().unwrap_or(' ');
        let ident_before = i > 0 && (chars[i - 1].is_alphanumeric() || chars[i - 1] == '_');
        match chars[i] {
            '/' if next == '/' => {
                let end = find(i, &|j| chars[j] == '\n');
                i = blank(&mut out, i, end);
            }
            '/' if next == '*' => {
                let (mut depth, mut j) = (1, i + 2);
                while j < chars.len() && depth > 0 {
                    match (chars[j], chars.get(j + 1)) {
                        ('/', Some('*')) => (depth, j) = (depth + 1, j + 2),
                        ('*', Some('/')) => (depth, j) = (depth - 1, j + 2),
                        _ => j += 1,
                    }
                }
                i = blank(&mut out, i, j);
            }
            'r' if !ident_before && (next == '"' || next == '#') => {
                let quote = find(i + 1, &|j| chars[j] != '#');
                let hashes = quote - i - 1;
                if chars.get(quote) == Some(&'"') {
                    let closes = |j: usize| chars[j] == '"' && (1..=hashes).all(|k| chars.get(j + k) == Some(&'#'));
                    let end = find(quote + 1, &closes) + 1 + hashes;
                    i = blank(&mut out, i, end);
                } else {
                    out.push(chars[i]);
                    i += 1;
                }
            }
            '"' => {
                let mut j = i + 1;
                while j < chars.len() && chars[j] != '"' {
                    j += if chars[j] == '\\' { 2 } else { 1 };
                }
                i = blank(&mut out, i, j + 1);
            }
            // A character, not a lifetime.
            '\'' if next == '\\' => {
                let end = find(i + 3, &|j| chars[j] == '\'') + 1;
                i = blank(&mut out, i, end);
            }
            '\'' if chars.get(i + 2) == Some(&'\'') => i = blank(&mut out, i, i + 3),
            c => {
                out.push(c);
                i += 1;
            }
        }
    }
    out
}

/// Blanks what follows each `#[cfg(test)]`: an item that ends in `;`, or in the brace that closes its first one.
fn without_tests(text: &str) -> String {
    const MARK: &str = "#[cfg(test)]";
    let mut out = text.to_owned();
    while let Some(start) = out.find(MARK) {
        let (mut depth, mut end) = (0, out.len());
        for (at, c) in out[start + MARK.len()..].char_indices() {
            match c {
                '{' => depth += 1,
                '}' => depth -= 1,
                _ => {}
            }
            if (c == ';' || c == '}') && depth == 0 {
                end = start + MARK.len() + at + 1;
                break;
            }
        }
        let blank: String = out[start..end].chars().map(|c| if c == '\n' { '\n' } else { ' ' }).collect();
        out.replace_range(start..end, &blank);
    }
    out
}

/// Every identifier, with its line from 1.
pub fn words(text: &str) -> impl Iterator<Item = (usize, &str)> {
    let lines = text.lines().enumerate();
    let split = |c: char| !(c.is_alphanumeric() || c == '_');
    lines.flat_map(move |(i, line)| line.split(split).filter(|w| !w.is_empty()).map(move |w| (i + 1, w)))
}

/// The first step of every path that begins at `crate::`, braces opened: `crate::{a::b, c}` names `a` and `c`.
pub fn crate_paths(code: &str) -> Vec<(usize, String)> {
    const ROOT: &str = "crate::";
    let mut found = Vec::new();
    let mut from = 0;
    while let Some(at) = code[from..].find(ROOT).map(|at| at + from) {
        from = at + ROOT.len();
        let before = code[..at].chars().next_back();
        if before.is_some_and(|c| c.is_alphanumeric() || c == '_' || c == '$') {
            continue;
        }
        let line = 1 + code[..at].matches('\n').count();
        let rest = &code[from..];
        let name = |text: &str| text.chars().take_while(|c| c.is_alphanumeric() || *c == '_').collect::<String>();
        if !rest.starts_with('{') {
            found.push((line, name(rest)));
            continue;
        }
        let (mut depth, mut fresh) = (0, false);
        for (i, c) in rest.char_indices() {
            match c {
                '{' => (depth, fresh) = (depth + 1, depth == 0),
                '}' => depth -= 1,
                ',' if depth == 1 => fresh = true,
                _ if fresh && !c.is_whitespace() => {
                    found.push((line + rest[..i].matches('\n').count(), name(&rest[i..])));
                    fresh = false;
                }
                _ => {}
            }
            if depth == 0 {
                break;
            }
        }
    }
    found
}
