//! Where lines of text are: differentiable binarization (Liao et al., 2020), as PaddleOCR does it.

use poai_task::nn::{Error, Model, Tensor};

use crate::components::Mask;
use crate::geometry::{Corners, Point, Rectangle, clockwise, contains};
use crate::image::Image;

/// From this probability on, a place belongs to text.
const TEXT: f32 = 0.3;
/// Lines that are looked for.
const MAX_LINES: usize = 1000;
/// A part of the map that is thinner is no line.
const LEAST_PART: f64 = 3.0;
/// A line of no more pixels along a side is none.
const LEAST_LINE: f64 = 4.0;
/// Lines whose first corners differ by less in height are read from left to right.
const SAME_HEIGHT: f64 = 10.0;
/// The shorter side of what the model sees is at least this.
const LEAST_SIDE: usize = 736;
/// The longer side of an image is made this, if it is longer.
const MOST_SIDE: usize = 2000;
/// The model takes sides of multiples of this.
const STEP: usize = 32;
/// An image that is more times as long as wide gets margins.
const MOST_RATIO: usize = 8;
/// An image that has no more pixels along a side gets margins.
const FEWEST: usize = 30;

/// What is a line.
pub(crate) struct Rules {
    /// How likely text is within it, at least, on average.
    pub(crate) least_score: f32,
    /// How much room there is around the part that is surely text.
    pub(crate) room: f64,
}

/// An image in a size and form that lines are looked for in.
#[derive(Debug)]
pub(crate) struct Page {
    pub(crate) image: Image,
    /// Its margins, above and to the left.
    margins: (usize, usize),
    /// What a pixel of it is, in pixels of the original.
    scale: (f64, f64),
    /// The original's sides.
    size: (usize, usize),
}

impl Page {
    pub(crate) fn of(image: Image) -> Self {
        let size = (image.width, image.height);
        let longer = size.0.max(size.1);
        let image = if longer > MOST_SIDE {
            let side = |side: usize| stepped((side * MOST_SIDE / longer) as f64);
            image.resized(side(size.0), side(size.1))
        } else {
            image
        };
        let scale = (size.0 as f64 / image.width as f64, size.1 as f64 / image.height as f64);
        let margins = (margin(image.height, image.width), margin(image.width, image.height));
        let image = if margins == (0, 0) { image } else { image.with_margins(margins.0, margins.1) };
        Self { image, margins, scale, size }
    }

    /// Places of the page in the original.
    pub(crate) fn original(&self, corners: &Corners) -> Corners {
        corners.map(|corner| {
            let x = (corner.x - self.margins.1 as f64) * self.scale.0;
            let y = (corner.y - self.margins.0 as f64) * self.scale.1;
            Point::new(x.clamp(0.0, self.size.0 as f64), y.clamp(0.0, self.size.1 as f64))
        })
    }
}

/// What is added at either end of a side, beside another.
fn margin(side: usize, other: usize) -> usize {
    if side > FEWEST && other <= side * MOST_RATIO {
        return 0;
    }
    (2 * (other / MOST_RATIO).max(FEWEST)).abs_diff(side) / 2
}

/// The nearest multiple of the step, of two the even one; at least one step.
fn stepped(side: f64) -> usize {
    ((side / STEP as f64).round_ties_even() as usize).max(1) * STEP
}

/// The lines of text on a page, from top to bottom and left to right.
///
/// # Errors
/// If the model cannot compute.
pub(crate) fn lines(page: &Image, rules: &Rules) -> Result<Vec<Corners>, Error> {
    let shorter = page.width.min(page.height);
    let ratio = LEAST_SIDE.max(shorter) as f64 / shorter as f64;
    let side = |side: usize| stepped((side as f64 * ratio).floor());
    let seen = page.resized(side(page.width), side(page.height));
    let tensor = Tensor::new(&[1, 3, seen.height, seen.width], &seen.planes(seen.width));
    let mut results = Model::named("detection")?.compute([("x", tensor)])?;
    let map = Map { width: seen.width, height: seen.height, values: results.take("sigmoid_0.tmp_0")?.values()? };
    Ok(in_reading_order(map.lines((page.width, page.height), rules)))
}

/// How likely each place belongs to text, row by row.
struct Map {
    width: usize,
    height: usize,
    values: Vec<f32>,
}

impl Map {
    /// The lines, in an image of this size.
    fn lines(&self, size: (usize, usize), rules: &Rules) -> Vec<Corners> {
        let text = self.values.iter().map(|value| *value > TEXT).collect();
        let parts = Mask::new(self.width, text).dilated().into_components();
        let lines = parts.iter().take(MAX_LINES).filter_map(|part| {
            let rectangle = Rectangle::around(part).filter(|found| found.shorter_side() >= LEAST_PART)?;
            if self.score(&rectangle.corners()) < rules.least_score {
                return None;
            }
            let line = rectangle.grown(rules.room);
            (line.shorter_side() >= LEAST_PART + 2.0).then(|| self.placed(&line.corners(), size))
        });
        lines
            .filter(|line| line[0].distance(line[1]) >= LEAST_LINE && line[0].distance(line[3]) >= LEAST_LINE)
            .collect()
    }

