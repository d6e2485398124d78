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
    /// The size of a subgroup, if the device has the operations and they stand a test: kernels count on a workgroup of 8 being
    /// one whole subgroup, which no interface promises.
    pub(super) fn subgroup(&self) -> Option<u32> {
        let shared = &self.shared;
        *shared.subgroup.get_or_init(|| {
            let there = shared.device.features().contains(wgpu::Features::SUBGROUP);
            (there && self.broadcasts().unwrap_or(false)).then_some(LANES)
        })
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
        let check = self.prepare(launch.into(), &[], 3 * LANES as usize)?;
        check.run(1)?;
        let found = check.read(Operand::Output)?;
        // The kernel's own sum: lane l of group g hears 100·g + l' from each l', weighted by l' + 1.
        let heard = |group: u32| (0..LANES).map(|lane| (100 * group + lane) * (lane + 1)).sum::<u32>();
        Ok((0..3 * LANES).all(|i| found.get(i as usize) == Some(&heard(i / LANES))))
    }
}
