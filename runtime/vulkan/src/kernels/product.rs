use super::{Tiling, taken};

/// Words of a product's terms before its starts.
const HEADER: usize = 16;
/// Rows and columns that a workgroup computes.
const TILE: u32 = 64;
/// Rows, or columns of many products, that leave most of a tile empty; and how many are many.
const FEW: u32 = 4;
const MANY: u32 = 16;
/// Rows of an invocation there, and what the products are counted by in the flags.
const THIN: u32 = 4;
const PRODUCTS: u32 = 8;

/// What a kernel of products is told beside the matrices: their sizes, where they lie, and what follows.
#[derive(Debug, Clone, Copy)]
pub struct Terms<'a> {
    /// Rows, depth and columns of each product.
    pub shape: [u32; 3],
    /// Of left and right: words from row to row, and from column to column.
    pub strides: [[u32; 2]; 2],
    /// Where the left and the right matrix of each product begin.
    pub starts: &'a [[u32; 2]],
    /// Multiplies everything.
    pub scale: Option<f32>,
    /// Added, a number for each column.
    pub bias: Option<&'a [f32]>,
    /// Whether what the result's buffer holds before is added, a number for each element.
    pub residual: bool,
    /// Low and high, within which the results are kept.
    pub bounds: Option<[f32; 2]>,
    /// Of a convolution, instead of the left's strides.
    pub patches: Option<Patches>,
}

/// How a convolution's window slides. Each of its groups of channels is a product, whose left start is its first channel,
/// and whose right start and results are its first result.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Patches {
    /// Height, width and channels of an image, and the taps across; strides down and across, and dilations; padding
    /// above and on the left, and places down and across.
    pub window: [[u32; 4]; 3],
    /// Channels of a group.
    pub channels: u32,
    /// Results of all groups.
    pub results: u32,
}

impl Terms<'static> {
    /// One product of matrices with contiguous rows, which nothing follows.
    #[must_use]
    pub fn one(shape @ [_, depth, columns]: [u32; 3]) -> Self {
        let strides = [[depth, 1], [columns, 1]];
        Self {
            shape,
            strides,
            starts: &[[0, 0]],
            scale: None,
            bias: None,
            residual: false,
            bounds: None,
            patches: None,
        }
    }
}

impl Terms<'_> {
    /// The third binding's words.
    #[must_use]
    pub fn words(&self) -> Vec<u32> {
        let mut words = vec![0; HEADER];
        words.extend(self.starts.as_flattened());
        let bias = u32::try_from(words.len()).expect("a buffer has fewer words");
        words.extend(self.bias.unwrap_or_default().iter().map(|number| number.to_bits()));
        words[13] = u32::try_from(words.len()).expect("a buffer has fewer words");
        if let Some(Patches { window, channels, .. }) = &self.patches {
            words.extend(window.as_flattened());
            words.push(*channels);
        }
        let bounds = self.bounds.unwrap_or_default();
        let given = [self.scale.is_some(), self.bias.is_some(), self.residual, self.bounds.is_some()];
        let flags = given.into_iter().zip(0..).fold(0, |flags, (given, bit)| flags | u32::from(given) << bit);
        let flags = flags | self.products_across().map_or(0, |products| products << PRODUCTS);
        let [[left_row, left_column], [right_row, right_column]] = self.strides;
        let [rows, depth, columns] = self.shape;
        // From product to product among the results, from row to row, and from product to product along the bias.
        let [product, row, along] = match &self.patches {
            Some(patches) => [columns, patches.results, columns],
            None => [rows.wrapping_mul(columns), columns, 0],
        };
        let sizes = [rows, depth, columns, left_row, left_column, right_row, right_column, flags];
        words[..8].copy_from_slice(&sizes);
        words[8..10].copy_from_slice(&[self.scale.unwrap_or_default().to_bits(), bias]);
        words[10] = product;
        words[11..13].copy_from_slice(&bounds.map(f32::to_bits));
        words[14..16].copy_from_slice(&[row, along]);
        words
    }

    /// Fused steps.
    #[must_use]
    pub fn work(&self) -> u64 {
        self.shape.iter().fold(self.starts.len() as u64, |work, &length| work.saturating_mul(length.into()))
    }

    /// Workgroups: tiles across, tiles down, products. None beyond what every device of Vulkan takes.
    #[must_use]
    pub fn groups(&self) -> Option<[u32; 3]> {
        let [rows, _, columns] = self.shape;
        taken([columns.div_ceil(TILE), rows.div_ceil(TILE), u32::try_from(self.starts.len()).ok()?])
    }

    /// The products, if they lie across: each has few columns, as in a convolution by channel.
    fn products_across(&self) -> Option<u32> {
        let [rows, _, columns] = self.shape;
        let products = u32::try_from(self.starts.len()).ok()?;
        (columns <= FEW && rows > FEW && (MANY..1 << (32 - PRODUCTS)).contains(&products)).then_some(products)
    }

    /// Workgroups of the kernel without tiles, for products that it serves better than these: few rows waste little where
    /// tiles are an invocation's own.
    #[must_use]
    pub fn thin_groups(&self, tiles: Tiling) -> Option<[u32; 3]> {
        let [rows, _, columns] = self.shape;
        let down = rows.div_ceil(THIN);
        let groups = match self.products_across() {
            Some(products) => [products.div_ceil(TILE), down, columns],
            None if rows <= FEW && tiles != Tiling::Direct => {
                [columns.div_ceil(TILE), down, u32::try_from(self.starts.len()).ok()?]
            }
            None => return None,
        };
        taken(groups)
    }
}
