// Linear index of this invocation in a dispatch folded over x and y. The host's side is `kernel::fold`.
override WORKGROUP: u32 = 64u;

fn linear_index(id: vec3<u32>, groups: vec3<u32>) -> u32 {
    return id.x + id.y * groups.x * WORKGROUP;
}

// Number of this workgroup in the same dispatch.
fn workgroup_number(workgroup: vec3<u32>, groups: vec3<u32>) -> u32 {
    return workgroup.x + workgroup.y * groups.x;
}
