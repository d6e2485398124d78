//! Reports as tables for people.

use std::fmt;

use super::{GraphReport, KernelReport, OpReport, OpsReport, Point, Report, Sweep, TensorReport};

/// Columns padded to their widest cell: the first and last to the left, the others to the right.
fn columns(f: &mut fmt::Formatter<'_>, rows: &[Vec<String>]) -> fmt::Result {
    let count = rows.iter().map(Vec::len).max().unwrap_or(0);
    let width = |c: usize| rows.iter().filter_map(|row| row.get(c)).map(|s| s.chars().count()).max().unwrap_or(0);
    let widths: Vec<usize> = (0..count).map(width).collect();
    for row in rows {
        write!(f, " ")?;
        for (c, cell) in row.iter().enumerate() {
            match c {
                0 => write!(f, " {cell:<w$}", w = widths[0])?,
                c if c + 1 == count => write!(f, "  {cell}")?,
                c => write!(f, "  {cell:>w$}", w = widths[c])?,
            }
        }
        writeln!(f)?;
    }
    Ok(())
}

fn cells<const N: usize>(cells: [&str; N]) -> Vec<String> {
    cells.map(str::to_owned).to_vec()
}

fn tensor(t: &TensorReport) -> Vec<String> {
    let of: usize = t.shape.iter().product();
    let checked = format!("{} of {of}", t.dimensions.len());
    let Some(worst) = t.worst() else {
        return cells([&t.name, &checked, "-", "-", "-", "-", "empty"]);
    };
    let verdict = match () {
        () if t.negligible => "below resolution, negligible".to_owned(),
        () if !t.sound() => {
            let failed = t.dimensions.iter().filter(|d| d.verdict.fails()).count();
            format!("{} ({failed} failed)", worst.verdict)
        }
        () if !t.decided() => format!("{}: UNDECIDED", worst.verdict),
        () => worst.verdict.to_string(),
    };
    vec![
        t.name.clone(),
        checked,
        format!("{:.1e}", worst.error),
        format!("{:?}", worst.index),
        format!("{:.9e}", worst.numeric),
        format!("{:.9e}", worst.analytic),
        verdict,
    ]
}

impl fmt::Display for GraphReport {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut rows = vec![cells(["tensor", "checked", "error", "at", "numeric", "analytic", "verdict"])];
        rows.extend(self.tensors.iter().map(tensor));
        columns(f, &rows)?;
        if let Some(sweep) = &self.sweep {
            write!(f, "{sweep}")?;
        }
        self.warnings.iter().try_for_each(|warning| writeln!(f, "  note: {warning}"))
    }
}

impl fmt::Display for Sweep {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let best = self.minimum().map(|p| p.step);
        let mut rows = vec![cells(["step", "median error", "worst", "compared", "crossed", ""])];
        for p in &self.points {
            let mark = if best == Some(p.step) { "<- least" } else { "" };
            let (step, median, worst) =
                (format!("{:.0e}", p.step), format!("{:.1e}", p.median), format!("{:.1e}", p.worst));
            rows.push(cells([&step, &median, &worst, &p.compared.to_string(), &p.crossed.to_string(), mark]));
        }
        columns(f, &rows)
    }
}

/// The rows of a table of kernels, with its head, whose first word says what a row is.
pub(super) struct Kernels<'a>(pub &'static str, pub &'a [KernelReport]);

impl fmt::Display for Kernels<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut rows = vec![cells([self.0, "elements", "error/bound", "at", "gpu", "f64", "bound", "verdict"])];
        for k in self.1 {
            let verdict = match () {
                () if k.wrong > 0 || k.non_finite > 0 => {
                    format!("WRONG ({} elements, {} not finite)", k.wrong, k.non_finite)
                }
                () if !k.passed() => format!("NO FINITE BOUND (of {} elements)", k.unbounded),
                () if k.vacuous() && k.largest > 0.0 => {
                    format!("within its bound, which says little ({:.0e} of the largest)", k.resolution)
                }
                () => "within its bound".into(),
            };
            rows.push(vec![
                k.name.clone(),
                k.elements.to_string(),
                format!("{:.3}", k.worst),
                format!("{:?}", k.index),
                format!("{:.7e}", k.gpu),
                format!("{:.7e}", k.twin),
                format!("{:.1e}", k.bound),
                verdict,
            ]);
        }
        columns(f, &rows)
    }
}

