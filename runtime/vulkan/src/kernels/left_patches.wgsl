// The left operand is images, channels last: a row is a place of a window that slides over them, a column a tap and its
// channel. A tap in padding gives 0, which changes no sum, as all weights are finite.
fn left_at(p: Product, row: u32, i: u32) -> f32 {
    if row >= p.rows || i >= p.depth {
        return 0.0;
    }
    let at = terms[13]; // see Terms in product.rs
    let size = vec2(terms[at], terms[at + 1u]);
    let channels = terms[at + 2u];
    let own = terms[at + 12u]; // channels of the product's group, the first of which is its start
    let places = vec2(terms[at + 10u], terms[at + 11u]);
    let tap = vec2(i / own / terms[at + 3u], i / own % terms[at + 3u]);
    let place = vec2(row / places.y % places.x, row % places.y);
    let stride = vec2(terms[at + 4u], terms[at + 5u]);
    let dilation = vec2(terms[at + 6u], terms[at + 7u]);
    // What lies before the image wraps around, to far behind it.
    let pixel = place * stride + tap * dilation - vec2(terms[at + 8u], terms[at + 9u]);
    if pixel.x >= size.x || pixel.y >= size.y {
        return 0.0;
    }
    let image = row / (places.x * places.y);
    return operand(left[((image * size.x + pixel.x) * size.y + pixel.y) * channels + p.left_start + i % own]);
}
