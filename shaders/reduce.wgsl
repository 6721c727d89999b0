// Sum or maximum over the middle axis of [OUTER, COUNT, INNER] -> [OUTER, INNER].
// One lane a result; neighbouring lanes read neighbouring addresses along INNER. The order is fixed.

const OUTER: u32 = 1u;
const COUNT: u32 = 1u;
const INNER: u32 = 1u;
const MAX: bool = false;

@group(0) @binding(0) var<storage, read> x: array<f32>;
@group(0) @binding(1) var<storage, read_write> y: array<f32>;

@compute @workgroup_size(64)
fn main(
    @builtin(workgroup_id) group: vec3<u32>,
    @builtin(num_workgroups) groups: vec3<u32>,
    @builtin(local_invocation_index) lane: u32,
) {
    let at = (group.y * groups.x + group.x) * 64u + lane;
    if at >= OUTER * INNER {
        return;
    }
    let base = (at / INNER) * COUNT * INNER + at % INNER;
    var acc = x[base];
    for (var k = 1u; k < COUNT; k++) {
        let v = x[base + k * INNER];
        if MAX {
            acc = max(acc, v);
        } else {
            acc += v;
        }
    }
    y[at] = acc;
}
