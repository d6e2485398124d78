//! PyTorch, in a process of its own that answers line by line: `pytorch.py --serve`.

use std::cell::RefCell;
use std::io::{BufRead, BufReader, Write};
use std::path::Path;
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};
use std::rc::Rc;

use serde_json::{Value, json};

use crate::Fallible;
use crate::support::{Contender, Lap};

struct Process {
    child: Child,
    requests: Option<ChildStdin>,
    answers: BufReader<ChildStdout>,
}

impl Process {
    fn ask(&mut self, request: &Value) -> Fallible<Value> {
        if let Some(requests) = &mut self.requests {
            writeln!(requests, "{request}")?;
            requests.flush()?;
        }
        self.answer()
    }

    fn answer(&mut self) -> Fallible<Value> {
        let mut line = String::new();
        if self.answers.read_line(&mut line)? == 0 {
            return Err("pytorch.py ended; what it said is above".into());
        }
        Ok(serde_json::from_str(&line)?)
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        // It ends where its input does.
        self.requests = None;
        let _ = self.child.wait();
    }
}

/// A Python with PyTorch.
#[derive(Clone)]
pub struct PyTorch {
    process: Rc<RefCell<Process>>,
    pub version: String,
    /// The CUDA card, if it has one.
    pub card: Option<String>,
}

impl PyTorch {
    pub fn start(python: &Path, threads: usize) -> Fallible<Self> {
        let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("pytorch.py");
        let mut command = Command::new(python);
        command.arg(script).arg("--serve").arg("--threads").arg(threads.to_string());
        let mut child = command
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .map_err(|e| format!("{} does not start: {e}", python.display()))?;
        let (requests, answers) = (child.stdin.take(), child.stdout.take());
        let answers = BufReader::new(answers.ok_or("pytorch.py has no output")?);
        let mut process = Process { child, requests, answers };
        let hello = process.answer()?;
        let text = |name: &str| hello[name].as_str().map(str::to_owned);
        let (version, card) = (text("version").ok_or("pytorch.py does not say its version")?, text("card"));
        Ok(Self { process: Rc::new(RefCell::new(process)), version, card })
    }

    /// A workload on `"cpu"` or `"cuda"`.
    pub fn contender(&self, workload: &str, device: &'static str) -> Box<dyn Contender> {
        Box::new(One { process: self.process.clone(), workload: workload.to_owned(), device })
    }
}

struct One {
    process: Rc<RefCell<Process>>,
    workload: String,
    device: &'static str,
}

impl Contender for One {
    fn lap(&mut self, count: usize) -> Fallible<Lap> {
        let request = json!({ "workload": self.workload, "device": self.device, "count": count });
        let answer = self.process.borrow_mut().ask(&request)?;
        let number = |name: &str| answer[name].as_f64().unwrap_or(f64::NAN);
        Ok(Lap { wall: number("wall"), cpu: number("cpu"), loss: number("loss") })
    }
}

impl Drop for One {
    fn drop(&mut self) {
        // Frees what the workload holds.
        let request = json!({ "workload": self.workload, "device": self.device, "count": 0 });
        let _ = self.process.borrow_mut().ask(&request);
    }
}
