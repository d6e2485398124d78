//! The one place with `unsafe`: shader modules without the compiler's run-time checks.
#![allow(unsafe_code, reason = "wgpu marks unchecked modules unsafe; what makes them sound is said at the call")]

/// A module whose array accesses are not bounds-checked and whose loops are not bounded by the compiler. Checks cost a
/// third of a product's speed.
///
/// The kernels guard every load and store by the lengths in their uniform block, and end every loop; the suite runs each of
/// them both with the checks on and with sentinel words behind every tensor. A kernel from outside the crate is the
/// caller's to prove: the same suite is open to it (`check::ops`), and [`Options::checked`](super::Options::checked) keeps the checks on.
pub(super) fn module(device: &wgpu::Device, descriptor: wgpu::ShaderModuleDescriptor<'_>) -> wgpu::ShaderModule {
    // SAFETY: out-of-bounds accesses and endless loops are excluded as described above.
    unsafe { device.create_shader_module_trusted(descriptor, wgpu::ShaderRuntimeChecks::unchecked()) }
}
