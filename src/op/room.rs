//! Room that a twin works in, kept by each thread from call to call.

use std::cell::RefCell;

use crate::scalar::Scalar;

thread_local! {
    /// Rooms that nobody is in.
    static ROOMS: RefCell<Vec<Vec<f64>>> = const { RefCell::new(Vec::new()) };
}

/// Lends `work` so many numbers, which hold anything. A room belongs to who is in it: what runs inside gets another.
pub fn with<T: Scalar, R>(len: usize, work: impl FnOnce(&mut [T]) -> R) -> R {
    let mut room = ROOMS.with_borrow_mut(Vec::pop).unwrap_or_default();
    let words = (len * size_of::<T>()).div_ceil(size_of::<f64>());
    if room.len() < words {
        room.resize(words, 0.0);
    }
    let result = work(&mut bytemuck::cast_slice_mut(&mut room)[..len]);
    ROOMS.with_borrow_mut(|rooms| rooms.push(room));
    result
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rooms_are_apart_and_come_back() {
        with(3, |outer: &mut [f32]| {
            outer.fill(1.0);
            with(5, |inner: &mut [f64]| inner.fill(2.0));
            assert_eq!(outer, [1.0; 3]);
        });
        let rooms = ROOMS.with_borrow(Vec::len);
        with(7, |again: &mut [f32]| assert_eq!(again.len(), 7));
        assert_eq!(ROOMS.with_borrow(Vec::len), rooms);
        with(0, |none: &mut [f64]| assert!(none.is_empty()));
    }
}
