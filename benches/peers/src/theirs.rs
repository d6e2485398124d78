//! burn, as its book trains: an eager step that its fusion gathers, on its wgpu device or on flex.

use burn::module::{Module, Param};
use burn::nn::conv::{Conv2d, Conv2dConfig};
use burn::nn::loss::{CrossEntropyLoss, CrossEntropyLossConfig};
use burn::nn::pool::{MaxPool2d, MaxPool2dConfig};
use burn::nn::{Linear, LinearConfig, PaddingConfig2d};
use burn::optim::{AdamConfig, GradientsParams, ModuleOptimizer};
use burn::tensor::activation::relu;
use burn::tensor::{Device, Int, Tensor, TensorData};

use crate::Fallible;
use crate::support::{self, Contender, Inside};
use crate::workload::{self, BATCHES, Network, PARAMETERS, RATE, Task};

/// Its wgpu device, and the adapter's name with its API. `CUBECL_WGPU_DEFAULT_DEVICE` chooses among several.
pub fn gpu() -> Fallible<(Device, String, String)> {
    let (device, setup) = Device::wgpu_options().init_with_setup().map_err(|e| format!("burn: {e}"))?;
    let adapter = setup.adapter.get_info();
    Ok((device, adapter.name, adapter.backend.to_string()))
}

/// Its device on the CPU.
pub fn cpu() -> Device {
    Device::flex()
}

/// Waits until nothing is under way.
fn wait(device: &Device) -> Fallible<()> {
    device.sync().map_err(|e| format!("burn: {e:?}").into())
}

/// Shapes and values of the parameters, from the first layer on.
type Initial = std::vec::IntoIter<(Vec<usize>, Vec<f32>)>;

trait Classifier: Module + 'static {
    fn new(initial: Initial, device: &Device) -> Fallible<Self>;
    /// Scores of the classes for examples `[batch, values]`.
    fn scores(&self, x: Tensor<2>) -> Tensor<2>;
}

#[derive(Module, Debug)]
struct Mlp {
    first: Linear,
    second: Linear,
    third: Linear,
}

#[derive(Module, Debug)]
struct Cnn {
    first: Conv2d,
    second: Conv2d,
    pool: MaxPool2d,
    third: Linear,
    fourth: Linear,
}

fn parameter<const D: usize>(shape: Vec<usize>, values: Vec<f32>, device: &Device) -> Param<Tensor<D>> {
    Param::from_data(TensorData::new(values, shape), device)
}

fn linear(initial: &mut Initial, device: &Device) -> Fallible<Linear> {
    let (Some((shape, w)), Some((_, bias))) = (initial.next(), initial.next()) else {
        return Err("a linear layer has a weight and a bias".into());
    };
    let (out, inner) = (shape[0], shape[1]);
    let turned = (0..inner * out).map(|i| w[i % out * inner + i / out]).collect();
    let mut layer = LinearConfig::new(inner, out).init(device);
    layer.weight = parameter(vec![inner, out], turned, device);
    layer.bias = Some(parameter(vec![out], bias, device));
    Ok(layer)
}

fn conv(initial: &mut Initial, device: &Device) -> Fallible<Conv2d> {
    let (Some((shape, w)), Some((_, bias))) = (initial.next(), initial.next()) else {
        return Err("a convolution has a weight and a bias".into());
    };
    let config = Conv2dConfig::new([shape[1], shape[0]], [shape[2], shape[3]]);
    let mut layer = config.with_padding(PaddingConfig2d::Explicit(1, 1, 1, 1)).init(device);
    layer.bias = Some(parameter(vec![shape[0]], bias, device));
    layer.weight = parameter(shape, w, device);
    Ok(layer)
}

impl Classifier for Mlp {
    fn new(mut initial: Initial, device: &Device) -> Fallible<Self> {
        let mut layer = || linear(&mut initial, device);
        Ok(Self { first: layer()?, second: layer()?, third: layer()? })
    }

    fn scores(&self, x: Tensor<2>) -> Tensor<2> {
        let x = relu(self.first.forward(x));
        self.third.forward(relu(self.second.forward(x)))
    }
}

impl Classifier for Cnn {
    fn new(mut initial: Initial, device: &Device) -> Fallible<Self> {
        let (first, second) = (conv(&mut initial, device)?, conv(&mut initial, device)?);
        let pool = MaxPool2dConfig::new([2, 2]).init();
        Ok(Self { first, second, pool, third: linear(&mut initial, device)?, fourth: linear(&mut initial, device)? })
    }

    fn scores(&self, x: Tensor<2>) -> Tensor<2> {
        let batch = x.dims()[0];
        let x = x.reshape([batch, 1, 28, 28]);
        let x = self.pool.forward(relu(self.first.forward(x)));
        let x = self.pool.forward(relu(self.second.forward(x)));
        self.fourth.forward(relu(self.third.forward(x.flatten(1, 3))))
    }
}

/// A network with its optimizer, and its minibatches as tensors that lie on the device.
struct Training<M> {
    device: Device,
    /// There between runs: a step takes it and gives it back, so that nobody else holds its tensors.
    model: Option<M>,
    optimizer: ModuleOptimizer,
    loss: CrossEntropyLoss,
    batches: Vec<(Tensor<2>, Tensor<1, Int>)>,
    step: usize,
}

