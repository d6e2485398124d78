//! What a device's memory holds.

/// Bytes that an engine holds on its device, by what they are for. Everything is allocated before the first step, so this is the
/// peak too.
///
/// The least that a step can do with is [`floor`](Self::floor): parameters, gradients, states, and the largest cut through its
/// values, that is, the most that the forward and the backward pass need at one time. What is planned lies above it where values do
/// not fit into each other's places.
///
/// # Source
///
/// Pisarchyk & Lee, *Efficient memory management for deep neural net inference* (2020).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Footprint {
    /// The parameters of all members.
    pub parameters: u64,
    /// Their gradients.
    pub gradients: u64,
    /// The optimizer's states, running averages and sums over parts of a minibatch.
    pub states: u64,
    /// Values of the forward and the backward pass, in places that they share by lifetime.
    pub values: u64,
    /// The data sets, or the chunks that are on the device of those that stream through it.
    pub data: u64,
    /// Everything else: minibatches, running statistics, tables of numbers, records on their way.
    pub other: u64,
    /// The most that [`values`](Self::values) need at one time.
    pub cut: u64,
}

impl Footprint {
    /// All of it.
    pub fn total(&self) -> u64 {
        self.parameters + self.gradients + self.states + self.values + self.data + self.other
    }

    /// Parameters, gradients, states and the largest cut: no plan takes less.
    pub fn floor(&self) -> u64 {
        self.parameters + self.gradients + self.states + self.cut
    }

    /// How far the planned bytes of what [`floor`](Self::floor) counts lie above it: 0.1 is ten per cent.
    pub fn excess(&self) -> f64 {
        (self.parameters + self.gradients + self.states + self.values) as f64 / self.floor().max(1) as f64 - 1.0
    }
}
