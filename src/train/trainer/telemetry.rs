//! What updates did to the tensors, as a run tells it.

use super::Trainer;
use crate::device::Telemetry;
use crate::error::Result;
use crate::train::checkpoint::append_history;
use crate::train::event::{Event, Flow, TelemetryEvent, TensorTelemetry};

impl Trainer {
    /// Says what the step that has just come back did to a member's tensors, and writes it to the member's history.
    pub(super) fn tell(
        &mut self,
        member: usize,
        epoch: f64,
        told: &[Telemetry],
        watch: &mut dyn FnMut(&Event) -> Flow,
    ) -> Result<Flow> {
        let tensor = |(tensor, told): (&crate::device::Tensor, &Telemetry)| TensorTelemetry {
            tensor: tensor.name.clone(),
            parameters: told.parameters,
            gradients: told.gradients,
            update: told.update,
            ratio: told.ratio(),
            largest_gradient: told.largest_gradient,
            non_finite: told.non_finite,
        };
        let moving = |(t, _): &(usize, _)| !self.model.frozen[*t];
        let all = self.model.tensors.iter().zip(told).enumerate();
        let tensors = all.filter(moving).map(|(_, pair)| tensor(pair)).collect();
        let event = TelemetryEvent { member: self.named(member), step: self.position.step, epoch, tensors };
        if let Some(folder) = self.folder_of(member) {
            // In its own folder a member is a run of one.
            let line = serde_json::json!({ "step": event.step, "epoch": event.epoch, "telemetry": event.tensors });
            append_history(&folder, &line)?;
        }
        Ok(watch(&Event::Telemetry(event)))
    }
}
