//! Images: read from PNG, made larger and smaller, cut out.

use std::io::Cursor;

use png::{ColorType, Decoder, Limits, Transformations};

use crate::geometry::{Corners, Point};

/// Pixels of an image that is read.
const MAX_PIXELS: usize = 1 << 25;
/// Bytes that the decoder may need beside the pixels.
const MAX_DECODER_BYTES: usize = 64 << 20;

/// What an image of a file may not be.
#[derive(Debug, thiserror::Error)]
pub(crate) enum ImageError {
    #[error("it is no PNG that can be read")]
    Png(#[from] png::DecodingError),
    #[error("{width} × {height} pixels are more than the {MAX_PIXELS} that are read")]
    TooLarge { width: u32, height: u32 },
}

/// Pixels of red, green and blue, row by row; at least one.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Image {
    pub(crate) width: usize,
    pub(crate) height: usize,
    pixels: Vec<[u8; 3]>,
}

impl Image {
    /// An image of the colours at its places.
    pub(crate) fn from_fn(width: usize, height: usize, colour: impl Fn(usize, usize) -> [u8; 3]) -> Self {
        let pixels = (0..height).flat_map(|y| (0..width).map(move |x| (x, y))).map(|(x, y)| colour(x, y)).collect();
        Self { width, height, pixels }
    }

    /// A PNG of any kind. What is transparent in it lies on white.
    ///
    /// # Errors
    /// If it is none, damaged, or too large.
    pub(crate) fn from_png(bytes: &[u8]) -> Result<Self, ImageError> {
        let mut decoder = Decoder::new_with_limits(Cursor::new(bytes), Limits { bytes: MAX_DECODER_BYTES });
        decoder.set_transformations(Transformations::normalize_to_color8());
        let mut reader = decoder.read_info()?;
        let (width, height) = reader.info().size();
        let count = (width as usize).checked_mul(height as usize).filter(|count| *count <= MAX_PIXELS);
        let count = count.ok_or(ImageError::TooLarge { width, height })?;
        let size = reader.output_buffer_size().ok_or(ImageError::TooLarge { width, height })?;
        let mut samples = vec![0; size];
        let frame = reader.next_frame(&mut samples)?;
        let samples = &samples[..frame.buffer_size()];
        let mut pixels = Vec::with_capacity(count);
        match frame.color_type {
            ColorType::Grayscale | ColorType::Indexed => pixels.extend(samples.iter().map(|&grey| [grey; 3])),
            ColorType::GrayscaleAlpha => {
                pixels.extend(samples.as_chunks().0.iter().map(|&[grey, alpha]| [on_white(grey, alpha); 3]));
            }
            ColorType::Rgb => pixels.extend_from_slice(samples.as_chunks().0),
            ColorType::Rgba => {
                let colours = samples.as_chunks().0.iter();
                pixels.extend(colours.map(|&[r, g, b, alpha]| [r, g, b].map(|sample| on_white(sample, alpha))));
            }
        }
        Ok(Self { width: width as usize, height: height as usize, pixels })
    }

    /// The pixel at a place, or the nearest one if it is outside.
    fn nearest(&self, x: i64, y: i64) -> [u8; 3] {
        let inside = |place: i64, size: usize| usize::try_from(place).unwrap_or(0).min(size - 1);
        self.pixels[inside(y, self.height) * self.width + inside(x, self.width)]
    }

    /// The image at another size, bilinear between the middles of its pixels.
    pub(crate) fn resized(&self, width: usize, height: usize) -> Self {
        let columns = Between::all(self.width, width);
        let rows = Between::all(self.height, height);
        Self::from_fn(width, height, |x, y| {
            let (column, row) = (&columns[x], &rows[y]);
            let corner = |x: usize, y: usize| self.pixels[y * self.width + x];
            let above = (corner(column.before, row.before), corner(column.after, row.before));
            let below = (corner(column.before, row.after), corner(column.after, row.after));
            std::array::from_fn(|channel| {
                let above = column.mixed(above.0[channel].into(), above.1[channel].into());
                let below = column.mixed(below.0[channel].into(), below.1[channel].into());
                row.mixed(above, below).round_ties_even() as u8
            })
        })
    }

