//! The IDX format of images and labels, as the MNIST set made it known.
//!
//! A big-endian u32 names the type and the number of dimensions (0x803: bytes, three; 0x801: bytes, one),
//! a big-endian u32 each dimension; then come the bytes, the last dimension fastest.

/// Pixels on a side of an image.
const SIDE: usize = 8;
/// Pixels of an image.
pub(crate) const PIXELS: usize = SIDE * SIDE;
/// The darkest pixel.
const DARKEST: u8 = 16;
/// How many digits there are.
pub(crate) const CLASSES: usize = 10;
/// Images that one file may hold: 64 MiB of pixels.
const MOST_IMAGES: usize = 1 << 20;

const IMAGES_MAGIC: u32 = 0x803;
const LABELS_MAGIC: u32 = 0x801;

/// Images of 8 × 8 pixels, each from 0 (paper) to 16 (ink).
#[derive(Debug, PartialEq)]
pub(crate) struct Images(Vec<[u8; PIXELS]>);

/// A digit for each image.
#[derive(Debug, PartialEq)]
pub(crate) struct Labels(Vec<u8>);

/// What is wrong with a file of images or labels.
#[derive(Debug, PartialEq, thiserror::Error)]
pub(crate) enum IdxError {
    #[error("the file ends inside its header")]
    NoHeader,
    #[error("the file begins with {found:#010x}, not with {expected:#010x}: it is no IDX file of this kind")]
    Magic { expected: u32, found: u32 },
    #[error("the images have {rows} × {columns} pixels, not {SIDE} × {SIDE}")]
    Size { rows: usize, columns: usize },
    #[error("the header speaks of {count} images or labels, more than {MOST_IMAGES}")]
    TooMany { count: usize },
    #[error("the header promises {expected} bytes of content, but {found} follow")]
    Length { expected: usize, found: usize },
    #[error("image {image} has a pixel of {value}, above {DARKEST}")]
    Pixel { image: usize, value: u8 },
    #[error("label {label} is {value}, which is no digit")]
    Label { label: usize, value: u8 },
}

impl Images {
    pub(crate) fn decode(file: &[u8]) -> Result<Self, IdxError> {
        let ([count, rows, columns], content) = header(file, IMAGES_MAGIC)?;
        if (rows, columns) != (SIDE, SIDE) {
            return Err(IdxError::Size { rows, columns });
        }
        let (images, rest) = content.as_chunks::<PIXELS>();
        if images.len() != count || !rest.is_empty() {
            return Err(IdxError::Length { expected: count * PIXELS, found: content.len() });
        }
        for (image, pixels) in images.iter().enumerate() {
            if let Some(&value) = pixels.iter().find(|pixel| **pixel > DARKEST) {
                return Err(IdxError::Pixel { image, value });
            }
        }
        Ok(Self(images.to_vec()))
    }

    pub(crate) fn len(&self) -> usize {
        self.0.len()
    }

    /// An image as the network sees it: ink is 1, paper 0. All steps are exact.
    pub(crate) fn ink(&self, image: usize) -> [f32; PIXELS] {
        self.0[image].map(|pixel| f32::from(pixel) / f32::from(DARKEST))
    }
}

impl Labels {
    pub(crate) fn new(labels: Vec<u8>) -> Self {
        Self(labels)
    }

    pub(crate) fn decode(file: &[u8]) -> Result<Self, IdxError> {
        let ([count], content) = header(file, LABELS_MAGIC)?;
        if content.len() != count {
            return Err(IdxError::Length { expected: count, found: content.len() });
        }
        match content.iter().position(|value| usize::from(*value) >= CLASSES) {
            Some(label) => Err(IdxError::Label { label, value: content[label] }),
            None => Ok(Self(content.to_vec())),
        }
    }

    pub(crate) fn encode(&self) -> Vec<u8> {
        let count = u32::try_from(self.0.len()).expect("at most MOST_IMAGES labels");
        let mut file = Vec::with_capacity(8 + self.0.len());
        file.extend(LABELS_MAGIC.to_be_bytes());
        file.extend(count.to_be_bytes());
        file.extend(&self.0);
        file
    }

    pub(crate) fn len(&self) -> usize {
        self.0.len()
    }

    pub(crate) fn digit(&self, image: usize) -> usize {
        usize::from(self.0[image])
    }
}

/// Takes the header off: the dimensions, the first of which is a count within its limit, and the content.
fn header<const N: usize>(file: &[u8], expected: u32) -> Result<([usize; N], &[u8]), IdxError> {
    let (found, mut rest) = word(file)?;
    if found != expected {
        return Err(IdxError::Magic { expected, found });
    }
    let mut dimensions = [0; N];
    for dimension in &mut dimensions {
        let (size, after) = word(rest)?;
        *dimension = size as usize;
        rest = after;
    }
    match dimensions[0] {
        count if count > MOST_IMAGES => Err(IdxError::TooMany { count }),
        _ => Ok((dimensions, rest)),
    }
}

fn word(bytes: &[u8]) -> Result<(u32, &[u8]), IdxError> {
    let (word, rest) = bytes.split_first_chunk().ok_or(IdxError::NoHeader)?;
    Ok((u32::from_be_bytes(*word), rest))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn images(count: u32, rows: u32, columns: u32, pixels: &[u8]) -> Vec<u8> {
        let words = [IMAGES_MAGIC, count, rows, columns];
        words.iter().flat_map(|word| word.to_be_bytes()).chain(pixels.iter().copied()).collect()
    }

    #[test]
    fn images_that_are_none_are_refused() {
        let mut dark = vec![0; 128];
        dark[127] = 17;
        for (file, expected) in [
            (vec![], IdxError::NoHeader),
            (images(1, 8, 8, &[0; 64])[..15].to_vec(), IdxError::NoHeader),
            (b"\x89PNG".to_vec(), IdxError::Magic { expected: 0x803, found: 0x8950_4e47 }),
            (images(1, 28, 28, &[0; 784]), IdxError::Size { rows: 28, columns: 28 }),
            (images(u32::MAX, 8, 8, &[]), IdxError::TooMany { count: u32::MAX as usize }),
            (images(2, 8, 8, &[0; 127]), IdxError::Length { expected: 128, found: 127 }),
            (images(1, 8, 8, &[0; 65]), IdxError::Length { expected: 64, found: 65 }),
            (images(2, 8, 8, &dark), IdxError::Pixel { image: 1, value: 17 }),
        ] {
            assert_eq!(Images::decode(&file), Err(expected));
        }
    }

    #[test]
    fn labels_come_back_and_others_are_refused() {
        let labels = Labels::new((0..10).collect());
        let file = labels.encode();
        assert_eq!(Labels::decode(&file), Ok(labels));
        assert_eq!(Labels::decode(&file[..17]), Err(IdxError::Length { expected: 10, found: 9 }));
        let no_digit = Labels::new(vec![3, 10]).encode();
        assert_eq!(Labels::decode(&no_digit), Err(IdxError::Label { label: 1, value: 10 }));
    }
}
