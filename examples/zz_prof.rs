#[path = "../benches/support/mod.rs"]
mod support;
#[path = "../benches/support/training.rs"]
mod training;
use training::*;
fn main() {
    let t = Task::images("", || convolutional(1));
    let mut tr = Training::on_cpu(&t);
    let mut ts = vec![];
    let n: usize = std::env::args().nth(1).and_then(|s| s.parse().ok()).unwrap_or(40);
    let mut loss = 0.0;
    for _ in 0..n {
        let s = std::time::Instant::now();
        loss = tr.run(1);
        ts.push(s.elapsed().as_secs_f64() * 1e3);
    }
    ts.sort_by(f64::total_cmp);
    println!("loss {loss:?} step least {:.2} median {:.2}", ts[0], ts[n / 2]);
    #[cfg(not(noprof))]
    thalweg::prof_dump();
}
