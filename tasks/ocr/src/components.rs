//! Connected parts of a mask.

use crate::geometry::Point;

/// A picture of places that are set or not, row by row.
pub(crate) struct Mask {
    width: usize,
    set: Vec<bool>,
}

impl Mask {
    /// A mask of rows of `width` places.
    pub(crate) fn new(width: usize, set: Vec<bool>) -> Self {
        assert!(width > 0 && set.len().is_multiple_of(width), "whole rows");
        Self { width, set }
    }

    fn height(&self) -> usize {
        self.set.len() / self.width
    }

    /// Whether a place is set; none beyond the edge is.
    fn has(&self, x: Option<usize>, y: Option<usize>) -> bool {
        match (x, y) {
            (Some(x), Some(y)) if x < self.width && y < self.height() => self.set[y * self.width + x],
            _ => false,
        }
    }

    /// Sets the places to the right of those that are set, below them, and between these two.
    pub(crate) fn dilated(&self) -> Self {
        let places = (0..self.set.len()).map(|place| {
            let (x, y) = (place % self.width, place / self.width);
            let before =
                [(x.checked_sub(1), Some(y)), (Some(x), y.checked_sub(1)), (x.checked_sub(1), y.checked_sub(1))];
            self.set[place] || before.into_iter().any(|(x, y)| self.has(x, y))
        });
        Self { width: self.width, set: places.collect() }
    }

    /// The parts that hang together by sides or corners, in the order of their first places. Of each part the places at
    /// which a row of it begins or ends: their hull is the part's.
    pub(crate) fn into_components(mut self) -> Vec<Vec<Point>> {
        let whole = Self { width: self.width, set: self.set.clone() };
        let mut components = Vec::new();
        for start in 0..self.set.len() {
            if !self.set[start] {
                continue;
            }
            let (mut ends, mut waiting) = (Vec::new(), vec![start]);
            self.set[start] = false;
            while let Some(place) = waiting.pop() {
                let (x, y) = (place % self.width, place / self.width);
                if !whole.has(x.checked_sub(1), Some(y)) || !whole.has(Some(x + 1), Some(y)) {
                    ends.push(Point::new(x as f64, y as f64));
                }
                for y in y.saturating_sub(1)..=(y + 1).min(self.height() - 1) {
                    for x in x.saturating_sub(1)..=(x + 1).min(self.width - 1) {
                        if std::mem::take(&mut self.set[y * self.width + x]) {
                            waiting.push(y * self.width + x);
                        }
                    }
                }
            }
            components.push(ends);
        }
        components
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn mask(rows: &[&str]) -> Mask {
        Mask::new(rows[0].len(), rows.concat().bytes().map(|byte| byte == b'#').collect())
    }

    #[test]
    fn dilation_goes_right_and_down() {
        let found = mask(&["#...", "....", "..#."]).dilated();
        assert_eq!(found.set, mask(&["##..", "##..", "..##"]).set);
    }

    #[test]
    fn parts_that_touch_at_a_corner_are_one() {
        let found = mask(&["##..#", "..#..", "....#", "###.#"]).into_components();
        let sorted = found.into_iter().map(|mut places| {
            places.sort_by(|one, other| one.y.total_cmp(&other.y).then(one.x.total_cmp(&other.x)));
            places.into_iter().map(|place| (place.x as usize, place.y as usize)).collect::<Vec<_>>()
        });
        let expected = [vec![(0, 0), (1, 0), (2, 1)], vec![(4, 0)], vec![(4, 2), (4, 3)], vec![(0, 3), (2, 3)]];
        assert_eq!(sorted.collect::<Vec<_>>(), expected);
    }
}
