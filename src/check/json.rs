//! Reports as JSON, one object a line.

use serde_json::{Value, json};

use super::{GraphReport, KernelReport, OpReport, OpsReport, Point, Report, Sweep, TensorReport};

impl TensorReport {
    /// `{"event":"gradient","tensor":…,"shape":…,"checked":…,"error":…,"index":…,"numeric":…,"analytic":…,"verdict":…}`. What is not finite is
    /// written as a string, JSON having no such numbers.
    pub fn to_json(&self) -> Value {
        let mut line = json!({
            "event": "gradient",
            "tensor": self.name,
            "shape": self.shape,
            "checked": self.dimensions.len(),
            "passed": self.sound() && self.decided(),
            "failed": self.dimensions.iter().filter(|d| d.verdict.fails()).count(),
            "crossed_kink": self.count(super::Verdict::CrossedKink),
            "below_resolution": self.count(super::Verdict::BelowResolution),
        });
        if let Some(d) = self.worst() {
            line["index"] = json!(d.index);
            line["error"] = number(d.error);
            line["numeric"] = number(d.numeric);
            line["analytic"] = number(d.analytic);
            line["step"] = number(d.step);
            line["verdict"] = json!(d.verdict);
        }
        line
    }
}

impl KernelReport {
    /// `{"event":"kernel","tensor":…,"elements":…,"worst":…,"index":…,"gpu":…,"f64":…,"bound":…,"resolution":…,"passed":…}`
    pub fn to_json(&self) -> Value {
        json!({
            "event": "kernel",
            "tensor": self.name,
            "elements": self.elements,
            "wrong": self.wrong,
            "non_finite": self.non_finite,
            "unbounded": self.unbounded,
            "worst": number(self.worst),
            "index": self.index,
            "gpu": number(self.gpu),
            "f64": number(self.twin),
            "bound": number(self.bound),
            "resolution": number(self.resolution),
            "vacuous": self.vacuous(),
            "passed": self.passed(),
            "proved": self.proved(),
        })
    }
}

impl Sweep {
    /// `{"event":"sweep","minimum":…,"points":[{"step":…,"median":…,…}]}`
    pub fn to_json(&self) -> Value {
        let points = self.points.iter().map(|p| {
            json!({ "step": p.step, "median": number(p.median), "worst": number(p.worst), "compared": p.compared, "crossed": p.crossed })
        });
        json!({ "event": "sweep", "minimum": self.minimum().map(|p| p.step), "points": points.collect::<Vec<_>>() })
    }
}

impl GraphReport {
    /// One object for each tensor, the sweep and each warning.
    pub fn to_json(&self) -> Vec<Value> {
        let tensors = self.tensors.iter().map(TensorReport::to_json);
        let warnings = self.warnings.iter().map(|text| json!({ "event": "warning", "text": text }));
        tensors.chain(self.sweep.as_ref().map(Sweep::to_json)).chain(warnings).collect()
    }
}

impl OpReport {
    /// One object: the op, the case, whether it passed, and what was found.
    pub fn to_json(&self) -> Value {
        json!({
            "event": "op",
            "op": self.op,
            "case": self.case,
            "passed": self.passed(),
            "coarse": self.coarse,
            "derivative": self.derivative.as_ref().map(GraphReport::to_json),
            "kernels": self.kernels.iter().map(KernelReport::to_json).collect::<Vec<_>>(),
        })
    }
}

impl OpsReport {
    /// One object for each case, and `{"event":"done","passed":…}`.
    pub fn to_json(&self) -> Vec<Value> {
        let done =
            json!({ "event": "done", "adapter": self.adapter, "cases": self.cases.len(), "passed": self.passed() });
        self.cases.iter().map(OpReport::to_json).chain([done]).collect()
    }
}

/// A number, or its name where JSON has none.
fn number(x: f64) -> Value {
    if x.is_finite() { json!(x) } else { json!(x.to_string()) }
}

impl Report {
    /// One object for each tensor of each part at each point, for each tensor on the GPU, for each kind of op that was traced there
    /// (`"event":"trace"`), for each warning, and
    /// `{"event":"done","passed":…}`. `point` is `"initial"` or `"burned_in"`, `part` is `"data"`, `"penalty"` or `"sum"`.
    pub fn to_json(&self) -> Vec<Value> {
        let mut lines = Vec::new();
        for point in &self.points {
            let at = match point.point {
                Point::Initial => "initial",
                Point::BurnedIn { steps, before, after } => {
                    let (before, after) = (number(before), number(after));
                    lines.push(json!({ "event": "burn_in", "steps": steps, "before": before, "after": after }));
                    "burned_in"
                }
            };
            let label = |mut line: Value, part: Option<Value>| {
                line["point"] = json!(at);
                if let Some(part) = part {
                    line["part"] = part;
                }
                line
            };
            for (part, report) in &point.parts {
                lines.extend(report.to_json().into_iter().map(|line| label(line, Some(json!(part)))));
            }
            lines.extend(point.kernels.iter().map(|k| label(k.to_json(), None)));
            let traced = point.trace.iter().map(|k| {
                let mut line = k.to_json();
                if let Some(fields) = line.as_object_mut() {
                    let op = fields.remove("tensor").unwrap_or_default();
                    fields.extend([("event".to_owned(), json!("trace")), ("op".to_owned(), op)]);
                }
                label(line, None)
            });
            lines.extend(traced);
        }
        lines.extend(self.warnings.iter().map(|text| json!({ "event": "warning", "text": text })));
        lines.push(json!({ "event": "done", "rows": self.rows, "adapter": self.adapter, "passed": self.passed() }));
        lines
    }
}