    /// The image with black margins, above and below, and left and right.
    pub(crate) fn with_margins(&self, across: usize, along: usize) -> Self {
        Self::from_fn(self.width + 2 * along, self.height + 2 * across, |x, y| {
            match (x.checked_sub(along), y.checked_sub(across)) {
                (Some(x), Some(y)) if x < self.width && y < self.height => self.pixels[y * self.width + x],
                _ => [0; 3],
            }
        })
    }

    /// What lies between four corners, upright, at its own size, bicubic. A column of text is turned to the left.
    pub(crate) fn cut_out(&self, corners: &Corners) -> Self {
        let [a, b, c, d] = *corners;
        let width = (a.distance(b).max(c.distance(d)) as usize).max(1);
        let height = (a.distance(d).max(b.distance(c)) as usize).max(1);
        let view = View::of(corners);
        let upright = Self::from_fn(width, height, |x, y| {
            self.bicubic(view.place(x as f64 / width as f64, y as f64 / height as f64))
        });
        if 2 * height < 3 * width {
            return upright;
        }
        Self::from_fn(height, width, |x, y| upright.pixels[x * width + width - 1 - y])
    }

    fn bicubic(&self, place: Point) -> [u8; 3] {
        let inside = |place: f64, size: usize| place.clamp(-2.0, size as f64 + 1.0);
        let (x, y) = (inside(place.x, self.width), inside(place.y, self.height));
        let (left, top) = (x.floor(), y.floor());
        let (columns, rows) = (cubic(x - left), cubic(y - top));
        let mut sums = [0.0; 3];
        for (row, down) in rows.iter().zip(-1..) {
            for (column, right) in columns.iter().zip(-1..) {
                let colour = self.nearest(left as i64 + right, top as i64 + down);
                sums.iter_mut().zip(colour).for_each(|(sum, sample)| *sum += row * column * f64::from(sample));
            }
        }
        sums.map(|sum| sum.round_ties_even().clamp(0.0, 255.0) as u8)
    }

    /// Numbers from −1 to 1 for a model: all blue ones, all green ones, all red ones, each row by row and as wide as
    /// `width`, with zeros to the right of the image.
    pub(crate) fn planes(&self, width: usize) -> Vec<f32> {
        let mut planes = vec![0.0; 3 * self.height * width];
        let rows =
            planes.chunks_exact_mut(width).zip((0..3 * self.height).map(|row| (row / self.height, row % self.height)));
        for (row, (plane, y)) in rows {
            let pixels = &self.pixels[y * self.width..][..self.width];
            row.iter_mut().zip(pixels).for_each(|(number, pixel)| {
                *number = (f32::from(pixel[2 - plane]) / 255.0 - 0.5) / 0.5;
            });
        }
        planes
    }
}

fn on_white(sample: u8, alpha: u8) -> u8 {
    let (sample, alpha) = (u32::from(sample), u32::from(alpha));
    // At most 255: a mean of the sample and white.
    ((sample * alpha + 255 * (255 - alpha) + 127) / 255) as u8
}

/// Where a pixel of a resized image lies along one side of the original.
struct Between {
    before: usize,
    after: usize,
    /// How much of the second.
    part: f32,
}

impl Between {
    fn all(from: usize, to: usize) -> Vec<Self> {
        let scale = from as f64 / to as f64;
        let places = (0..to).map(|place| {
            let middle = ((place as f64 + 0.5) * scale - 0.5).clamp(0.0, (from - 1) as f64);
            let before = middle.floor();
            let after = (before as usize + 1).min(from - 1);
            Self { before: before as usize, after, part: (middle - before) as f32 }
        });
        places.collect()
    }

    fn mixed(&self, before: f32, after: f32) -> f32 {
        before + (after - before) * self.part
    }
}

/// The weights of four neighbours, of which the second lies `part` behind: Keys's kernel with a = −0.75.
fn cubic(part: f64) -> [f64; 4] {
    const A: f64 = -0.75;
    let near = |x: f64| ((A + 2.0) * x - (A + 3.0)) * x * x + 1.0;
    let far = |x: f64| ((A * x - 5.0 * A) * x + 8.0 * A) * x - 4.0 * A;
    [far(1.0 + part), near(part), near(1.0 - part), far(2.0 - part)]
}

