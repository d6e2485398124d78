//! Pipelines, each made once.

use std::borrow::Cow;

use super::{Gpu, trusted};
use crate::error::DeviceError;
use crate::kernel::Kernel;

/// What stands at one binding of a layout; binding 0 is always the uniform block.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) enum Access {
    Read,
    Write,
}

/// What makes two pipelines the same.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(super) struct Key {
    source: Cow<'static, str>,
    entry: &'static str,
    constants: Vec<(&'static str, u64)>,
    access: Vec<Access>,
}

#[derive(Clone)]
pub(super) struct Pipeline {
    pub raw: wgpu::ComputePipeline,
    pub layout: wgpu::BindGroupLayout,
}

impl Gpu {
    /// The pipeline of a kernel, made if it is new.
    pub(super) fn pipeline(&self, kernel: &Kernel, access: Vec<Access>) -> Result<Pipeline, DeviceError> {
        let constants = kernel.constants.iter().map(|&(n, v)| (n, v.to_bits())).collect();
        let key = Key { source: kernel.source.clone(), entry: kernel.entry, constants, access };
        let cache = || self.shared.pipelines.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
        if let Some(known) = cache().get(&key) {
            return Ok(known.clone());
        }
        let made = self.make(kernel, &key.access)?;
        cache().insert(key, made.clone());
        Ok(made)
    }

    fn make(&self, kernel: &Kernel, access: &[Access]) -> Result<Pipeline, DeviceError> {
        let device = &self.shared.device;
        let scopes = [wgpu::ErrorFilter::Internal, wgpu::ErrorFilter::Validation].map(|f| device.push_error_scope(f));
        let descriptor = wgpu::ShaderModuleDescriptor {
            label: Some(&kernel.name),
            source: wgpu::ShaderSource::Wgsl(kernel.source.as_ref().into()),
        };
        let module = if self.shared.options.checked {
            device.create_shader_module(descriptor)
        } else {
            trusted::module(device, descriptor)
        };
        let uniform = wgpu::BufferBindingType::Uniform;
        let storage = access.iter().map(|a| wgpu::BufferBindingType::Storage { read_only: *a == Access::Read });
        let entries: Vec<_> = std::iter::once(uniform)
            .chain(storage)
            .enumerate()
            .map(|(i, ty)| wgpu::BindGroupLayoutEntry {
                binding: i as u32,
                visibility: wgpu::ShaderStages::COMPUTE,
                ty: wgpu::BindingType::Buffer { ty, has_dynamic_offset: false, min_binding_size: None },
                count: None,
            })
            .collect();
        let label = Some(kernel.name.as_ref());
        let layout = device.create_bind_group_layout(&wgpu::BindGroupLayoutDescriptor { label, entries: &entries });
        let raw = device.create_compute_pipeline(&wgpu::ComputePipelineDescriptor {
            label,
            layout: Some(&device.create_pipeline_layout(&wgpu::PipelineLayoutDescriptor {
                label,
                bind_group_layouts: &[Some(&layout)],
                ..Default::default()
            })),
            module: &module,
            entry_point: Some(kernel.entry),
            compilation_options: wgpu::PipelineCompilationOptions {
                constants: &kernel.constants,
                zero_initialize_workgroup_memory: self.shared.options.checked,
            },
            cache: None,
        });
        let mut said = None;
        for scope in scopes.into_iter().rev() {
            said = said.or(pollster::block_on(scope.pop()));
        }
        match said {
            None => Ok(Pipeline { raw, layout }),
            Some(error) => Err(DeviceError::Kernel { kernel: kernel.name.to_string(), message: error.to_string() }),
        }
    }
}
