//! Reads the text in an image.
//!
//! One model of PP-OCRv4 (Du et al., "PP-OCR: A Practical Ultra Lightweight OCR System", 2020–2023) says where lines of
//! text are, another what they say. What lies between the two, and around them, follows the Python package RapidOCR.

mod components; //  connected parts of a mask
mod detection; //   where lines are
mod geometry; //    points and rectangles
mod image; //       PNG, sizes, cutting out
mod recognition; // what a line says

use detection::{Page, Rules};
use geometry::Corners;
use image::Image;
use poai_task::{Input, Output};
use recognition::Reader;
use serde::{Deserialize, Serialize};

/// Bytes of an image's file.
const MAX_FILE_BYTES: u64 = 256 << 20;

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Params {
    text_score: f32,
    box_score: f32,
    room: f64,
}

/// Why the task fails.
#[derive(Debug, thiserror::Error)]
enum OcrError {
    #[error(transparent)]
    Host(#[from] poai_task::Error),
    #[error(transparent)]
    Model(#[from] poai_task::nn::Error),
    #[error("input `image` has more than {MAX_FILE_BYTES} bytes")]
    LargeFile,
    #[error("input `image`")]
    Image(#[from] image::ImageError),
    #[error("the answer cannot be written as JSON")]
    Json(#[from] serde_json::Error),
}

/// One line, as the output `lines` tells it.
#[derive(Serialize)]
struct Line {
    text: String,
    score: f32,
    /// Clockwise from the top left.
    corners: [[f64; 2]; 4],
}

/// `image` → `text` and `lines`.
#[poai_task::main]
fn ocr(params: Params) -> Result<(), OcrError> {
    if Input::open("image")?.size() > MAX_FILE_BYTES {
        return Err(OcrError::LargeFile);
    }
    let page = Page::of(Image::from_png(&Input::read_all("image")?)?);
    let rules = Rules { least_score: params.box_score, room: params.room };
    let found = detection::lines(&page.image, &rules)?;
    let lines = read(&page, &found, params.text_score)?;
    poai_task::info!("{} places with text, {} read", found.len(), lines.len());

    let text: String = lines.iter().map(|line| format!("{}\n", line.text)).collect();
    Output::write_whole("text", text.as_bytes())?;
    let mut json = serde_json::to_vec_pretty(&lines)?;
    json.push(b'\n');
    Output::write_whole("lines", &json)?;
    Ok(())
}

/// Reads each line, and keeps those that the model is sure enough of.
fn read(page: &Page, found: &[Corners], least_score: f32) -> Result<Vec<Line>, poai_task::nn::Error> {
    let reader = Reader::new()?;
    let mut lines = Vec::new();
    for (number, corners) in found.iter().enumerate() {
        let reading = reader.read(&page.image.cut_out(corners))?;
        if !reading.text.is_empty() && reading.score >= least_score {
            let corners = page.original(corners).map(|corner| [corner.x, corner.y]);
            lines.push(Line { text: reading.text, score: reading.score, corners });
        }
        poai_task::progress(number as u64 + 1, found.len() as u64, "lines");
    }
    Ok(lines)
}
