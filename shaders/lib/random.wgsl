// Counter-based random numbers: a hash of a counter, so any lane can draw any number at any time.

// PCG4D (Jarzynski and Olano, "Hash Functions for GPU Rendering", 2020).
fn pcg4d(counter: vec4<u32>) -> vec4<u32> {
    var v = counter * 1664525u + 1013904223u;
    v.x += v.y * v.w;
    v.y += v.z * v.x;
    v.z += v.x * v.y;
    v.w += v.y * v.z;
    v ^= v >> vec4<u32>(16u);
    v.x += v.y * v.w;
    v.y += v.z * v.x;
    v.z += v.x * v.y;
    v.w += v.y * v.z;
    return v;
}

// Four uniform numbers in [0, 1), for elements 4 * quad .. 4 * quad + 3.
fn uniform4(quad: u32, stream: u32, seed: u32, step: u32) -> vec4<f32> {
    return vec4<f32>(pcg4d(vec4<u32>(quad, stream, seed, step)) >> vec4<u32>(8u)) * (1.0 / 16777216.0);
}
