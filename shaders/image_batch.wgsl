// A batch of training images from the resident data set: gathered, cropped, flipped and normalised in one pass.
//
// images: u8 [N, H, W, C] packed four to a word; order: the epoch's permutation; control: see below;
// norm: [2, C], mean and 1/std in units of the bytes. y: f32 [B, H, W, C]. One lane an element.
//
// Each image draws its shift (up to CROP pixels each way, uncovered pixels become 0, the mean colour) and its flip from a
// hash of (image of the step, STREAM, seed, step): the same step always sees the same batch.

const B: u32 = 1u;
const H: u32 = 1u;
const W: u32 = 1u;
const C: u32 = 1u;
const N: u32 = 1u;
const CROP: u32 = 0u;
const FLIP: bool = false;
const STREAM: u32 = 0u;

// Positions in `control`.
const FIRST: u32 = 0u;
const SEED: u32 = 2u;
const STEP: u32 = 3u;

@group(0) @binding(0) var<storage, read> images: array<u32>;
@group(0) @binding(1) var<storage, read> order: array<u32>;
@group(0) @binding(2) var<storage, read> control: array<u32>;
@group(0) @binding(3) var<storage, read> norm: array<f32>;
@group(0) @binding(4) var<storage, read_write> y: array<f32>;

//!import lib/random

@compute @workgroup_size(64)
fn main(
    @builtin(workgroup_id) group: vec3<u32>,
    @builtin(num_workgroups) groups: vec3<u32>,
    @builtin(local_invocation_index) lane: u32,
) {
    let i = (group.y * groups.x + group.x) * 64u + lane;
    if i >= B * H * W * C {
        return;
    }
    let c = i % C;
    let column = (i / C) % W;
    let row = (i / (C * W)) % H;
    let b = i / (C * W * H);
    // The last batch of a data set may be short: it repeats the last image, which its user must not count.
    let image = order[min(control[FIRST] + b, N - 1u)];

    var source_row = i32(row);
    var source_column = i32(column);
    if CROP > 0u || FLIP {
        let draw = pcg4d(vec4<u32>(b, STREAM, control[SEED], control[STEP]));
        source_row += i32((draw.x >> 8u) % (2u * CROP + 1u)) - i32(CROP);
        source_column += i32((draw.y >> 8u) % (2u * CROP + 1u)) - i32(CROP);
        if FLIP && (draw.z >> 31u) == 1u {
            source_column = i32(W) - 1 - source_column;
        }
    }
    var value = 0.0;
    if source_row >= 0 && source_row < i32(H) && source_column >= 0 && source_column < i32(W) {
        let at = ((image * H + u32(source_row)) * W + u32(source_column)) * C + c;
        let byte = (images[at / 4u] >> (8u * (at % 4u))) & 255u;
        value = (f32(byte) - norm[c]) * norm[C + c];
    }
    y[i] = value;
}