impl fmt::Display for OpReport {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let verdict = match self.coarse {
            _ if self.unproved() => "NOT PROVED: a bound as large as its values would let anything pass",
            _ if !self.passed() => "FAILED",
            Some(_) => "ok, within a coarse bound",
            None => "ok",
        };
        writeln!(f, "{} ({}): {verdict}", self.op, self.case)?;
        if let Some(derivative) = &self.derivative {
            write!(f, "{derivative}")?;
        }
        if !self.kernels.is_empty() {
            write!(f, "{}", Kernels("tensor", &self.kernels))?;
        }
        Ok(())
    }
}

impl fmt::Display for OpsReport {
    /// One line an op; what failed in full below.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut rows = vec![cells(["op", "cases", "derivative", "error/bound", "verdict"])];
        let mut names: Vec<&str> = Vec::new();
        for case in &self.cases {
            if !names.contains(&case.op) {
                names.push(case.op);
            }
        }
        for name in names {
            let ops: Vec<&OpReport> = self.cases.iter().filter(|o| o.op == name).collect();
            let failed = ops.iter().filter(|o| !o.passed()).count();
            let derivatives = ops.iter().filter_map(|o| o.derivative.as_ref());
            let dimensions = derivatives.flat_map(|d| &d.tensors).flat_map(|t| &t.dimensions);
            let undecided = |v: super::Verdict| !v.passes() && !v.fails();
            let errors = dimensions.filter(|d| !undecided(d.verdict)).map(|d| d.error);
            let derivative = errors.fold(None, |m: Option<f64>, e| Some(m.map_or(e, |m| m.max(e))));
            let kernels = ops.iter().flat_map(|o| &o.kernels).map(|k| k.worst);
            let kernel = kernels.fold(None, |m: Option<f64>, e| Some(m.map_or(e, |m| m.max(e))));
            let unproved = ops.iter().filter(|o| o.unproved()).count();
            let coarse = ops.iter().filter(|o| o.passed() && o.kernels.iter().any(|k| !k.proved())).count();
            rows.push(vec![
                name.into(),
                ops.len().to_string(),
                derivative.map_or("-".into(), |e| format!("{e:.1e}")),
                kernel.map_or("-".into(), |e| format!("{e:.3}")),
                match () {
                    () if failed > unproved => format!("FAILED ({failed} cases)"),
                    () if failed > 0 => format!("NOT PROVED ({failed} cases whose bound says little)"),
                    () if coarse > 0 => format!("ok ({coarse} cases held to a coarse bound)"),
                    () => "ok".into(),
                },
            ]);
        }
        columns(f, &rows)?;
        match &self.adapter {
            Some(adapter) => writeln!(f, "  kernels on {adapter}")?,
            None => writeln!(f, "  note: no GPU was given; the kernels were not checked")?,
        }
        self.cases.iter().filter(|o| !o.passed()).try_for_each(|o| write!(f, "\n{o}"))
    }
}

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for point in &self.points {
            match point.point {
                Point::Initial => writeln!(f, "At the initial weights, {} examples", self.rows)?,
                Point::BurnedIn { steps, before, after } => writeln!(
                    f,
                    "After {steps} steps of burn-in (loss {before:.4} -> {after:.4} on a larger batch), {} examples",
                    self.rows
                )?,
            }
            for (part, report) in &point.parts {
                let held = if report.smooth { "smooth, held to 1e-7" } else { "with kinks" };
                write!(
                    f,
                    "\n {} = {:.6}; derivative against centred differences in f64 ({held})\n{report}",
                    part.name(),
                    report.value
                )?;
            }
            if let Some(adapter) = &self.adapter {
                write!(
                    f,
                    "\n all elements on {adapter} in f32, within propagated bounds of f64\n{}",
                    Kernels("tensor", &point.kernels)
                )?;
            }
            if !point.trace.is_empty() {
                write!(
                    f,
                    "\n some of these bounds say little; each op of the step on the GPU's own operands, within its own bound\n{}",
                    Kernels("op", &point.trace)
                )?;
            }
            writeln!(f)?;
        }
        self.warnings.iter().try_for_each(|warning| writeln!(f, "note: {warning}"))?;
        writeln!(f, "{}", if self.passed() { "gradients are right" } else { "GRADIENTS ARE NOT PROVED RIGHT" })
    }
}
