//! What holds for every rule.

use std::collections::BTreeSet;

use thalweg::Shape;
use thalweg::optim::{ALL, FieldValue, Optimizer, bytes_per_parameter};

use crate::{Run, every_form, noise, scale, taking};

/// As many that a sign turns somewhere: Lion's numbers show in nothing else.
fn a_hundred_steps(optimizer: &Optimizer, shape: &Shape) -> Vec<f64> {
    let rule = optimizer.rule();
    let n = shape.elements();
    let mut run = Run::shaped(rule, &noise(n), shape);
    for (t, g) in noise(100 * n).chunks(n).enumerate() {
        run.step(rule, rule.learning_rate() / (t + 1) as f64, g);
    }
    run.parameters
}

#[test]
fn each_hyper_parameter_changes_the_result() {
    for entry in ALL {
        for &convention in entry.conventions {
            let mut base = (entry.defaults)(convention);
            base.rule().validate().unwrap();
            // A flag may need another field to say something: Nesterov's without momentum changes nothing.
            for field in base.fields() {
                match field.value {
                    FieldValue::Number(x) if *x == 0.0 => *x = 0.3,
                    _ => {}
                }
            }
            // A vector shows what a rule does with an element, a matrix what it does with a tensor.
            let shapes: [Shape; 2] = [[5].into(), [3, 2].into()];
            let before = shapes.each_ref().map(|shape| a_hundred_steps(&base, shape));
            for index in 0..base.fields().len() {
                let mut changed = base.clone();
                let for_tensors = changed.rule().tensor_rule().is_some();
                let mut fields = changed.fields();
                let name = fields[index].name;
                match &mut fields[index].value {
                    FieldValue::Flag(flag) => **flag = !**flag,
                    FieldValue::Count(n) => **n += 1,
                    // Where ε is a least norm or mean it shows above that alone.
                    FieldValue::Number(x) if name == "epsilon" && for_tensors => **x = 5.0,
                    FieldValue::Number(x) if name.contains("epsilon") && **x > 0.0 => **x *= 1e3,
                    FieldValue::Number(x) if name == "ns_steps" => **x -= 1.0,
                    FieldValue::Number(x) if name == "min_dim_size_to_factor" => **x = 2.0,
                    FieldValue::Number(x) => **x *= 0.9,
                }
                drop(fields);
                changed.rule().validate().unwrap();
                let after = shapes.each_ref().map(|shape| a_hundred_steps(&changed, shape));
                assert_ne!(before, after, "{} {convention}: {name}", entry.name);
            }
        }
    }
}

#[test]
fn states_are_few_and_the_traffic_is_the_floor() {
    for optimizer in every_form() {
        let rule = optimizer.rule();
        assert!(rule.states().len() <= 3, "{rule:?}");
    }
    assert_eq!([0, 1, 2, 3].map(bytes_per_parameter), [12, 20, 28, 36]);
}

/// Conventions are numbers to a kernel: only other states make another.
#[test]
fn a_rule_has_one_kernel_for_each_set_of_states() {
    for entry in ALL {
        let forms: Vec<_> = every_form().into_iter().filter(|form| form.rule().name() == entry.name).collect();
        let kernels: BTreeSet<_> = forms.iter().map(|form| form.rule().source()).collect();
        let states: BTreeSet<_> = forms.iter().map(|form| form.rule().states()).collect();
        assert_eq!(kernels.len(), states.len(), "{}", entry.name);
    }
}

/// A gradient of 0 at parameter 0 is what padding looks like: it stays 0, never 0/0.
#[test]
fn padding_stays_zero() {
    for optimizer in every_form() {
        let rule = optimizer.rule();
        let (mut p, mut states) = ([0.0_f32; 4], [[0.0_f32; 4]; 3]);
        for t in 1..=50 {
            let mut states: Vec<_> = states.iter_mut().map(|s| &mut s[..]).take(rule.states().len()).collect();
            rule.update_f32(&rule.hyper(t, rule.learning_rate()), &[0.0; 4], &mut p, &mut states);
        }
        assert_eq!(p, [0.0; 4], "{rule:?}");
    }
}

