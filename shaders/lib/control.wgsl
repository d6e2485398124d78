// The control buffer: where training stands, the members' seeds, the blocks, and the table of per-step numbers.
// The kernel declares `control: array<u32>` at a binding of its own. The host's side: src/optim/layout.rs.
//
//   word  0  steps completed
//         1  cursor: row of the epoch at which the minibatch starts
//         2  slot: place of this step in its submission
//         3  first word of the step table
//         4  members     5  parameter groups     6  first word of the blocks     7  of the tensors' first blocks
//         8  seeds: low and high word of each member
//         …  blocks: first vec4, vec4s, group and tensor, first vec4 of the states
//         …  step table: [slot][member], each 4 words and then 12 a group, the latter f32 bits

// Steps completed: 0 during the first.
fn control_step() -> u32 {
    return control[0];
}

fn control_cursor() -> u32 {
    return control[1];
}

fn control_slot() -> u32 {
    return control[2];
}

fn control_seed(member: u32) -> vec2<u32> {
    return vec2(control[8u + 2u * member], control[9u + 2u * member]);
}

// First word of a member's entry in the step table.
fn step_at(member: u32) -> u32 {
    return control[3] + (control[2] * control[4] + member) * (4u + 12u * control[5]);
}

// Word n of a member at this step: 0 flags, 1 share of the minibatch, 2 clipping by value, 3 share of the average.
fn step_word(member: u32, n: u32) -> u32 {
    return control[step_at(member) + n];
}

// Number n (of 12) of a parameter group of a member at this step.
fn hyper_word(member: u32, group: u32, n: u32) -> f32 {
    return bitcast<f32>(control[step_at(member) + 4u + 12u * group + n]);
}
