//! Runs made here: what training said of them, and what is written of their answers.

use std::path::Path;

use libtest_mimic::Failed;
use tempfile::TempDir;
use thalweg::data::{Dataset, Source, Targets, Values};
use thalweg::device::{Device, Precision};
use thalweg::train::checkpoint::{Checkpoint, RUN, STANDARDISATION, Tensor};
use thalweg::train::config::RunConfig;
use thalweg::train::{Event, Flow, Meaning, Predictor, Recipe, Trainer};
use thalweg::{Shape, rng::Stream};

const F64: Device = Device::Cpu(Precision::F64);

/// A run's folder with these weights.
pub fn folder(toml: &str, weights: &[(&str, &[usize], &[f64])]) -> Result<TempDir, Failed> {
    let folder = tempfile::tempdir()?;
    std::fs::write(folder.path().join(RUN), toml)?;
    let tensor = |&(name, shape, data): &(&str, &[usize], &[f64])| Tensor {
        name: name.into(),
        shape: shape.into(),
        data: Values::F64(data.to_vec()),
    };
    Checkpoint { parameters: weights.iter().map(tensor).collect(), ..Checkpoint::default() }.save(folder.path())?;
    Ok(folder)
}

pub fn unlabelled(values: &[f64], shape: impl Into<Shape>) -> Dataset {
    Dataset::unlabelled(Values::F64(values.to_vec()), shape.into()).expect("examples")
}

/// On the run's own validation data the numbers of the last epoch, to the bit; with standardised data and a last short
/// minibatch.
pub fn what_training_said(device: &Device) -> Result<(), Failed> {
    let toml = "[data]\nstandardise = true\n[model]\nlayers = [{ type = 'conv2d', out = 3, kernel = 3, stride = 2 }, \
                { type = 'relu' }, { type = 'flatten' }, { type = 'dropout', p = 0.25 }, { type = 'linear', out = 10 }]\n\
                l2 = 0.001\n[train]\nepochs = 1\nbatch_size = 100";
    let config = RunConfig::parse(toml, &[])?;
    let (data, fitted) = config.data.load(Path::new(""))?;
    let recipe =
        Recipe { objective: config.objective(), epochs: 1, batch_size: config.train.batch_size, ..Recipe::default() };
    let folder = tempfile::tempdir()?;
    let mut trainer = Trainer::new(device, &config.model()?, &data, recipe)?;
    trainer.keep_in(folder.path())?;
    std::fs::write(folder.path().join(RUN), config.to_toml())?;
    std::fs::write(folder.path().join(STANDARDISATION), serde_json::to_string(&fitted)?)?;
    let mut last = None;
    trainer.run(&mut |event| {
        if let Event::Epoch(epoch) = event {
            last = Some((epoch.val_loss, epoch.val_accuracy));
        }
        Flow::Continue
    })?;
    let raw = Source::Digits.load(Path::new(""), config.data.validation)?.validation.ok_or("nothing held out")?;
    let mut model = Predictor::load(folder.path(), device)?;
    for _ in 0..2 {
        let judged = model.evaluate(&raw)?;
        assert_eq!(last, Some((Some(judged.loss), judged.accuracy)));
        let confusion = judged.confusion.ok_or("no classes")?;
        let right: u64 = (0..10).map(|class| confusion.count(class, class)).sum();
        let share = judged.accuracy.ok_or("no accuracy")?;
        assert_eq!((share * 359.0).round() as u64, right);
        assert!((0..10).map(|class| confusion.support(class)).sum::<u64>() == 359);
        // The classes of `predict` are those that were judged.
        let found = model.predict(&raw)?;
        // Pixels as rows, as a CSV file has them, are the same digits: one channel, not 64.
        let rows = Dataset::unlabelled(raw.features().clone(), Shape::from([64]))?;
        assert_eq!(model.predict(&rows)?, found);
        let Targets::Classes { labels, .. } = raw.targets() else { return Err("no classes".into()) };
        let same = found.classes().ok_or("no classes")?.iter().zip(labels).filter(|(a, b)| a == b).count();
        assert_eq!(same as u64, right);
    }
    Ok(())
}

