//! The elementwise functions: one row each, holding expression, f64 reference, gradient, and where to test it.
//!
//! A row's WGSL expression sees operands `a`, `b`, `c`, constants `p0`, `p1` and the linear index `idx`; see [`MapFn`].

use crate::graph::map::{MapFn, MapOp};
use crate::graph::{DType, Tensor, Vjp};

use super::expand::CONSTANT;

use DType::{F32, U32};

/// Defaults of a row with one float operand.
const UNARY: MapFn = MapFn {
    name: "",
    arity: 1,
    inputs: &[F32],
    output: F32,
    wgsl: "",
    f64: |_, _, _| f64::NAN,
    vjp: |v, _| vec![None; v.inputs.len()],
    domain: (-3.0, 3.0),
    kinks: &[],
    flops: 1,
};

/// Defaults of a row with two float operands.
const BINARY: MapFn = MapFn { arity: 2, inputs: &[F32, F32], ..UNARY };

macro_rules! row {
    ($name:ident, $base:expr, $wgsl:expr, $f64:expr, $vjp:expr $(, $field:ident: $value:expr)*) => {
        pub static $name: MapFn = MapFn { name: stringify!($name), wgsl: $wgsl, f64: $f64, vjp: $vjp $(, $field: $value)*, ..$base };
    };
}

fn one<'g>(grad: Tensor<'g>) -> Vec<Option<Tensor<'g>>> {
    vec![Some(grad)]
}

fn two<'g>(a: Tensor<'g>, b: Tensor<'g>) -> Vec<Option<Tensor<'g>>> {
    vec![Some(a), Some(b)]
}

