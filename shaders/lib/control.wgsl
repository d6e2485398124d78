// The control buffer: where training stands, the members' seeds, and the table of per-step numbers.
// The kernel declares `control: array<u32>` at a binding of its own. The host's side: src/optim/layout.rs.
//
//   word  0  steps completed
//         1  cursor: row of the epoch at which the minibatch starts
//         2  slot: place of this step in its submission
//         3  first word of the hyper table
//         4  members     5  parameter groups     6, 7  reserved
//         8  seeds: low and high word of each member
//         …  hyper table, f32 bits: [slot][member][group][12]

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

// Number n (of 12) of a parameter group of a member at the step in that slot.
fn hyper_word(slot: u32, member: u32, group: u32, n: u32) -> f32 {
    let entry = (slot * control[4] + member) * control[5] + group;
    return bitcast<f32>(control[control[3] + 12u * entry + n]);
}
