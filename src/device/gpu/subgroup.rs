//! Subgroup operations: where they are asked for, and whether they do what they should.

use super::Gpu;
use crate::error::DeviceError;
use crate::kernel::{Binding, Kernel, Launch, Operand, wgsl};

/// The size of subgroups that kernels with their operations are written for.
const LANES: u32 = 8;

/// What to ask of an adapter: subgroup operations, if each subgroup has that size, and then the integers of 64 bits that
/// some of those kernels load by.
pub(super) fn features(adapter: &wgpu::Adapter) -> wgpu::Features {
    let info = adapter.get_info();
    let fixed = info.subgroup_min_size == LANES && info.subgroup_max_size == LANES;
    let all = wgpu::Features::SUBGROUP | wgpu::Features::SHADER_INT64;
    if fixed { adapter.features() & all } else { wgpu::Features::empty() }
}

impl Gpu {
    /// Notes the size of a subgroup, if the device has the operations and they stand a test: kernels count on a workgroup of 8
    /// being one whole subgroup, which no interface promises. A wrong result and a kernel that the compiler refuses mean that there
    /// are none. A device that is lost, hangs or has no memory says nothing about subgroups: that is an error, since with other
    /// kernels than it had yesterday a run would go on with other bits, and nobody told.
    pub(super) fn try_subgroups(&self) -> Result<(), DeviceError> {
        if self.shared.device.features().contains(wgpu::Features::SUBGROUP) && stood(self.broadcasts())? {
            self.shared.subgroup.get_or_init(|| LANES);
        }
        if self.shared.device.features().contains(wgpu::Features::SHADER_INT64) && stood(self.pairs())? {
            self.shared.wide.get_or_init(|| true);
        }
        Ok(())
    }

    /// What a kernel without inputs writes; behind it there may be more.
    fn said(&self, launch: Launch, len: usize) -> Result<Vec<u32>, DeviceError> {
        let check = self.prepare(launch.into(), &[], len)?;
        check.run(1)?;
        check.read(Operand::Output)
    }

    /// Whether each of 8 lanes hears each other's value.
    fn broadcasts(&self) -> Result<bool, DeviceError> {
        let launch = Launch {
            kernel: Kernel::new("subgroup_check", wgsl!("device/subgroup_check"), "subgroup_check"),
            params: vec![("len", (3 * LANES).into())],
            bindings: vec![Binding::write(Operand::Output, 3 * LANES as usize)],
            groups: [3, 1, 1],
            flops: 0,
        };
        let found = self.said(launch, 3 * LANES as usize)?;
        // The kernel's own sum: lane l of group g hears 100·g + l' from each l', weighted by l' + 1.
        let heard = |group: u32| (0..LANES).map(|lane| (100 * group + lane) * (lane + 1)).sum::<u32>();
        Ok((0..3 * LANES).all(|i| found.get(i as usize) == Some(&heard(i / LANES))))
    }

    /// Whether 64 bits are two words, the lower first, on their way in and out.
    fn pairs(&self) -> Result<bool, DeviceError> {
        let len = 4 * LANES;
        let launch = Launch {
            kernel: Kernel::new("wide_check", wgsl!("device/wide_check", "optim/loads_wide"), "wide_check"),
            params: vec![("len", len.into())],
            bindings: vec![Binding::write(Operand::Output, len as usize)],
            groups: [1, 1, 1],
            flops: 0,
        };
        let found = self.said(launch, len as usize)?;
        let own = |lane: u32| [3 * lane + 1, len + 0x8000_0000 + lane];
        let swapped = |lane: u32| own((lane + 1) % LANES).into_iter().rev();
        Ok((0..LANES).flat_map(own).chain((0..LANES).flat_map(swapped)).eq(found.into_iter().take(len as usize)))
    }
}

/// Whether subgroups, or wide integers, may be used after such a test.
fn stood(test: Result<bool, DeviceError>) -> Result<bool, DeviceError> {
    match test {
        Err(DeviceError::Kernel { .. }) => Ok(false),
        said => said,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_a_wrong_result_or_a_refused_kernel_means_no_subgroups() {
        let memory = DeviceError::OutOfMemory {
            adapter: "a".into(),
            what: "output".into(),
            needed: 256,
            allocated: 0,
            limit: "the limit set for it is 100 bytes".into(),
        };
        let hang = DeviceError::Hang { adapter: "a".into(), seconds: 60 };
        let refused = DeviceError::Kernel { kernel: "subgroup_check".into(), message: "no".into() };
        assert_eq!([stood(Ok(true)), stood(Ok(false)), stood(Err(refused))], [Ok(true), Ok(false), Ok(false)]);
        for error in [memory, hang] {
            assert_eq!(stood(Err(error.clone())), Err(error));
        }
    }
}
