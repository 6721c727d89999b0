// The labels of a batch, in the order image_batch gathers its images.

const B: u32 = 1u;
const N: u32 = 1u;
const FIRST: u32 = 0u;

@group(0) @binding(0) var<storage, read> labels: array<u32>;
@group(0) @binding(1) var<storage, read> order: array<u32>;
@group(0) @binding(2) var<storage, read> control: array<u32>;
@group(0) @binding(3) var<storage, read_write> y: array<u32>;

@compute @workgroup_size(64)
fn main(@builtin(global_invocation_id) id: vec3<u32>) {
    if id.x < B {
        y[id.x] = labels[order[min(control[FIRST] + id.x, N - 1u)]];
    }
}
