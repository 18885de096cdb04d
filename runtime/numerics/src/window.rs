//! Sliding windows over channels-last images.

use std::ops::Range;

use crate::error::{NumericsError, count, expect_positive};

/// One axis of a window: along the height or the width.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Axis {
    /// Elements of the image.
    pub input: usize,
    /// Taps of the window.
    pub kernel: usize,
    /// Elements from one place of the window to the next.
    pub stride: usize,
    /// Elements from one tap to the next.
    pub dilation: usize,
    /// Padding before the image.
    pub before: usize,
    /// Padding behind it.
    pub behind: usize,
}

impl Axis {
    /// An axis along which nothing slides.
    pub const POINT: Self = Self { input: 1, kernel: 1, stride: 1, dilation: 1, before: 0, behind: 0 };

    /// A window of `kernel` taps over `input` elements, without padding.
    pub fn new(input: usize, kernel: usize) -> Self {
        Self { input, kernel, ..Self::POINT }
    }

    fn check(&self) -> Result<(), NumericsError> {
        expect_positive("the kernel", self.kernel)?;
        expect_positive("the stride", self.stride)?;
        expect_positive("the dilation", self.dilation)?;
        // Sums of products of these stay far from overflow.
        const MOST: usize = 1 << 28;
        for (what, value) in [
            ("the input", self.input),
            ("the kernel", self.kernel),
            ("the stride", self.stride),
            ("the dilation", self.dilation),
            ("the padding", self.before.max(self.behind)),
        ] {
            if value > MOST {
                return Err(NumericsError::Parameter { what, value, rule: "is above 2^28" });
            }
        }
        Ok(())
    }

    /// Elements from the first tap to the last, both included.
    fn span(&self) -> usize {
        (self.kernel - 1) * self.dilation + 1
    }

    /// Places of the window, gathering: none if it is longer than the padded image.
    pub fn places(&self) -> Result<usize, NumericsError> {
        self.check()?;
        let padded = self.input + self.before + self.behind;
        Ok(padded.checked_sub(self.span()).map_or(0, |room| room / self.stride + 1))
    }

    /// Elements of the result of a transposed window; `extra` are added at its end.
    pub fn spread(&self, extra: usize) -> Result<usize, NumericsError> {
        self.check()?;
        if extra >= self.stride.max(self.dilation) {
            let rule = "is not below the stride or the dilation";
            return Err(NumericsError::Parameter { what: "the output's padding", value: extra, rule });
        }
        let whole = if self.input == 0 { 0 } else { (self.input - 1) * self.stride + self.span() + extra };
        Ok(whole.saturating_sub(self.before + self.behind))
    }

    /// The input under `tap` of the window at `place`; none in padding.
    #[inline(always)]
    pub fn gathered(&self, place: usize, tap: usize) -> Option<usize> {
        let index = (place * self.stride + tap * self.dilation).checked_sub(self.before)?;
        (index < self.input).then_some(index)
    }

    /// Those of the first `places` whose taps all lie on the image.
    pub(crate) fn inside(&self, places: usize) -> Range<usize> {
        let reach = (self.input + self.before).checked_sub(self.span());
        let end = reach.map_or(0, |room| room / self.stride + 1).min(places);
        self.before.div_ceil(self.stride).min(end)..end
    }

    /// The input that `tap` of a transposed window spreads to `place`, if any.
    #[inline(always)]
    pub fn spread_from(&self, place: usize, tap: usize) -> Option<usize> {
        let offset = (place + self.before).checked_sub(tap * self.dilation)?;
        let index = offset / self.stride;
        (offset.is_multiple_of(self.stride) && index < self.input).then_some(index)
    }
}

/// A window over images of `channels`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Window {
    /// Images.
    pub images: usize,
    /// Channels of an image.
    pub channels: usize,
    /// Down.
    pub height: Axis,
    /// Across; for one dimension [`Axis::POINT`] is the height.
    pub width: Axis,
}

impl Window {
    pub(crate) fn elements(&self) -> Result<usize, NumericsError> {
        count("the images", &[self.images, self.height.input, self.width.input, self.channels])
    }

    /// Taps.
    pub(crate) fn taps(&self) -> usize {
        self.height.kernel * self.width.kernel
    }
}
