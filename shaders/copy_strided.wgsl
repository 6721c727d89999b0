// Copies a box of elements from one strided layout to another: transposes, slices, pads and concatenations.
// The box has sizes D0..D5 (outermost first); lane i takes the i-th element of it in row-major order.
// Elements are moved as bits, so any 4-byte type goes.

const COUNT: u32 = 1u;
const D1: u32 = 1u;
const D2: u32 = 1u;
const D3: u32 = 1u;
const D4: u32 = 1u;
const D5: u32 = 1u;
const FROM: u32 = 0u;
const FROM0: u32 = 0u;
const FROM1: u32 = 0u;
const FROM2: u32 = 0u;
const FROM3: u32 = 0u;
const FROM4: u32 = 0u;
const FROM5: u32 = 0u;
const TO: u32 = 0u;
const TO0: u32 = 0u;
const TO1: u32 = 0u;
const TO2: u32 = 0u;
const TO3: u32 = 0u;
const TO4: u32 = 0u;
const TO5: u32 = 0u;

@group(0) @binding(0) var<storage, read> x: array<u32>;
@group(0) @binding(1) var<storage, read_write> y: array<u32>;

@compute @workgroup_size(64)
fn main(
    @builtin(workgroup_id) group: vec3<u32>,
    @builtin(num_workgroups) groups: vec3<u32>,
    @builtin(local_invocation_index) lane: u32,
) {
    let i = (group.y * groups.x + group.x) * 64u + lane;
    if i >= COUNT {
        return;
    }
    var rest = i;
    let c5 = rest % D5;
    rest /= D5;
    let c4 = rest % D4;
    rest /= D4;
    let c3 = rest % D3;
    rest /= D3;
    let c2 = rest % D2;
    rest /= D2;
    let c1 = rest % D1;
    let c0 = rest / D1;
    let from_index = FROM + c0 * FROM0 + c1 * FROM1 + c2 * FROM2 + c3 * FROM3 + c4 * FROM4 + c5 * FROM5;
    let to_index = TO + c0 * TO0 + c1 * TO1 + c2 * TO2 + c3 * TO3 + c4 * TO4 + c5 * TO5;
    y[to_index] = x[from_index];
}