/// A square seen at an angle: where places in it lie (Heckbert, "Fundamentals of Texture Mapping and Image Warping",
/// 1989, section 2.2.3).
struct View {
    start: Point,
    along: Point,
    down: Point,
    depth: Point,
}

impl View {
    fn of(&[a, b, c, d]: &Corners) -> Self {
        let (first, second) = (Point::new(b.x - c.x, b.y - c.y), Point::new(d.x - c.x, d.y - c.y));
        let sum = Point::new(a.x - b.x + c.x - d.x, a.y - b.y + c.y - d.y);
        let area = first.x * second.y - second.x * first.y;
        let depth = if area == 0.0 {
            Point::new(0.0, 0.0)
        } else {
            Point::new((sum.x * second.y - second.x * sum.y) / area, (first.x * sum.y - sum.x * first.y) / area)
        };
        let along = Point::new(b.x - a.x + depth.x * b.x, b.y - a.y + depth.x * b.y);
        let down = Point::new(d.x - a.x + depth.y * d.x, d.y - a.y + depth.y * d.y);
        Self { start: a, along, down, depth }
    }

    /// Of a place from (0, 0) to (1, 1).
    fn place(&self, u: f64, v: f64) -> Point {
        let depth = self.depth.x * u + self.depth.y * v + 1.0;
        let x = self.along.x * u + self.down.x * v + self.start.x;
        let y = self.along.y * u + self.down.y * v + self.start.y;
        Point::new(x / depth, y / depth)
    }
}

#[cfg(test)]
mod tests {
    use png::{BitDepth, Encoder};

    use super::*;

    /// An image of grey rows.
    fn grey(rows: &[&[u8]]) -> Image {
        Image::from_fn(rows[0].len(), rows.len(), |x, y| [rows[y][x]; 3])
    }

    fn file(color: ColorType, depth: BitDepth, palette: &[u8], size: (u32, u32), samples: &[u8]) -> Vec<u8> {
        let mut bytes = Vec::new();
        let mut encoder = Encoder::new(&mut bytes, size.0, size.1);
        encoder.set_color(color);
        encoder.set_depth(depth);
        if !palette.is_empty() {
            encoder.set_palette(palette);
            encoder.set_trns(&[0][..]);
        }
        encoder.write_header().unwrap().write_image_data(samples).unwrap();
        bytes
    }

    #[test]
    fn every_kind_of_png_is_red_green_and_blue() {
        let palette = [9, 9, 9, 1, 2, 3];
        for (color, depth, palette, samples, expected) in [
            (ColorType::Grayscale, BitDepth::One, &[][..], &[0b0100_0000][..], [[0; 3], [255; 3]]),
            (ColorType::Grayscale, BitDepth::Sixteen, &[], &[7, 200, 8, 100], [[7; 3], [8; 3]]),
            // A third of black on white, and white.
            (ColorType::GrayscaleAlpha, BitDepth::Eight, &[], &[0, 85, 255, 9], [[170; 3], [255; 3]]),
            (ColorType::Rgb, BitDepth::Eight, &[], &[1, 2, 3, 4, 5, 6], [[1, 2, 3], [4, 5, 6]]),
            (ColorType::Rgba, BitDepth::Eight, &[], &[1, 2, 3, 255, 4, 5, 6, 0], [[1, 2, 3], [255; 3]]),
            // The first colour is transparent.
            (ColorType::Indexed, BitDepth::Two, &palette, &[0b0100_0000], [[1, 2, 3], [255; 3]]),
        ] {
            let image = Image::from_png(&file(color, depth, palette, (2, 1), samples)).unwrap();
            assert_eq!((image.width, image.height, &image.pixels[..]), (2, 1, &expected[..]), "{color:?} {depth:?}");
        }
    }

