//! A plot as SVG: panels one below the other, each with both axes labelled.

use std::fmt::Write;

use super::{Panel, short};

const WIDTH: f64 = 800.0;
const HEIGHT: f64 = 300.0;
const LEFT: f64 = 80.0;
const RIGHT: f64 = 20.0;
const TOP: f64 = 20.0;
const BOTTOM: f64 = 50.0;
const TITLE: f64 = 36.0;
/// Points of a line at most: of more, each stretch keeps its lowest and highest.
const POINTS: usize = 2000;

pub(super) fn plot(title: &str, panels: &[Panel], note: Option<&str>) -> String {
    let height = TITLE + HEIGHT * panels.len() as f64 + if note.is_some() { 40.0 } else { 0.0 };
    let mut svg = format!(
        "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 {WIDTH} {height}\" font-family=\"sans-serif\" font-size=\"13\">\n\
         <rect width=\"{WIDTH}\" height=\"{height}\" fill=\"white\"/>\n"
    );
    text(&mut svg, (WIDTH / 2.0, 24.0), "middle", " font-size=\"16\"", title);
    for (n, one) in panels.iter().enumerate() {
        panel(&mut svg, one, TITLE + HEIGHT * n as f64);
    }
    // A line holds some 110 letters.
    let words = note.unwrap_or_default().split_inclusive(' ');
    let lines = words.fold(Vec::<String>::new(), |mut lines, word| {
        match lines.last_mut() {
            Some(line) if line.len() + word.len() <= 110 => line.push_str(word),
            _ => lines.push(word.into()),
        }
        lines
    });
    for (n, line) in lines.iter().enumerate() {
        let at = (LEFT, TITLE + HEIGHT * panels.len() as f64 + 4.0 + 16.0 * n as f64);
        text(&mut svg, at, "start", "", line.trim_end());
    }
    svg + "</svg>\n"
}

fn panel(svg: &mut String, panel: &Panel, top: f64) {
    let (right, bottom, top) = (WIDTH - RIGHT, top + HEIGHT - BOTTOM, top + TOP);
    let x = |epoch: f64| LEFT + panel.x.place(epoch) * (right - LEFT);
    let y = |value: f64| bottom - panel.y.place(value) * (bottom - top);
    for tick in panel.x.ticks(8.0) {
        line(svg, [x(tick), top, x(tick), bottom], "#ddd");
        text(svg, (x(tick), bottom + 18.0), "middle", "", &short(tick));
    }
    for tick in panel.y.ticks(5.0) {
        line(svg, [LEFT, y(tick), right, y(tick)], "#ddd");
        text(svg, (LEFT - 8.0, y(tick) + 4.0), "end", "", &short(tick));
    }
    line(svg, [LEFT, bottom, right, bottom], "black");
    line(svg, [LEFT, top, LEFT, bottom], "black");
    text(svg, ((LEFT + right) / 2.0, bottom + 38.0), "middle", "", "epoch");
    let middle = (top + bottom) / 2.0;
    text(svg, (18.0, middle), "middle", &format!(" transform=\"rotate(-90 18 {middle})\""), panel.what);
    let mut points = String::new();
    let mut before = None;
    for (epoch, value) in thinned(&panel.points) {
        // The value is constant through a step: a stair, with no corner where nothing changes.
        if before == Some(value) {
            continue;
        }
        if let Some(before) = before {
            put(&mut points, x(epoch), y(before));
        }
        put(&mut points, x(epoch), y(value));
        before = Some(value);
    }
    if let Some(last) = before {
        put(&mut points, right, y(last));
    }
    let points = points.trim_end();
    put_line(svg, format_args!("<polyline points=\"{points}\" fill=\"none\" stroke=\"#1f77b4\" stroke-width=\"2\"/>"));
}

fn thinned(points: &[(f64, f64)]) -> Vec<(f64, f64)> {
    if points.len() <= POINTS {
        return points.to_vec();
    }
    let stretch = points.len().div_ceil(POINTS / 2);
    let by_value = |a: &&(f64, f64), b: &&(f64, f64)| a.1.total_cmp(&b.1);
    let extremes = |part: &[(f64, f64)]| {
        let mut both: Vec<_> =
            part.iter().min_by(by_value).into_iter().chain(part.iter().max_by(by_value)).copied().collect();
        both.sort_by(|a, b| a.0.total_cmp(&b.0));
        both
    };
    points.chunks(stretch).flat_map(extremes).collect()
}

fn put(points: &mut String, x: f64, y: f64) {
    *points += &format!("{x:.2},{y:.2} ");
}

fn line(svg: &mut String, [x1, y1, x2, y2]: [f64; 4], colour: &str) {
    put_line(
        svg,
        format_args!("<line x1=\"{x1:.2}\" y1=\"{y1:.2}\" x2=\"{x2:.2}\" y2=\"{y2:.2}\" stroke=\"{colour}\"/>"),
    );
}

fn text(svg: &mut String, (x, y): (f64, f64), anchor: &str, more: &str, words: &str) {
    let words = words.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;");
    put_line(svg, format_args!("<text x=\"{x:.2}\" y=\"{y:.2}\" text-anchor=\"{anchor}\"{more}>{words}</text>"));
}

fn put_line(svg: &mut String, words: std::fmt::Arguments<'_>) {
    // A string takes whatever is written to it.
    let _ = writeln!(svg, "{words}");
}