/// Rows alone, in a full minibatch, in a short one: a dot product is the same whatever stands beside it, but for the order
/// of its sum, which a device may choose by the size.
pub fn minibatches_change_nothing(device: &Device) -> Result<(), Failed> {
    let toml = "[model]\ninput = [3]\nlayers = [{ type = 'linear', out = 2 }]\nloss = 'mse'";
    let weight = [0.5, -1.25, 2.0, 1.0, 0.75, -0.5];
    let folder = folder(toml, &[("0.weight", &[2, 3], &weight), ("0.bias", &[2], &[0.125, -3.0])])?;
    let mut model = Predictor::load(folder.path(), device)?;
    for rows in [1, 255, 256, 257, 513, 1024] {
        // Eighths: every product and sum is exact in f32.
        let draw = Stream::new(rows as u64, 0, 0);
        let x: Vec<f64> = (0..3 * rows).map(|i| (16.0 * draw.uniform(i as u32)).floor() / 8.0 - 1.0).collect();
        let right: Vec<f64> = x
            .chunks(3)
            .flat_map(|x| {
                [0, 1].map(|k| {
                    let dot: f64 = x.iter().zip(&weight[3 * k..]).map(|(x, w)| x * w).sum();
                    dot + [0.125, -3.0][k]
                })
            })
            .collect();
        let found = model.outputs(&unlabelled(&x, [3]))?;
        assert_eq!((found.rows, found.shape.axes()), (rows, &[2][..]));
        assert!(found.values.to_f64() == right, "{rows} rows");
        assert_eq!(matches!(found.values, Values::F64(_)), device.precision() == Precision::F64);
    }
    Ok(())
}

/// A net that averages over the picture takes pictures of any size, one after the other.
pub fn images_of_several_sizes(device: &Device) -> Result<(), Failed> {
    let toml = "[data]\nsource = 'npz:absent.npz'\n[model]\n\
                layers = [{ type = 'global_avg_pool2d' }, { type = 'flatten' }, { type = 'linear', out = 1, bias = false }]\n\
                loss = 'mse'";
    let folder = folder(toml, &[("2.weight", &[1, 2], &[2.0, -1.0])])?;
    let mut model = Predictor::load(folder.path(), device)?;
    for side in [2_usize, 4, 2] {
        let pixels: Vec<f64> = [3.0, 5.0].into_iter().flat_map(|v| vec![v; side * side]).collect();
        assert_eq!(model.outputs(&unlabelled(&pixels, [2, side, side]))?.values.to_f64(), [1.0]);
    }
    let three = model.outputs(&unlabelled(&[1.0; 12], [3, 2, 2]));
    assert!(three.is_err_and(|e| e.to_string().contains("[1, 3]")));
    // A refusal leaves the model as it was.
    assert_eq!(model.outputs(&unlabelled(&[3.0, 5.0], [2, 1, 1]))?.values.to_f64(), [1.0]);
    Ok(())
}

const TWO: &str = "[model]\ninput = [2]\nlayers = [{ type = 'linear', out = 3, bias = false }]";
const TWO_WEIGHT: [f64; 6] = [1.0, 0.0, 0.0, 1.0, 1.0, 0.0];

pub fn ties() -> Result<(), Failed> {
    let folder = folder(TWO, &[("0.weight", &[3, 2], &TWO_WEIGHT)])?;
    let mut model = Predictor::load(folder.path(), &F64)?;
    // Scores x, y, x: the first and the last always tie.
    let x = [1.0, 1.0, 2.0, 1.0, 1.0, 2.0, -1.0, -1.0];
    assert_eq!(model.predict(&unlabelled(&x, [2]))?.classes(), Some(&[0, 0, 1, 0][..]));
    let targets = Targets::Classes { labels: vec![2, 0, 1, 1], classes: 3 };
    let judged = model.evaluate(&Dataset::new(Values::F64(x.to_vec()), Shape::from([2]), targets)?)?;
    let confusion = judged.confusion.ok_or("no classes")?;
    assert_eq!(judged.accuracy, Some(0.5));
    assert_eq!(confusion.most_confused(9), [(1, 0, 1), (2, 0, 1)]);
    assert_eq!(confusion.rows().collect::<Vec<_>>(), [[1, 0, 0], [1, 1, 0], [1, 0, 0]]);
    Ok(())
}