#[test]
fn the_f32_loop_is_the_rule_on_each_element_bit_for_bit() {
    for optimizer in every_form() {
        let rule = optimizer.rule();
        let count = rule.states().len();
        for n in [0, 1, 3, 63, 64, 65, 1009] {
            let single = |xs: Vec<f64>| xs.into_iter().map(|x| x as f32).collect::<Vec<_>>();
            let mut p = single(noise(n));
            let mut states = vec![vec![0.0_f32; n]; count];
            let (mut q, mut held) = (p.clone(), vec![[0.0_f32; 3]; n]);
            for t in 1..=4 {
                let g = single(noise(n + t).split_off(t));
                let hyper = rule.hyper(t as u64, 0.1);
                let mut views: Vec<_> = states.iter_mut().map(Vec::as_mut_slice).collect();
                rule.update_f32(&hyper, &g, &mut p, &mut views);
                for i in 0..n {
                    let (new, mut s) = optimizer.update(&hyper.map(|x| x as f32), g[i], q[i], held[i]);
                    s[count..].fill(0.0);
                    (q[i], held[i]) = (new, s);
                }
            }
            let bits = |xs: &[f32]| xs.iter().map(|x| x.to_bits()).collect::<Vec<_>>();
            assert_eq!(bits(&p), bits(&q), "{rule:?}, {n} elements");
            for (s, state) in states.iter().enumerate() {
                let alone: Vec<f32> = held.iter().map(|h| h[s]).collect();
                assert_eq!(bits(state), bits(&alone), "{rule:?}, state {s}");
            }
        }
    }
}

/// f32 follows f64 within the roundings of 20 steps, where no cancellation magnifies them.
#[test]
fn f32_follows_f64() {
    for optimizer in every_form() {
        let rule = optimizer.rule();
        if rule.states().contains(&"grad_avg") {
            continue; // v − m² cancels: the root of the difference has no bound of its own
        }
        if taking(rule, &[64].into()).is_some() {
            continue; // its steps are a graph's, whose ops have bounds of their own
        }
        let rate = rule.learning_rate();
        let start = noise(64);
        let mut run = Run::new(rule, &start);
        let mut p: Vec<f32> = start.iter().map(|&x| x as f32).collect();
        let mut states: Vec<_> = (0..run.states.len()).map(|s| vec![rule.initial_state(s) as f32; 64]).collect();
        let mut travelled = vec![0.0; 64];
        for t in 1..=20_u64 {
            let g: Vec<f64> = noise(64 + t as usize).split_off(t as usize);
            let before = run.parameters.clone();
            run.step(rule, rate, &g);
            for ((sum, a), b) in travelled.iter_mut().zip(&before).zip(&run.parameters) {
                *sum += (a - b).abs();
            }
            let g: Vec<f32> = g.iter().map(|&x| x as f32).collect();
            let mut views: Vec<_> = states.iter_mut().map(Vec::as_mut_slice).collect();
            let (hyper, before) = (rule.hyper(t, rate), p.clone());
            rule.update_f32(&hyper, &g, &mut p, &mut views);
            if rule.trust_ratio() {
                let wide = |xs: &[f32]| xs.iter().map(|&x| f64::from(x)).collect::<Vec<_>>();
                let mut next = wide(&p);
                scale(&hyper, wide(&before), &mut next);
                p = next.iter().map(|&x| x as f32).collect();
            }
        }
        for i in 0..64 {
            // Half an ulp of p a step, and some 16 roundings of each step's length, which the states may carry on by 20 steps.
            let half = f64::from(f32::EPSILON) / 2.0;
            let largest = start[i].abs() + travelled[i];
            let bound = 21.0 * half * largest + 16.0 * 20.0 * half * travelled[i];
            let error = (f64::from(p[i]) - run.parameters[i]).abs();
            if !(error <= bound) {
                panic!("{rule:?}[{i}]: f32 {}, f64 {}, off by {error:e}, bound {bound:e}", p[i], run.parameters[i]);
            }
        }
    }
}
