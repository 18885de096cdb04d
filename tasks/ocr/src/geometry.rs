//! Points, rectangles that are turned, and their corners.

/// A place in an image: x to the right, y downwards.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct Point {
    pub(crate) x: f64,
    pub(crate) y: f64,
}

/// Four corners, clockwise from the top left.
pub(crate) type Corners = [Point; 4];

impl Point {
    pub(crate) fn new(x: f64, y: f64) -> Self {
        Self { x, y }
    }

    /// How far away another place is.
    pub(crate) fn distance(self, other: Self) -> f64 {
        let (x, y) = (other.x - self.x, other.y - self.y);
        (x * x + y * y).sqrt()
    }

    /// Twice the area of the triangle of three places; positive if they turn to the right, as one sees it.
    fn turn(self, second: Self, third: Self) -> f64 {
        (second.x - self.x) * (third.y - self.y) - (second.y - self.y) * (third.x - self.x)
    }
}

/// A rectangle at any angle.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct Rectangle {
    centre: Point,
    /// Of length 1, along one side.
    direction: Point,
    /// The extent along the direction, and across it.
    size: (f64, f64),
}

impl Rectangle {
    /// The smallest rectangle around points: one of its sides lies on a side of their hull. None if there is no point.
    pub(crate) fn around(points: &[Point]) -> Option<Self> {
        let hull = hull(points);
        let &first = hull.first()?;
        let next = hull.iter().cycle().skip(1);
        let sides = hull.iter().zip(next).filter(|(from, to)| from != to);
        let fitted = sides.map(|(&from, &to)| {
            let length = from.distance(to);
            Self::along(Point::new((to.x - from.x) / length, (to.y - from.y) / length), &hull)
        });
        let smallest = fitted.min_by(|one, other| one.area().total_cmp(&other.area()));
        Some(smallest.unwrap_or(Self { centre: first, direction: Point::new(1.0, 0.0), size: (0.0, 0.0) }))
    }

    /// The smallest rectangle around points with a side in this direction.
    fn along(direction: Point, points: &[Point]) -> Self {
        let extent = |axis: Point| {
            let places = points.iter().map(|point| point.x * axis.x + point.y * axis.y);
            places.fold((f64::INFINITY, f64::NEG_INFINITY), |(low, high), place| (place.min(low), place.max(high)))
        };
        let (along, across) = (extent(direction), extent(Point::new(-direction.y, direction.x)));
        let (u, v) = ((along.0 + along.1) / 2.0, (across.0 + across.1) / 2.0);
        let centre = Point::new(u * direction.x - v * direction.y, u * direction.y + v * direction.x);
        Self { centre, direction, size: (along.1 - along.0, across.1 - across.0) }
    }

    fn area(&self) -> f64 {
        self.size.0 * self.size.1
    }

    pub(crate) fn shorter_side(&self) -> f64 {
        self.size.0.min(self.size.1)
    }

    /// The rectangle with more room around: what its area, times `ratio`, makes of a border along its perimeter.
    pub(crate) fn grown(&self, ratio: f64) -> Self {
        let perimeter = 2.0 * (self.size.0 + self.size.1);
        let border = if perimeter > 0.0 { self.area() * ratio / perimeter } else { 0.0 };
        Self { size: (self.size.0 + 2.0 * border, self.size.1 + 2.0 * border), ..*self }
    }

    pub(crate) fn corners(&self) -> Corners {
        let (u, v) = (self.size.0 / 2.0, self.size.1 / 2.0);
        clockwise([(-u, -v), (u, -v), (u, v), (-u, v)].map(|(along, across)| {
            Point::new(
                self.centre.x + along * self.direction.x - across * self.direction.y,
                self.centre.y + along * self.direction.y + across * self.direction.x,
            )
        }))
    }
}

/// Sorts corners: of the two on the left the upper one is the first, of the two on the right the second.
pub(crate) fn clockwise(mut corners: Corners) -> Corners {
    corners.sort_by(|one, other| one.x.total_cmp(&other.x));
    let by_height = |one: Point, other: Point| if other.y < one.y { (other, one) } else { (one, other) };
    let (top_left, bottom_left) = by_height(corners[0], corners[1]);
    let (top_right, bottom_right) = by_height(corners[2], corners[3]);
    [top_left, top_right, bottom_right, bottom_left]
}

