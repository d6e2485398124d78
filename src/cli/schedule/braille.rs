//! A plot as text: each character holds two by four dots.

use super::{Panel, short};

const COLUMNS: usize = 64;
const ROWS: usize = 14;

/// The dots of one character, by column and row from above: the Unicode block Braille Patterns.
const DOTS: [[u32; 4]; 2] = [[0x01, 0x02, 0x04, 0x40], [0x08, 0x10, 0x20, 0x80]];

/// The panel with both axes labelled, each line ended.
pub(super) fn plot(panel: &Panel) -> String {
    let cells = draw(panel);
    let row = |y: f64| ((1.0 - panel.y.place(y)) * (4 * ROWS - 1) as f64).round() as usize / 4;
    let mut labels = vec![String::new(); ROWS];
    for tick in panel.y.ticks(7.0) {
        labels[row(tick)] = short(tick);
    }
    let margin = labels.iter().map(String::len).max().unwrap_or(0);
    let mut text = format!("{}\n", panel.what);
    for (label, row) in labels.iter().zip(&cells) {
        let axis = if label.is_empty() { '│' } else { '┤' };
        let dots: String = row.iter().filter_map(|&bits| char::from_u32(0x2800 + bits)).collect();
        text += format!("{label:>margin$} {axis}{dots}").trim_end_matches('\u{2800}');
        text.push('\n');
    }
    let (mut axis, mut below) = (vec!['─'; COLUMNS], String::new());
    for tick in panel.x.ticks(6.0) {
        let column = (panel.x.place(tick) * (COLUMNS - 1) as f64).round() as usize;
        let label = short(tick);
        let at = column.saturating_sub(label.len() / 2);
        // A label that would touch the one before is left out.
        if below.is_empty() || below.len() < at {
            below += &" ".repeat(at - below.len());
            below += &label;
            axis[column] = '┬';
        }
    }
    let axis: String = axis.into_iter().collect();
    text + &format!("{:margin$} └{axis}\n{:margin$}  {below}  epoch\n", "", "")
}

/// Bits of each character: each column of dots is filled over the values that its steps take, and on from the column before.
fn draw(panel: &Panel) -> Vec<Vec<u32>> {
    let (wide, high) = (2 * COLUMNS, 4 * ROWS);
    let dot = |y: f64| ((1.0 - panel.y.place(y)) * (high - 1) as f64).round() as usize;
    let column = |x: f64| ((panel.x.place(x) * wide as f64) as usize).min(wide - 1);
    let mut cells = vec![vec![0; COLUMNS]; ROWS];
    let mut set = |x: usize, from: usize, to: usize| {
        for y in from.min(to)..=from.max(to) {
            cells[y / 4][x / 2] |= DOTS[x % 2][y % 4];
        }
    };
    let mut before: Option<(usize, usize)> = None;
    for &(x, y) in &panel.points {
        let (x, y) = (column(x), dot(y));
        if let Some((last, level)) = before {
            (last + 1..x).for_each(|between| set(between, level, level));
            set(x, level, y);
        }
        set(x, y, y);
        before = Some((x, y));
    }
    if let Some((last, level)) = before {
        (last + 1..wide).for_each(|behind| set(behind, level, level));
    }
    cells
}
