//! The kernel variants that a run was made with.

use std::path::Path;

use super::note::Note;
use super::{OPTIMIZER, member_folder, model_note, tensors};
use crate::device::gpu::Choices;

/// The kernel variants that the run in `folder` has, for [`Device::adopt`](crate::device::Device::adopt) before a
/// [`Trainer`](crate::train::Trainer) is made that goes on with it: then it goes on with the same bits, whatever was found to be fast
/// meanwhile. Of a population its first member's, which are those of all.
///
/// Nothing where no run can be read; what is wrong with it, [`Trainer::resume`](crate::train::Trainer::resume) says.
pub fn kernels(folder: &Path) -> Choices {
    let own = |folder: &Path| {
        let path = folder.join(OPTIMIZER);
        Some(Note::read(&tensors::File::open(&path).ok()?, &path).ok()?.kernels)
    };
    own(folder).or_else(|| own(&member_folder(folder, 0))).unwrap_or_default()
}

/// The kernel variants that the parameters in `model.safetensors` were made and judged with.
pub(in crate::train) fn model_kernels(folder: &Path) -> Choices {
    model_note(folder).ok().flatten().map(|note| note.kernels).unwrap_or_default()
}