    #[test]
    fn what_is_no_image_is_refused() {
        let whole = file(ColorType::Grayscale, BitDepth::Eight, &[], (2, 1), &[1, 2]);
        assert!(matches!(Image::from_png(&whole[..40]), Err(ImageError::Png(_))));
        assert!(matches!(Image::from_png(b"text"), Err(ImageError::Png(_))));
        // A header alone: nothing is allocated for what it promises.
        let mut huge = Vec::new();
        Encoder::new(&mut huge, 1 << 16, 1 << 16).write_header().unwrap();
        let error = Image::from_png(&huge).unwrap_err();
        assert!(matches!(error, ImageError::TooLarge { .. } | ImageError::Png(_)), "{error}");
    }

    #[test]
    fn resizing_keeps_the_middles_of_pixels_in_place() {
        assert_eq!(grey(&[&[0, 100]]).resized(4, 1), grey(&[&[0, 25, 75, 100]]));
        assert_eq!(grey(&[&[0, 100], &[50, 250]]).resized(1, 1), grey(&[&[100]]));
        assert_eq!(grey(&[&[10, 20, 40]]).resized(3, 2), grey(&[&[10, 20, 40], &[10, 20, 40]]));
    }

    #[test]
    fn margins_are_black() {
        assert_eq!(grey(&[&[7]]).with_margins(1, 0), grey(&[&[0], &[7], &[0]]));
    }

    #[test]
    fn the_weights_of_neighbours_are_those_of_the_kernel() {
        assert_eq!(cubic(0.0), [0.0, 1.0, 0.0, 0.0]);
        assert_eq!(cubic(0.5), [-0.09375, 0.59375, 0.59375, -0.09375]);
    }

    #[test]
    fn what_is_cut_out_is_upright() {
        let corners = |places: [(u8, u8); 4]| places.map(|(x, y)| Point::new(x.into(), y.into()));
        let image = Image::from_fn(9, 9, |x, y| [10 * x as u8 + y as u8; 3]);
        let part = image.cut_out(&corners([(2, 3), (5, 3), (5, 5), (2, 5)]));
        assert_eq!(part, grey(&[&[23, 33, 43], &[24, 34, 44]]));
        // From its side: the first corner is at the bottom.
        let part = image.cut_out(&corners([(2, 5), (2, 3), (4, 3), (4, 5)]));
        assert_eq!(part, grey(&[&[25, 24], &[35, 34]]));
        // A column is turned to the left: what was on the right is above.
        let part = image.cut_out(&corners([(2, 3), (4, 3), (4, 6), (2, 6)]));
        assert_eq!(part, grey(&[&[33, 34, 35], &[23, 24, 25]]));
        // A place, and what is beyond the edge.
        assert_eq!(image.cut_out(&corners([(8, 8); 4])), grey(&[&[88]]));
    }

    #[test]
    fn a_square_seen_at_an_angle_has_its_corners_where_they_are_seen() {
        let corners = [(0.0, 0.0), (8.0, 1.0), (6.0, 5.0), (1.0, 7.0)].map(|(x, y)| Point::new(x, y));
        let view = View::of(&corners);
        for (corner, (u, v)) in corners.iter().zip([(0.0, 0.0), (1.0, 0.0), (1.0, 1.0), (0.0, 1.0)]) {
            assert!(corner.distance(view.place(u, v)) < 1e-9, "{corner:?}");
        }
        // Straight lines stay straight: the middle lies where the diagonals cross, at (330, 275) / 71.
        let middle = view.place(0.5, 0.5);
        assert!(middle.distance(Point::new(330.0 / 71.0, 275.0 / 71.0)) < 1e-9, "{middle:?}");
    }

    #[test]
    fn a_model_sees_blue_first() {
        let image = Image::from_fn(1, 2, |_, y| [[255, 0, 51], [0, 255, 204]][y]);
        let expected = [-0.6, 9.0, 0.6, 9.0, -1.0, 9.0, 1.0, 9.0, 1.0, 9.0, -1.0, 9.0];
        for (found, expected) in image.planes(2).into_iter().zip(expected) {
            let expected = if expected == 9.0 { 0.0 } else { expected };
            assert!((found - expected).abs() < 1e-6_f32, "{found} instead of {expected}");
        }
    }
}