fn apply<'g>(f: &'static MapFn, params: &[f32], inputs: &[Tensor<'g>]) -> Tensor<'g> {
    assert_eq!(f.arity, inputs.len());
    inputs[0].graph().apply(MapOp { f, params: params.to_vec() }, inputs)
}

fn constant<'g>(v: &Vjp<'_, 'g>, value: f64) -> Tensor<'g> {
    v.graph.constant(value)
}

#[allow(non_upper_case_globals)]
mod rows {
    use super::*;

    // Arithmetic.
    row!(neg, UNARY, "-a", |x, _, _| -x[0], |v, _| one(-v.grad));
    row!(add, BINARY, "a + b", |x, _, _| x[0] + x[1], |v, _| two(v.grad, v.grad));
    row!(sub, BINARY, "a - b", |x, _, _| x[0] - x[1], |v, _| two(v.grad, -v.grad));
    row!(mul, BINARY, "a * b", |x, _, _| x[0] * x[1], |v, _| two(v.grad * v.inputs[1], v.grad * v.inputs[0]));
    row!(div, BINARY, "a / b", |x, _, _| x[0] / x[1],
        |v, _| { let g = v.grad / v.inputs[1]; two(g, -(g * v.output)) }, domain: (0.5, 3.0));
    row!(maximum, BINARY, "max(a, b)", |x, _, _| x[0].max(x[1]), |v, _| {
        let first = v.inputs[0].greater_equal(v.inputs[1]);
        let grad = v.grad * first;
        two(grad, v.grad - grad)
    }, kinks: &[0.0]);
    row!(minimum, BINARY, "min(a, b)", |x, _, _| x[0].min(x[1]), |v, _| {
        let first = v.inputs[1].greater_equal(v.inputs[0]);
        let grad = v.grad * first;
        two(grad, v.grad - grad)
    }, kinks: &[0.0]);
    row!(abs, UNARY, "abs(a)", |x, _, _| x[0].abs(), |v, _| one(v.grad * v.inputs[0].sign()), kinks: &[0.0]);
    row!(sign, UNARY, "sign(a)", |x, _, _| if x[0] == 0.0 { 0.0 } else { x[0].signum() }, |_, _| vec![None],
        kinks: &[0.0]);
    row!(square, UNARY, "a * a", |x, _, _| x[0] * x[0], |v, _| one(v.grad * v.inputs[0] * constant(v, 2.0)));
    row!(sqrt, UNARY, "sqrt(a)", |x, _, _| x[0].sqrt(),
        |v, _| one(v.grad * constant(v, 0.5) / v.output), domain: (0.1, 3.0));
    row!(rsqrt, UNARY, "inverseSqrt(a)", |x, _, _| 1.0 / x[0].sqrt(),
        |v, _| one(v.grad * v.output * v.output * v.output * constant(v, -0.5)), domain: (0.1, 3.0));
    row!(reciprocal, UNARY, "T(1.0) / a", |x, _, _| 1.0 / x[0],
        |v, _| one(-(v.grad * v.output * v.output)), domain: (0.3, 3.0));
    // pow() of a negative base is undefined in WGSL, so the exponent decides: whole exponents keep the sign.
    row!(powf, UNARY, "pow(a, T(p0))", |x, p, _| x[0].powf(p[0] as f64),
        |v, p| one(v.grad * v.inputs[0].powf(p[0] - 1.0) * constant(v, p[0] as f64)), domain: (0.1, 3.0));
    row!(clamp, UNARY, "clamp(a, T(p0), T(p1))", |x, p, _| x[0].clamp(p[0] as f64, p[1] as f64), |v, p| {
        let (low, high) = (constant(v, p[0] as f64), constant(v, p[1] as f64));
        one(v.grad * v.inputs[0].greater_equal(low) * high.greater_equal(v.inputs[0]))
    }, kinks: &[-0.5, 1.0]);

    // Transcendental functions.
    row!(exp, UNARY, "exp(a)", |x, _, _| x[0].exp(), |v, _| one(v.grad * v.output));
    row!(log, UNARY, "log(a)", |x, _, _| x[0].ln(), |v, _| one(v.grad / v.inputs[0]), domain: (0.1, 3.0));
    row!(sin, UNARY, "sin(a)", |x, _, _| x[0].sin(), |v, _| one(v.grad * v.inputs[0].cos()));
    row!(cos, UNARY, "cos(a)", |x, _, _| x[0].cos(), |v, _| one(-(v.grad * v.inputs[0].sin())));
    // Some drivers' tanh overflows to NaN for large arguments; beyond 15 the f32 result is 1 anyway.
    row!(tanh, UNARY, "tanh(clamp(a, T(-15.0), T(15.0)))", |x, _, _| x[0].tanh(), |v, _| one(
        v.grad * (constant(v, 1.0) - v.output * v.output)
    ));
    // Abramowitz and Stegun 7.1.26, absolute error below 1.5e-7.
    row!(erf, UNARY, "erf_approx(a)", |x, _, _| libm::erf(x[0]), |v, _| {
        let slope = (-(v.inputs[0] * v.inputs[0])).exp() * constant(v, std::f64::consts::FRAC_2_SQRT_PI);
        one(v.grad * slope)
    });

    // Activations.
    row!(relu, UNARY, "max(a, T(0.0))", |x, _, _| x[0].max(0.0),
        |v, _| one(apply(&relu_grad, &[], &[v.output, v.grad])), kinks: &[0.0]);
    row!(
        relu_grad,
        BINARY,
        "select(T(0.0), b, a > T(0.0))",
        |x, _, _| if x[0] > 0.0 { x[1] } else { 0.0 },
        |v, _| vec![None, Some(apply(&relu_grad, &[], &[v.inputs[0], v.grad]))]
    );
    row!(leaky_relu, UNARY, "select(a * p0, a, a > T(0.0))",
        |x, p, _| if x[0] > 0.0 { x[0] } else { x[0] * p[0] as f64 }, |v, p| {
        let positive = v.inputs[0].greater(constant(v, 0.0));
        one(v.grad * (positive * constant(v, 1.0 - p[0] as f64) + constant(v, p[0] as f64)))
    }, kinks: &[0.0]);
    row!(elu, UNARY, "select((exp(a) - T(1.0)) * p0, a, a > T(0.0))",
        |x, p, _| if x[0] > 0.0 { x[0] } else { x[0].exp_m1() * p[0] as f64 }, |v, p| {
        let slope = v.output + constant(v, p[0] as f64);
        one(v.grad * v.inputs[0].greater(constant(v, 0.0)).select(constant(v, 1.0), slope))
    }, kinks: &[0.0]);
    row!(relu6, UNARY, "clamp(a, T(0.0), T(6.0))", |x, _, _| x[0].clamp(0.0, 6.0), |v, _| {
        one(v.grad * v.inputs[0].greater(constant(v, 0.0)) * constant(v, 6.0).greater(v.inputs[0]))
    }, domain: (-3.0, 9.0), kinks: &[0.0, 6.0]);
    row!(sigmoid, UNARY, "T(1.0) / (T(1.0) + exp(-a))", |x, _, _| 1.0 / (1.0 + (-x[0]).exp()), |v, _| one(v
        .grad
        * v.output
        * (constant(v, 1.0) - v.output)));
    row!(silu, UNARY, "a / (T(1.0) + exp(-a))", |x, _, _| x[0] / (1.0 + (-x[0]).exp()), |v, _| {
        let s = v.inputs[0].sigmoid();
        one(v.grad * (s + v.output * (constant(v, 1.0) - s)))
    });
    row!(
        softplus,
        UNARY,
        "max(a, T(0.0)) + log(T(1.0) + exp(-abs(a)))",
        |x, _, _| x[0].max(0.0) + (-x[0].abs()).exp().ln_1p(),
        |v, _| one(v.grad * v.inputs[0].sigmoid())
    );
    // The exact form: x * Phi(x).
    row!(
        gelu,
        UNARY,
        "T(0.5) * a * (T(1.0) + erf_approx(a * 0.70710678))",
        |x, _, _| 0.5 * x[0] * (1.0 + libm::erf(x[0] * std::f64::consts::FRAC_1_SQRT_2)),
        |v, _| {
            let x = v.inputs[0];
            let cdf = ((x * constant(v, std::f64::consts::FRAC_1_SQRT_2)).erf() + constant(v, 1.0))
                * constant(v, 0.5);
            let pdf = (x * x * constant(v, -0.5)).exp() * constant(v, 0.3989422804014327);
            one(v.grad * (cdf + x * pdf))
        }
    );

    // Comparisons: 1 where true, 0 elsewhere.
    row!(greater, BINARY, "select(T(0.0), T(1.0), a > b)", |x, _, _| (x[0] > x[1]) as u8 as f64,
        |_, _| vec![None, None], kinks: &[0.0]);
    row!(greater_equal, BINARY, "select(T(0.0), T(1.0), a >= b)", |x, _, _| (x[0] >= x[1]) as u8 as f64,
        |_, _| vec![None, None], kinks: &[0.0]);
    row!(equal, BINARY, "select(T(0.0), T(1.0), a == b)", |x, _, _| (x[0] == x[1]) as u8 as f64,
        |_, _| vec![None, None], kinks: &[0.0]);
    row!(equal_u32, BINARY, "select(T(0.0), T(1.0), a == b)", |x, _, _| (x[0] == x[1]) as u8 as f64,
        |_, _| vec![None, None], inputs: &[U32, U32], domain: (0.0, 4.0));
    row!(less_u32, BINARY, "select(T(0.0), T(1.0), a < b)", |x, _, _| (x[0] < x[1]) as u8 as f64,
        |_, _| vec![None, None], inputs: &[U32, U32], domain: (0.0, 4.0));
    row!(select, UNARY, "select(c, b, a != T(0.0))", |x, _, _| if x[0] != 0.0 { x[1] } else { x[2] }, |v, _| {
        let zero = constant(v, 0.0);
        vec![None, Some(v.inputs[0].select(v.grad, zero)), Some(v.inputs[0].select(zero, v.grad))]
    }, arity: 3, inputs: &[F32, F32, F32], kinks: &[0.0]);

    // Conversions.
    row!(u32_to_f32, UNARY, "T(a)", |x, _, _| x[0], |_, _| vec![None], inputs: &[U32], domain: (0.0, 99.0));
    row!(f32_to_u32, UNARY, "U(a)", |x, _, _| x[0].trunc(), |_, _| vec![None], output: U32, domain: (0.0, 99.0));

    // Operands: x, seed, step (both scalars). Constants: probability of a zero, the layer's stream number. The mask is
    // a hash of (element, stream, seed, step), so the backward pass draws it again instead of storing it.
    row!(dropout, UNARY, "dropout(a, b, c, p0, u32(p1), idx)", |x, p, i| {
        let keep = uniform(i as u32, p[1] as u32, x[1] as u32, x[2] as u32) >= p[0];
        if keep { x[0] / (1.0 - p[0] as f64) } else { 0.0 }
    }, |v, p| vec![Some(apply(&dropout, p, &[v.grad, v.inputs[1], v.inputs[2]])), None, None],
        arity: 3, inputs: &[F32, U32, U32], domain: (1.0, 9.0), flops: 20);
}

/// All rows, for the tests.
pub static TABLE: &[&MapFn] = &[
    &crate::graph::map::COPY,
    &crate::graph::map::COPY_U32,
    &CONSTANT,
    &rows::neg,
    &rows::add,
    &rows::sub,
    &rows::mul,
    &rows::div,
    &rows::maximum,
    &rows::minimum,
    &rows::abs,
    &rows::sign,
    &rows::square,
    &rows::sqrt,
    &rows::rsqrt,
    &rows::reciprocal,
    &rows::powf,
    &rows::clamp,
    &rows::exp,
    &rows::log,
    &rows::sin,
    &rows::cos,
    &rows::tanh,
    &rows::erf,
    &rows::relu,
    &rows::relu_grad,
    &rows::leaky_relu,
    &rows::elu,
    &rows::relu6,
    &rows::sigmoid,
    &rows::silu,
    &rows::softplus,
    &rows::gelu,
    &rows::greater,
    &rows::greater_equal,
    &rows::equal,
    &rows::equal_u32,
    &rows::less_u32,
    &rows::select,
    &rows::u32_to_f32,
    &rows::f32_to_u32,
    &rows::dropout,
];

/// Constants the tests try a row with.
pub fn test_params(f: &MapFn) -> &'static [f32] {
    match f.name {
        "constant" => &[0.75],
        "powf" => &[2.5],
        "clamp" => &[-0.5, 1.0],
        "leaky_relu" => &[0.1],
        "elu" => &[1.0],
        "dropout" => &[0.25, 3.0],
        _ => &[],
    }
}