    /// The mean within corners.
    fn score(&self, corners: &Corners) -> f32 {
        let corners = corners.map(|corner| Point::new(corner.x.trunc(), corner.y.trunc()));
        let span = |places: [f64; 4], size: usize| {
            let low = places.into_iter().fold(f64::INFINITY, f64::min).max(0.0) as usize;
            let high = places.into_iter().fold(0.0, f64::max) as usize;
            low..=high.min(size - 1)
        };
        let (mut sum, mut count) = (0.0, 0_u32);
        for y in span(corners.map(|corner| corner.y), self.height) {
            for x in span(corners.map(|corner| corner.x), self.width) {
                if contains(&corners, Point::new(x as f64, y as f64)) {
                    sum += f64::from(self.values[y * self.width + x]);
                    count += 1;
                }
            }
        }
        if count == 0 { 0.0 } else { (sum / f64::from(count)) as f32 }
    }

    /// Corners on the map as pixels of an image.
    fn placed(&self, corners: &Corners, (width, height): (usize, usize)) -> Corners {
        let place = |place: f64, of: usize, size: usize| {
            (place / of as f64 * size as f64).round_ties_even().clamp(0.0, (size - 1) as f64)
        };
        clockwise(
            corners.map(|corner| Point::new(place(corner.x, self.width, width), place(corner.y, self.height, height))),
        )
    }
}

fn in_reading_order(mut lines: Vec<Corners>) -> Vec<Corners> {
    lines.sort_by(|one, other| one[0].y.total_cmp(&other[0].y).then(one[0].x.total_cmp(&other[0].x)));
    for end in 1..lines.len() {
        for place in (0..end).rev() {
            let (one, other) = (lines[place][0], lines[place + 1][0]);
            if other.y - one.y >= SAME_HEIGHT || other.x >= one.x {
                break;
            }
            lines.swap(place, place + 1);
        }
    }
    lines
}

#[cfg(test)]
mod tests {
    use super::*;

    fn boxed(x: f64, y: f64) -> Corners {
        [(x, y), (x + 50.0, y), (x + 50.0, y + 10.0), (x, y + 10.0)].map(|(x, y)| Point::new(x, y))
    }

    #[test]
    fn lines_are_read_as_people_do() {
        let given = [boxed(300.0, 40.0), boxed(20.0, 45.0), boxed(20.0, 10.0), boxed(150.0, 48.0), boxed(10.0, 60.0)];
        let found = in_reading_order(given.to_vec());
        assert_eq!(found, [given[2], given[1], given[3], given[0], given[4]]);
    }

    #[test]
    fn a_line_is_where_the_map_says_so() {
        // 20 × 8 places of text in a map of 64 × 32: with the dilation 21 × 9, between middles 20 × 8. Its border is
        // 160 · 1.4 / 56 = 4, and the image is twice as large as the map.
        let inside = |x: usize, y: usize| (10..30).contains(&x) && (8..16).contains(&y);
        let map = |text: f32| Map {
            width: 64,
            height: 32,
            values: (0..64 * 32).map(|place| if inside(place % 64, place / 64) { text } else { 0.0 }).collect(),
        };
        let rules = Rules { least_score: 0.5, room: 1.4 };
        let expected = [(12.0, 8.0), (68.0, 8.0), (68.0, 40.0), (12.0, 40.0)].map(|(x, y)| Point::new(x, y));
        assert_eq!(map(0.9).lines((128, 64), &rules), [expected]);
        assert!(map(0.4).lines((128, 64), &rules).is_empty());
    }

    #[test]
    fn a_score_is_the_mean_within_a_shape() {
        let map = Map { width: 4, height: 2, values: vec![0.0, 0.5, 1.0, 9.0, 0.0, 0.5, 1.0, 9.0] };
        let corners = [(0.0, 0.0), (2.0, 0.0), (2.9, 1.0), (0.0, 1.9)].map(|(x, y)| Point::new(x, y));
        assert_eq!(map.score(&corners), 0.5);
    }

    #[test]
    fn a_page_has_sides_that_a_model_can_see() {
        let page = |width, height| Page::of(Image::from_fn(width, height, |_, _| [255; 3]));
        let size = |page: &Page| (page.image.width, page.image.height);
        assert_eq!(size(&page(640, 360)), (640, 360));
        // 3000 × 1000 becomes 2000 × 666: to multiples of 32, 1984 (62.5 is even at 62) × 672.
        let large = page(3000, 1000);
        assert_eq!(size(&large), (1984, 672));
        let corners = large.original(&[Point::new(1984.0, 336.0); 4]);
        assert_eq!(corners, [Point::new(3000.0, 500.0); 4]);
        // One line of 800 × 40: (2 · 100 − 40) / 2 above it and below.
        let line = page(800, 40);
        assert_eq!(size(&line), (800, 200));
        assert_eq!(line.original(&[Point::new(10.0, 85.0); 4]), [Point::new(10.0, 5.0); 4]);
        assert_eq!(size(&page(1, 1)), (59, 59));
        assert_eq!(size(&page(20, 900)), (224, 900));
    }
}
