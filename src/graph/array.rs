//! A dense f64 array on the CPU: what the reference implementations of the ops compute with.

use super::Shape;

/// Dense row-major values. Integer tensors hold their integers as f64, which is exact up to 2^53.
#[derive(Clone, Debug, PartialEq)]
pub struct Array {
    pub shape: Shape,
    pub data: Vec<f64>,
}

impl Array {
    /// Values in row-major order.
    ///
    /// # Panics
    /// If the number of values is not the shape's.
    pub fn new(shape: impl Into<Shape>, data: Vec<f64>) -> Array {
        let shape = shape.into();
        assert_eq!(shape.elements(), data.len(), "array of shape {shape}");
        Array { shape, data }
    }

    /// All elements `value`.
    pub fn full(shape: impl Into<Shape>, value: f64) -> Array {
        let shape = shape.into();
        let data = vec![value; shape.elements()];
        Array { shape, data }
    }

    /// Element `i` of each index tuple in row-major order.
    pub fn from_fn(shape: impl Into<Shape>, mut f: impl FnMut(&[usize]) -> f64) -> Array {
        let shape = shape.into();
        let data = indices(&shape).map(|index| f(&index)).collect();
        Array { shape, data }
    }

    /// Position of an index tuple in `data`.
    pub fn offset(&self, index: &[usize]) -> usize {
        debug_assert_eq!(index.len(), self.shape.len());
        index.iter().zip(self.shape.iter()).fold(0, |at, (&i, &size)| at * size + i)
    }

    /// The element at an index tuple.
    pub fn at(&self, index: &[usize]) -> f64 {
        self.data[self.offset(index)]
    }

    /// The element at an index tuple, for writing.
    pub fn at_mut(&mut self, index: &[usize]) -> &mut f64 {
        let at = self.offset(index);
        &mut self.data[at]
    }

    /// Same values, another shape.
    pub fn reshaped(&self, shape: impl Into<Shape>) -> Array {
        Array::new(shape, self.data.clone())
    }

    /// The element that lands at `index` of the shape `self` is broadcast to.
    pub fn broadcast_at(&self, index: &[usize]) -> f64 {
        let lead = index.len() - self.shape.len();
        let at = self
            .shape
            .iter()
            .zip(&index[lead..])
            .fold(0, |at, (&size, &i)| at * size + if size == 1 { 0 } else { i });
        self.data[at]
    }
}

/// All index tuples of a shape in row-major order.
pub fn indices(shape: &Shape) -> impl Iterator<Item = Vec<usize>> + use<> {
    let shape = shape.clone();
    (0..shape.elements()).map(move |mut at| {
        let mut index = vec![0; shape.len()];
        for axis in (0..shape.len()).rev() {
            index[axis] = at % shape[axis];
            at /= shape[axis];
        }
        index
    })
}