/// A uniform float in [0, 1) from a counter: PCG4D (Jarzynski and Olano, "Hash Functions for GPU Rendering", 2020)
/// of (`index / 4`, `stream`, `seed`, `step`), whose four words serve four neighbouring indices.
pub fn uniform(index: u32, stream: u32, seed: u32, step: u32) -> f32 {
    let word = pcg4d([index / 4, stream, seed, step])[index as usize % 4];
    (word >> 8) as f32 / (1 << 24) as f32
}

/// The PCG4D hash.
pub fn pcg4d(v: [u32; 4]) -> [u32; 4] {
    let mut v = v.map(|x| x.wrapping_mul(1_664_525).wrapping_add(1_013_904_223));
    let mix = |v: &mut [u32; 4]| {
        v[0] = v[0].wrapping_add(v[1].wrapping_mul(v[3]));
        v[1] = v[1].wrapping_add(v[2].wrapping_mul(v[0]));
        v[2] = v[2].wrapping_add(v[0].wrapping_mul(v[1]));
        v[3] = v[3].wrapping_add(v[1].wrapping_mul(v[2]));
    };
    mix(&mut v);
    v = v.map(|x| x ^ (x >> 16));
    mix(&mut v);
    v
}

macro_rules! unary_methods {
    ($($(#[$doc:meta])* $name:ident),* $(,)?) => {
        impl<'g> Tensor<'g> {
            $($(#[$doc])*
            #[track_caller]
            pub fn $name(self) -> Tensor<'g> {
                apply(&rows::$name, &[], &[self])
            })*
        }
    };
}

unary_methods!(
    /// `|x|`; gradient 0 at 0.
    abs,
    /// -1, 0 or 1; no gradient.
    sign,
    /// `x^2`.
    square,
    /// Square root.
    sqrt,
    /// `1 / sqrt(x)`.
    rsqrt,
    /// `1 / x`.
    reciprocal,
    /// `e^x`.
    exp,
    /// Natural logarithm.
    log,
    /// Sine of radians.
    sin,
    /// Cosine of radians.
    cos,
    /// Hyperbolic tangent.
    tanh,
    /// Error function, absolute error below 1.5e-7 (Abramowitz and Stegun 7.1.26).
    erf,
    /// `max(x, 0)`; gradient 0 at 0.
    relu,
    /// `min(max(x, 0), 6)`.
    relu6,
    /// Logistic function `1 / (1 + e^-x)`.
    sigmoid,
    /// `x * sigmoid(x)`, also called swish (Ramachandran et al. 2017).
    silu,
    /// `log(1 + e^x)`.
    softplus,
    /// Gaussian error linear unit in its exact form (Hendrycks and Gimpel 2016).
    gelu,
);

macro_rules! binary_methods {
    ($($(#[$doc:meta])* $name:ident),* $(,)?) => {
        impl<'g> Tensor<'g> {
            $($(#[$doc])*
            #[track_caller]
            pub fn $name(self, other: Tensor<'g>) -> Tensor<'g> {
                apply(&rows::$name, &[], &[self, other])
            })*
        }
    };
}

binary_methods!(
    /// Larger of two, broadcasting; at ties the gradient goes to `self`.
    maximum,
    /// Smaller of two, broadcasting; at ties the gradient goes to `self`.
    minimum,
    /// 1 where `self > other`, else 0.
    greater,
    /// 1 where `self >= other`, else 0.
    greater_equal,
);

impl<'g> Tensor<'g> {
    /// 1 where equal, else 0; for two float or two integer tensors.
    #[track_caller]
    pub fn equal(self, other: Tensor<'g>) -> Tensor<'g> {
        let f = if self.dtype() == U32 { &rows::equal_u32 } else { &rows::equal };
        apply(f, &[], &[self, other])
    }

    /// 1 where `self < other`, else 0; both integer.
    #[track_caller]
    pub fn less_u32(self, other: Tensor<'g>) -> Tensor<'g> {
        apply(&rows::less_u32, &[], &[self, other])
    }

    /// `if_true` where `self` is not 0, `if_false` elsewhere.
    #[track_caller]
    pub fn select(self, if_true: Tensor<'g>, if_false: Tensor<'g>) -> Tensor<'g> {
        apply(&rows::select, &[], &[self, if_true, if_false])
    }

    /// `x^exponent` for positive `x`.
    #[track_caller]
    pub fn powf(self, exponent: f32) -> Tensor<'g> {
        apply(&rows::powf, &[exponent], &[self])
    }

    /// Limited to `low..=high`; gradient 0 outside.
    #[track_caller]
    pub fn clamp(self, low: f32, high: f32) -> Tensor<'g> {
        apply(&rows::clamp, &[low, high], &[self])
    }

    /// `x` where positive, `slope * x` elsewhere.
    #[track_caller]
    pub fn leaky_relu(self, slope: f32) -> Tensor<'g> {
        apply(&rows::leaky_relu, &[slope], &[self])
    }

    /// `x` where positive, `alpha * (e^x - 1)` elsewhere (Clevert et al. 2015).
    #[track_caller]
    pub fn elu(self, alpha: f32) -> Tensor<'g> {
        apply(&rows::elu, &[alpha], &[self])
    }

    /// Integers as floats; no gradient.
    #[track_caller]
    pub fn to_f32(self) -> Tensor<'g> {
        apply(&rows::u32_to_f32, &[], &[self])
    }

    /// Floats truncated to integers; no gradient.
    #[track_caller]
    pub fn to_u32(self) -> Tensor<'g> {
        apply(&rows::f32_to_u32, &[], &[self])
    }

    /// Zeroes elements with probability `p` and scales the others by `1 / (1 - p)` (Srivastava et al. 2014).
    ///
    /// `seed` and `step` are integer scalars read at run time; `stream` tells one dropout of a network from another.
    ///
    /// # Panics
    /// If `p` is not in `0..1`.
    #[track_caller]
    pub fn dropout(self, p: f32, stream: u32, seed: Tensor<'g>, step: Tensor<'g>) -> Tensor<'g> {
        assert!((0.0..1.0).contains(&p), "dropout: probability {p} is not in 0..1");
        assert!(stream < 1 << 24, "dropout: stream {stream} is not below 2^24");
        apply(&rows::dropout, &[p, stream as f32], &[self, seed, step])
    }
}

macro_rules! operators {
    ($($trait:ident $method:ident $row:ident),*) => {
        $(impl<'g> std::ops::$trait for Tensor<'g> {
            type Output = Tensor<'g>;
            #[track_caller]
            fn $method(self, other: Tensor<'g>) -> Tensor<'g> {
                apply(&rows::$row, &[], &[self, other])
            }
        }
        impl<'g> std::ops::$trait<f64> for Tensor<'g> {
            type Output = Tensor<'g>;
            #[track_caller]
            fn $method(self, other: f64) -> Tensor<'g> {
                apply(&rows::$row, &[], &[self, self.graph().constant(other)])
            }
        })*
    };
}

operators!(Add add add, Sub sub sub, Mul mul mul, Div div div);

impl<'g> std::ops::Neg for Tensor<'g> {
    type Output = Tensor<'g>;
    #[track_caller]
    fn neg(self) -> Tensor<'g> {
        apply(&rows::neg, &[], &[self])
    }
}
