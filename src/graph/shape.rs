//! Shapes and dtypes of tensors.

use std::fmt;
use std::ops::Deref;

/// Element type of a tensor on the device.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub enum DType {
    /// 32-bit IEEE float: activations, parameters, gradients.
    F32,
    /// 32-bit unsigned integer: labels, indices, random-generator state.
    U32,
}

impl DType {
    /// Bytes an element takes.
    pub fn bytes(self) -> usize {
        4
    }

    /// The WGSL scalar type.
    pub fn wgsl(self) -> &'static str {
        match self {
            DType::F32 => "f32",
            DType::U32 => "u32",
        }
    }
}

/// Sizes of a tensor's axes, outermost first. Images are `[N, H, W, C]`.
#[derive(Clone, PartialEq, Eq, Hash)]
pub struct Shape(Vec<usize>);

impl Shape {
    /// Number of elements (1 for a scalar).
    pub fn elements(&self) -> usize {
        self.0.iter().product()
    }

    /// Distance in elements between neighbours along each axis of the dense row-major layout.
    pub fn strides(&self) -> Vec<usize> {
        let mut strides = vec![1; self.0.len()];
        for axis in (1..self.0.len()).rev() {
            strides[axis - 1] = strides[axis] * self.0[axis];
        }
        strides
    }

    /// The shape two operands broadcast to: aligned at the last axis, sizes equal or one of them 1.
    pub fn broadcast(&self, other: &Shape) -> Option<Shape> {
        let rank = self.len().max(other.len());
        let at = |s: &Shape, axis: usize| (axis + s.len()).checked_sub(rank).map_or(1, |i| s[i]);
        (0..rank)
            .map(|axis| match (at(self, axis), at(other, axis)) {
                (a, b) if a == b => Some(a),
                (1, b) => Some(b),
                (a, 1) => Some(a),
                _ => None,
            })
            .collect::<Option<Vec<_>>>()
            .map(Shape)
    }

    /// Strides with which this shape is read when broadcast to `to`: 0 along every repeated axis.
    pub fn broadcast_strides(&self, to: &Shape) -> Vec<usize> {
        let own = self.strides();
        let lead = to.len() - self.len();
        (0..to.len())
            .map(|axis| match axis.checked_sub(lead) {
                Some(i) if self[i] == to[axis] => own[i],
                _ => 0,
            })
            .collect()
    }
}

impl Deref for Shape {
    type Target = [usize];
    fn deref(&self) -> &[usize] {
        &self.0
    }
}

impl<const N: usize> From<[usize; N]> for Shape {
    fn from(sizes: [usize; N]) -> Shape {
        Shape(sizes.to_vec())
    }
}

impl From<&[usize]> for Shape {
    fn from(sizes: &[usize]) -> Shape {
        Shape(sizes.to_vec())
    }
}

impl From<Vec<usize>> for Shape {
    fn from(sizes: Vec<usize>) -> Shape {
        Shape(sizes)
    }
}

impl From<&Shape> for Shape {
    fn from(shape: &Shape) -> Shape {
        shape.clone()
    }
}

impl fmt::Debug for Shape {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:?}", self.0)
    }
}

impl fmt::Display for Shape {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:?}", self.0)
    }
}

/// Shape and dtype of a tensor.
#[derive(Clone, PartialEq, Eq, Hash, Debug)]
pub struct Spec {
    pub shape: Shape,
    pub dtype: DType,
}

impl Spec {
    /// A float tensor.
    pub fn f32(shape: impl Into<Shape>) -> Spec {
        Spec { shape: shape.into(), dtype: DType::F32 }
    }

    /// An integer tensor.
    pub fn u32(shape: impl Into<Shape>) -> Spec {
        Spec { shape: shape.into(), dtype: DType::U32 }
    }

    /// Number of elements.
    pub fn elements(&self) -> usize {
        self.shape.elements()
    }

    /// Bytes the dense tensor takes.
    pub fn bytes(&self) -> usize {
        self.elements() * self.dtype.bytes()
    }
}

impl fmt::Display for Spec {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}{}", self.dtype.wgsl(), self.shape)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn broadcasting_aligns_the_last_axes() {
        let a = Shape::from([8, 1, 3]);
        assert_eq!(a.broadcast(&Shape::from([5, 1])), Some(Shape::from([8, 5, 3])));
        assert_eq!(a.broadcast(&Shape::from([2])), None);
        assert_eq!(a.broadcast(&Shape::from([])), Some(a.clone()));
        assert_eq!(Shape::from([3]).broadcast_strides(&Shape::from([8, 5, 3])), vec![0, 0, 1]);
        assert_eq!(a.broadcast_strides(&Shape::from([8, 5, 3])), vec![3, 0, 1]);
    }
}