/// Whether a convex shape, its corners clockwise, has a place inside or on its border.
pub(crate) fn contains(corners: &Corners, place: Point) -> bool {
    (0..4).all(|side| corners[side].turn(corners[(side + 1) % 4], place) >= 0.0)
}

/// The corners of the smallest convex shape around points, clockwise as one sees it (Andrew, 1979).
fn hull(points: &[Point]) -> Vec<Point> {
    let mut sorted = points.to_vec();
    sorted.sort_by(|one, other| one.x.total_cmp(&other.x).then(one.y.total_cmp(&other.y)));
    sorted.dedup();
    if sorted.len() < 3 {
        return sorted;
    }
    let mut hull = half_hull(sorted.iter().copied());
    hull.extend(half_hull(sorted.iter().rev().copied()));
    hull
}

/// One half, without its last point.
fn half_hull(points: impl Iterator<Item = Point>) -> Vec<Point> {
    let mut half: Vec<Point> = Vec::new();
    for point in points {
        while let [.., before, last] = half[..]
            && before.turn(last, point) <= 0.0
        {
            half.pop();
        }
        half.push(point);
    }
    half.pop();
    half
}

#[cfg(test)]
mod tests {
    use super::*;

    fn points(places: &[(i32, i32)]) -> Vec<Point> {
        places.iter().map(|&(x, y)| Point::new(x.into(), y.into())).collect()
    }

    fn near(found: &Corners, expected: [(f64, f64); 4]) {
        for (corner, (x, y)) in found.iter().zip(expected) {
            assert!(corner.distance(Point::new(x, y)) < 1e-9, "{found:?} instead of {expected:?}");
        }
    }

    #[test]
    fn a_hull_has_the_outermost_points_only() {
        let given = points(&[(0, 0), (2, 0), (4, 0), (4, 3), (2, 2), (0, 3), (0, 3), (1, 1)]);
        assert_eq!(hull(&given), points(&[(0, 0), (4, 0), (4, 3), (0, 3)]));
        assert_eq!(hull(&points(&[(1, 1), (1, 1)])), points(&[(1, 1)]));
        assert_eq!(hull(&points(&[(2, 2), (0, 0), (1, 1)])), points(&[(0, 0), (2, 2)]));
    }

    #[test]
    fn the_smallest_rectangle_leans_with_its_points() {
        let upright = Rectangle::around(&points(&[(1, 2), (9, 2), (9, 5), (1, 5), (4, 4)])).unwrap();
        near(&upright.corners(), [(1.0, 2.0), (9.0, 2.0), (9.0, 5.0), (1.0, 5.0)]);
        assert_eq!(upright.shorter_side(), 3.0);
        // 8 along (4, 3) / 5, and 5 across.
        let leaning = Rectangle::around(&points(&[(3, 0), (11, 6), (8, 10), (0, 4)])).unwrap();
        near(&leaning.corners(), [(3.0, 0.0), (11.0, 6.0), (8.0, 10.0), (0.0, 4.0)]);
        assert!((leaning.shorter_side() - 5.0).abs() < 1e-9);
    }

    #[test]
    fn what_has_no_area_is_a_rectangle_too() {
        assert_eq!(Rectangle::around(&[]), None);
        let place = Rectangle::around(&points(&[(3, 4)])).unwrap();
        near(&place.grown(1.6).corners(), [(3.0, 4.0); 4]);
        let line = Rectangle::around(&points(&[(0, 0), (3, 4)])).unwrap();
        assert!(line.shorter_side() < 1e-9);
    }

    #[test]
    fn a_border_has_the_area_that_is_asked_for() {
        // 20 × 10, ratio 1.5: 300 / 60 = 5 on each side.
        let rectangle = Rectangle::around(&points(&[(10, 10), (30, 10), (30, 20), (10, 20)])).unwrap();
        near(&rectangle.grown(1.5).corners(), [(5.0, 5.0), (35.0, 5.0), (35.0, 25.0), (5.0, 25.0)]);
    }

    #[test]
    fn a_border_belongs_to_its_shape() {
        let corners = Rectangle::around(&points(&[(0, 0), (4, 0), (4, 2), (0, 2)])).unwrap().corners();
        for (x, y, inside) in
            [(0.0, 0.0, true), (4.0, 1.0, true), (2.0, 1.0, true), (4.1, 1.0, false), (2.0, -1.0, false)]
        {
            assert_eq!(contains(&corners, Point::new(x, y)), inside, "{x} {y}");
        }
    }
}
