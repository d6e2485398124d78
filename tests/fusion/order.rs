//! Groups stand where everything that they need is there and nothing that needs them has run.

use libtest_mimic::Trial;
use thalweg::Graph;
use thalweg::graph::Accumulate;
use thalweg::op::Fill;

use crate::{everywhere, expect, hold, names};

pub fn trials() -> Vec<Trial> {
    let mut trials = everywhere("a loss that is read before its gradient's place", |gpu| {
        let mut g = Graph::new();
        let (x, w, t) = (g.input("x", [5, 4])?, g.parameter("w", [3, 4])?, g.index_input("t", [5])?);
        let scores = g.matmul_nt(x, w)?;
        let loss = g.cross_entropy(scores, t)?;
        let lambda = g.setting("l2", 0.5)?;
        let penalty = g.l2(w, lambda)?;
        let total = g.apply(Accumulate, &[loss, penalty])?;
        let twice = g.apply(Accumulate, &[total, loss])?;
        let scale = g.setting("loss_scale", 1.0)?;
        let gradient = g.gradients(total, scale, &[w])?[0].ok_or("no gradient")?;
        let wanted = [twice, gradient];
        if !names(gpu, &g, &wanted)?.contains(&"cross_entropy: head".to_owned()) {
            return Err("not computed together".into());
        }
        let fills = |id| if id == t { Fill::Index(3) } else { Fill::Uniform(-1.0, 1.0) };
        [1, 3].into_iter().try_for_each(|members| hold(gpu, &g, &wanted, &fills, members))
    });
    trials.extend(everywhere("a gradient that is weighted by the loss itself cannot come with it", |gpu| {
        let mut g = Graph::new();
        let (scores, t) = (g.parameter("s", [5, 4])?, g.index_input("t", [5])?);
        let loss = g.cross_entropy(scores, t)?;
        let weight = g.square(loss)?;
        let gradient = g.gradients(loss, weight, &[scores])?[0].ok_or("no gradient")?;
        let wanted = [loss, gradient];
        let found = names(gpu, &g, &wanted)?;
        expect(&found, &["cross_entropy", "cross_entropy: reduce", "square", "cross_entropy_gradient"])?;
        let fills = |id| if id == t { Fill::Index(4) } else { Fill::Uniform(-1.0, 1.0) };
        [1, 3].into_iter().try_for_each(|members| hold(gpu, &g, &wanted, &fills, members))
    }));
    trials.extend(everywhere("what members share is not computed with what they do not", |gpu| {
        let mut g = Graph::new();
        let (scores, t) = (g.input("s", [5, 4])?, g.index_input("t", [5])?);
        let loss = g.cross_entropy(scores, t)?;
        let scale = g.setting("loss_scale", 1.0)?;
        let gradient = g.gradients(loss, scale, &[scores])?[0].ok_or("no gradient")?;
        let wanted = [loss, gradient];
        expect(&names(gpu, &g, &wanted)?, &["cross_entropy", "cross_entropy: reduce", "cross_entropy_gradient"])?;
        let fills = |id| if id == t { Fill::Index(4) } else { Fill::Uniform(-1.0, 1.0) };
        [1, 3].into_iter().try_for_each(|members| hold(gpu, &g, &wanted, &fills, members))
    }));
    trials
}