pub fn hinge_gives_scores() -> Result<(), Failed> {
    let folder = folder(&format!("{TWO}\nloss = 'hinge'"), &[("0.weight", &[3, 2], &TWO_WEIGHT)])?;
    let found = Predictor::load(folder.path(), &F64)?.predict(&unlabelled(&[0.25, 4.0], [2]))?;
    assert_eq!((found.meaning(), found.classes()), (Meaning::ClassScores, Some(&[1][..])));
    let mut text = Vec::new();
    found.write_csv(&mut text)?;
    assert_eq!(String::from_utf8(text)?, "class,s0,s1,s2\n1,0.25,4.0,0.25\n");
    Ok(())
}

pub fn files() -> Result<(), Failed> {
    for precision in [Precision::F32, Precision::F64] {
        let mut model = Predictor::load(&super::golden("classifier"), &Device::Cpu(precision))?;
        let found = model.predict(&super::rows("alone.npz"))?;
        let mut csv = Vec::new();
        found.write_csv(&mut csv)?;
        let csv = String::from_utf8(csv)?;
        assert!(csv.starts_with("class,p0,p1,p2,p3,p4,p5\n"));
        let mut values = Vec::new();
        for (line, &class) in csv.lines().skip(1).zip(found.classes().ok_or("no classes")?) {
            let (first, rest) = line.split_once(',').ok_or("one column")?;
            assert_eq!(first.parse::<u32>()?, class);
            for cell in rest.split(',') {
                values.push(if precision == Precision::F32 {
                    cell.parse::<f32>()?.into()
                } else {
                    cell.parse::<f64>()?
                });
            }
        }
        assert!(values == found.values().to_f64());

        let bytes = found.to_npz()?;
        assert!(bytes == found.to_npz()?);
        let mut npz = npyz::npz::NpzArchive::new(std::io::Cursor::new(bytes))?;
        let mut names: Vec<_> = npz.array_names().map(str::to_owned).collect();
        names.sort();
        assert_eq!(names, ["classes", "probabilities"]);
        let classes = npz.by_name("classes")?.ok_or("no classes")?;
        assert_eq!(classes.shape(), [40]);
        assert_eq!(Some(&classes.into_vec::<u32>()?[..]), found.classes());
        let array = npz.by_name("probabilities")?.ok_or("no probabilities")?;
        assert_eq!(array.shape(), [40, 6]);
        let held = match precision {
            Precision::F32 => Values::F32(array.into_vec()?),
            Precision::F64 => Values::F64(array.into_vec()?),
        };
        assert_eq!(&held, found.values());
    }
    // Numbers keep their shape, and the file is one that can be read as features again.
    let toml =
        "[model]\ninput = [1, 2, 2]\nlayers = [{ type = 'conv2d', out = 2, kernel = 1, bias = false }]\nloss = 'mse'";
    let folder = folder(toml, &[("0.weight", &[2, 1, 1, 1], &[1.0, -2.0])])?;
    let found = Predictor::load(folder.path(), &F64)?.predict(&unlabelled(&[1.0, 2.0, 3.0, 4.0], [1, 2, 2]))?;
    let mut npz = npyz::npz::NpzArchive::new(std::io::Cursor::new(found.to_npz()?))?;
    let array = npz.by_name("outputs")?.ok_or("no outputs")?;
    assert_eq!(array.shape(), [1, 2, 2, 2]);
    assert_eq!(array.into_vec::<f64>()?, [1.0, 2.0, 3.0, 4.0, -2.0, -4.0, -6.0, -8.0]);
    let mut csv = Vec::new();
    found.write_csv(&mut csv)?;
    assert!(csv.starts_with(b"y0,y1,y2,y3,y4,y5,y6,y7\n1.0,2.0,"));
    Ok(())
}