impl<M: Classifier> Training<M> {
    fn new(task: &Task, device: &Device) -> Fallible<Self> {
        let device = device.clone().autodiff();
        let (rows, width) = (task.batch, task.width());
        let batch = |n: usize| {
            let features = task.features[n * rows * width..][..rows * width].to_vec();
            let labels = task.labels[n * rows..][..rows].iter().map(|&label| label as i32).collect::<Vec<_>>();
            let features = Tensor::from_data(TensorData::new(features, [rows, width]), &device);
            (features, Tensor::from_data(TensorData::new(labels, [rows]), &device))
        };
        Ok(Self {
            model: Some(M::new(crate::ours::initial(task)?.into_iter(), &device)?),
            optimizer: AdamConfig::new().with_epsilon(1e-8).init(),
            loss: CrossEntropyLossConfig::new().init(&device),
            batches: (0..BATCHES).map(batch).collect(),
            step: 0,
            device,
        })
    }

    /// `count` steps one behind the other; only the last one's loss is read.
    fn run(&mut self, count: usize) -> Fallible<f64> {
        let mut model = self.model.take().ok_or("a run before this failed")?;
        let mut last = None;
        for _ in 0..count {
            let (x, labels) = self.batches[self.step % BATCHES].clone();
            let loss = self.loss.forward(model.scores(x), labels);
            let gradients = GradientsParams::from_grads(loss.backward(), &model);
            model = self.optimizer.step(RATE, model, gradients);
            last = Some(loss);
            self.step += 1;
        }
        self.model = Some(model);
        wait(&self.device)?;
        Ok(last.map_or(f64::NAN, |loss| f64::from(loss.into_scalar::<f32>())))
    }
}

pub fn training(task: &Task, device: &Device) -> Fallible<Box<dyn Contender>> {
    fn of<M: Classifier>(task: &Task, device: &Device) -> Fallible<Box<dyn Contender>> {
        let mut training = Training::<M>::new(task, device)?;
        Ok(Inside::new(move |count| training.run(count)))
    }
    match task.network {
        Network::Linear(_) => of::<Mlp>(task, device),
        Network::Convolutional => of::<Cnn>(task, device),
    }
}

#[derive(Module, Debug)]
struct Parameters {
    all: Param<Tensor<1>>,
}

/// Adam's update of [`PARAMETERS`] by gradients that stay what they are. Waits for each: fusion would make one kernel of several
/// such updates, which no training has.
pub fn update(whose: &str, device: &Device) -> Fallible<Box<dyn Contender>> {
    const CHECKED: usize = 3;
    let gradient = support::noise(PARAMETERS, 1);
    let own = device.clone().autodiff();
    let zeros = TensorData::new(vec![0.0f32; PARAMETERS], [PARAMETERS]);
    let mut kept = Some(Parameters { all: Param::from_data(zeros, &own) });
    let mut optimizer = AdamConfig::new().with_epsilon(1e-8).init();
    let given: Tensor<1> = Tensor::from_data(TensorData::new(gradient.clone(), [PARAMETERS]), device);
    let device = device.clone();
    let mut run = move |count| {
        let mut model = kept.take().ok_or("a run before this failed")?;
        for _ in 0..count {
            let mut gradients = GradientsParams::new();
            gradients.register(model.all.id, given.clone());
            model = optimizer.step(RATE, model, gradients);
            wait(&device)?;
        }
        let values = model.all.val().inner();
        kept = Some(model);
        Fallible::Ok(values)
    };
    let found = run(CHECKED)?.into_data().try_into_vec::<f32>().map_err(|e| format!("{whose}: {e:?}"))?;
    workload::hold_update(whose, CHECKED, &gradient, &found)?;
    Ok(Inside::new(move |count| run(count).map(|_| f64::NAN)))
}

/// Products one behind the other, each of what the last gave: none can be left out.
pub fn product(whose: &str, device: &Device, sides: [usize; 3]) -> Fallible<Box<dyn Contender>> {
    let [rows, inner, columns] = sides;
    let (x, w) = workload::operands(sides);
    let x: Tensor<2> = Tensor::from_data(TensorData::new(x, [rows, inner]), device);
    let w: Tensor<2> = Tensor::from_data(TensorData::new(w, [inner, columns]), device);
    let first = x.clone().matmul(w.clone()).into_data().try_into_vec::<f32>().map_err(|e| format!("{whose}: {e:?}"))?;
    let error = workload::product_error(sides, &first);
    // Kernels that round to fewer bits are the library's own choice, and bf16 the fewest there are.
    if !(error <= f64::exp2(16.0)) {
        return Err(format!("{whose}: the product is {error:e} times as far off as f32 can account for").into());
    }
    let remark = (error > 1.0).then(|| format!("rounds to less than f32: error {error:.0} times f32's bound"));
    let device = device.clone();
    let run = move |count| {
        let mut y = x.clone();
        for _ in 0..count {
            y = y.matmul(w.clone());
        }
        wait(&device)?;
        Ok(f64::NAN)
    };
    Ok(Inside::remarked(run, remark))
}
