// Helpers of the elementwise expressions. `T` is f32 or vec4<f32>, as the kernel that imports this file declares.

// Abramowitz and Stegun, Handbook of Mathematical Functions, 7.1.26: absolute error below 1.5e-7.
fn erf_approx(x: T) -> T {
    let a = abs(x);
    let t = T(1.0) / (T(1.0) + 0.3275911 * a);
    let poly = t * (T(0.254829592) + t * (T(-0.284496736) + t * (T(1.421413741) + t * (T(-1.453152027) + t * 1.061405429))));
    return sign(x) * (T(1.0) - poly * exp(-a * a));
}
